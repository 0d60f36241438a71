//! Drives one execution environment: feeds the rule book (`life.rs`) what happens, and performs
//! what it says.
//!
//! # Invariants
//! - One owner: whoever holds the [`Environment`] is the only one that gives it work.
//! - What the function wrote is logged before the END of the invocation it was written in.
//! - `/tmp` lives as long as the environment, through resets.
//!
//! # Not here
//! Rules (`life.rs`), a start (`starting`), what words of others mean to them (`understand`), figures, Linux (`sandbox`), wire format (`runtime_api`).

use std::io;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::blueprint::{Blueprint, CpuShare};
use super::home::{Answering, Home};
use super::life::{Effect, Input, Invocations, Life};
use super::running::{Running, Who, are_ended, next_ask, next_line};
use crate::model::{Event, Invocation, LogLine, ShutdownReason};
use crate::runtime_api::{Phase, Signal, SocketAsk};
use crate::sandbox::{MemoryMeter, Plan, ProcessSignal, Sandbox, SandboxError, Word, Workshop};

mod figures;
mod saying;
mod starting;
mod understand;

/// The function's output is not read while more of the log waits for its reader: a pipe's worth, so
/// that a slow reader is kept busy. What is logged without that being asked is a turn of the pipes and
/// the platform's own lines.
const LOG_WAITING_MOST_BYTES: usize = 64 * 1024;

/// An execution environment: one sandbox at a time, one `/tmp`, one identity.
pub(crate) struct Environment {
    workshop: Arc<Workshop>,
    blueprint: Blueprint,
    life: Life,
    running: Option<Running>,
    /// Processes of it could not be ended, once: what it holds is never another's.
    has_survivors: bool,
    starts: u32,
    deadline: Option<Instant>,
    /// The beginning of an init whose processes are not started yet.
    before_start: Option<(Event, jiff::Timestamp)>,
    meter: MemoryMeter,
    /// Of a function of many tenants, the one it serves.
    tenant_id: Option<String>,
    log: Log,
}

/// Waits until the log's reader has caught up. Dropping it loses nothing.
async fn room(mut waiting_bytes: watch::Receiver<usize>) {
    // Without a writer nothing waits for it.
    let _has_room = waiting_bytes.wait_for(|bytes| *bytes < LOG_WAITING_MOST_BYTES).await.is_ok();
}

/// Told everything that happens.
pub(crate) type Log = Arc<dyn Fn(Event) + Send + Sync>;

/// What woke the driver.
pub(crate) enum Woken {
    Signal(Signal),
    SocketAsk(SocketAsk),
    Word(Word),
    Deadline,
    Output(Option<LogLine>),
}

impl Environment {
    /// An environment that is not started; `log` is told everything that happens.
    pub(crate) fn new(workshop: Arc<Workshop>, blueprint: Blueprint, log: Log) -> Self {
        let external = blueprint.extensions.external().to_vec();
        let invocations = match blueprint.function.max_concurrency {
            Some(most) => Invocations::Many { most: most as usize },
            None => Invocations::One,
        };
        let (by, limit) = (blueprint.function.initialization, blueprint.restore_limit);
        let life =
            Life::new(blueprint.init_limit, external).with(invocations).initialized(by, limit);
        Self {
            workshop,
            blueprint,
            life,
            running: None,
            has_survivors: false,
            starts: 0,
            deadline: None,
            before_start: None,
            meter: MemoryMeter::default(),
            tenant_id: None,
            log,
        }
    }

    /// Starts the runtime ahead of any event; returns when its init is over, well or not.
    pub(crate) async fn begin(&mut self) -> Result<(), SandboxError> {
        let effects = self.life.begin(Instant::now());
        self.perform(effects, &mut |_, _| {}).await?;
        self.run(&mut |_, _| {}).await
    }

    /// Runs one invocation. `answer` is called once, as soon as there is an outcome; the future
    /// ends when the environment can take the next one.
    pub(crate) async fn invoke(
        &mut self,
        invocation: Invocation,
        answer: &mut Answering<'_>,
    ) -> Result<(), SandboxError> {
        // Something may have failed while it was idle, and is being ended.
        self.run(&mut |_, _| {}).await?;
        // Or a log that is never read would grow with each invocation.
        room(self.blueprint.log_waiting_bytes.clone()).await;
        // First of all: its time begins when it can run.
        self.thaw()?;
        self.is_now(Phase::Running);
        self.tenant_id.clone_from(&invocation.tenant_id);
        let effects = self.life.on(Input::Invoke(Box::new(invocation)), Instant::now());
        self.perform(effects, answer).await?;
        self.run(answer).await
    }

    /// Of many at once: begins an invocation; it is over when `answer`, of this call or a later one, has
    /// been called with its id and its REPORT is logged.
    pub(crate) async fn give(
        &mut self,
        invocation: Invocation,
        answer: &mut Answering<'_>,
    ) -> Result<(), SandboxError> {
        // As for one at a time.
        room(self.blueprint.log_waiting_bytes.clone()).await;
        self.tenant_id.clone_from(&invocation.tenant_id);
        let effects = self.life.on(Input::Invoke(Box::new(invocation)), Instant::now());
        self.perform(effects, answer).await
    }

    /// Of many at once: how many more it can be given now.
    pub(crate) fn idle_slots(&self) -> usize {
        self.life.idle_slots()
    }

    /// Of many at once: waits for the next thing to happen and does what is to be done about it. Dropping
    /// it while it waits loses nothing.
    pub(crate) async fn step(&mut self, answer: &mut Answering<'_>) -> Result<(), SandboxError> {
        let woken = self.wait().await;
        self.react(woken, answer).await
    }

    /// Of many at once: whether nothing of it runs, and it may begin again.
    pub(crate) fn is_over(&self) -> bool {
        self.life.is_over()
    }

    /// Every step that a start will take, in order; nothing is made for it.
    pub(crate) fn planned(&self) -> Plan {
        self.blueprint.planned(&self.workshop.root)
    }

    /// The sandbox that runs now, for looking into.
    pub(crate) fn sandbox(&self) -> Option<&Sandbox> {
        self.running.as_ref().map(|running| &running.sandbox)
    }

    /// Lets extensions, and a runtime that has some, end by themselves, if nothing else is going on.
    /// Dropping it leaves what there is to be killed.
    pub(crate) async fn wind_down(&mut self) -> Result<(), SandboxError> {
        let effects = self.life.retire(Instant::now());
        self.perform(effects, &mut |_, _| {}).await?;
        while !self.life.is_over() {
            let woken = self.wait().await;
            self.react(woken, &mut |_, _| {}).await?;
        }
        Ok(())
    }

    /// Ends every process and frees everything but what the caller holds.
    pub(crate) async fn shut_down(&mut self) -> Result<(), SandboxError> {
        self.kill().await?;
        if self.has_survivors {
            return Err(SandboxError::Survivors);
        }
        if self.blueprint.keeps_tmp() {
            self.workshop.spawner.close_tmp(self.blueprint.number).await?;
        }
        Ok(())
    }

    /// Tells the log, and whoever asked for telemetry.
    fn note(&mut self, event: Event) {
        let at = jiff::Timestamp::now();
        match &self.running {
            Some(running) => running.api.tell(&event, at),
            // The beginning of an init comes before whoever serves extensions.
            None if matches!(event, Event::InitStart { .. }) => {
                self.before_start = Some((event.clone(), at));
            }
            None => {}
        }
        (self.log)(event);
    }

    /// What the processes do now, for what is sent to them.
    fn is_now(&self, phase: Phase) {
        if let Some(running) = &self.running {
            running.api.is_now(phase);
        }
    }

    async fn run(&mut self, answer: &mut Answering<'_>) -> Result<(), SandboxError> {
        while !self.life.accepts() {
            let woken = self.wait().await;
            self.react(woken, answer).await?;
        }
        // Of many, some may run at any time.
        self.is_now(match self.blueprint.function.max_concurrency {
            None => Phase::Idle,
            Some(_) => Phase::Running,
        });
        Ok(())
    }

    /// Does what is to be done about something that happened.
    async fn react(
        &mut self,
        woken: Woken,
        answer: &mut Answering<'_>,
    ) -> Result<(), SandboxError> {
        if let Woken::SocketAsk(ask) = woken {
            return match &mut self.running {
                Some(running) => running.make_socket(ask).await,
                None => Ok(()),
            };
        }
        for woken in [self.word_behind_a_cut(&woken).await, Some(woken)].into_iter().flatten() {
            if let Some((input, at)) = self.understand(woken, Instant::now()) {
                let effects = self.life.on(input, at);
                self.perform(effects, answer).await?;
            }
        }
        Ok(())
    }

    fn thaw(&mut self) -> Result<(), SandboxError> {
        self.running.as_mut().map_or(Ok(()), Running::thaw)
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
        let is_ended = are_ended(&running.outputs);
        let has_room = room(self.blueprint.log_waiting_bytes.clone());
        let line = async {
            has_room.await;
            next_line(&mut running.outputs).await
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
            ask = next_ask(&mut running.socket_asks) => Woken::SocketAsk(ask),
            () = sleep => Woken::Deadline,
            // Last, because a function that never stops writing is always ready here. It may also
            // close its output and live on; then there is nothing to wait for.
            line = line, if !is_ended => Woken::Output(line),
        }
    }

    async fn signal(&mut self, who: Who, signal: ProcessSignal) -> Result<(), SandboxError> {
        self.is_now(Phase::Ending);
        match &mut self.running {
            Some(running) => running.signal(&who, signal).await,
            None => Ok(()),
        }
    }

    fn shut_down_extensions(&mut self, reason: ShutdownReason) -> Result<(), SandboxError> {
        self.thaw()?;
        self.is_now(Phase::Ending);
        if let (Some(running), Some(at)) = (&self.running, self.deadline) {
            running.api.shut_down_extensions(reason, epoch_ms(at));
        }
        Ok(())
    }

    async fn perform(
        &mut self,
        effects: Vec<Effect>,
        answer: &mut Answering<'_>,
    ) -> Result<(), SandboxError> {
        let mut killed = Ok(());
        for effect in effects {
            match effect {
                Effect::Start => self.start().await?,
                Effect::StartRuntime => {
                    if let Some(running) = &mut self.running {
                        running.start_runtime().await?;
                    }
                }
                // Whoever waits for an answer gets it, even if this environment cannot go on.
                Effect::Kill => killed = self.kill().await,
                Effect::TerminateRuntime => {
                    self.signal(Who::Runtime, ProcessSignal::Terminate).await?;
                }
                Effect::KillRuntime => self.signal(Who::Runtime, ProcessSignal::Kill).await?,
                Effect::KillExtension(name) => {
                    self.signal(Who::Extension(name), ProcessSignal::Kill).await?;
                }
                Effect::ShutDownExtensions(reason) => self.shut_down_extensions(reason)?,
                Effect::Expire(id) => {
                    if let Some(running) = &self.running {
                        running.api.expire(&id);
                    }
                }
                Effect::Throttle => self.throttle()?,
                Effect::Restore => {
                    if let Some(running) = &self.running {
                        running.api.restored();
                    }
                }
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
                Effect::Answer(id, outcome) => answer(&id, outcome.0),
                said => self.say(said).await,
            }
        }
        killed
    }

    fn throttle(&mut self) -> Result<(), SandboxError> {
        self.sample();
        if let (Some(running), CpuShare::Proportional) = (&self.running, self.blueprint.cpu) {
            running.sandbox.group().throttle(self.blueprint.function.memory_mb)?;
        }
        Ok(())
    }

    /// A statistic that cannot be read must not stop an invocation; the last one stands.
    async fn drain(&mut self) {
        if let Some(running) = &mut self.running {
            let mut collected = Vec::new();
            for output in &mut running.outputs {
                collected.extend(output.drain().await);
            }
            collected.into_iter().for_each(|line| self.note(Event::Log(line)));
        }
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
        answer: &mut Answering<'_>,
    ) -> Result<(), SandboxError> {
        Self::invoke(self, invocation, answer).await
    }

    async fn woken(&mut self) -> Woken {
        self.wait().await
    }

    async fn attend(
        &mut self,
        woken: Woken,
        answer: &mut Answering<'_>,
    ) -> Result<(), SandboxError> {
        self.react(woken, answer).await
    }

    async fn give(
        &mut self,
        invocation: Invocation,
        answer: &mut Answering<'_>,
    ) -> Result<(), SandboxError> {
        Self::give(self, invocation, answer).await
    }

    fn idle_slots(&self) -> usize {
        Self::idle_slots(self)
    }

    fn is_ready(&self) -> bool {
        self.running.is_some()
    }

    fn freeze(&mut self) -> Result<(), SandboxError> {
        match &mut self.running {
            // One that is being ended has something to do.
            Some(running) if self.life.accepts() => running.freeze(),
            _ => Ok(()),
        }
    }

    async fn wind_down(&mut self) -> Result<(), SandboxError> {
        Self::wind_down(self).await
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
