//! `POST invocation/{id}/error`: the function failed, in the runtime's words.
//!
//! # Sources
//! `reference/runtime-api.md` 1.5.

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::body::{self, BodyError};
use super::reply::{self, Reply};
use super::session::{Answer, Delivery};
use super::shared::{Post, Shared};
use super::xray;
use crate::model::MAX_PAYLOAD_BYTES;

/// Header, and trailer of a stream, that types an error.
pub(crate) const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
/// A body that carries X-Ray's cause beside the error.
const WITH_CAUSE: &[u8] = b"application/vnd.aws.lambda.error.cause+json";
/// What the caller gets if such a body does not parse: a JSON string.
const INVALID_BODY: &[u8] = b"\"Invalid error body\"";

pub(crate) async fn error(
    shared: &Shared,
    id: &str,
    headers: &HeaderMap,
    incoming: &mut hyper::body::Incoming,
) -> Result<Reply, Reply> {
    let post = Post::of_invocation(shared, id, headers, Answer::Error).await?;
    match body::collect(headers, incoming, MAX_PAYLOAD_BYTES).await {
        Ok(whole) => {
            let (payload, xray_cause) = split_cause(headers, whole.bytes);
            let error_type = error_type(headers);
            post.deliver(Delivery::Error { error_type, payload, xray_cause }).await?;
            Ok(reply::accepted())
        }
        Err(BodyError::TooLarge { bytes }) => {
            let limit_bytes = MAX_PAYLOAD_BYTES;
            post.deliver(Delivery::TooLarge { bytes, limit_bytes }).await?;
            Ok(reply::too_large(limit_bytes))
        }
        Err(BodyError::Truncated) => Ok(reply::truncated()),
    }
}

/// The type for telemetry: the header if it holds a known form, else an `.Unknown`.
pub(crate) fn error_type(headers: &HeaderMap) -> String {
    let given = headers.get(ERROR_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if is_known(given) {
        given.to_owned()
    } else if given.starts_with("Function.") {
        "Function.Unknown".to_owned()
    } else {
        "Runtime.Unknown".to_owned()
    }
}

/// Finds `(Runtime|Function)\.[A-Z][a-zA-Z]+` anywhere.
fn is_known(text: &str) -> bool {
    ["Runtime.", "Function."].iter().any(|prefix| {
        text.match_indices(prefix).any(|(at, _)| {
            let reason = &text.as_bytes()[at + prefix.len()..];
            matches!(reason, [first, second, ..]
                if first.is_ascii_uppercase() && second.is_ascii_alphabetic())
        })
    })
}

/// What the caller gets, and what X-Ray gets.
pub(crate) fn split_cause(headers: &HeaderMap, body: Bytes) -> (Bytes, Option<Bytes>) {
    if headers.get(CONTENT_TYPE).is_none_or(|value| value.as_bytes() != WITH_CAUSE) {
        return (body, xray::from_header(headers));
    }
    let Ok(mut parts) = serde_json::from_slice::<Map<String, Value>>(&body) else {
        return (Bytes::from_static(INVALID_BODY), None);
    };
    let cause = parts.get("errorCause").map(Value::to_string);
    let xray_cause = cause.and_then(|cause| xray::checked(cause.as_bytes()));
    parts.retain(|name, _| ["errorMessage", "errorType", "stackTrace"].contains(&name.as_str()));
    (Value::Object(parts).to_string().into(), xray_cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(given: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(ERROR_TYPE, given.parse().unwrap());
        error_type(&headers)
    }

    #[test]
    fn error_types_of_aws_form_are_kept_and_others_become_unknown() {
        for kept in ["Runtime.Foo", "Function.Foo", "Runtime.BadFunctionCode", "xRuntime.Foo 1"] {
            assert_eq!(typed(kept), kept);
        }
        for runtime in
            ["", "foo", "Runtime.foo", "Runtime.F", "Function<UserException>", "Runtime."]
        {
            assert_eq!(typed(runtime), "Runtime.Unknown", "{runtime}");
        }
        for function in ["Function.", "Function.foo", "Function.F1"] {
            assert_eq!(typed(function), "Function.Unknown", "{function}");
        }
        assert_eq!(error_type(&HeaderMap::new()), "Runtime.Unknown");
    }

    #[test]
    fn a_cause_in_the_body_is_for_xray_only() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, http::HeaderValue::from_bytes(WITH_CAUSE).unwrap());
        let body = br#"{"errorMessage":"m","errorType":"T","x":1,"errorCause":{"message":"why"}}"#;
        let (payload, cause) = split_cause(&headers, Bytes::from_static(body));
        assert_eq!(payload, r#"{"errorMessage":"m","errorType":"T"}"#);
        assert!(String::from_utf8_lossy(&cause.unwrap()).contains("why"));
        let (payload, cause) = split_cause(&headers, Bytes::from_static(b"{oops"));
        assert_eq!((payload, cause), (Bytes::from_static(b"\"Invalid error body\""), None));
    }

    #[test]
    fn other_bodies_pass_unchanged() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "application/vnd.aws.lambda.error+json".parse().unwrap());
        let body = Bytes::from_static(b"{not json \xff");
        assert_eq!(split_cause(&headers, body.clone()), (body, None));
    }
}
