//! An answer on its way while the function still makes it.
//!
//! Whoever wants that gives [`StreamTo`] with the invocation and reads the [`Piece`]s. They are not
//! the outcome: that comes once, after the last of them, also for an answer that came whole.
//!
//! # Invariants
//! - What waits for the reader is bounded; a slow one makes the function wait.
//! - A reader that left makes nobody wait: what would be its is thrown away.
//!
//! # Sources
//! `reference/runtime-api.md` 0.3 and 1.9.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Largest streamed answer: 200 MB (runtime-api.md 0.3).
pub const MAX_STREAM_BYTES: usize = 200 * 1024 * 1024;
/// Largest piece, as AWS copies.
const PIECE_BYTES: usize = 32 * 1024;
/// Pieces that wait for the reader.
const PIECES_WAITING: usize = 8;
/// What AWS lets through at once, and from then on each second.
const BURST_BYTES: usize = 6 * 1024 * 1024;
const BYTES_PER_SECOND: u32 = 2 * 1024 * 1024;

/// Something of a streamed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// First of all: it is a stream.
    Head {
        /// The runtime's `Content-Type`, if it gave one.
        content_type: Option<String>,
    },
    /// Bytes, as they came.
    Data(Bytes),
}

/// How fast streams flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bandwidth {
    /// As fast as function and reader are.
    #[default]
    Unlimited,
    /// As on AWS: 6 MiB at once, then 2 MiB each second.
    Aws,
}

/// Where a streamed answer goes.
#[derive(Debug, Clone)]
pub struct StreamTo {
    /// The invoker holds the other end; that it is gone means nobody reads.
    pieces: mpsc::Sender<Piece>,
    bandwidth: Bandwidth,
    begun: Arc<AtomicBool>,
}

/// The same place or not.
impl PartialEq for StreamTo {
    fn eq(&self, other: &Self) -> bool {
        self.pieces.same_channel(&other.pieces)
    }
}

impl Eq for StreamTo {}

impl StreamTo {
    /// A place for one answer, and where it is read.
    pub fn new(bandwidth: Bandwidth) -> (Self, mpsc::Receiver<Piece>) {
        let (pieces, read) = mpsc::channel(PIECES_WAITING);
        (Self { pieces, bandwidth, begun: Arc::default() }, read)
    }

    /// Whether the answer has begun to come; known without reading any of it.
    pub fn begun(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.begun)
    }

    /// The answer begins.
    pub(crate) async fn begin(self, content_type: Option<String>) -> Flow {
        self.begun.store(true, Ordering::Relaxed);
        // A reader that left misses it.
        let _unread = self.pieces.send(Piece::Head { content_type }).await;
        let bucket = match self.bandwidth {
            Bandwidth::Unlimited => None,
            Bandwidth::Aws => Some(Bucket::full(Instant::now())),
        };
        Flow { pieces: self.pieces, bucket }
    }
}

/// An answer that has begun.
#[derive(Debug)]
pub(crate) struct Flow {
    pieces: mpsc::Sender<Piece>,
    bucket: Option<Bucket>,
}

impl Flow {
    /// Passes bytes on, as fast as they are taken.
    pub(crate) async fn pass(&mut self, mut bytes: Bytes) {
        while !bytes.is_empty() && !self.pieces.is_closed() {
            let piece = bytes.split_to(bytes.len().min(PIECE_BYTES));
            if let Some(bucket) = &mut self.bucket {
                tokio::time::sleep_until(bucket.take(piece.len(), Instant::now())).await;
            }
            // As above.
            let _unread = self.pieces.send(Piece::Data(piece)).await;
        }
    }
}

/// A token bucket; how full it is says when it would be full again.
#[derive(Debug)]
struct Bucket {
    full_at: Instant,
}

impl Bucket {
    fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes so much; the moment from which it may be used.
    fn take(&mut self, bytes: usize, now: Instant) -> Instant {
        self.full_at = self.full_at.max(now) + time_of(bytes);
        // Whatever is missing beyond a whole bucket has to flow in first.
        now.max(self.full_at.checked_sub(time_of(BURST_BYTES)).unwrap_or(now))
    }
}

fn time_of(bytes: usize) -> Duration {
    Duration::from_secs(1).mul_f64(bytes as f64 / f64::from(BYTES_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_mebibytes_flow_at_once_and_then_two_each_second() {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        let mut passed = 0;
        while passed < BURST_BYTES {
            assert_eq!(bucket.take(PIECE_BYTES, start), start);
            passed += PIECE_BYTES;
        }
        let mut ready = start;
        for _ in 0..64 {
            let next = bucket.take(PIECE_BYTES, ready);
            assert!(next > ready);
            ready = next;
        }
        let took = ready.duration_since(start).as_secs_f64();
        assert!((took - 1.0).abs() < 0.01, "2 MiB took {took} s");
        // What rests fills again.
        let later = ready + Duration::from_secs(10);
        assert_eq!(bucket.take(BURST_BYTES, later), later);
        assert!(bucket.take(1, later) > later);
    }

    #[tokio::test]
    async fn a_reader_that_is_slow_makes_the_writer_wait_and_one_that_left_does_not() {
        let (to, mut read) = StreamTo::new(Bandwidth::Unlimited);
        let mut flow = to.begin(None).await;
        let much = Bytes::from(vec![7; PIECE_BYTES * PIECES_WAITING * 2]);
        let waits = tokio::time::timeout(Duration::from_millis(50), flow.pass(much.clone()));
        assert!(waits.await.is_err(), "nothing was read, and all was taken");
        assert_eq!(read.recv().await, Some(Piece::Head { content_type: None }));
        drop(read);
        flow.pass(much).await;
    }
}
