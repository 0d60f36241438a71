//! The body of InvokeWithResponseStream: AWS's event stream, frame by frame as the function answers.
//!
//! # Sources
//! `reference/lambda-service.md` section 8; the framing is `aws-smithy-eventstream`'s.

use std::io;

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures_util::stream::unfold;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use serde_json::{Map, Value};

use super::answers::Answers;
use super::invoke::LogType;
use super::reply::Body;
use crate::invoke::{InvokeError, Step, Streaming};
use crate::model::{Failure, FailureKind, Invoked, Outcome, Piece};

const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// The answer whose first step is known.
pub(super) fn answer(
    first: Step,
    streaming: Streaming,
    log_type: LogType,
    answers: Answers,
) -> Response<Body> {
    let from = Some((Some(first), streaming, answers));
    let frames = unfold(from, move |from| async move {
        let (mut first, mut streaming, answers) = from?;
        loop {
            let step = match first.take() {
                Some(step) => step,
                None => streaming.next().await,
            };
            match step {
                // What the stream claims to be is in no event.
                Step::Piece(Piece::Head { .. }) => {}
                Step::Piece(Piece::Data(bytes)) => {
                    let frame = framed(&answers, |to| chunk(bytes, to));
                    return Some((frame, Some((None, streaming, answers))));
                }
                Step::Ended(ended) => {
                    return Some((framed(&answers, |to| ending(*ended, log_type, to)), None));
                }
            }
        }
    });
    let mut response = Response::new(StreamBody::new(frames).boxed());
    *response.status_mut() = StatusCode::OK;
    let content_type = http::HeaderValue::from_static(CONTENT_TYPE);
    response.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
    response
}

type Written = Result<(), aws_smithy_eventstream::error::Error>;

fn framed(
    answers: &Answers,
    write: impl FnOnce(&mut BytesMut) -> Written,
) -> io::Result<Frame<Bytes>> {
    let mut frames = BytesMut::new();
    write(&mut frames).map_err(io::Error::other)?;
    Ok(Frame::data(answers.count(frames.freeze())))
}

fn chunk(bytes: Bytes, to: &mut BytesMut) -> Written {
    event("PayloadChunk", "application/octet-stream", bytes, to)
}

/// What is left of the answer, and how it ended.
fn ending(ended: Result<Invoked, InvokeError>, log_type: LogType, to: &mut BytesMut) -> Written {
    let mut members = Map::new();
    match ended {
        Ok(Invoked { outcome, log_tail, .. }) => {
            match outcome {
                Outcome::Answered { payload, .. } => chunk(payload, to)?,
                Outcome::Streamed { .. } => {}
                Outcome::Failed(failure) => {
                    let details = String::from_utf8_lossy(&failure.payload).into_owned();
                    members.insert("ErrorCode".to_owned(), code(&failure).into());
                    members.insert("ErrorDetails".to_owned(), details.into());
                }
            }
            if log_type == LogType::Tail {
                members.insert("LogResult".to_owned(), STANDARD.encode(log_tail).into());
            }
        }
        // The environment was lost after the answer had begun.
        Err(error) => {
            members.insert("ErrorCode".to_owned(), "ServiceException".into());
            members.insert("ErrorDetails".to_owned(), error.to_string().into());
        }
    }
    let members = Value::Object(members).to_string();
    event("InvokeComplete", "application/json", members.into(), to)
}

/// What the function itself reported is `Unhandled`; what became of it otherwise has a name.
fn code(failure: &Failure) -> String {
    match failure.kind {
        FailureKind::Handler | FailureKind::Init => "Unhandled".to_owned(),
        _ => failure.error_type.clone(),
    }
}

fn event(
    kind: &'static str,
    content_type: &'static str,
    payload: Bytes,
    to: &mut BytesMut,
) -> Written {
    let text = |text: &'static str| HeaderValue::String(text.into());
    let message = Message::new(payload)
        .add_header(Header::new(":event-type", text(kind)))
        .add_header(Header::new(":content-type", text(content_type)))
        .add_header(Header::new(":message-type", text("event")));
    write_message_to(&message, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference's example layout, byte for byte: lengths, header types, checksums of zlib's CRC32.
    #[test]
    fn a_frame_is_laid_out_as_the_reference_says() {
        let mut to = BytesMut::new();
        event("PayloadChunk", "text/plain", Bytes::from_static(b"abc"), &mut to).unwrap();
        let total = u32::from_be_bytes(to[0..4].try_into().unwrap()) as usize;
        let headers = u32::from_be_bytes(to[4..8].try_into().unwrap()) as usize;
        assert_eq!(total, to.len());
        assert_eq!(total, 4 + 4 + 4 + headers + 3 + 4);
        assert_eq!(to[12..26], *b"\x0b:event-type\x07\0");
        assert_eq!(to[12 + headers..total - 4], *b"abc");
    }

    #[test]
    fn a_lost_environment_ends_the_stream_in_an_error() {
        let mut to = BytesMut::new();
        let refused = crate::model::Refused::Sandbox("gone".to_owned());
        ending(Err(refused.into()), LogType::Nothing, &mut to).unwrap();
        let text = String::from_utf8_lossy(&to).into_owned();
        assert!(text.contains("InvokeComplete") && text.contains("ServiceException"), "{text}");
        assert!(text.contains("gone"), "{text}");
    }
}
