//! Request bodies: bounded in size, in time, and all together in memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::error::ApiError;

/// Longest pause between two pieces of a body.
const PIECE_WITHIN: Duration = Duration::from_secs(20);
/// Longest time for all of it: so long, and as long as it takes at 2 Mbit/s.
const ALL_WITHIN: Duration = Duration::from_secs(20);
const BYTES_PER_SECOND: usize = 256 * 1024;
/// How long a body that is too large is still read, so that its sender reads the answer.
const DISCARD_WITHIN: Duration = Duration::from_secs(10);
/// Memory of all bodies together; who comes later waits to be read.
const ALL_BODIES_KIB: usize = 512 * 1024;
/// Bodies up to this size wait for nobody, nor does anybody for them: connections are bounded, and
/// senders that hold all memory and are slow must not hold up ordinary events.
const SMALL_KIB: u32 = 16;

/// The memory that bodies may take.
#[derive(Debug, Clone)]
pub(crate) struct Bodies {
    kib: Arc<Semaphore>,
}

/// A body, whose memory is accounted for while it is held.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) bytes: Bytes,
    pub(crate) held: OwnedSemaphorePermit,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum Unread {
    /// Larger than the limit; its size, if it was said.
    TooLarge { declared: Option<u64> },
    /// Anything else.
    Error(ApiError),
}

impl Bodies {
    pub(crate) fn new() -> Self {
        Self { kib: Arc::new(Semaphore::new(ALL_BODIES_KIB)) }
    }

    /// Reads a body of at most `limit` bytes. `copies` is how many of it its use will make.
    pub(crate) async fn read(
        &self,
        mut body: Incoming,
        limit: usize,
        copies: u32,
    ) -> Result<Read, Unread> {
        let declared = body.size_hint().exact();
        let limit_bytes = u64::try_from(limit).unwrap_or(u64::MAX);
        if declared.is_some_and(|declared| declared > limit_bytes) {
            discard(body).await;
            return Err(Unread::TooLarge { declared });
        }
        let most = declared.unwrap_or(limit_bytes);
        let kib = u32::try_from(most / 1024 + 1).unwrap_or(u32::MAX);
        let kib = if kib <= SMALL_KIB { 0 } else { kib.saturating_mul(copies) };
        let held = Arc::clone(&self.kib).acquire_many_owned(kib.min(all_kib())).await;
        let held = held.map_err(|_| Unread::Error(ApiError::shutting_down()))?;
        let mut bytes = Vec::with_capacity(usize::try_from(declared.unwrap_or(0)).unwrap_or(0));
        let slowest_secs = usize::try_from(most).unwrap_or(limit) / BYTES_PER_SECOND;
        let slowest = Duration::from_secs(u64::try_from(slowest_secs).unwrap_or(0));
        let end = Instant::now() + ALL_WITHIN + slowest;
        loop {
            let until = end.min(Instant::now() + PIECE_WITHIN);
            let Ok(frame) = timeout_at(until, body.frame()).await else {
                return Err(Unread::Error(ApiError::slow()));
            };
            match frame {
                None => break,
                Some(Ok(frame)) => {
                    let Some(piece) = frame.data_ref() else { continue };
                    if bytes.len() + piece.len() > limit {
                        drop(bytes);
                        discard(body).await;
                        return Err(Unread::TooLarge { declared: None });
                    }
                    bytes.extend_from_slice(piece);
                }
                // Nobody is there to read the answer.
                Some(Err(_)) => {
                    let cut = "the request ended before its body did";
                    return Err(Unread::Error(ApiError::request_content(cut)));
                }
            }
        }
        Ok(Read { bytes: bytes.into(), held })
    }
}

fn all_kib() -> u32 {
    u32::try_from(ALL_BODIES_KIB).expect("half a million")
}

/// Reads on and forgets, for a while: a sender that is cut off while it writes sees a broken
/// connection instead of the answer.
pub(crate) async fn discard(mut body: Incoming) {
    let reading = async { while let Some(Ok(_)) = body.frame().await {} };
    // Whoever is not done by then does not get to read the answer.
    let _given_up = timeout(DISCARD_WITHIN, reading).await;
}
