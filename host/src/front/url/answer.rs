//! What a function answered, as HTTP: inferred from its JSON, or said by a stream's prelude.
//!
//! # Sources
//! `reference/lambda-service.md` section 11, "Response inference"; `reference/runtime-api.md` 1.9.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream::unfold;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, SET_COOKIE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use serde_json::{Map, Value};

use super::super::answers::Answers;
use super::super::reply::{self, Body};
use crate::invoke::{HTTP_INTEGRATION, Prelude, PreludeReader, Step, Streaming};
use crate::model::{Invoked, Outcome, Piece};

/// Of an answer that says nothing.
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Of a stream that says nothing.
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// An answer that came whole.
pub(super) fn whole(outcome: Outcome, answers: &Answers) -> Response<Body> {
    let (payload, content_type) = match outcome {
        Outcome::Answered { payload, content_type } => (payload, content_type),
        // Whoever asks for a stream has read it before its end.
        Outcome::Streamed { .. } => (Bytes::new(), None),
        Outcome::Failed(_) => return failed(),
    };
    if content_type.as_deref() == Some(HTTP_INTEGRATION) {
        return match PreludeReader::default().push(&payload) {
            Prelude::Found { json, body } => with_prelude(&json, reply::full(answers.count(body))),
            Prelude::Unfinished | Prelude::Missing(_) => failed(),
        };
    }
    inferred(payload, answers).unwrap_or_else(failed)
}

/// A function's own failure.
fn failed() -> Response<Body> {
    reply::bytes(StatusCode::BAD_GATEWAY, Bytes::from_static(b"Internal Server Error"))
}

/// `None` if it is an answer of HTTP that HTTP cannot carry.
fn inferred(payload: Bytes, answers: &Answers) -> Option<Response<Body>> {
    let bytes = match serde_json::from_slice(&payload) {
        Ok(Value::Object(members)) if members.contains_key("statusCode") => {
            return said(&members, answers);
        }
        Ok(Value::String(text)) => text.into(),
        Ok(value @ Value::Object(_)) => value.to_string().into(),
        // Any other JSON, and what is none, is what it is.
        _ => payload,
    };
    Some(reply::bytes(StatusCode::OK, answers.count(bytes)))
}

fn said(members: &Map<String, Value>, answers: &Answers) -> Option<Response<Body>> {
    let body = match members.get("body") {
        None | Some(Value::Null) => Bytes::new(),
        Some(Value::String(text)) => match members.get("isBase64Encoded") {
            Some(Value::Bool(true)) => STANDARD.decode(text).ok()?.into(),
            _ => text.clone().into(),
        },
        Some(other) => other.to_string().into(),
    };
    head(members, reply::full(answers.count(body)), JSON)
}

fn with_prelude(json: &[u8], body: Body) -> Response<Body> {
    let members: Option<Map<String, Value>> = match json.trim_ascii() {
        b"" => Some(Map::new()),
        json => serde_json::from_slice(json).ok(),
    };
    members.and_then(|members| head(&members, body, BYTES)).unwrap_or_else(failed)
}

/// Status, headers and cookies as the function says them.
fn head(
    members: &Map<String, Value>,
    body: Body,
    content_type: HeaderValue,
) -> Option<Response<Body>> {
    let mut response = Response::new(body);
    *response.status_mut() = match members.get("statusCode") {
        None | Some(Value::Null) => StatusCode::OK,
        Some(Value::String(text)) => text.parse().ok()?,
        Some(number) => StatusCode::from_u16(u16::try_from(number.as_u64()?).ok()?).ok()?,
    };
    // Below it is what goes before an answer.
    if response.status().is_informational() {
        return None;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    if let Some(Value::Object(given)) = members.get("headers") {
        for (name, value) in given {
            put(headers, HeaderName::try_from(name).ok()?, value)?;
        }
    }
    // The host frames the body, and ends the connection when it does.
    headers.remove(CONTENT_LENGTH);
    headers.remove(TRANSFER_ENCODING);
    if let Some(Value::Array(cookies)) = members.get("cookies") {
        for cookie in cookies {
            headers.try_append(SET_COOKIE, HeaderValue::from_str(cookie.as_str()?).ok()?).ok()?;
        }
    }
    Some(response)
}

/// One value, or several as AWS's own libraries write them.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &Value) -> Option<()> {
    headers.remove(&name);
    let values = match value {
        Value::Array(values) => values.as_slice(),
        one => std::slice::from_ref(one),
    };
    for value in values {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Null => continue,
            other => other.to_string(),
        };
        headers.try_append(&name, HeaderValue::from_str(&text).ok()?).ok()?;
    }
    Some(())
}

/// An answer that has begun to come; `first` is its head.
pub(super) async fn streamed(first: Piece, mut streaming: Streaming) -> Response<Body> {
    let content_type = match first {
        Piece::Head { content_type } => content_type,
        Piece::Data(_) => None,
    };
    if content_type.as_deref() != Some(HTTP_INTEGRATION) {
        // What fails before it said anything is a failure, and no answer that breaks off.
        let body = loop {
            match streaming.next().await {
                Step::Piece(Piece::Data(bytes)) if !bytes.is_empty() => {
                    break rest(bytes, streaming);
                }
                Step::Piece(_) => {}
                Step::Ended(ended) => match *ended {
                    Ok(Invoked { outcome: Outcome::Failed(_), .. }) | Err(_) => return failed(),
                    Ok(_) => break reply::full(Bytes::new()),
                },
            }
        };
        let mut response = Response::new(body);
        let given = content_type.and_then(|given| HeaderValue::try_from(given).ok());
        response.headers_mut().insert(CONTENT_TYPE, given.unwrap_or(BYTES));
        return response;
    }
    let mut prelude = PreludeReader::default();
    loop {
        let found = match streaming.next().await {
            Step::Piece(Piece::Data(bytes)) => prelude.push(&bytes),
            Step::Piece(Piece::Head { .. }) => continue,
            // It ended before its head did.
            Step::Ended(_) => return failed(),
        };
        match found {
            Prelude::Unfinished => {}
            Prelude::Found { json, body } => return with_prelude(&json, rest(body, streaming)),
            Prelude::Missing(_) => return failed(),
        }
    }
}

/// What comes until the end. One that is no success cuts the answer off, so that nobody takes it for
/// a whole one.
fn rest(begun: Bytes, streaming: Streaming) -> Body {
    let from = Some((begun, streaming));
    let frames = unfold(from, async |from| {
        let (begun, mut streaming) = from?;
        if !begun.is_empty() {
            return Some((Ok(Frame::data(begun)), Some((Bytes::new(), streaming))));
        }
        loop {
            let failed = match streaming.next().await {
                Step::Piece(Piece::Data(bytes)) => {
                    return Some((Ok(Frame::data(bytes)), Some((Bytes::new(), streaming))));
                }
                Step::Piece(Piece::Head { .. }) => continue,
                Step::Ended(ended) => match *ended {
                    Ok(invoked) => match invoked.outcome {
                        Outcome::Failed(failure) => failure.error_type,
                        Outcome::Streamed { .. } | Outcome::Answered { .. } => return None,
                    },
                    Err(error) => error.to_string(),
                },
            };
            return Some((Err(io::Error::other(failed)), None));
        }
    });
    StreamBody::new(frames).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Failure, RequestId};

    async fn of(payload: &'static str) -> (u16, HeaderMap, String) {
        let payload = Bytes::from_static(payload.as_bytes());
        read(whole(Outcome::Answered { payload, content_type: None }, &Answers::default())).await
    }

    async fn read(response: Response<Body>) -> (u16, HeaderMap, String) {
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status.as_u16(), head.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn what_a_function_returned_is_inferred_as_aws_does() {
        for (payload, body) in [
            (r#"{ "a": 1 }"#, r#"{"a":1}"#),
            (r#""text""#, "text"),
            ("[1, 2]", "[1, 2]"),
            ("true", "true"),
            ("<p>", "<p>"),
            ("null", "null"),
        ] {
            let (status, headers, found) = of(payload).await;
            assert_eq!((status, found.as_str()), (200, body));
            assert_eq!(headers[CONTENT_TYPE], "application/json");
        }
    }

    #[tokio::test]
    async fn an_answer_with_a_status_is_what_it_says() {
        let (status, headers, body) = of(r#"{"statusCode":201,"headers":{"Content-Type":"text/plain",
            "X-N":7,"Content-Length":"99"},"cookies":["a=1","b=2; Secure"],"body":"aMOp","isBase64Encoded":true}"#)
        .await;
        assert_eq!((status, body.as_str()), (201, "hé"));
        assert_eq!(
            (&headers[CONTENT_TYPE], &headers["x-n"]),
            (&"text/plain".parse().unwrap(), &"7".parse().unwrap())
        );
        assert!(!headers.contains_key(CONTENT_LENGTH));
        let cookies: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1", "b=2; Secure"]);
        let (status, headers, body) = of(r#"{"statusCode":"404","body":{"a":1}}"#).await;
        assert_eq!((status, body.as_str()), (404, r#"{"a":1}"#));
        assert_eq!(headers[CONTENT_TYPE], "application/json");
    }

    #[tokio::test]
    async fn what_http_cannot_carry_and_failures_are_502() {
        for payload in [
            r#"{"statusCode":"often"}"#,
            r#"{"statusCode":99999}"#,
            r#"{"statusCode":200,"headers":{"a b":"c"}}"#,
            r#"{"statusCode":200,"headers":{"a":"c\nd"}}"#,
            r#"{"statusCode":200,"body":"%%","isBase64Encoded":true}"#,
        ] {
            let (status, _, body) = of(payload).await;
            assert_eq!((status, body.as_str()), (502, "Internal Server Error"), "{payload}");
        }
        let failure = Failure::out_of_memory(&RequestId("a".to_owned()));
        assert_eq!(read(whole(Outcome::Failed(failure), &Answers::default())).await.0, 502);
    }

    #[tokio::test]
    async fn a_prelude_is_read_also_when_the_answer_came_whole() {
        let payload = Bytes::from_static(
            b"{\"statusCode\":202,\"headers\":{\"a\":[\"1\",\"2\"]}}\0\0\0\0\0\0\0\0body",
        );
        let content_type = Some(HTTP_INTEGRATION.to_owned());
        let (status, headers, body) =
            read(whole(Outcome::Answered { payload, content_type }, &Answers::default())).await;
        assert_eq!((status, body.as_str()), (202, "body"));
        assert_eq!(headers.get_all("a").iter().count(), 2);
        assert_eq!(headers[CONTENT_TYPE], "application/octet-stream");
    }
}
