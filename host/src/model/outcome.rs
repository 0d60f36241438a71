//! How an invocation ended: exactly one of these per invocation.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use super::RequestId;

/// The one answer to one invocation.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The runtime posted `/response`.
    Answered {
        /// Body, unchanged.
        payload: Bytes,
        /// The runtime's `Content-Type`, if it gave one.
        content_type: Option<String>,
    },
    /// The runtime streamed its response to its end, to where the invoker wanted it.
    Streamed {
        /// How much that was.
        bytes: usize,
    },
    /// The function failed, maybe after some of a stream; `X-Amz-Function-Error: Unhandled`.
    Failed(Failure),
}

/// A failed invocation, in both readers' words.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What happened; decides status and hints.
    pub kind: FailureKind,
    /// The error type for REPORT and telemetry, such as `Runtime.ExitError`.
    pub error_type: String,
    /// The JSON the caller gets.
    pub payload: Bytes,
}

/// Ways to fail, as far as anyone treats them differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The handler's own error, posted to `/error`.
    Handler,
    /// Init failed: posted to `/init/error`, or exit or overrun during init.
    Init,
    /// The function took longer than its timeout.
    Timeout,
    /// The kernel ended it for using more than its memory.
    OutOfMemory,
    /// A process of the function ended by itself or by a signal.
    Exit,
    /// The response was larger than [`super::MAX_PAYLOAD_BYTES`] or, as a stream,
    /// [`super::MAX_STREAM_BYTES`].
    ResponseTooLarge,
    /// An extension failed, crashed or could not be started.
    Extension,
    /// No bootstrap, or the entry could not be started.
    InvalidEntrypoint,
}

impl Failure {
    /// A failure the host words itself: `RequestId: <id> Error: <message>`.
    pub fn worded(kind: FailureKind, error_type: &str, id: &RequestId, message: &str) -> Self {
        let text = format!("RequestId: {id} Error: {message}");
        let body = json!({ "errorType": error_type, "errorMessage": text });
        Self { kind, error_type: error_type.to_owned(), payload: body.to_string().into() }
    }

    /// `Sandbox.Timedout`, the configured limit with two decimals (runtime-api.md 5.2).
    pub fn timed_out(id: &RequestId, limit: Duration) -> Self {
        let message = format!("Task timed out after {:.2} seconds", limit.as_secs_f64());
        Self::worded(FailureKind::Timeout, "Sandbox.Timedout", id, &message)
    }

    /// `Runtime.OutOfMemory`, worded as the kill it is.
    pub fn out_of_memory(id: &RequestId) -> Self {
        let message = "Runtime exited with error: signal: killed";
        Self::worded(FailureKind::OutOfMemory, "Runtime.OutOfMemory", id, message)
    }

    /// `Function.ResponseSizeTooLarge`; carries no request id (runtime-api.md 1.4).
    pub fn response_too_large(bytes: usize, limit_bytes: usize) -> Self {
        let error_type = "Function.ResponseSizeTooLarge";
        let text = format!(
            "Response payload size ({bytes} bytes) exceeded maximum allowed payload size \
             ({limit_bytes} bytes)."
        );
        let body = json!({ "errorType": error_type, "errorMessage": text });
        Self {
            kind: FailureKind::ResponseTooLarge,
            error_type: error_type.to_owned(),
            payload: body.to_string().into(),
        }
    }
}
