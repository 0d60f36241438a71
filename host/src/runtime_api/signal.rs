//! What a [`super::RuntimeApi`] tells its owner.

use std::time::Instant;

use bytes::Bytes;

use crate::model::RequestId;

/// One thing the runtime did, in the order it did them.
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
    },
    /// The event was handed to the runtime: the invocation's Duration begins. If it had been
    /// assigned before the runtime asked, this also says that init or the previous one is over.
    Handed {
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
