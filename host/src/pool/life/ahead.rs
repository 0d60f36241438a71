//! An init that runs ahead of any event: to its end, a failure, or the snapshot it ends in.
//!
//! # Sources
//! `reference/runtime-api.md` 1.7, 2.6 and 7.7.

use std::time::Instant;

use super::busy::end_error;
use super::crowd::{Crowd, InitFailure};
use super::party::fault;
use super::restore::Snapshot;
use super::{Effect, Input, Invocations, KILLED, Life, RuntimePart, State, init_runtime_done};
use crate::model::{ShutdownReason, Status};
use crate::pool::settings::workers_within;
use crate::runtime_api::Waiting;

impl Life {
    pub(super) fn during_init(
        &mut self,
        since: Instant,
        mut runtime: RuntimePart,
        input: Input,
        now: Instant,
    ) -> Vec<Effect> {
        let phase = self.phase();
        let duration = now.duration_since(since);
        let mut effects = Vec::new();
        let waiting = match input {
            Input::Next { extensions } => {
                // Others of many may ask while extensions are waited for.
                if runtime == RuntimePart::Running {
                    effects.push(self.runtime_started(phase, Status::Success, None));
                }
                runtime = RuntimePart::Done(now);
                extensions
            }
            Input::RestoreReady { extensions } => {
                runtime = RuntimePart::Done(now);
                effects.push(init_runtime_done(phase, Status::Success, None));
                self.snapshot = Snapshot::Ready;
                extensions
            }
            Input::ExtensionWaiting { extensions, .. } => extensions,
            _ => Waiting::Some,
        };
        if waiting == Waiting::All && runtime != RuntimePart::Running {
            if self.snapshot == Snapshot::Ready {
                self.state = State::Init { since, runtime: RuntimePart::Running };
                effects.extend(self.take_snapshot(phase, duration, None, now));
                return effects;
            }
            let report = self.start_report(phase, duration, Status::Success, None, now);
            if self.invocations != Invocations::One {
                effects.push(report);
                let crowd = Crowd::hurrying(now + workers_within(duration));
                return self.crowded(crowd, effects, now);
            }
            self.state = State::Idle { init: Some(self.started(since, now)) };
            effects.extend([Effect::Deadline(None), report, Effect::Throttle]);
            return effects;
        }
        let why = (self.invocations != Invocations::One).then(|| InitFailure::of(&input));
        let (status, error_type) = match input {
            Input::InitError { error_type, .. } => (Status::Error, Some(error_type)),
            Input::Ended(end) => (Status::Error, Some(end_error(&end).0.to_owned())),
            Input::Gone => (Status::Error, Some(end_error(&KILLED).0.to_owned())),
            Input::Deadline => (Status::Timeout, None),
            other => match fault(&other) {
                Some(fault) => (Status::Error, Some(fault.error_type.to_owned())),
                None => {
                    self.state = State::Init { since, runtime };
                    return effects;
                }
            },
        };
        // It will run once more, inside the first invocation; nobody is waiting for this one. Of many it
        // is not, and this is what they get.
        self.init_failure = why;
        if runtime == RuntimePart::Running {
            effects.push(self.runtime_started(phase, status, error_type.clone()));
        }
        effects.extend(self.party.unready());
        let (duration, reason) = match status {
            Status::Timeout => (self.init_limit, ShutdownReason::Timeout),
            _ => (duration, ShutdownReason::Failure),
        };
        effects.push(self.start_report(phase, duration, status, error_type, now));
        self.end(reason, effects, now)
    }
}
