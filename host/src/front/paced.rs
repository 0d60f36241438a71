//! A connection whose reader must make progress.
//!
//! An answer of megabytes waits in memory until its reader takes it. One that takes nothing for too
//! long is cut off, and much sooner while all such answers together take too much.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::answers::Answers;

/// Longest time without a byte being taken.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);
/// The same while memory for answers is short, and how often that is looked at.
const TAKEN_SOON: Duration = Duration::from_secs(1);

/// A stream that fails when it could not be written to for too long.
pub(crate) struct Paced {
    stream: TcpStream,
    answers: Answers,
    waiting: Option<Waiting>,
}

/// A write that could not be done yet.
struct Waiting {
    since: Instant,
    look: Pin<Box<Sleep>>,
}

impl Paced {
    pub(crate) fn new(stream: TcpStream, answers: Answers) -> Self {
        Self { stream, answers, waiting: None }
    }

    fn paced<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.waiting = None;
            return polled;
        }
        let now = Instant::now();
        let begin = || Waiting { since: now, look: Box::pin(tokio::time::sleep(TAKEN_SOON)) };
        let waiting = self.waiting.get_or_insert_with(begin);
        // A sleep that is over is begun anew and asked again, so that it wakes this task.
        while waiting.look.as_mut().poll(context).is_ready() {
            let waited = now.duration_since(waiting.since);
            if waited >= TAKEN_WITHIN || waited >= TAKEN_SOON && self.answers.are_too_many() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            waiting.look.as_mut().reset(now + TAKEN_SOON);
        }
        Poll::Pending
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.paced(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.paced(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.paced(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.paced(context, polled)
    }
}
