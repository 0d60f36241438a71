//! What a [`super::RuntimeApi`] tells its owner.

use std::time::Instant;

use bytes::Bytes;

use crate::model::{LifecycleEvent, Place, RequestId, SubscribedTo};

/// Whether every extension waits for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// All of them, or there is none.
    All,
    /// Not all of them.
    Some,
}

/// Which of an extension's two calls reported an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportedError {
    /// `init/error`.
    Init,
    /// `exit/error`.
    Exit,
}

/// One thing an extension did.
#[derive(Debug, Clone)]
pub enum ExtensionSignal {
    /// It registered.
    Registered {
        /// Its own name.
        name: String,
        /// Where it runs.
        place: Place,
        /// What it wants to be told; sorted.
        events: Vec<LifecycleEvent>,
        /// When.
        at: Instant,
    },
    /// It asked for the next event: its init, or what it did about the last one, is over.
    Waiting {
        /// Its own name.
        name: String,
        /// Whether all extensions wait by now.
        extensions: Waiting,
        /// When.
        at: Instant,
    },
    /// It subscribed to telemetry or logs.
    Subscribed {
        /// Its own name.
        name: String,
        /// By which API.
        api: SubscribedTo,
        /// In AWS's words.
        state: &'static str,
        /// What it wants, in the API's words.
        types: Vec<&'static str>,
        /// When.
        at: Instant,
    },
    /// It reported that it cannot go on.
    Failed {
        /// Its own name.
        name: String,
        /// By which call.
        error: ReportedError,
        /// What it says the error's type is.
        error_type: String,
        /// What it says about it, if anything.
        message: Option<String>,
        /// When.
        at: Instant,
    },
}

/// One thing the runtime or an extension did, in the order of their calls.
///
/// The channel is bounded by its maker. While it is full the runtime's call is not answered and
/// changes nothing; one invocation makes at most three signals, so a capacity of eight never fills
/// unless the owner has stopped reading. A closed channel answers the runtime 500.
#[derive(Debug, Clone)]
pub enum Signal {
    /// The runtime called next and no invocation is assigned: init, or the previous one, is over.
    Next {
        /// When.
        at: Instant,
        /// Whether all extensions wait by now; if not, they say when they do.
        extensions: Waiting,
    },
    /// The runtime called restore/next: its init is over, and it waits for the snapshot.
    RestoreReady {
        /// When.
        at: Instant,
        /// Whether all extensions wait by now; if not, they say when they do.
        extensions: Waiting,
    },
    /// Of a runtime that may hold many invocations: a `next` that waited is gone without an event.
    NextGone {
        /// When.
        at: Instant,
    },
    /// Of a runtime that may hold many: the answer to an invocation that has timed out came and was
    /// refused.
    Late {
        /// Which invocation.
        request_id: RequestId,
        /// When.
        at: Instant,
    },
    /// The event was handed to the runtime: the invocation's Duration begins. If it had been
    /// assigned before the runtime asked, this also says that init or the previous one is over.
    Handed {
        /// Which invocation.
        request_id: RequestId,
        /// When.
        at: Instant,
    },
    /// The runtime posted its response, whole.
    Response {
        /// Which invocation.
        request_id: RequestId,
        /// The body, unchanged.
        payload: Bytes,
        /// The runtime's `Content-Type`, if it gave one.
        content_type: Option<String>,
        /// When its last byte was here.
        at: Instant,
    },
    /// The runtime streamed its response to its end, to where the invocation said.
    Streamed {
        /// Which invocation.
        request_id: RequestId,
        /// How much that was.
        bytes: usize,
        /// When its last byte was here.
        at: Instant,
    },
    /// The runtime posted more than is allowed; it was told 413 and may go on.
    ResponseTooLarge {
        /// Which invocation.
        request_id: RequestId,
        /// Declared size, or as much as was counted before the connection was given up.
        bytes: usize,
        /// How much is allowed: a stream may be longer.
        limit_bytes: usize,
        /// When.
        at: Instant,
    },
    /// The runtime posted an error, or ended a response with error trailers.
    Error {
        /// Which invocation.
        request_id: RequestId,
        /// Type for REPORT and telemetry, always `Runtime.…` or `Function.…`.
        error_type: String,
        /// The body for the caller.
        payload: Bytes,
        /// X-Ray's cause, checked and cropped to 64 KiB, for whoever keeps traces.
        xray_cause: Option<Bytes>,
        /// When.
        at: Instant,
    },
    /// An extension did something.
    Extension(ExtensionSignal),
    /// The runtime posted that its init failed. It is expected to exit; nobody waits for that.
    InitError {
        /// Type for INIT_REPORT and telemetry.
        error_type: String,
        /// The body for the caller.
        payload: Bytes,
        /// When.
        at: Instant,
    },
}
