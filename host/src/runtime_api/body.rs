//! Request bodies: collected up to a limit, or read and thrown away.
//!
//! A body that is refused is still read (up to a bound), because closing a connection with unread
//! bytes resets it and the client never sees the refusal. Only a client that asked for
//! `100 Continue` is answered without: it has not sent the body.
//!
//! # Sources
//! `reference/runtime-api.md` 0.1, 0.3; RFC 9112 section 9.6 (closing without losing the answer).

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::EXPECT;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

/// Most that is read of a body nobody wants; ten times the limit. Beyond, the connection is closed.
const MAX_DISCARD_BYTES: usize = 64 * 1024 * 1024;

/// Longest body of a call that is not about an event or response (runtime-api.md 7.2).
pub(crate) const MAX_CONTROL_BYTES: usize = 1024 * 1024;

/// A body that came whole.
#[derive(Debug)]
pub(crate) struct Collected {
    /// The bytes, shared with the read buffer if they came in one piece.
    pub(crate) bytes: Bytes,
    /// Trailers of a chunked body, announced or not.
    pub(crate) trailers: Option<HeaderMap>,
}

/// A body that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// It ended before its declared length or last chunk, or its chunks are malformed.
    Truncated,
    /// It is longer than the limit.
    TooLarge { bytes: usize },
}

/// Reads a body of at most `limit_bytes`. Of a longer one, says how long and takes the rest.
pub(crate) async fn collect(
    head: &HeaderMap,
    body: &mut Incoming,
    limit_bytes: usize,
) -> Result<Collected, BodyError> {
    let declared =
        body.size_hint().exact().map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    if let Some(bytes) = declared.filter(|bytes| *bytes > limit_bytes) {
        discard(head, body).await;
        return Err(BodyError::TooLarge { bytes });
    }
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Truncated)?;
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                trailers = frame.into_trailers().ok();
                continue;
            }
        };
        let bytes = first.len() + joined.len() + data.len();
        if bytes > limit_bytes {
            let rest = drain(body).await;
            return Err(BodyError::TooLarge { bytes: bytes.saturating_add(rest) });
        }
        if joined.is_empty() && first.is_empty() {
            first = data;
            continue;
        }
        if !first.is_empty() {
            joined.reserve(declared.unwrap_or(bytes));
            joined.extend_from_slice(&std::mem::take(&mut first));
        }
        joined.extend_from_slice(&data);
    }
    let bytes = if joined.is_empty() { first } else { joined.freeze() };
    Ok(Collected { bytes, trailers })
}

/// Reads what the client still sends of a body that is refused by its head.
pub(crate) async fn discard(head: &HeaderMap, body: &mut Incoming) {
    if !head.contains_key(EXPECT) {
        drain(body).await;
    }
}

/// Reads what is left, keeping nothing; how many bytes that were.
pub(crate) async fn drain(body: &mut Incoming) -> usize {
    drain_to_trailers(body).await.0
}

/// The same, with the trailers if it came to them.
pub(crate) async fn drain_to_trailers(body: &mut Incoming) -> (usize, Option<HeaderMap>) {
    let mut bytes = 0_usize;
    while bytes <= MAX_DISCARD_BYTES {
        match body.frame().await {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => bytes += data.len(),
                Err(frame) => return (bytes, frame.into_trailers().ok()),
            },
            // Cut off: whoever sent it no longer minds.
            Some(Err(_)) | None => break,
        }
    }
    (bytes, None)
}
