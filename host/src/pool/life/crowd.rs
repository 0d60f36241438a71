//! An environment that runs many invocations at once (Managed Instances).
//!
//! Each `next` that waits is a slot, and there are no more slots than the function may have. An
//! invocation takes one until it is answered and the runtime asks again; a handler that has timed out
//! keeps its own until it comes with its answer. Nothing is reset: what fails ends.
//!
//! # Invariants
//! - Every invocation that was given is answered and reported exactly once, also without a slot for it.
//! - The end of the runtime or of an extension ends all that run, and the environment.
//!
//! # Sources
//! `reference/runtime-api.md` 7.1, 7.5 and 7.6.

use std::time::Instant;

use super::busy::{Busy, end_error};
use super::party::fault;
use super::{Effect, End, Input, Invocations, KILLED, Life, OutcomeKey, State};
use crate::model::{Failure, FailureKind, Invocation, Outcome, RequestId, ShutdownReason, Status};

/// There was no slot for it.
const UNAVAILABLE: &str = "Runtime.Unavailable";
/// It came when the environment was on its way out.
const UNHEALTHY: &str = "Client.ExecutionEnvironmentUnhealthy";

/// What runs in one environment.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// While other workers load the function: until they have come, or until then, the processor is
    /// theirs as in an init.
    hurries_until: Option<Instant>,
    running: Vec<Busy>,
    /// Those that have timed out and whose handlers run on.
    lingering: Vec<RequestId>,
}

/// What is told to everybody of an init that has failed.
#[derive(Debug, Clone)]
pub(super) enum InitFailure {
    /// In the runtime's words.
    Reported { error_type: String, payload: bytes::Bytes },
    /// In ours.
    Worded { kind: FailureKind, error_type: String, message: String },
}

impl InitFailure {
    /// What `input`, which has ended an init, says.
    pub(super) fn of(input: &Input) -> Self {
        let ended = |end: &End| {
            let (error_type, message) = end_error(end);
            let kind = match end {
                End::OutOfMemory => FailureKind::OutOfMemory,
                End::NoEntry(_) => FailureKind::InvalidEntrypoint,
                _ => FailureKind::Exit,
            };
            Self::Worded { kind, error_type: error_type.to_owned(), message }
        };
        match input {
            Input::InitError { error_type, payload } => {
                Self::Reported { error_type: error_type.clone(), payload: payload.clone() }
            }
            Input::Ended(end) => ended(end),
            Input::Deadline => Self::Worded {
                kind: FailureKind::Init,
                error_type: "Sandbox.Timedout".to_owned(),
                message: "Init did not end in time".to_owned(),
            },
            other => match fault(other) {
                Some(fault) => Self::Worded {
                    kind: FailureKind::Extension,
                    error_type: fault.error_type.to_owned(),
                    message: fault.message,
                },
                None => ended(&KILLED),
            },
        }
    }

    fn failure(&self, id: &RequestId) -> Failure {
        match self.clone() {
            Self::Reported { error_type, payload } => {
                Failure { kind: FailureKind::Init, error_type, payload }
            }
            Self::Worded { kind, error_type, message } => {
                Failure::worded(kind, &error_type, id, &message)
            }
        }
    }
}

impl Crowd {
    /// Nobody yet, and workers that are still to come.
    pub(super) fn hurrying(until: Instant) -> Self {
        Self { hurries_until: Some(until), ..Self::default() }
    }

    /// The soonest end of somebody's time, or of the hurry.
    fn deadline(&self) -> Effect {
        let all = self.running.iter().map(|busy| busy.since + busy.invocation.timeout);
        Effect::Deadline(all.chain(self.hurries_until).min())
    }

    fn take(&mut self, id: &RequestId) -> Option<Busy> {
        let at = self.running.iter().position(|busy| busy.invocation.request_id == *id)?;
        Some(self.running.swap_remove(at))
    }
}

impl Life {
    /// How many invocations it can be given now.
    pub(crate) fn idle_slots(&self) -> usize {
        match (&self.state, &self.init_failure) {
            (State::Crowded(crowd), _) => self.slots_of(crowd),
            // Whoever waits for it hears why there is none.
            (State::Reset, Some(_)) => usize::MAX,
            _ => 0,
        }
    }

    /// Whether an invocation that was given is not over.
    pub(super) fn is_busy(&self) -> bool {
        match &self.state {
            State::Crowded(crowd) => !crowd.running.is_empty(),
            State::Busy(_) => true,
            _ => false,
        }
    }

    fn slots_of(&self, crowd: &Crowd) -> usize {
        let Invocations::Many { most } = self.invocations else { return 0 };
        self.idle.min(most.saturating_sub(crowd.running.len() + crowd.lingering.len()))
    }

    /// Counts slots, whatever else is going on.
    pub(super) fn count_slots(&mut self, input: &Input) {
        match input {
            Input::Next { .. } => self.idle += 1,
            Input::NextGone if self.idle > 0 => self.idle -= 1,
            _ => {}
        }
    }

    /// An invocation came when none can run any more.
    pub(super) fn refuse_late(&mut self, invocation: Invocation, now: Instant) -> Vec<Effect> {
        let id = invocation.request_id.clone();
        let failure = match &self.init_failure {
            Some(why) => why.failure(&id),
            None => {
                let text = "The environment is shutting down";
                Failure::worded(FailureKind::Exit, UNHEALTHY, &id, text)
            }
        };
        let mut effects = vec![Effect::LogStart(id)];
        effects.extend(failed(Busy::new(invocation, now, None), failure, Status::Error, None, now));
        effects
    }

    pub(super) fn while_crowded(
        &mut self,
        mut crowd: Crowd,
        input: Input,
        had_slot: HadSlot,
        now: Instant,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let (id, outcome, status, error_type) = match input {
            Input::Invoke(invocation) => {
                effects.extend(self.take_in(&mut crowd, *invocation, now));
                return self.crowded(crowd, effects, now);
            }
            Input::Next { .. } if crowd.hurries_until.is_some() => {
                return self.crowded(crowd, effects, now);
            }
            Input::Handed { id } => {
                let mut running = crowd.running.iter_mut();
                if let Some(busy) = running.find(|busy| busy.invocation.request_id == id) {
                    busy.handed.get_or_insert(now);
                }
                return self.stay(State::Crowded(crowd));
            }
            Input::Response { id, payload, content_type } => {
                (id, Outcome::Answered { payload, content_type }, Status::Success, None)
            }
            Input::Streamed { id, bytes } => {
                (id, Outcome::Streamed { bytes }, Status::Success, None)
            }
            Input::Error { id, error_type, payload } => {
                let kind = FailureKind::Handler;
                let failure = Failure { kind, error_type: error_type.clone(), payload };
                (id, Outcome::Failed(failure), Status::Error, Some(error_type))
            }
            Input::TooLarge { id, bytes, limit_bytes } => {
                let failure = Failure::response_too_large(bytes, limit_bytes);
                let error_type = failure.error_type.clone();
                (id, Outcome::Failed(failure), Status::Error, Some(error_type))
            }
            Input::Late { id } => {
                crowd.lingering.retain(|lingering| *lingering != id);
                return self.crowded(crowd, effects, now);
            }
            Input::Deadline => {
                effects.extend(overdue(&mut crowd, now));
                return self.crowded(crowd, effects, now);
            }
            // The slot that was promised to somebody is gone: who came last has none.
            Input::NextGone if had_slot == HadSlot::No => {
                let unhanded = crowd.running.iter().rposition(|busy| busy.handed.is_none());
                if let Some(at) = unhanded {
                    effects.extend(unavailable(crowd.running.remove(at), now));
                }
                return self.crowded(crowd, effects, now);
            }
            other => return self.ended_crowded(crowd, &other, now),
        };
        let Some(mut busy) = crowd.take(&id) else { return self.stay(State::Crowded(crowd)) };
        busy.answered = Some((status, error_type));
        effects.push(Effect::Answer(id, OutcomeKey(outcome)));
        effects.push(busy.ending(now.duration_since(busy.since), None));
        self.crowded(crowd, effects, now)
    }

    /// What follows whatever has changed; also the end of an init.
    pub(super) fn crowded(
        &mut self,
        mut crowd: Crowd,
        mut effects: Vec<Effect>,
        now: Instant,
    ) -> Vec<Effect> {
        let Invocations::Many { most } = self.invocations else { return effects };
        let all_are_here = self.idle + crowd.running.len() + crowd.lingering.len() >= most;
        if crowd.hurries_until.take_if(|until| all_are_here || *until <= now).is_some() {
            effects.push(Effect::Throttle);
        }
        effects.push(crowd.deadline());
        self.state = State::Crowded(crowd);
        effects
    }

    fn take_in(&mut self, crowd: &mut Crowd, invocation: Invocation, now: Instant) -> Vec<Effect> {
        let start = Effect::LogStart(invocation.request_id.clone());
        let busy = Busy::new(invocation.clone(), now, None);
        if self.slots_of(crowd) == 0 {
            let mut effects = vec![start];
            effects.extend(unavailable(busy, now));
            return effects;
        }
        self.idle -= 1;
        // Its own, for what it is told; the soonest of all comes after.
        let deadline = Effect::Deadline(Some(now + invocation.timeout));
        crowd.running.push(busy);
        // START is told with its trace, which is known once it is assigned.
        vec![deadline, Effect::Assign(Box::new(invocation)), start]
    }

    /// Whether `other` is somebody's end, and then everybody's.
    fn ended_crowded(&mut self, mut crowd: Crowd, other: &Input, now: Instant) -> Vec<Effect> {
        let why = match other {
            Input::Ended(_) | Input::Gone => InitFailure::of(other),
            other if fault(other).is_some() => InitFailure::of(other),
            _ => return self.stay(State::Crowded(crowd)),
        };
        self.idle = 0;
        let mut effects = Vec::new();
        for busy in crowd.running.drain(..) {
            let id = busy.invocation.request_id.clone();
            let message = match &why {
                InitFailure::Worded { message, .. } => Some(message.clone()),
                InitFailure::Reported { .. } => None,
            };
            let failure = why.failure(&id);
            effects.extend(failed(busy, failure, Status::Error, message, now));
        }
        self.end(ShutdownReason::Failure, effects, now)
    }
}

/// Whether a `next` that is gone was still to be given away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HadSlot {
    Yes,
    No,
}

/// Those whose time is over. Their handlers run on and keep their slots.
fn overdue(crowd: &mut Crowd, now: Instant) -> Vec<Effect> {
    let is_over = |busy: &mut Busy| busy.since + busy.invocation.timeout <= now;
    let mut effects = Vec::new();
    for busy in crowd.running.extract_if(.., is_over) {
        // One that nobody has taken is no handler's.
        crowd.lingering.extend(busy.handed.map(|_| busy.invocation.request_id.clone()));
        let limit = busy.invocation.timeout;
        let failure = Failure::timed_out(&busy.invocation.request_id, limit);
        let message = format!("Task timed out after {:.2} seconds", limit.as_secs_f64());
        effects.extend(failed(busy, failure, Status::Timeout, Some(message), now));
    }
    effects
}

fn unavailable(busy: Busy, now: Instant) -> Vec<Effect> {
    let text = "The runtime has no idle slot";
    let id = busy.invocation.request_id.clone();
    let failure = Failure::worded(FailureKind::Exit, UNAVAILABLE, &id, text);
    failed(busy, failure, Status::Error, None, now)
}

/// Ends an invocation that nobody has answered.
fn failed(
    mut busy: Busy,
    failure: Failure,
    status: Status,
    fault: Option<String>,
    now: Instant,
) -> Vec<Effect> {
    let id = busy.invocation.request_id.clone();
    let error_type = failure.error_type.clone();
    busy.answered = Some((status, (status != Status::Timeout).then(|| error_type.clone())));
    let duration = match status {
        Status::Timeout => busy.invocation.timeout,
        _ => now.duration_since(busy.since),
    };
    let mut effects = vec![Effect::Expire(id.clone())];
    if let Some(message) = fault {
        effects.push(Effect::LogFault { id: id.clone(), error_type, message });
    }
    effects.push(Effect::Answer(id, OutcomeKey(Outcome::Failed(failure))));
    effects.push(busy.ending(duration, None));
    effects
}
