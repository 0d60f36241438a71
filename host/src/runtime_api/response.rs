//! `POST invocation/{id}/response`: the answer, whole or as a stream.
//!
//! A stream is passed on piece by piece where the invocation says so, straight from the connection's
//! task; else it is collected, and the limit of a whole answer holds. It ends in trailers or not at
//! all: a stream that was cut off, however early, is an error and never an answer.
//!
//! # Sources
//! `reference/runtime-api.md` 1.4 and 1.9.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::json;

use super::body::{self, BodyError};
use super::reply::{self, Reply};
use super::session::{Answer, Delivery};
use super::shared::{Post, Shared, StreamedPost};
use super::{error, xray};
use crate::model::{Flow, MAX_PAYLOAD_BYTES, MAX_STREAM_BYTES};

const RESPONSE_MODE: &str = "lambda-runtime-function-response-mode";
/// Trailer with the base64 of the error's JSON (1.9).
const ERROR_BODY: &str = "lambda-runtime-function-error-body";
/// What the caller gets of a stream that was cut off.
pub(crate) const TRUNCATED: &str = "Runtime.TruncatedResponse";

/// How the runtime sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Buffered,
    Streaming,
}

impl Mode {
    /// Absent is buffered; anything but `streaming`, lower case, is a mistake.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        match headers.get(RESPONSE_MODE).map(|value| value.as_bytes()) {
            None | Some(b"") => Some(Self::Buffered),
            Some(b"streaming") => Some(Self::Streaming),
            Some(_) => None,
        }
    }
}

pub(crate) async fn response(
    shared: &Shared,
    id: &str,
    headers: &HeaderMap,
    incoming: &mut Incoming,
) -> Result<Reply, Reply> {
    let post = Post::of_invocation(shared, id, headers, Answer::Response).await?;
    // The emulator stays in InvocationResponse here and wedges; dropping the post undoes it.
    let mode = Mode::of(headers).ok_or_else(reply::invalid_response_mode)?;
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.map(str::to_owned);
    if mode == Mode::Buffered {
        let (delivery, reply) = collected(headers, incoming, content_type).await;
        // A whole answer that was cut off was not made; it may be made again.
        if let Some(delivery) = delivery {
            post.deliver(delivery).await?;
        }
        return Ok(reply);
    }
    let post = StreamedPost::begin(post).await?;
    let (delivery, reply) = match post.stream_to() {
        Some(to) => passed(to.begin(content_type).await, incoming).await,
        None => collected(headers, incoming, content_type).await,
    };
    post.deliver(delivery.unwrap_or_else(truncated))?;
    Ok(reply)
}

/// What a body that is wanted whole comes to, and what the runtime is told; nothing if it was cut off.
async fn collected(
    headers: &HeaderMap,
    incoming: &mut Incoming,
    content_type: Option<String>,
) -> (Option<Delivery>, Reply) {
    match body::collect(headers, incoming, MAX_PAYLOAD_BYTES).await {
        Ok(whole) => {
            let failed = whole.trailers.as_ref().and_then(error_trailers);
            let delivery =
                failed.unwrap_or(Delivery::Response { payload: whole.bytes, content_type });
            (Some(delivery), reply::accepted())
        }
        Err(BodyError::TooLarge { bytes }) => too_large(bytes, MAX_PAYLOAD_BYTES),
        Err(BodyError::Truncated) => (None, reply::truncated()),
    }
}

/// The same for a body that is wanted as it comes.
async fn passed(mut flow: Flow, incoming: &mut Incoming) -> (Option<Delivery>, Reply) {
    let mut bytes = 0;
    let mut failed = None;
    while let Some(frame) = incoming.frame().await {
        let Ok(frame) = frame else { return (None, reply::truncated()) };
        match frame.into_data() {
            Ok(mut data) => {
                let room = MAX_STREAM_BYTES - bytes;
                if data.len() > room {
                    let beyond = data.len();
                    flow.pass(data.split_to(room)).await;
                    let (rest, trailers) = body::drain_to_trailers(incoming).await;
                    let (too_large, reply) = too_large(bytes + beyond + rest, MAX_STREAM_BYTES);
                    // What it says of itself goes before what it exceeded.
                    return (trailers.as_ref().and_then(error_trailers).or(too_large), reply);
                }
                bytes += data.len();
                flow.pass(data).await;
            }
            Err(frame) => failed = frame.trailers_ref().and_then(error_trailers),
        }
    }
    (Some(failed.unwrap_or(Delivery::Streamed { bytes })), reply::accepted())
}

fn too_large(bytes: usize, limit_bytes: usize) -> (Option<Delivery>, Reply) {
    (Some(Delivery::TooLarge { bytes, limit_bytes }), reply::too_large(limit_bytes))
}

/// A response that ends in error trailers is an error, in either mode: half of it is not an answer.
pub(crate) fn error_trailers(trailers: &HeaderMap) -> Option<Delivery> {
    let given = trailers.get(error::ERROR_TYPE)?.as_bytes();
    if given.is_empty() {
        return None;
    }
    let error_type = error::error_type(trailers);
    let payload = trailers.get(ERROR_BODY).and_then(|body| BASE64.decode(body.as_bytes()).ok());
    let payload = match payload {
        Some(payload) => payload.into(),
        None => worded(&error_type, "The response ended in an error"),
    };
    Some(Delivery::Error { error_type, payload, xray_cause: xray::from_header(trailers) })
}

/// What a stream that was cut off comes to.
pub(crate) fn truncated() -> Delivery {
    let payload = worded(TRUNCATED, "HTTP request detected as truncated");
    Delivery::Error { error_type: TRUNCATED.to_owned(), payload, xray_cause: None }
}

fn worded(error_type: &str, message: &str) -> Bytes {
    json!({ "errorType": error_type, "errorMessage": message }).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_mode_is_absent_or_exactly_streaming() {
        let mode = |value: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            value.map(|value| headers.insert(RESPONSE_MODE, value.parse().unwrap()));
            Mode::of(&headers)
        };
        assert_eq!(mode(None), Some(Mode::Buffered));
        assert_eq!(mode(Some("streaming")), Some(Mode::Streaming));
        assert_eq!(mode(Some("Streaming")), None);
        assert_eq!(mode(Some("garbage")), None);
    }
}
