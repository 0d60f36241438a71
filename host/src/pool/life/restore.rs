//! SnapStart: an init ends in a snapshot, and what is restored from it runs its hooks before it serves.
//!
//! The snapshot is the process itself, which goes on at once: what its hooks may rely on, and what is
//! said of them, is as if it had been stored in between.
//!
//! # Sources
//! `reference/runtime-api.md` 1.7, 3.4, 4.1.

use std::time::{Duration, Instant};

use super::busy::Busy;
use super::{Effect, Lasted, Life, RuntimePart, Started, State, init_report, init_runtime_done};
use crate::model::{Failure, FailureKind, InitPhase, Initialization, Status};
use crate::runtime_api::Waiting;

/// How long hooks may take after the restore (`SnapStartTimeoutException` on AWS).
pub(crate) const RESTORE_LIMIT: Duration = Duration::from_secs(10);
/// What it is called when they take longer.
const TOOK_TOO_LONG: &str = "Runtime.RestoreHookUserTimeout";

/// What is with the snapshot of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Snapshot {
    /// There is none.
    Never,
    /// It is taken when everything waits.
    Ahead,
    /// The runtime waits for it.
    Ready,
    /// It was taken; the runtime's hooks run.
    Restoring { since: Instant },
}

impl Life {
    /// The same with a snapshot, if the function has one. Hooks have `limit`.
    pub(crate) fn initialized(mut self, by: Initialization, limit: Duration) -> Self {
        (self.initialization, self.restore_limit) = (by, limit);
        self
    }

    /// The start that is over now.
    pub(super) fn started(&self, init_since: Instant, now: Instant) -> Lasted {
        let (since, what) = match self.snapshot {
            Snapshot::Restoring { since } => (since, Started::Restore),
            _ => (init_since, Started::Init),
        };
        Lasted { since, duration: now.duration_since(since), what }
    }

    /// What a start begins with.
    pub(super) fn new_snapshot(&self) -> Snapshot {
        match self.initialization {
            Initialization::OnDemand => Snapshot::Never,
            Initialization::SnapStart => Snapshot::Ahead,
        }
    }

    /// The phase of an init that runs ahead.
    pub(super) fn phase(&self) -> InitPhase {
        match self.initialization {
            Initialization::OnDemand => InitPhase::Init,
            Initialization::SnapStart => InitPhase::SnapStart,
        }
    }

    /// The runtime's part of a start is over: of the init, or of the restore that followed it.
    pub(super) fn runtime_started(
        &self,
        phase: InitPhase,
        status: Status,
        error_type: Option<String>,
    ) -> Effect {
        match self.snapshot {
            Snapshot::Restoring { .. } => {
                let (status, error_type) = named(status, error_type);
                Effect::RestoreRuntimeDone { status, error_type }
            }
            _ => init_runtime_done(phase, status, error_type),
        }
    }

    /// A start is over; `duration` is an init's.
    pub(super) fn start_report(
        &self,
        phase: InitPhase,
        duration: Duration,
        status: Status,
        error_type: Option<String>,
        now: Instant,
    ) -> Effect {
        match self.snapshot {
            Snapshot::Restoring { since } => {
                let (status, error_type) = named(status, error_type);
                let duration = match status {
                    Status::Timeout => self.restore_limit,
                    _ => now.duration_since(since),
                };
                Effect::RestoreReport { duration, status, error_type }
            }
            _ => init_report(phase, duration, status, error_type),
        }
    }

    /// Everything waits: the snapshot is taken, and restored. The caller has set the state, in which the
    /// runtime is at work again.
    pub(super) fn take_snapshot(
        &mut self,
        phase: InitPhase,
        duration: Duration,
        latest: Option<Instant>,
        now: Instant,
    ) -> Vec<Effect> {
        self.snapshot = Snapshot::Restoring { since: now };
        let ends = now + self.restore_limit;
        let ends = latest.map_or(ends, |latest| latest.min(ends));
        vec![
            init_report(phase, duration, Status::Success, None),
            Effect::Deadline(Some(ends)),
            Effect::RestoreStart,
            Effect::Restore,
        ]
    }

    /// The runtime waits for the snapshot, in an init that is part of an invocation.
    pub(super) fn restore_ready(
        &mut self,
        mut busy: Box<Busy>,
        extensions: Waiting,
        now: Instant,
    ) -> Vec<Effect> {
        let mut effects = vec![init_runtime_done(InitPhase::Invoke, Status::Success, None)];
        busy.runtime = RuntimePart::Done(now);
        self.snapshot = Snapshot::Ready;
        effects.extend(match extensions {
            Waiting::All => self.complete(busy, now),
            Waiting::Some => self.stay(State::Busy(busy)),
        });
        effects
    }

    /// Whether the deadline that passed is that of the hooks and not the function's own.
    pub(super) fn hooks_are_late(&self, busy: &Busy, now: Instant) -> bool {
        matches!(self.snapshot, Snapshot::Restoring { .. })
            && busy.init_since.is_some()
            && now < busy.since + busy.invocation.timeout
    }

    /// Hooks in an invocation took too long.
    pub(super) fn fail_late_hooks(&mut self, busy: Box<Busy>, now: Instant) -> Vec<Effect> {
        let seconds = self.restore_limit.as_secs_f64();
        let message = format!("Restore hooks timed out after {seconds:.2} seconds");
        let id = busy.invocation.request_id.clone();
        let failure = Failure::worded(FailureKind::Init, TOOK_TOO_LONG, &id, &message);
        self.fail(busy, now, failure, Status::Error, Some(message))
    }
}

/// Hooks that took too long have a name, unlike an init, and are no error of their own.
fn named(status: Status, error_type: Option<String>) -> (Status, Option<String>) {
    match error_type.as_deref() {
        Some(TOOK_TOO_LONG) => (Status::Timeout, error_type),
        None if status == Status::Timeout => (status, Some(TOOK_TOO_LONG.to_owned())),
        _ => (status, error_type),
    }
}
