//! One invocation in an environment, as far as the rule book needs it.

use std::time::{Duration, Instant};

use super::{Answered, Effect, End, Ending, Lasted, RuntimeDone, RuntimePart, Started, Times};
use crate::model::{Invocation, Status};

/// An invocation that runs.
#[derive(Debug)]
pub(super) struct Busy {
    pub(super) invocation: Invocation,
    /// When its time began to count.
    pub(super) since: Instant,
    /// Set while a suppressed init still runs.
    pub(super) init_since: Option<Instant>,
    /// Of the init, then of the invocation.
    pub(super) runtime: RuntimePart,
    /// Owed to this REPORT.
    pub(super) init: Option<Lasted>,
    /// That was part of it.
    pub(super) init_ran: Option<Lasted>,
    /// When the event went out.
    pub(super) handed: Option<Instant>,
    /// When the answer was here, and how much of it.
    pub(super) response: Option<(Instant, usize)>,
    /// How it ended, once the caller has been answered.
    pub(super) answered: Option<(Status, Option<String>)>,
}

impl Busy {
    pub(super) fn new(invocation: Invocation, since: Instant, init: Option<Lasted>) -> Self {
        Self {
            invocation,
            since,
            init_since: None,
            runtime: RuntimePart::Running,
            init,
            init_ran: None,
            handed: None,
            response: None,
            answered: None,
        }
    }

    /// The runtime's end of it; `next` is when it asked for another event, if it did.
    pub(super) fn runtime_done(&self, next: Option<Instant>) -> Effect {
        let (status, error_type) = self.answered.clone().unwrap_or((Status::Success, None));
        let answered = match (self.handed, self.response, next) {
            (Some(handed), Some((response, bytes)), Some(next)) => {
                Some(Answered { handed, response, next, bytes })
            }
            _ => None,
        };
        let id = self.invocation.request_id.clone();
        Effect::RuntimeDone(Box::new(RuntimeDone { id, status, error_type, answered }))
    }

    fn owed(&self, what: Started) -> Option<Duration> {
        self.init.filter(|init| init.what == what).map(|init| init.duration)
    }

    pub(super) fn ending(
        &mut self,
        duration: Duration,
        extensions_since: Option<Instant>,
    ) -> Effect {
        let (status, error_type) = self.answered.take().unwrap_or((Status::Success, None));
        Effect::LogEnd(Box::new(Ending {
            id: self.invocation.request_id.clone(),
            duration,
            init_duration: self.owed(Started::Init),
            restore_duration: self.owed(Started::Restore),
            status,
            error_type,
            extensions_since,
            times: Times {
                traced: self.invocation.traced.clone(),
                header: self.invocation.trace_id.clone(),
                began: self.since,
                init: self.init.or(self.init_ran),
                handed: self.handed,
                response: self.response.map(|(at, _)| at),
            },
        }))
    }
}

/// Error type and message of a process' end (runtime-api.md 2.7, 5.2).
pub(super) fn end_error(end: &End) -> (&'static str, String) {
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
