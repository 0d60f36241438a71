//! Drives one execution environment: feeds the rule book (`life.rs`) what happens, and performs
//! what it says.
//!
//! # Invariants
//! - One owner: whoever holds the [`Environment`] is the only one that gives it work.
//! - What the function wrote is logged before the END of the invocation it was written in.
//! - `/tmp` lives as long as the environment, through resets.
//!
//! # Not here
//! Rules (`life.rs`), Linux (`sandbox`), wire format (`runtime_api`).

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::life::{Effect, End, Ending, Input, Life};
use super::variables::{Platform, variables};
use crate::model::{Event, Function, Invocation, Network, Outcome, Report};
use crate::runtime_api::{OutputCollector, Peer, RuntimeApi, Signal};
use crate::sandbox::{
    Confinement, Forwarding, MemoryMeter, Nat, OpenTrees, Output, Program, Sandbox, SandboxError,
    Shell, TmpImage, TmpPlan, Tree, Word, Workshop, launch_steps,
};

/// Signals of the Runtime API are few: one conversation at a time.
const SIGNALS_WAITING: usize = 16;
/// Number of the framed log descriptor inside.
const LOG_DESCRIPTOR: u32 = 3;
/// Unpacked `/tmp` options of the image.
const MIB: u64 = 1024 * 1024;

/// How `/tmp` is held for the life of an environment.
#[derive(Debug)]
pub(crate) enum Tmp {
    /// An image on a loop device, kept through resets.
    Image(TmpImage),
    /// Memory: charged to the function and lost at a reset.
    Memory,
}

/// Whether the CPU is in proportion to memory, as on AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CpuShare {
    /// 1,769 MB is one vCPU.
    Proportional,
    /// No quota; said in REPORT.
    Unlimited,
}

/// Everything an environment is made from.
#[derive(Debug)]
pub(crate) struct Blueprint {
    pub(crate) function: Function,
    /// Prefix of the names of its cgroups: the lease's slot.
    pub(crate) lease: String,
    /// Distinguishes environments of one host.
    pub(crate) number: u32,
    /// Its id on the host.
    pub(crate) id: u32,
    pub(crate) shell: Shell,
    /// Host port behind each forwarded port, in the order of `shell.forwards`.
    pub(crate) forwards_to: Vec<u16>,
    pub(crate) nat: Option<Arc<Nat>>,
    pub(crate) trees: Vec<Tree>,
    /// Made by steps rather than bound, such as links.
    pub(crate) extra_steps: Vec<lambdabox_bootstrap::plan::Step>,
    pub(crate) tmp: Tmp,
    pub(crate) shared_memory_bytes: Option<u64>,
    pub(crate) cpu: CpuShare,
    pub(crate) init_limit: Duration,
    /// Program, arguments and directory; its variables are composed here.
    pub(crate) program: Program,
    /// Whether the runtime knows the framed log descriptor.
    pub(crate) frames: bool,
    pub(crate) credentials: Vec<(&'static str, String)>,
    pub(crate) runtime_variables: Vec<(String, String)>,
    pub(crate) log_stream: String,
    /// Repeated in each REPORT.
    pub(crate) notes: Vec<String>,
    /// Forwarding and network notices for the operator.
    pub(crate) notices: mpsc::Sender<String>,
}

/// An execution environment: one sandbox at a time, one `/tmp`, one identity.
pub(crate) struct Environment {
    workshop: Arc<Workshop>,
    blueprint: Blueprint,
    life: Life,
    running: Option<Running>,
    starts: u32,
    deadline: Option<Instant>,
    meter: MemoryMeter,
    raw_peak_bytes: u64,
    log: Box<dyn FnMut(Event) + Send>,
}

/// What exists while a runtime process does.
struct Running {
    sandbox: Sandbox,
    api: RuntimeApi,
    signals: mpsc::Receiver<Signal>,
    output: OutputCollector,
    /// Dropping one stops its port.
    _forwards: Vec<Forwarding>,
}

/// What woke the driver.
enum Woken {
    Signal(Signal),
    Word(Word),
    OutOfMemory,
    Deadline,
    Logged,
}

impl Environment {
    /// An environment that is not started; `log` is told everything that happens.
    pub(crate) fn new(
        workshop: Arc<Workshop>,
        blueprint: Blueprint,
        log: Box<dyn FnMut(Event) + Send>,
    ) -> Self {
        let life = Life::new(blueprint.init_limit);
        Self {
            workshop,
            blueprint,
            life,
            running: None,
            starts: 0,
            deadline: None,
            meter: MemoryMeter::default(),
            raw_peak_bytes: 0,
            log,
        }
    }

    /// Starts the runtime ahead of any event; returns when its init is over, well or not.
    pub(crate) async fn begin(&mut self) -> Result<(), SandboxError> {
        let effects = self.life.begin(Instant::now());
        self.perform(effects, &mut |_| {}).await?;
        self.run(&mut |_| {}).await
    }

    /// Runs one invocation. `answer` is called once, as soon as there is an outcome; the future
    /// ends when the environment can take the next one.
    pub(crate) async fn invoke(
        &mut self,
        invocation: Invocation,
        answer: &mut (dyn FnMut(Outcome) + Send),
    ) -> Result<(), SandboxError> {
        let effects = self.life.on(Input::Invoke(Box::new(invocation)), Instant::now());
        self.perform(effects, answer).await?;
        self.run(answer).await
    }

    /// The sandbox that runs now, for looking into.
    pub(crate) fn sandbox(&self) -> Option<&Sandbox> {
        self.running.as_ref().map(|running| &running.sandbox)
    }

    /// Ends every process and frees everything but what the caller holds.
    pub(crate) async fn shut_down(&mut self) -> Result<(), SandboxError> {
        self.kill().await
    }

    async fn run(&mut self, answer: &mut (dyn FnMut(Outcome) + Send)) -> Result<(), SandboxError> {
        while !self.life.accepts() {
            let woken = self.wait().await;
            let now = Instant::now();
            if let Some((input, at)) = self.understand(woken, now)? {
                let effects = self.life.on(input, at);
                self.perform(effects, answer).await?;
            }
        }
        Ok(())
    }

    async fn wait(&mut self) -> Woken {
        let deadline = self.deadline;
        let sleep = async move {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let Some(running) = &mut self.running else {
            sleep.await;
            return Woken::Deadline;
        };
        // Whatever loses is asked again in the next round; none of these futures holds anything.
        // In this order, an answer that is already there wins over the deadline.
        tokio::select! {
            biased;
            signal = running.signals.recv() => match signal {
                Some(signal) => Woken::Signal(signal),
                None => Woken::Word(Word::Gone),
            },
            () = running.sandbox.group().out_of_memory() => Woken::OutOfMemory,
            word = running.sandbox.word() => Woken::Word(word),
            line = running.output.next() => match line {
                Some(line) => {
                    (self.log)(Event::Log(line));
                    Woken::Logged
                }
                None => Woken::Logged,
            },
            () = sleep => Woken::Deadline,
        }
    }

    /// Puts what woke us into the rule book's words, with the moment it happened.
    fn understand(&self, woken: Woken, now: Instant) -> Result<Option<(Input, Instant)>, SandboxError> {
        Ok(Some(match woken {
            Woken::Signal(signal) => match signal {
                Signal::Next { at } => (Input::Next, at),
                Signal::Handed { at } => (Input::Handed, at),
                Signal::Response { request_id: id, payload, content_type, at } => {
                    (Input::Response { id, payload, content_type }, at)
                }
                Signal::ResponseTooLarge { request_id: id, bytes, at } => {
                    (Input::TooLarge { id, bytes }, at)
                }
                Signal::Error { request_id: id, error_type, payload, at } => {
                    (Input::Error { id, error_type, payload }, at)
                }
                Signal::InitError { error_type, payload, at } => {
                    (Input::InitError { error_type, payload }, at)
                }
            },
            Woken::OutOfMemory => (Input::Ended(End::OutOfMemory), now),
            Woken::Word(word) => (Input::Ended(self.end_of(word)?), now),
            Woken::Deadline => (Input::Deadline, now),
            Woken::Logged => return Ok(None),
        }))
    }

    fn end_of(&self, word: Word) -> Result<End, SandboxError> {
        use lambdabox_bootstrap::wire::ExitStatus;
        let out_of_memory = match &self.running {
            Some(running) => running.sandbox.group().oom_kills()? > 0,
            None => false,
        };
        Ok(match word {
            _ if out_of_memory => End::OutOfMemory,
            Word::Exited(ExitStatus::Code(code)) => End::Code(code),
            Word::Exited(ExitStatus::Signal(number)) => End::Signal(signal_name(number)),
            Word::Gone => End::Signal("killed"),
            Word::NotStarted(errno) => {
                let program = self.blueprint.program.path.display();
                let cause = io::Error::from_raw_os_error(errno);
                End::NoEntry(format!("fork/exec {program}: {}", without_number(&cause)))
            }
        })
    }

    async fn perform(
        &mut self,
        effects: Vec<Effect>,
        answer: &mut (dyn FnMut(Outcome) + Send),
    ) -> Result<(), SandboxError> {
        for effect in effects {
            match effect {
                Effect::Start => self.start().await?,
                Effect::Kill => self.kill().await?,
                Effect::Throttle => self.throttle()?,
                Effect::Assign(invocation) => {
                    if let Some(running) = &self.running {
                        running.api.assign(*invocation).map_err(|busy| {
                            SandboxError::Init(io::Error::other(format!("{busy:?}")))
                        })?;
                    }
                }
                Effect::Deadline(at) => self.deadline = at,
                Effect::Answer(_, outcome) => answer(outcome.0),
                Effect::InitStart(phase) => (self.log)(Event::InitStart { phase }),
                Effect::InitReport { phase, duration, status, error_type } => {
                    self.sample();
                    self.drain().await;
                    (self.log)(Event::InitReport { phase, duration, status, error_type });
                }
                Effect::LogStart(request_id) => {
                    let version = self.blueprint.function.version.clone();
                    (self.log)(Event::Start { request_id, version });
                }
                Effect::LogFault { id, error_type, message } => {
                    self.drain().await;
                    (self.log)(Event::Fault { request_id: id, message, error_type });
                }
                Effect::LogEnd(ending) => self.log_end(*ending).await,
            }
        }
        Ok(())
    }

    async fn start(&mut self) -> Result<(), SandboxError> {
        let blueprint = &self.blueprint;
        let name = format!("{}-{}.{}", blueprint.lease, blueprint.number, self.starts);
        self.starts += 1;
        let memory_bytes = u64::from(blueprint.function.memory_mb) * MIB;
        let begun = self.workshop.begin(&name, &blueprint.shell, memory_bytes).await?;
        let (signals, receiver) = mpsc::channel(SIGNALS_WAITING);
        let (output, collector) = output_pipes(blueprint.frames).map_err(SandboxError::Pipes)?;
        let opened = open(blueprint, &self.workshop, &begun).await;
        let (trees, steps, own_listener) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                begun.abandon().await?;
                return Err(error);
            }
        };
        let mut program = blueprint.program.clone();
        let address = match &own_listener {
            Some(listener) => listener.local_addr().map_err(SandboxError::Pipes)?.to_string(),
            None => "127.0.0.1:9001".to_owned(),
        };
        program.env = variables(
            &blueprint.function,
            &Platform {
                runtime_api: &address,
                log_stream: &blueprint.log_stream,
                credentials: &blueprint.credentials,
                runtime: &blueprint.runtime_variables,
                log_descriptor: blueprint.frames.then_some(LOG_DESCRIPTOR),
            },
        );
        let (sandbox, listeners) = begun.launch(trees, steps, program, output).await?;
        let mut listeners = own_listener.into_iter().chain(listeners);
        let api_listener = listeners.next().ok_or(SandboxError::InitEnded)?;
        let peer = match blueprint.shell.network {
            Network::Host => Peer::Uid { uid: blueprint.id },
            Network::None | Network::Nat => Peer::Any,
        };
        let api = RuntimeApi::serve(api_listener, peer, signals)
            .map_err(|error| SandboxError::Init(io::Error::other(error)))?;
        let forwards = listeners
            .zip(&blueprint.forwards_to)
            .map(|(listener, &port)| Forwarding::spawn(listener, port, blueprint.notices.clone()))
            .collect::<Result<_, _>>()
            .map_err(SandboxError::Pipes)?;
        self.running = Some(Running {
            sandbox,
            api,
            signals: receiver,
            output: collector,
            _forwards: forwards,
        });
        Ok(())
    }

    async fn kill(&mut self) -> Result<(), SandboxError> {
        self.sample();
        let Some(running) = self.running.take() else { return Ok(()) };
        let Running { sandbox, api, mut output, .. } = running;
        api.close();
        sandbox.end().await?;
        // Nobody holds the other ends any more, so this comes to an end.
        while let Some(line) = output.next().await {
            (self.log)(Event::Log(line));
        }
        Ok(())
    }

    fn throttle(&mut self) -> Result<(), SandboxError> {
        self.sample();
        if let (Some(running), CpuShare::Proportional) = (&self.running, self.blueprint.cpu) {
            running.sandbox.group().throttle(self.blueprint.function.memory_mb)?;
        }
        Ok(())
    }

    /// A statistic that cannot be read must not stop an invocation; the last one stands.
    fn sample(&mut self) {
        if let Some(running) = &self.running
            && let Ok(usage) = running.sandbox.group().memory()
        {
            self.meter.add(&usage);
            self.raw_peak_bytes = self.raw_peak_bytes.max(usage.raw_peak_bytes);
        }
    }

    async fn drain(&mut self) {
        if let Some(running) = &mut self.running {
            for line in running.output.drain().await {
                (self.log)(Event::Log(line));
            }
        }
    }

    async fn log_end(&mut self, ending: Ending) {
        self.sample();
        self.drain().await;
        let memory_size_mb = self.blueprint.function.memory_mb;
        let out_of_memory = ending.error_type.as_deref() == Some("Runtime.OutOfMemory");
        let used_mb = self.meter.max_bytes().div_ceil(MIB);
        // Whoever was ended for want of memory had used all of it.
        let max_memory_used_mb =
            if out_of_memory { u64::from(memory_size_mb) } else { used_mb.min(u64::from(memory_size_mb)) };
        (self.log)(Event::End { request_id: ending.id.clone(), status: ending.status });
        (self.log)(Event::Report(Report {
            billed_ms: ending.billed_ms(),
            request_id: ending.id,
            duration: ending.duration,
            memory_size_mb,
            max_memory_used_mb,
            raw_peak_mb: self.raw_peak_bytes.div_ceil(MIB),
            init_duration: ending.init_duration,
            status: ending.status,
            error_type: ending.error_type,
            notes: self.blueprint.notes.clone(),
        }));
    }
}

/// Everything of the host that one start needs: trees, `/tmp`, network, and in the host's own
/// network a listener of ours.
async fn open(
    blueprint: &Blueprint,
    workshop: &Workshop,
    begun: &crate::sandbox::Begun,
) -> Result<(OpenTrees, Vec<lambdabox_bootstrap::plan::Step>, Option<TcpListener>), SandboxError> {
    if let Some(nat) = &blueprint.nat {
        let namespace = begun.network_namespace().map_err(SandboxError::Init)?;
        nat.connect(blueprint.number, &namespace).await?;
    }
    let mut trees = OpenTrees::open(&workshop.spawner, &blueprint.trees, blueprint.id).await?;
    let bytes = u64::from(blueprint.function.ephemeral_storage_mb) * MIB;
    let tmp = match &blueprint.tmp {
        Tmp::Image(image) => {
            let device = image.descriptor().map_err(SandboxError::Pipes)?;
            TmpPlan::Device {
                index: trees.add(device),
                shows: image.device().to_owned(),
                options: TmpImage::OPTIONS.to_owned(),
            }
        }
        Tmp::Memory => TmpPlan::Memory { bytes },
    };
    let mut steps = trees.steps.clone();
    steps.extend(blueprint.extra_steps.iter().cloned());
    let confinement =
        Confinement { id: blueprint.id, shared_memory_bytes: blueprint.shared_memory_bytes };
    let steps = launch_steps(steps, tmp, &confinement);
    let own_listener = match blueprint.shell.network {
        Network::Host => {
            Some(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(SandboxError::Pipes)?)
        }
        Network::None | Network::Nat => None,
    };
    Ok((trees, steps, own_listener))
}
