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
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, watch};

use super::blueprint::{Blueprint, CpuShare};
use super::home::Home;
use super::life::{Effect, End, Ending, Input, Life};
use super::signals::signal_name;
use super::start::{Opened, connect, error_name, open, pipes};
use super::variables::{Platform, variables};
use crate::catalog::Moment;
use crate::model::{Event, Invocation, LogLine, Network, Outcome, Report};
use crate::runtime_api::{OutputCollector, Peer, RuntimeApi, Signal};
use crate::sandbox::{
    Connection, ExitStatus, Forwarding, MemoryMeter, Plan, Sandbox, SandboxError, Word, Workshop,
    forward,
};

/// Signals of the Runtime API are few: one conversation at a time.
const SIGNALS_WAITING: usize = 16;
/// The function's output is not read while more of the log waits for its reader: a pipe's worth, so
/// that a slow reader is kept busy. What is logged without that being asked is a turn of the pipes and
/// the platform's own lines.
const LOG_WAITING_MOST_BYTES: usize = 64 * 1024;
/// Number of the framed log descriptor inside.
const LOG_DESCRIPTOR: u32 = 3;

/// An execution environment: one sandbox at a time, one `/tmp`, one identity.
pub(crate) struct Environment {
    workshop: Arc<Workshop>,
    blueprint: Blueprint,
    life: Life,
    running: Option<Running>,
    starts: u32,
    deadline: Option<Instant>,
    meter: MemoryMeter,
    log: Log,
}

/// Waits until the log's reader has caught up. Dropping it loses nothing.
async fn room(mut waiting_bytes: watch::Receiver<usize>) {
    // Without a writer nothing waits for it.
    let _has_room = waiting_bytes.wait_for(|bytes| *bytes < LOG_WAITING_MOST_BYTES).await.is_ok();
}

/// Told everything that happens.
pub(crate) type Log = Arc<dyn Fn(Event) + Send + Sync>;

/// What exists while a runtime process does.
struct Running {
    sandbox: Sandbox,
    api: RuntimeApi,
    signals: mpsc::Receiver<Signal>,
    output: OutputCollector,
    /// Dropping one stops its port.
    _forwards: Vec<Forwarding>,
    /// Dropping it stops the DNS forwarder.
    _connection: Option<Connection>,
    is_frozen: bool,
}

/// What woke the driver.
pub(crate) enum Woken {
    Signal(Signal),
    Word(Word),
    Deadline,
    Output(Option<LogLine>),
}

impl Environment {
    /// An environment that is not started; `log` is told everything that happens.
    pub(crate) fn new(workshop: Arc<Workshop>, blueprint: Blueprint, log: Log) -> Self {
        let life = Life::new(blueprint.init_limit);
        Self {
            workshop,
            blueprint,
            life,
            running: None,
            starts: 0,
            deadline: None,
            meter: MemoryMeter::default(),
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
        // Or a log that is never read would grow with each invocation.
        room(self.blueprint.log_waiting_bytes.clone()).await;
        // First of all: its time begins when it can run.
        self.thaw()?;
        let effects = self.life.on(Input::Invoke(Box::new(invocation)), Instant::now());
        self.perform(effects, answer).await?;
        self.run(answer).await
    }

    /// Every step that a start will take, in order; nothing is made for it.
    pub(crate) fn planned(&self) -> Plan {
        self.blueprint.planned(&self.workshop.root)
    }

    /// The sandbox that runs now, for looking into.
    pub(crate) fn sandbox(&self) -> Option<&Sandbox> {
        self.running.as_ref().map(|running| &running.sandbox)
    }

    /// Ends every process and frees everything but what the caller holds.
    pub(crate) async fn shut_down(&mut self) -> Result<(), SandboxError> {
        self.kill().await?;
        if self.blueprint.keeps_tmp() {
            self.workshop.spawner.close_tmp(self.blueprint.number).await?;
        }
        Ok(())
    }

    async fn run(&mut self, answer: &mut (dyn FnMut(Outcome) + Send)) -> Result<(), SandboxError> {
        while !self.life.accepts() {
            let woken = self.wait().await;
            self.react(woken, answer).await?;
        }
        Ok(())
    }

    /// Does what is to be done about something that happened.
    async fn react(
        &mut self,
        woken: Woken,
        answer: &mut (dyn FnMut(Outcome) + Send),
    ) -> Result<(), SandboxError> {
        let Some((input, at)) = self.understand(woken, Instant::now()) else { return Ok(()) };
        let effects = self.life.on(input, at);
        self.perform(effects, answer).await
    }

    fn thaw(&mut self) -> Result<(), SandboxError> {
        if let Some(running) = &mut self.running
            && running.is_frozen
        {
            running.sandbox.thaw()?;
            running.is_frozen = false;
        }
        Ok(())
    }

    /// Waits for what happens next. Dropping it loses nothing.
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
        let is_ended = running.output.is_ended();
        let has_room = room(self.blueprint.log_waiting_bytes.clone());
        let line = async {
            has_room.await;
            running.output.next().await
        };
        // However much the function writes, the loop's other tasks, its clock and Ctrl-C get a turn.
        tokio::task::coop::consume_budget().await;
        // Whatever loses is asked again in the next round; none of these futures holds anything.
        // In this order, an answer that is already there wins over the deadline.
        tokio::select! {
            biased;
            signal = running.signals.recv() => match signal {
                Some(signal) => Woken::Signal(signal),
                None => Woken::Word(Word::Gone),
            },
            word = running.sandbox.word() => Woken::Word(word),
            () = sleep => Woken::Deadline,
            // Last, because a function that never stops writing is always ready here. It may also
            // close its output and live on; then there is nothing to wait for.
            line = line, if !is_ended => Woken::Output(line),
        }
    }

    /// Puts what woke us into the rule book's words, with the moment it happened.
    fn understand(&self, woken: Woken, now: Instant) -> Option<(Input, Instant)> {
        Some(match woken {
            // A runtime that lives on when a child of it was killed is ended with it, as on AWS.
            Woken::Signal(Signal::Response { .. } | Signal::Error { .. } | Signal::Next { .. })
                if self.sandbox().is_some_and(Sandbox::ran_out_of_memory) =>
            {
                (Input::Ended(End::OutOfMemory), now)
            }
            Woken::Signal(signal) => match signal {
                Signal::Next { at } => (Input::Next, at),
                Signal::Handed { at } => (Input::Handed, at),
                Signal::Response { request_id: id, payload, content_type, at } => {
                    (Input::Response { id, payload, content_type }, at)
                }
                Signal::ResponseTooLarge { request_id: id, bytes, at } => {
                    (Input::TooLarge { id, bytes }, at)
                }
                Signal::Error { request_id: id, error_type, payload, at, .. } => {
                    (Input::Error { id, error_type, payload }, at)
                }
                Signal::InitError { error_type, payload, at, .. } => {
                    (Input::InitError { error_type, payload }, at)
                }
            },
            Woken::Word(word) => (Input::Ended(self.end_of(word)), now),
            Woken::Deadline => (Input::Deadline, now),
            Woken::Output(line) => {
                line.into_iter().for_each(|line| (self.log)(Event::Log(line)));
                return None;
            }
        })
    }

    fn end_of(&self, word: Word) -> End {
        match word {
            Word::OutOfMemory => End::OutOfMemory,
            Word::Exited(ExitStatus::Code(code)) => End::Code(code),
            Word::Exited(ExitStatus::Signal(number)) => End::Signal(signal_name(number)),
            Word::Gone => End::Signal("killed"),
            Word::NotStarted(errno) => End::NoEntry(match &self.blueprint.no_entry {
                Some(words) => words.clone(),
                None => {
                    let program = self.blueprint.program.path.display();
                    format!("fork/exec {program}: {}", error_name(errno))
                }
            }),
        }
    }

    async fn perform(
        &mut self,
        effects: Vec<Effect>,
        answer: &mut (dyn FnMut(Outcome) + Send),
    ) -> Result<(), SandboxError> {
        let mut killed = Ok(());
        for effect in effects {
            match effect {
                Effect::Start => self.start().await?,
                // Whoever waits for an answer gets it, even if this environment cannot go on.
                Effect::Kill => killed = self.kill().await,
                Effect::Throttle => self.throttle()?,
                Effect::Assign(mut invocation) => {
                    // What the environment's start has taken is not the function's time.
                    if let Some(at) = self.deadline {
                        invocation.deadline_epoch_ms = epoch_ms(at);
                    }
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
                    self.blueprint.explain(error_type.as_deref(), Moment::Init);
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
        killed
    }

    async fn start(&mut self) -> Result<(), SandboxError> {
        let blueprint = &self.blueprint;
        let memory_mb = blueprint.function.memory_mb;
        let begun = self.workshop.begin(&blueprint.lease, &blueprint.shell, memory_mb).await?;
        (blueprint.lap)("born");
        let (signals, receiver) = mpsc::channel(SIGNALS_WAITING);
        let opened = match open(blueprint, &self.workshop, &begun, self.starts).await {
            Ok(opened) => opened,
            Err(error) => return Err(begun.abandon(error).await),
        };
        (blueprint.lap)("opened");
        let Opened { trees, steps, own_listener, namespaces, mut connection } = opened;
        let (output, collected) = pipes(blueprint).map_err(SandboxError::Pipes)?;
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
        (blueprint.lap)("launched");
        if let (Some(namespaces), None) = (&namespaces, &connection) {
            match connect(blueprint, namespaces, self.starts).await {
                Ok(laid) => connection = laid,
                Err(error) => {
                    sandbox.end().await?;
                    return Err(error);
                }
            }
        }
        (blueprint.lap)("network");
        let mut listeners = own_listener.into_iter().chain(listeners);
        let api_listener = listeners.next().ok_or(SandboxError::InitEnded)?;
        let peer = match blueprint.shell.network {
            Network::Host => Peer::Uid { uid: blueprint.id.uid() },
            Network::None | Network::Nat => Peer::Any,
        };
        let api = RuntimeApi::serve(api_listener, peer, signals)
            .map_err(|error| SandboxError::Init(io::Error::other(error)))?;
        let forwards = listeners
            .zip(&blueprint.forwards_to)
            .map(|(listener, &port)| forward(listener, port, blueprint.notices.clone()))
            .collect::<Result<_, _>>()
            .map_err(SandboxError::Pipes)?;
        self.running = Some(Running {
            sandbox,
            api,
            signals: receiver,
            output: collected,
            _forwards: forwards,
            _connection: connection,
            is_frozen: false,
        });
        self.starts += 1;
        Ok(())
    }

    async fn kill(&mut self) -> Result<(), SandboxError> {
        self.sample();
        let Some(running) = self.running.take() else { return Ok(()) };
        let Running { sandbox, api, mut output, .. } = running;
        // The processes first: a runtime that sees its API go would log that.
        sandbox.end().await?;
        drop(api);
        // Nobody holds the other ends any more: what is in the pipes is all there will be.
        let last = output.drain().await;
        last.into_iter().chain(output.flush()).for_each(|line| (self.log)(Event::Log(line)));
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
            self.meter.sample(usage);
        }
    }

    async fn drain(&mut self) {
        if let Some(running) = &mut self.running {
            let lines = running.output.drain().await;
            lines.into_iter().for_each(|line| (self.log)(Event::Log(line)));
        }
    }

    async fn log_end(&mut self, ending: Ending) {
        self.sample();
        self.drain().await;
        let memory_size_mb = self.blueprint.function.memory_mb;
        // Whoever was ended for want of memory had used all of it.
        let out_of_memory = ending.error_type.as_deref() == Some("Runtime.OutOfMemory");
        let used_mb = self.meter.max_memory_used_mb();
        let max_memory_used_mb = if out_of_memory {
            u64::from(memory_size_mb)
        } else if self.workshop.has_limits() {
            used_mb.min(u64::from(memory_size_mb))
        } else {
            used_mb
        };
        self.blueprint.explain(ending.error_type.as_deref(), Moment::Invocation);
        (self.log)(Event::End { request_id: ending.id.clone(), status: ending.status });
        (self.log)(Event::Report(Report {
            billed_ms: ending.billed_ms(),
            request_id: ending.id,
            duration: ending.duration,
            memory_size_mb,
            max_memory_used_mb,
            raw_peak_mb: self.meter.raw_peak_mb(),
            init_duration: ending.init_duration,
            status: ending.status,
            error_type: ending.error_type,
            notes: self.blueprint.notes.clone(),
        }));
    }
}

impl Home for Environment {
    type Woken = Woken;

    async fn begin(&mut self) -> Result<(), SandboxError> {
        Self::begin(self).await
    }

    async fn invoke(
        &mut self,
        invocation: Invocation,
        answer: &mut (dyn FnMut(Outcome) + Send),
    ) -> Result<(), SandboxError> {
        Self::invoke(self, invocation, answer).await
    }

    async fn woken(&mut self) -> Woken {
        self.wait().await
    }

    async fn attend(&mut self, woken: Woken) -> Result<(), SandboxError> {
        self.react(woken, &mut |_| {}).await
    }

    fn is_ready(&self) -> bool {
        self.running.is_some()
    }

    fn freeze(&mut self) -> Result<(), SandboxError> {
        if let Some(running) = &mut self.running {
            running.sandbox.freeze()?;
            running.is_frozen = true;
        }
        Ok(())
    }

    async fn end(mut self) -> Result<(), SandboxError> {
        let ended = self.shut_down().await;
        let kept = self.blueprint.kept.take();
        // Dropping an image of `/tmp` waits for the disk.
        let dropped = tokio::task::spawn_blocking(move || drop(self)).await;
        match ended {
            Ok(()) => drop(kept),
            // Whoever lives on has its id and address: nobody else gets them.
            Err(_) => std::mem::forget(kept),
        }
        ended.and(dropped.map_err(|panicked| SandboxError::Ahead(panicked.into())))
    }
}

/// The moment as a function is told it, milliseconds since the epoch.
fn epoch_ms(at: Instant) -> u64 {
    let at = SystemTime::now() + at.saturating_duration_since(Instant::now());
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
