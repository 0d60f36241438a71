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
//!
//! # Not here
//! Extensions: an init or invocation will also wait for theirs (state `Waiting` per party); the
//! place for it is where `Next` ends a phase below.
//!
//! # Sources
//! `reference/runtime-api.md` 2.6-2.8, 4.1, 5.2; Lambda developer guide, "execution environment".

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::model::{Failure, FailureKind, InitPhase, Invocation, Outcome, RequestId, Status};

/// How long an on-demand init may run ahead of the first event (runtime-api.md 2.6).
pub(crate) const INIT_LIMIT: Duration = Duration::from_secs(10);

/// How the runtime's process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself with this code.
    Code(i32),
    /// By this signal's name, Go's way (`killed`).
    Signal(&'static str),
    /// The kernel ended it, or a child of it, for want of memory.
    OutOfMemory,
    /// There was nothing to execute, in words.
    NoEntry(String),
}

/// What happened.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    /// The owner has work; only in [`Life::accepts`].
    Invoke(Box<Invocation>),
    /// The runtime asked for the next event and none is assigned.
    Next,
    /// The event went out to the runtime.
    Handed,
    /// The runtime answered.
    Response { id: RequestId, payload: Bytes, content_type: Option<String> },
    /// The runtime answered by a stream, which has ended.
    Streamed { id: RequestId, bytes: usize },
    /// The runtime answered with too much.
    TooLarge { id: RequestId, bytes: usize, limit_bytes: usize },
    /// The runtime reported the handler's failure.
    Error { id: RequestId, error_type: String, payload: Bytes },
    /// The runtime reported that it cannot start.
    InitError { error_type: String, payload: Bytes },
    /// The runtime's process ended.
    Ended(End),
    /// The deadline asked for by the last [`Effect::Deadline`] has passed.
    Deadline,
}

/// What must be done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Make a sandbox (with the same `/tmp`) and start the runtime in it.
    Start,
    /// Kill every process of the environment.
    Kill,
    /// Apply the CPU quota: init is over.
    Throttle,
    /// Give the runtime its event.
    Assign(Box<Invocation>),
    /// Wake up with [`Input::Deadline`] then, or never.
    Deadline(Option<Instant>),
    /// Tell the owner: the one answer to the invocation.
    Answer(RequestId, OutcomeKey),
    /// An init began.
    InitStart(InitPhase),
    /// An init ended.
    InitReport { phase: InitPhase, duration: Duration, status: Status, error_type: Option<String> },
    /// START.
    LogStart(RequestId),
    /// Old-style failure line.
    LogFault { id: RequestId, error_type: String, message: String },
    /// END and REPORT; what was written so far must be logged before.
    LogEnd(Box<Ending>),
}

/// Figures of REPORT that the rule book knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) id: RequestId,
    pub(crate) duration: Duration,
    pub(crate) init_duration: Option<Duration>,
    pub(crate) status: Status,
    pub(crate) error_type: Option<String>,
}

impl Ending {
    /// Duration and, where it ran ahead, init, rounded up to the next whole millisecond.
    pub(crate) fn billed_ms(&self) -> u64 {
        let paid = self.duration + self.init_duration.unwrap_or_default();
        u64::try_from(paid.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

/// The outcome, wrapped so that effects can be compared in tests by what matters.
#[derive(Debug, Clone)]
pub(crate) struct OutcomeKey(pub(crate) Outcome);

impl PartialEq for OutcomeKey {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Outcome::Answered { payload: a, .. }, Outcome::Answered { payload: b, .. }) => a == b,
            (Outcome::Streamed { bytes: a }, Outcome::Streamed { bytes: b }) => a == b,
            (Outcome::Failed(a), Outcome::Failed(b)) => {
                a.kind == b.kind && a.error_type == b.error_type && a.payload == b.payload
            }
            _ => false,
        }
    }
}

impl Eq for OutcomeKey {}

/// Where an environment stands. A variant holds only what is true while it lasts.
#[derive(Debug)]
enum State {
    /// Nothing was started yet.
    New,
    /// The runtime starts, ahead of any event.
    Init { since: Instant },
    /// The runtime waits for an event; `init` is owed to the first REPORT.
    Idle { init: Option<Duration> },
    /// Everything was killed; the next invocation begins with an init.
    Reset,
    /// An invocation runs.
    Busy(Box<Busy>),
}

#[derive(Debug)]
struct Busy {
    invocation: Invocation,
    /// When its time began to count.
    since: Instant,
    /// Set while a suppressed init still runs.
    init_since: Option<Instant>,
    /// Owed to this REPORT.
    init: Option<Duration>,
    /// How it ended, once the caller has been answered.
    answered: Option<(Status, Option<String>)>,
}

/// The rule book of one environment.
#[derive(Debug)]
pub(crate) struct Life {
    state: State,
    init_limit: Duration,
}

impl Life {
    /// An environment that has not been started.
    pub(crate) fn new(init_limit: Duration) -> Self {
        Self { state: State::New, init_limit }
    }

    /// Whether an invocation may be given to it now.
    pub(crate) fn accepts(&self) -> bool {
        matches!(self.state, State::Idle { .. } | State::Reset)
    }

    /// Orders the first start, ahead of any event.
    pub(crate) fn begin(&mut self, now: Instant) -> Vec<Effect> {
        self.state = State::Init { since: now };
        vec![
            Effect::InitStart(InitPhase::Init),
            Effect::Start,
            Effect::Deadline(Some(now + self.init_limit)),
        ]
    }

    /// What must be done about `input` at `now`. What is not written here changes nothing.
    pub(crate) fn on(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        match std::mem::replace(&mut self.state, State::Reset) {
            State::New => self.stay(State::New),
            State::Init { since } => self.during_init(since, input, now),
            State::Idle { init } => self.while_idle(init, input, now),
            State::Reset => match input {
                Input::Invoke(invocation) => self.invoke_after_reset(*invocation, now),
                _ => Vec::new(),
            },
            State::Busy(busy) => self.while_busy(busy, input, now),
        }
    }

    fn stay(&mut self, state: State) -> Vec<Effect> {
        self.state = state;
        Vec::new()
    }

    fn during_init(&mut self, since: Instant, input: Input, now: Instant) -> Vec<Effect> {
        let duration = now.duration_since(since);
        let (status, error_type) = match input {
            Input::Next => {
                self.state = State::Idle { init: Some(duration) };
                let success = init_report(InitPhase::Init, duration, Status::Success, None);
                return vec![Effect::Deadline(None), success, Effect::Throttle];
            }
            Input::InitError { error_type, .. } => (Status::Error, error_type),
            Input::Ended(end) => (Status::Error, end_error(&end).0.to_owned()),
            Input::Deadline => {
                let report = init_report(InitPhase::Init, self.init_limit, Status::Timeout, None);
                return vec![Effect::Deadline(None), Effect::Kill, report];
            }
            _ => return self.stay(State::Init { since }),
        };
        // It will run once more, inside the first invocation; nobody is waiting for this one.
        let report = init_report(InitPhase::Init, duration, status, Some(error_type));
        vec![Effect::Deadline(None), Effect::Kill, report]
    }

    fn while_idle(&mut self, init: Option<Duration>, input: Input, now: Instant) -> Vec<Effect> {
        match input {
            Input::Invoke(invocation) => {
                let deadline = now + invocation.timeout;
                let id = invocation.request_id.clone();
                let busy = Busy {
                    invocation: (*invocation).clone(),
                    since: now,
                    init_since: None,
                    init,
                    answered: None,
                };
                self.state = State::Busy(Box::new(busy));
                vec![
                    Effect::LogStart(id),
                    Effect::Deadline(Some(deadline)),
                    Effect::Assign(invocation),
                ]
            }
            // It died between two events; the next one begins with an init.
            Input::Ended(_) => vec![Effect::Kill],
            _ => self.stay(State::Idle { init }),
        }
    }

    fn invoke_after_reset(&mut self, invocation: Invocation, now: Instant) -> Vec<Effect> {
        let effects = vec![
            Effect::InitStart(InitPhase::Invoke),
            Effect::LogStart(invocation.request_id.clone()),
            Effect::Deadline(Some(now + invocation.timeout)),
            Effect::Start,
        ];
        let busy =
            Busy { invocation, since: now, init_since: Some(now), init: None, answered: None };
        self.state = State::Busy(Box::new(busy));
        effects
    }

    fn while_busy(&mut self, mut busy: Box<Busy>, input: Input, now: Instant) -> Vec<Effect> {
        let id = busy.invocation.request_id.clone();
        match input {
            Input::Next => match busy.init_since.take() {
                Some(_) => {
                    let assign = Effect::Assign(Box::new(busy.invocation.clone()));
                    self.state = State::Busy(busy);
                    vec![Effect::Throttle, assign]
                }
                None if busy.answered.is_some() => {
                    self.state = State::Idle { init: None };
                    vec![Effect::Deadline(None), busy.ending(now.duration_since(busy.since))]
                }
                // A second `next` during an invocation gets the same event again; nothing ends.
                None => self.stay(State::Busy(busy)),
            },
            // The clock of the invocation starts when the event is in the runtime's hands, unless
            // an init inside the invocation has used some of it already.
            Input::Handed => self.stay(State::Busy(busy)),
            Input::Response { id: of, payload, content_type } if of == id => {
                let outcome = Outcome::Answered { payload, content_type };
                self.answer(busy, outcome, Status::Success, None)
            }
            Input::Error { id: of, error_type, payload } if of == id => {
                let kind = FailureKind::Handler;
                let failure = Failure { kind, error_type: error_type.clone(), payload };
                self.answer(busy, Outcome::Failed(failure), Status::Error, Some(error_type))
            }
            Input::Streamed { id: of, bytes } if of == id => {
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
                fail(busy, now, failure, Status::Error, None)
            }
            Input::Ended(end) => {
                let (error_type, message) = end_error(&end);
                let kind = match end {
                    End::OutOfMemory => FailureKind::OutOfMemory,
                    End::NoEntry(_) => FailureKind::InvalidEntrypoint,
                    _ => FailureKind::Exit,
                };
                let failure = Failure::worded(kind, error_type, &id, &message);
                fail(busy, now, failure, Status::Error, Some(message))
            }
            Input::Deadline => {
                let limit = busy.invocation.timeout;
                let failure = Failure::timed_out(&id, limit);
                let message = format!("Task timed out after {:.2} seconds", limit.as_secs_f64());
                fail(busy, now, failure, Status::Timeout, Some(message))
            }
            _ => self.stay(State::Busy(busy)),
        }
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
}

/// Ends a busy environment for good: answers if nobody has, kills, reports. The state is `Reset`.
fn fail(
    mut busy: Box<Busy>,
    now: Instant,
    failure: Failure,
    status: Status,
    fault: Option<String>,
) -> Vec<Effect> {
    let id = busy.invocation.request_id.clone();
    let error_type = failure.error_type.clone();
    let mut effects = vec![Effect::Deadline(None), Effect::Kill];
    if let Some(init_since) = busy.init_since {
        let duration = now.duration_since(init_since);
        let named = (status != Status::Timeout).then(|| error_type.clone());
        effects.push(init_report(InitPhase::Invoke, duration, status, named));
    }
    if let Some(message) = fault {
        effects.push(Effect::LogFault { id: id.clone(), error_type: error_type.clone(), message });
    }
    let limit = busy.invocation.timeout;
    let duration = if status == Status::Timeout { limit } else { now.duration_since(busy.since) };
    if busy.answered.is_none() {
        effects.push(Effect::Answer(id, OutcomeKey(Outcome::Failed(failure))));
    }
    // The first failure is the one REPORT names: a runtime often ends over what it was refused.
    if !matches!(busy.answered, Some((_, Some(_)))) {
        busy.answered = Some((status, (status != Status::Timeout).then_some(error_type)));
    }
    effects.push(busy.ending(duration));
    effects
}

impl Busy {
    fn ending(&mut self, duration: Duration) -> Effect {
        let (status, error_type) = self.answered.take().unwrap_or((Status::Success, None));
        Effect::LogEnd(Box::new(Ending {
            id: self.invocation.request_id.clone(),
            duration,
            init_duration: self.init.take(),
            status,
            error_type,
        }))
    }
}

fn init_report(
    phase: InitPhase,
    duration: Duration,
    status: Status,
    error_type: Option<String>,
) -> Effect {
    Effect::InitReport { phase, duration, status, error_type }
}

/// Error type and message of a process' end (runtime-api.md 2.7, 5.2).
fn end_error(end: &End) -> (&'static str, String) {
    match end {
        End::Code(0) => {
            ("Runtime.ExitError", "Runtime exited without providing a reason".to_owned())
        }
        End::Code(code) => {
            ("Runtime.ExitError", format!("Runtime exited with error: exit status {code}"))
        }
        End::Signal(name) => {
            ("Runtime.ExitError", format!("Runtime exited with error: signal: {name}"))
        }
        End::OutOfMemory => {
            ("Runtime.OutOfMemory", "Runtime exited with error: signal: killed".to_owned())
        }
        End::NoEntry(words) => ("Runtime.InvalidEntrypoint", words.clone()),
    }
}

#[cfg(test)]
mod tests;
