//! `POST invocation/{id}/response`: the answer, buffered.
//!
//! A response sent as a stream is collected under the same limit; handing it on while it flows
//! is a later issue and begins here.
//!
//! # Sources
//! `reference/runtime-api.md` 1.4 and 1.9.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::json;

use super::body::{self, BodyError};
use super::reply::{self, Reply};
use super::session::{Answer, Delivery};
use super::shared::{Post, Shared};
use super::{error, xray};
use crate::model::MAX_PAYLOAD_BYTES;

const RESPONSE_MODE: &str = "lambda-runtime-function-response-mode";
/// Trailer with the base64 of the error's JSON (1.9).
const ERROR_BODY: &str = "lambda-runtime-function-error-body";
/// What the caller gets of a stream that was cut off.
const TRUNCATED: &str = "Runtime.TruncatedResponse";

/// How the runtime sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Buffered,
    Streaming,
}

impl Mode {
    /// Absent is buffered; anything but `streaming`, lower case, is a mistake.
    fn of(headers: &HeaderMap) -> Option<Self> {
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
    incoming: &mut hyper::body::Incoming,
) -> Result<Reply, Reply> {
    let post = Post::of_invocation(shared, id, headers, Answer::Response)?;
    // The emulator stays in InvocationResponse here and wedges; dropping the post undoes it.
    let mode = Mode::of(headers).ok_or_else(reply::invalid_response_mode)?;
    match body::collect(headers, incoming, MAX_PAYLOAD_BYTES).await {
        Ok(whole) => {
            let failed = whole.trailers.as_ref().and_then(error_trailers);
            let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let content_type = content_type.map(str::to_owned);
            let delivery =
                failed.unwrap_or(Delivery::Response { payload: whole.bytes, content_type });
            post.deliver(delivery).await?;
            Ok(reply::accepted())
        }
        Err(BodyError::TooLarge { bytes }) => {
            post.deliver(Delivery::TooLarge { bytes }).await?;
            Ok(reply::too_large())
        }
        Err(BodyError::Truncated) => {
            if mode == Mode::Streaming {
                post.deliver(truncated()).await?;
            }
            Ok(reply::truncated())
        }
    }
}

/// A response that ends in error trailers is an error, in either mode: half of it is not an answer.
fn error_trailers(trailers: &HeaderMap) -> Option<Delivery> {
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

fn truncated() -> Delivery {
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
