//! One request to run a function once.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::{StreamTo, Traced};

/// Largest buffered event and response: 6 MiB and 100 bytes (runtime-api.md 0.3).
pub const MAX_PAYLOAD_BYTES: usize = 6_291_556;
/// Largest client context, base64 (Lambda API reference, Invoke).
pub const MAX_CLIENT_CONTEXT_BYTES: usize = 3_583;

/// The id an invocation is known by to caller, function and log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestId(pub String);

impl RequestId {
    /// A fresh random id.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything a runtime is told about one invocation by `GET …/invocation/next`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// `Lambda-Runtime-Aws-Request-Id`.
    pub request_id: RequestId,
    /// `Lambda-Runtime-Invocation-Id`: unique to this attempt.
    pub attempt_id: String,
    /// The event, bytes as the caller sent them.
    pub payload: Bytes,
    /// Content type of the event; `application/json` unless the caller said otherwise.
    pub content_type: String,
    /// `Lambda-Runtime-Invoked-Function-Arn`.
    pub arn: String,
    /// How long the function may take, from the moment the event is handed out.
    pub timeout: Duration,
    /// `Lambda-Runtime-Deadline-Ms`: milliseconds since the epoch.
    pub deadline_epoch_ms: u64,
    /// `Lambda-Runtime-Trace-Id`, when there is a trace.
    pub trace_id: Option<String>,
    /// Decoded client context, JSON text.
    pub client_context: Option<String>,
    /// Cognito identity, JSON text.
    pub cognito_identity: Option<String>,
    /// `Lambda-Runtime-Aws-Tenant-Id`.
    pub tenant_id: Option<String>,
    /// Where a streamed answer goes while it is made; without it the answer is collected.
    pub stream_to: Option<StreamTo>,
    /// Where it stands in the invoker's trace.
    pub traced: Traced,
    /// When the invoker is answered.
    pub answer_at: AnswerAt,
}

/// What an invoker waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerAt {
    /// The runtime's response, though runtime or extensions have not finished (runtime-api.md 2.6).
    Response,
    /// The REPORT too: it wants the end of the log.
    Report,
}
