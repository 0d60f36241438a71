//! One execution environment, and the life it is allowed to lead.
//!
//! The rule book only: [`Life::on`] takes what happened and returns what must be done. It makes no
//! system call and reads no clock, so every path is reached by a plain unit test. `environment.rs`
//! performs the effects.
//!
//! # Invariants
//! - An invocation that was assigned is answered exactly once.
//! - An environment whose runtime overran, failed its init or ended is reset before it is used
//!   again; the next init then runs inside the next invocation and under its timeout.
//! - REPORT follows END follows START, once each, for every invocation.
//! - An init or invocation is over when the runtime and all extensions wait for the next event.
//! - Who has extensions gets the time the reference gives them to end; who has none is killed at once.
//!
//! # Not here
//! What an extension may call when (`runtime_api::extensions`); the processes of one start (`party`)
//! and their end (`stopping`); many invocations at once (`crowd`).
//!
//! # Sources
//! `reference/runtime-api.md` 2.6-2.8, 4.1, 5.2; Lambda developer guide, "execution environment".

use std::time::{Duration, Instant};

use busy::{Busy, end_error};
use crowd::{Crowd, HadSlot, InitFailure};
use party::{Party, fault};
use restore::Snapshot;
use stopping::Turn;

use crate::model::{
    Failure, FailureKind, InitPhase, Initialization, Invocation, MAX_EXTENSIONS, Outcome,
    ShutdownReason, Status,
};
use crate::runtime_api::Waiting;

mod ahead;
mod busy;
mod crowd;
mod party;
mod restore;
mod stopping;
mod words;

pub(crate) use party::LaunchFault;
pub(crate) use restore::RESTORE_LIMIT;
pub(crate) use words::{
    Answered, Effect, End, Ending, Input, Lasted, OutcomeKey, RuntimeDone, Started, Times,
};

/// How long an on-demand init may run ahead of the first event (runtime-api.md 2.6).
pub(crate) const INIT_LIMIT: Duration = Duration::from_secs(10);

/// How long the init of an environment of many may take, if its function may not take longer (7.7).
pub(crate) const INIT_LIMIT_OF_MANY: Duration = Duration::from_secs(130);

/// Where an environment stands. A variant holds only what is true while it lasts.
#[derive(Debug)]
enum State {
    /// Nothing was started yet.
    New,
    /// Its processes start, ahead of any event.
    Init { since: Instant, runtime: RuntimePart },
    /// All of them wait for an event; `init` is owed to the first REPORT.
    Idle { init: Option<Lasted> },
    /// An invocation runs.
    Busy(Box<Busy>),
    /// Where many may run at once: some do, or none.
    Crowded(Crowd),
    /// Its processes have time to end by themselves.
    Stopping { turn: Turn, reason: ShutdownReason, ends: Instant },
    /// Everything was killed; the next invocation begins with an init.
    Reset,
}

/// The runtime's part of an init or invocation, apart from the extensions'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RuntimePart {
    Running,
    /// It asked for the next event then.
    Done(Instant),
}

/// The rule book of one environment.
#[derive(Debug)]
pub(crate) struct Life {
    state: State,
    init_limit: Duration,
    /// Files of `/opt/extensions`, which each start begins with.
    external: Vec<String>,
    party: Party,
    initialization: Initialization,
    restore_limit: Duration,
    /// Of the start that is under way.
    snapshot: Snapshot,
    invocations: Invocations,
    /// Of many: calls to `next` that wait and are promised to nobody.
    idle: usize,
    /// Of many: why its init has failed, which is not tried again.
    init_failure: Option<InitFailure>,
}

/// How many invocations run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Invocations {
    /// One after another, as on Lambda.
    One,
    /// As many as the runtime asks for, up to this, as on Managed Instances.
    Many { most: usize },
}

impl Life {
    /// An environment that has not been started, with these external extensions.
    pub(crate) fn new(init_limit: Duration, external: Vec<String>) -> Self {
        Self {
            state: State::New,
            init_limit,
            external,
            party: Party::none(),
            initialization: Initialization::OnDemand,
            restore_limit: RESTORE_LIMIT,
            snapshot: Snapshot::Never,
            invocations: Invocations::One,
            idle: 0,
            init_failure: None,
        }
    }

    /// The same, with so many invocations at once.
    pub(crate) fn with(self, invocations: Invocations) -> Self {
        Self { invocations, ..self }
    }

    /// Whether an invocation may be given to it now; then, too, nothing in it has anything to do.
    pub(crate) fn accepts(&self) -> bool {
        matches!(self.state, State::Idle { .. } | State::Crowded(_) | State::Reset)
    }

    /// Whether nothing of it runs.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::New | State::Reset)
    }

    /// Orders the first start, ahead of any event.
    pub(crate) fn begin(&mut self, now: Instant) -> Vec<Effect> {
        self.party = Party::starting(&self.external);
        (self.idle, self.init_failure) = (0, None);
        self.snapshot = self.new_snapshot();
        let mut effects = vec![Effect::InitStart(self.phase())];
        if let Some(too_many) = self.too_many() {
            self.state = State::Reset;
            self.init_failure = Some(InitFailure::of(&too_many));
            effects.extend(self.party.hear(&too_many));
            let named = fault(&too_many).map(|fault| fault.error_type.to_owned());
            effects.push(init_report(self.phase(), Duration::ZERO, Status::Error, named));
            return effects;
        }
        self.state = State::Init { since: now, runtime: RuntimePart::Running };
        effects.extend([Effect::Start, Effect::Deadline(Some(now + self.init_limit))]);
        effects
    }

    /// What must be done about `input` at `now`. What is not written here changes nothing.
    pub(crate) fn on(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        let had_slot = if self.idle > 0 { HadSlot::Yes } else { HadSlot::No };
        if self.invocations != Invocations::One {
            self.count_slots(&input);
            if let (State::Stopping { .. } | State::Reset, Input::Invoke(_)) = (&self.state, &input)
                && let Input::Invoke(invocation) = input
            {
                return self.refuse_late(*invocation, now);
            }
        }
        let mut effects = self.party.hear(&input);
        effects.extend(match std::mem::replace(&mut self.state, State::Reset) {
            State::New => self.stay(State::New),
            State::Init { since, runtime } => self.during_init(since, runtime, input, now),
            State::Idle { init } => self.while_idle(init, input, now),
            State::Busy(busy) => self.while_busy(busy, input, now),
            State::Crowded(crowd) => self.while_crowded(crowd, input, had_slot, now),
            State::Stopping { turn, reason, ends } => {
                self.while_stopping(turn, reason, ends, &input)
            }
            State::Reset => match input {
                Input::Invoke(invocation) => self.invoke_after_reset(*invocation, now),
                _ => Vec::new(),
            },
        });
        effects
    }

    fn stay(&mut self, state: State) -> Vec<Effect> {
        self.state = state;
        Vec::new()
    }

    /// The first file of `/opt/extensions` that is one too many.
    fn too_many(&self) -> Option<Input> {
        let name = self.external.get(MAX_EXTENSIONS)?.clone();
        let count = self.external.len();
        let words = format!("/opt/extensions has {count} files, and {MAX_EXTENSIONS} are allowed");
        Some(Input::ExtensionNotStarted { name, fault: LaunchFault::TooManyExtensions, words })
    }

    fn while_idle(&mut self, init: Option<Lasted>, input: Input, now: Instant) -> Vec<Effect> {
        match input {
            Input::Invoke(invocation) => {
                let deadline = now + invocation.timeout;
                let id = invocation.request_id.clone();
                self.state = State::Busy(Box::new(Busy::new((*invocation).clone(), now, init)));
                // START is told with whose invocation it is, which is known once it is assigned.
                vec![
                    Effect::Deadline(Some(deadline)),
                    Effect::Assign(invocation),
                    Effect::LogStart(id),
                ]
            }
            // It died between two events; the next one begins with an init.
            Input::Ended(_)
            | Input::Gone
            | Input::ExtensionFailed { .. }
            | Input::ExtensionEnded { .. } => self.stop(ShutdownReason::Failure, now),
            _ => self.stay(State::Idle { init }),
        }
    }

    fn invoke_after_reset(&mut self, invocation: Invocation, now: Instant) -> Vec<Effect> {
        let mut effects = vec![
            Effect::InitStart(InitPhase::Invoke),
            Effect::Deadline(Some(now + invocation.timeout)),
        ];
        self.party = Party::starting(&self.external);
        self.snapshot = self.new_snapshot();
        let busy = Busy { init_since: Some(now), ..Busy::new(invocation, now, None) };
        match self.too_many() {
            Some(too_many) => {
                effects.extend(self.party.hear(&too_many));
                effects.extend(self.while_busy(Box::new(busy), too_many, now));
            }
            None => {
                effects.push(Effect::Start);
                self.state = State::Busy(Box::new(busy));
            }
        }
        effects
    }

    fn while_busy(&mut self, mut busy: Box<Busy>, input: Input, now: Instant) -> Vec<Effect> {
        let id = busy.invocation.request_id.clone();
        match input {
            Input::Next { extensions } => self.runtime_done(busy, extensions, now),
            Input::RestoreReady { extensions } if busy.init_since.is_some() => {
                self.restore_ready(busy, extensions, now)
            }
            Input::ExtensionWaiting { extensions: Waiting::All, .. } => self.complete(busy, now),
            Input::Handed { .. } => {
                busy.handed.get_or_insert(now);
                self.stay(State::Busy(busy))
            }
            Input::Response { id: of, payload, content_type } if of == id => {
                busy.response.get_or_insert((now, payload.len()));
                let outcome = Outcome::Answered { payload, content_type };
                self.answer(busy, outcome, Status::Success, None)
            }
            Input::Error { id: of, error_type, payload } if of == id => {
                busy.response.get_or_insert((now, payload.len()));
                let kind = FailureKind::Handler;
                let failure = Failure { kind, error_type: error_type.clone(), payload };
                self.answer(busy, Outcome::Failed(failure), Status::Error, Some(error_type))
            }
            Input::Streamed { id: of, bytes } if of == id => {
                busy.response.get_or_insert((now, bytes));
                self.answer(busy, Outcome::Streamed { bytes }, Status::Success, None)
            }
            Input::TooLarge { id: of, bytes, limit_bytes } if of == id => {
                let failure = Failure::response_too_large(bytes, limit_bytes);
                let error_type = failure.error_type.clone();
                self.answer(busy, Outcome::Failed(failure), Status::Error, Some(error_type))
            }
            Input::InitError { error_type, payload } if busy.init_since.is_some() => {
                let kind = FailureKind::Init;
                let failure = Failure { kind, error_type: error_type.clone(), payload };
                self.fail(busy, now, failure, Status::Error, None)
            }
            Input::Ended(end) => self.runtime_ended(busy, &end, now),
            Input::Gone => self.runtime_ended(busy, &KILLED, now),
            Input::Deadline if self.hooks_are_late(&busy, now) => self.fail_late_hooks(busy, now),
            Input::Deadline => {
                let limit = busy.invocation.timeout;
                let failure = Failure::timed_out(&id, limit);
                let message = format!("Task timed out after {:.2} seconds", limit.as_secs_f64());
                self.fail(busy, now, failure, Status::Timeout, Some(message))
            }
            other => match fault(&other) {
                Some(fault) => {
                    let (error_type, message) = (fault.error_type, fault.message);
                    let failure =
                        Failure::worded(FailureKind::Extension, error_type, &id, &message);
                    self.fail(busy, now, failure, Status::Error, Some(message))
                }
                None => self.stay(State::Busy(busy)),
            },
        }
    }

    /// The runtime asks for an event: the suppressed init, or what it had to do, is over for it.
    fn runtime_done(
        &mut self,
        mut busy: Box<Busy>,
        extensions: Waiting,
        now: Instant,
    ) -> Vec<Effect> {
        let done = if busy.init_since.is_some() {
            self.runtime_started(InitPhase::Invoke, Status::Success, None)
        } else if busy.answered.is_some() {
            busy.runtime_done(Some(now))
        } else {
            // A second `next` during an invocation gets the same event again; nothing ends.
            return self.stay(State::Busy(busy));
        };
        busy.runtime = RuntimePart::Done(now);
        let mut effects = vec![done];
        effects.extend(match extensions {
            Waiting::All => self.complete(busy, now),
            Waiting::Some => self.stay(State::Busy(busy)),
        });
        effects
    }

    /// All extensions wait: if the runtime does too, the suppressed init or the invocation is over.
    fn complete(&mut self, mut busy: Box<Busy>, now: Instant) -> Vec<Effect> {
        let RuntimePart::Done(since) = busy.runtime else {
            return self.stay(State::Busy(busy));
        };
        if let Some(init_since) = busy.init_since {
            let duration = now.duration_since(init_since);
            let (phase, ends) = (InitPhase::Invoke, busy.since + busy.invocation.timeout);
            if self.snapshot == Snapshot::Ready {
                busy.runtime = RuntimePart::Running;
                self.state = State::Busy(busy);
                return self.take_snapshot(phase, duration, Some(ends), now);
            }
            busy.init_since = None;
            let assign = Effect::Assign(Box::new(busy.invocation.clone()));
            // Its events come before those of the invocation it is part of (runtime-api.md 3.4).
            let start = Effect::LogStart(busy.invocation.request_id.clone());
            busy.runtime = RuntimePart::Running;
            busy.init_ran = Some(self.started(init_since, now));
            self.state = State::Busy(busy);
            let report = self.start_report(phase, duration, Status::Success, None, now);
            // Hooks may have had less.
            return vec![report, Effect::Deadline(Some(ends)), Effect::Throttle, assign, start];
        }
        self.state = State::Idle { init: None };
        let extensions_since = (now > since).then_some(since);
        let duration = now.duration_since(busy.since);
        vec![Effect::Deadline(None), busy.ending(duration, extensions_since)]
    }

    fn runtime_ended(&mut self, busy: Box<Busy>, end: &End, now: Instant) -> Vec<Effect> {
        let (error_type, message) = end_error(end);
        let kind = match end {
            End::OutOfMemory => FailureKind::OutOfMemory,
            End::NoEntry(_) => FailureKind::InvalidEntrypoint,
            _ => FailureKind::Exit,
        };
        let failure = Failure::worded(kind, error_type, &busy.invocation.request_id, &message);
        self.fail(busy, now, failure, Status::Error, Some(message))
    }

    fn answer(
        &mut self,
        mut busy: Box<Busy>,
        outcome: Outcome,
        status: Status,
        error_type: Option<String>,
    ) -> Vec<Effect> {
        if busy.answered.is_some() {
            return self.stay(State::Busy(busy));
        }
        let id = busy.invocation.request_id.clone();
        busy.answered = Some((status, error_type));
        self.state = State::Busy(busy);
        vec![Effect::Answer(id, OutcomeKey(outcome))]
    }

    /// Ends a busy environment for good: answers if nobody has, reports, and has all end.
    fn fail(
        &mut self,
        mut busy: Box<Busy>,
        now: Instant,
        failure: Failure,
        status: Status,
        fault: Option<String>,
    ) -> Vec<Effect> {
        let id = busy.invocation.request_id.clone();
        let error_type = failure.error_type.clone();
        let named = (status != Status::Timeout).then(|| error_type.clone());
        let mut effects = Vec::new();
        if let Some(init_since) = busy.init_since {
            let duration = now.duration_since(init_since);
            if busy.runtime == RuntimePart::Running {
                effects.push(self.runtime_started(InitPhase::Invoke, status, named.clone()));
            }
            effects.extend(self.party.unready());
            let phase = InitPhase::Invoke;
            effects.push(self.start_report(phase, duration, status, named.clone(), now));
            effects.push(Effect::LogStart(id.clone()));
        }
        if let Some(message) = fault {
            effects.push(Effect::LogFault { id: id.clone(), error_type, message });
        }
        let limit = busy.invocation.timeout;
        let duration =
            if status == Status::Timeout { limit } else { now.duration_since(busy.since) };
        if busy.answered.is_none() {
            effects.push(Effect::Expire(id.clone()));
            effects.push(Effect::Answer(id, OutcomeKey(Outcome::Failed(failure))));
        }
        // The first failure is the one REPORT names: a runtime often ends over what it was refused.
        if !matches!(busy.answered, Some((_, Some(_)))) {
            busy.answered = Some((status, named));
        }
        if busy.runtime == RuntimePart::Running {
            effects.push(busy.runtime_done(None));
        }
        effects.push(busy.ending(duration, None));
        let reason = match status {
            Status::Timeout => ShutdownReason::Timeout,
            _ => ShutdownReason::Failure,
        };
        self.end(reason, effects, now)
    }
}

fn init_runtime_done(phase: InitPhase, status: Status, error_type: Option<String>) -> Effect {
    Effect::InitRuntimeDone { phase, status, error_type }
}

fn init_report(
    phase: InitPhase,
    duration: Duration,
    status: Status,
    error_type: Option<String>,
) -> Effect {
    Effect::InitReport { phase, duration, status, error_type }
}

/// How the processes of an environment end that is gone as a whole.
const KILLED: End = End::Signal("killed");

#[cfg(test)]
mod tests;
