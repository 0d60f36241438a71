//! The answers a runtime can get, byte for byte.
//!
//! # Sources
//! `reference/runtime-api.md` 0.1, 0.2 and 1.4.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::json;

use super::session::Refusal;

/// Every answer is whole in memory: one write with its head.
pub(crate) type Reply = Response<Full<Bytes>>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// 202, the answer to every post that was taken.
pub(crate) fn accepted() -> Reply {
    with(StatusCode::ACCEPTED, JSON, Bytes::from_static(b"{\"status\":\"OK\"}\n"))
}

/// 200 to `ping`.
pub(crate) fn pong() -> Reply {
    with(StatusCode::OK, TEXT, Bytes::from_static(b"pong"))
}

/// 200 without a body, the end of `restore/next`.
pub(crate) fn restored() -> Reply {
    Reply::default()
}

/// 404, unknown path.
pub(crate) fn not_found() -> Reply {
    with(StatusCode::NOT_FOUND, TEXT, Bytes::from_static(b"404 page not found\n"))
}

/// 404, keys that this caller may not have.
pub(crate) fn no_credentials() -> Reply {
    let text = b"cannot get credentials for the provided token\n";
    with(StatusCode::NOT_FOUND, TEXT, Bytes::from_static(text))
}

/// 405, known path.
pub(crate) fn method_not_allowed() -> Reply {
    let mut reply = Reply::default();
    *reply.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    reply
}

/// 400, a response mode other than `streaming`.
pub(crate) fn invalid_response_mode() -> Reply {
    let message = "Invalid function response mode";
    error(StatusCode::BAD_REQUEST, "InvalidFunctionResponseMode", message)
}

/// 400, the body ended early.
pub(crate) fn truncated() -> Reply {
    let message = "HTTP request detected as truncated";
    error(StatusCode::BAD_REQUEST, "TruncatedHTTPRequest", message)
}

/// 413, the body is over this limit.
pub(crate) fn too_large(limit_bytes: usize) -> Reply {
    let message = format!("Exceeded maximum allowed payload size ({limit_bytes} bytes).");
    error(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message)
}

/// 200 with a JSON body.
pub(crate) fn json(body: &serde_json::Value) -> Reply {
    with(StatusCode::OK, JSON, body.to_string().into())
}

/// 400, a call that is not understood.
pub(crate) fn bad_request(error_type: &str, message: &str) -> Reply {
    error(StatusCode::BAD_REQUEST, error_type, message)
}

/// 403, a call that is refused.
pub(crate) fn forbidden(error_type: &str, message: &str) -> Reply {
    error(StatusCode::FORBIDDEN, error_type, message)
}

/// 403, a process that is not this environment's.
pub(crate) fn foreign_peer(message: &str) -> Reply {
    error(StatusCode::FORBIDDEN, "ForbiddenPeer", message)
}

/// 500: the environment is going away; the runtime should exit.
pub(crate) fn internal() -> Reply {
    let message = "Internal Server Error";
    error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", message)
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let (status, error_type) = match refusal {
            Refusal::InvalidRequestId => (StatusCode::BAD_REQUEST, "InvalidRequestID"),
            Refusal::NotAllowed { .. } | Refusal::Concurrent { .. } => {
                (StatusCode::FORBIDDEN, "InvalidStateTransition")
            }
            Refusal::InvokeTimeout | Refusal::Late { .. } => (StatusCode::GONE, "InvokeTimeout"),
            Refusal::NoSuchPath => return not_found(),
        };
        error(status, error_type, &refusal.to_string())
    }
}

fn error(status: StatusCode, error_type: &str, message: &str) -> Reply {
    let mut body = json!({ "errorMessage": message, "errorType": error_type }).to_string();
    body.push('\n');
    with(status, JSON, body.into())
}

fn with(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Reply {
    let mut reply = Reply::new(Full::new(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, content_type);
    reply
}
