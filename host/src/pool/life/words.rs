//! What the rule book is told and what it says.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::LaunchFault;
use crate::model::{
    ExtensionState, InitPhase, Invocation, LifecycleEvent, Outcome, Place, RequestId,
    ShutdownReason, Status, Traced, whole_ms,
};
use crate::runtime_api::{ReportedError, Waiting};

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
    /// The owner has work; only in [`super::Life::accepts`].
    Invoke(Box<Invocation>),
    /// The runtime waits for the snapshot to be taken.
    RestoreReady { extensions: Waiting },
    /// The runtime asked for the next event and none is assigned.
    Next { extensions: Waiting },
    /// The event went out to the runtime.
    Handed { id: RequestId },
    /// Of many: a `next` that waited has gone without an event.
    NextGone,
    /// Of many: the handler of one that has timed out is done.
    Late { id: RequestId },
    /// An extension registered.
    Registered { name: String, place: Place, events: Vec<LifecycleEvent> },
    /// An extension asked for the next event.
    ExtensionWaiting { name: String, extensions: Waiting },
    /// An extension reported that it cannot go on.
    ExtensionFailed {
        name: String,
        error: ReportedError,
        error_type: String,
        message: Option<String>,
    },
    /// An extension's process ended.
    ExtensionEnded { name: String, end: End },
    /// An extension's file could not be started; why, in words.
    ExtensionNotStarted { name: String, fault: LaunchFault, words: String },
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
    /// All processes of the environment are gone.
    Gone,
    /// The deadline asked for by the last [`Effect::Deadline`] has passed.
    Deadline,
}

/// What must be done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Make a sandbox (with the same `/tmp`) and start in it the external extensions or, without any,
    /// the runtime.
    Start,
    /// Start the runtime: all external extensions have registered.
    StartRuntime,
    /// Kill every process of the environment.
    Kill,
    /// SIGTERM to the runtime and its children.
    TerminateRuntime,
    /// SIGKILL to them.
    KillRuntime,
    /// SIGKILL to an external extension and its children.
    KillExtension(String),
    /// Tell those who want to know that the environment ends, at the deadline that is set.
    ShutDownExtensions(ShutdownReason),
    /// Apply the CPU quota: init is over.
    Throttle,
    /// Give the runtime its event.
    Assign(Box<Invocation>),
    /// Wake up with [`Input::Deadline`] then, or never.
    Deadline(Option<Instant>),
    /// The runtime's answer to this is not taken any more.
    Expire(RequestId),
    /// Tell the owner: the one answer to the invocation.
    Answer(RequestId, OutcomeKey),
    /// An init began.
    InitStart(InitPhase),
    /// An extension came to a state that is told.
    LogExtension {
        name: String,
        state: ExtensionState,
        events: Vec<LifecycleEvent>,
        error_type: Option<String>,
    },
    /// The runtime's part of an init ended.
    InitRuntimeDone { phase: InitPhase, status: Status, error_type: Option<String> },
    /// An init ended.
    InitReport { phase: InitPhase, duration: Duration, status: Status, error_type: Option<String> },
    /// The snapshot was taken; it is restored.
    RestoreStart,
    /// Have the runtime go on from its snapshot.
    Restore,
    /// The runtime's hooks after a restore ended.
    RestoreRuntimeDone { status: Status, error_type: Option<String> },
    /// A restore ended.
    RestoreReport { duration: Duration, status: Status, error_type: Option<String> },
    /// START.
    LogStart(RequestId),
    /// Old-style failure line.
    LogFault { id: RequestId, error_type: String, message: String },
    /// The runtime's part of an invocation ended.
    RuntimeDone(Box<RuntimeDone>),
    /// END and REPORT; what was written so far must be logged before.
    LogEnd(Box<Ending>),
}

/// Figures of an invocation's end in the runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuntimeDone {
    pub(crate) id: RequestId,
    pub(crate) status: Status,
    pub(crate) error_type: Option<String>,
    /// From handing out the event to the runtime's asking for the next one, and what it answered
    /// with; `None` if it did not come to that.
    pub(crate) answered: Option<Answered>,
}

/// When a runtime did what, and how much it answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) handed: Instant,
    pub(crate) response: Instant,
    pub(crate) next: Instant,
    pub(crate) bytes: usize,
}

/// Figures of REPORT that the rule book knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) id: RequestId,
    pub(crate) duration: Duration,
    pub(crate) init_duration: Option<Duration>,
    /// Instead of it, where there was a snapshot.
    pub(crate) restore_duration: Option<Duration>,
    pub(crate) status: Status,
    pub(crate) error_type: Option<String>,
    /// Since when extensions were waited for alone.
    pub(crate) extensions_since: Option<Instant>,
    pub(crate) times: Times,
}

/// When what of an invocation was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) traced: Traced,
    /// X-Ray's header.
    pub(crate) header: Option<String>,
    pub(crate) began: Instant,
    /// The init before or inside it.
    pub(crate) init: Option<Lasted>,
    pub(crate) handed: Option<Instant>,
    pub(crate) response: Option<Instant>,
}

/// A start of the runtime that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lasted {
    pub(crate) since: Instant,
    pub(crate) duration: Duration,
    pub(crate) what: Started,
}

/// By what an environment came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Started {
    Init,
    Restore,
}

impl Ending {
    /// Duration and, where it ran ahead, init, rounded up to the next whole millisecond; and the same
    /// of a restore.
    pub(crate) fn billed_ms(&self) -> u64 {
        let restore_ms = self.restore_duration.map_or(0, whole_ms);
        whole_ms(self.duration + self.init_duration.unwrap_or_default()) + restore_ms
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
