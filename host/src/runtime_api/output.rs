//! What the function's processes write: standard output and error, and the framed log descriptor.
//!
//! Both pipes are read here and nowhere else, a turn at a time: a turn takes what was in the pipes
//! when it began, the raw one first, then the frames. Nothing more is read while lines of a turn
//! wait to be taken, so if their taker is slow the pipes fill and the function waits, as it would
//! for a terminal. Reading never waits for a line to end and holds one at most: longer ones are
//! given out in pieces.
//!
//! # Invariants
//! - After [`OutputCollector::drain`] everything written before the call has been given out, but
//!   for a line without newline, which stays until it ends, [`OutputCollector::flush`], or the
//!   pipe closes.
//! - Writes to different pipes keep their order only if a turn began between them.
//!
//! # Sources
//! `reference/runtime-api.md` 3.5 and 6.8.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::task::Poll;
use std::{future, io};

use bytes::Bytes;
use rustix::io::Errno;
use thiserror::Error;
use tokio::net::unix::pipe::Receiver;

use super::frames::Frames;
use super::lines::Lines;
use crate::model::{LogLine, LogStream};

/// Most that one read takes: a whole pipe of Linux' default size.
const READ_BYTES: usize = 64 * 1024;
/// Most that is taken of one pipe in a turn: the largest a function can make its pipe
/// (`/proc/sys/fs/pipe-max-size`, by default).
const TURN_BYTES: usize = 1024 * 1024;

/// A pipe cannot be watched. `Display` finishes "failed to …".
#[derive(Debug, Error)]
#[error("watch the function's {pipe} pipe")]
pub struct OutputError {
    /// Which pipe.
    pub pipe: &'static str,
    /// What the kernel said; not a pipe, or the event loop has no place.
    pub source: io::Error,
}

/// Collects the output of one environment, line by line.
#[derive(Debug)]
pub struct OutputCollector {
    raw: Pipe,
    frames: Pipe,
    parts: Parts,
}

/// What has been read and not yet been taken.
#[derive(Debug)]
struct Parts {
    /// What a line that is no record is.
    stream: LogStream,
    lines: Lines,
    frames: Frames,
    complete: VecDeque<LogLine>,
}

impl OutputCollector {
    /// Takes the read ends: `raw` of descriptors 1 and 2, `frames` of the log descriptor, if the
    /// runtime has one. Both are made non-blocking. Needs a tokio runtime.
    pub fn new(raw: OwnedFd, frames: Option<OwnedFd>) -> Result<Self, OutputError> {
        Ok(Self {
            raw: Pipe::new("output", Some(raw))?,
            frames: Pipe::new("log", frames)?,
            parts: Parts::new(LogStream::Output),
        })
    }

    /// Takes the read end of descriptors 1 and 2 of an external extension.
    pub fn of_extension(raw: OwnedFd) -> Result<Self, OutputError> {
        let parts = Parts::new(LogStream::Extension);
        Ok(Self { parts, ..Self::new(raw, None)? })
    }

    /// The next line; `None` once every writer has closed both pipes and all is taken. Loses
    /// nothing when dropped.
    pub async fn next(&mut self) -> Option<LogLine> {
        loop {
            if let Some(line) = self.parts.complete.pop_front() {
                return Some(line);
            }
            if self.is_ended() {
                return None;
            }
            self.readable().await;
            self.turn();
        }
    }

    /// Everything that was written until now, without waiting for more.
    ///
    /// Asynchronous for what it means to the caller, not for what it does: it ends at once.
    pub async fn drain(&mut self) -> Vec<LogLine> {
        self.turn();
        self.parts.complete.drain(..).collect()
    }

    /// The last lines even though they have no newline, and an unfinished record.
    pub fn flush(&mut self) -> Vec<LogLine> {
        self.parts.flush_lines();
        self.parts.flush_frames();
        self.parts.complete.drain(..).collect()
    }

    /// True once both pipes have ended: [`OutputCollector::next`] gives what is left, then `None`
    /// at once for ever, and need not be waited for.
    pub fn is_ended(&self) -> bool {
        self.raw.fd.is_none() && self.frames.fd.is_none()
    }

    /// True once both pipes have ended and all lines are taken.
    pub fn is_finished(&self) -> bool {
        self.is_ended() && self.parts.complete.is_empty()
    }

    /// Waits until one of the open pipes has something to say.
    async fn readable(&self) {
        future::poll_fn(|context| {
            let mut ready = false;
            for fd in [&self.raw.fd, &self.frames.fd].into_iter().flatten() {
                // Stays ready until a read finds nothing; an error is for that read to tell.
                ready |= fd.poll_read_ready(context).is_ready();
            }
            if ready { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn turn(&mut self) {
        let Self { raw, frames, parts } = self;
        match raw.take(|data| parts.push_lines(data)) {
            Taken::Some => {}
            Taken::All => parts.flush_lines(),
            Taken::Failed(error) => parts.lost(raw.name, &error),
        }
        match frames.take(|data| parts.push_frames(data)) {
            Taken::Some => {}
            Taken::All => parts.flush_frames(),
            Taken::Failed(error) => parts.lost(frames.name, &error),
        }
    }
}

impl Parts {
    fn new(stream: LogStream) -> Self {
        Self {
            stream,
            lines: Lines::default(),
            frames: Frames::default(),
            complete: VecDeque::new(),
        }
    }

    fn push_lines(&mut self, data: &[u8]) {
        let Self { lines, complete, stream, .. } = self;
        lines.push(data, |text| complete.push_back(LogLine { stream: *stream, text }));
    }

    fn flush_lines(&mut self) {
        let Self { lines, complete, stream, .. } = self;
        lines.flush(|text| complete.push_back(LogLine { stream: *stream, text }));
    }

    fn push_frames(&mut self, data: &[u8]) {
        let Self { frames, complete, .. } = self;
        frames.push(data, |text| complete.push_back(record(text)));
    }

    fn flush_frames(&mut self) {
        let Self { frames, complete, .. } = self;
        frames.flush(|text| complete.push_back(record(text)));
    }

    /// A pipe that cannot be read is given up, and the log says so where the output is missing.
    fn lost(&mut self, pipe: &str, error: &io::Error) {
        self.flush_lines();
        self.flush_frames();
        let text = format!("lambdabox: failed to read the function's {pipe} pipe: {error}");
        self.complete.push_back(LogLine { stream: self.stream, text: Bytes::from(text) });
    }
}

/// A record as a line of the log, which has no final newline.
fn record(mut text: Bytes) -> LogLine {
    if text.ends_with(b"\n") {
        text.truncate(text.len() - 1);
    }
    LogLine { stream: LogStream::Frame, text }
}

/// One read end; without a descriptor once it has ended.
#[derive(Debug)]
struct Pipe {
    name: &'static str,
    fd: Option<Receiver>,
}

/// What came of a turn.
#[derive(Debug)]
enum Taken {
    /// Something or nothing; there may be more.
    Some,
    /// The pipe has ended by this.
    All,
    /// It cannot be read, and has ended by that.
    Failed(io::Error),
}

impl Pipe {
    fn new(name: &'static str, fd: Option<OwnedFd>) -> Result<Self, OutputError> {
        let watch = |source| OutputError { pipe: name, source };
        let fd = fd.map(|fd| Receiver::from_owned_fd(fd).map_err(watch));
        Ok(Self { name, fd: fd.transpose()? })
    }

    /// Takes what is in the pipe as the turn begins.
    fn take(&mut self, mut data: impl FnMut(&[u8])) -> Taken {
        let Some(fd) = &self.fd else { return Taken::Some };
        // Of an empty pipe one read tells whether it has ended.
        let waiting = rustix::io::ioctl_fionread(fd).unwrap_or_default().max(1);
        let mut left_bytes = usize::try_from(waiting).unwrap_or(TURN_BYTES).min(TURN_BYTES);
        // Of the size that is needed and only for the turn: between two an environment holds none.
        let mut buffer = vec![0; left_bytes.min(READ_BYTES)];
        while left_bytes > 0 {
            match read(fd, &mut buffer) {
                Ok(0) => {
                    self.fd = None;
                    return Taken::All;
                }
                Ok(bytes) => {
                    data(&buffer[..bytes]);
                    left_bytes = left_bytes.saturating_sub(bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.fd = None;
                    return Taken::Failed(error);
                }
            }
        }
        Taken::Some
    }
}

/// Reads directly first: what was written an instant ago may not have been announced by the event
/// loop yet, and a drain must see it. Only then through tokio, which forgets the readiness.
fn read(fd: &Receiver, buffer: &mut [u8]) -> io::Result<usize> {
    match rustix::io::read(fd.as_fd(), &mut *buffer) {
        Err(Errno::AGAIN) => fd.try_read(buffer),
        read => Ok(read?),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeWriter, Write as _};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake};
    use std::time::Duration;

    use super::super::lines::MAX_LINE_BYTES;
    use super::*;

    fn frame(message: &[u8]) -> Vec<u8> {
        let mut frame = 0xA55A_0001_u32.to_be_bytes().to_vec();
        frame.extend((message.len() as u32).to_be_bytes());
        frame.extend(message);
        frame
    }

    /// A collector and the write ends: raw, frames.
    fn collector() -> (OutputCollector, PipeWriter, PipeWriter) {
        let (raw, raw_writer) = io::pipe().unwrap();
        let (frames, frame_writer) = io::pipe().unwrap();
        let output = OutputCollector::new(raw.into(), Some(frames.into())).unwrap();
        (output, raw_writer, frame_writer)
    }

    fn texts(seen: &[LogLine]) -> Vec<(LogStream, String)> {
        let text = |line: &LogLine| String::from_utf8_lossy(&line.text).into_owned();
        seen.iter().map(|line| (line.stream, text(line))).collect()
    }

    #[tokio::test]
    async fn a_drain_sees_what_was_just_written_raw_first() {
        let (mut output, mut raw, mut frames) = collector();
        let framed = (LogStream::Frame, "framed\nrecord".to_owned());
        let line = |text: &str| (LogStream::Output, text.to_owned());
        for first in ["one", "rest one", "rest one"] {
            frames.write_all(&frame(b"framed\nrecord")).unwrap();
            raw.write_all(b"one\ntwo\nrest ").unwrap();
            let seen = output.drain().await;
            assert_eq!(texts(&seen), [line(first), line("two"), framed.clone()]);
        }
        assert_eq!(texts(&output.flush()), [line("rest ")]);
        assert!(output.drain().await.is_empty());
    }

    #[tokio::test]
    async fn next_gives_the_last_line_and_ends_when_both_pipes_are_closed() {
        let (mut output, mut raw, frames) = collector();
        let early = tokio::time::timeout(Duration::from_millis(20), output.next()).await;
        assert!(early.is_err() && !output.is_ended(), "both are open");
        let writer = std::thread::spawn(move || {
            raw.write_all(b"a\n\xffno newline").unwrap();
            drop(frames);
        });
        let mut lines = Vec::new();
        while let Some(line) = output.next().await {
            lines.push(line.text);
        }
        writer.join().unwrap();
        assert_eq!(lines, [&b"a"[..], b"\xffno newline"]);
        assert!(output.is_ended());
    }

    #[tokio::test]
    async fn a_waiting_next_is_woken_by_either_pipe() {
        let (mut output, mut raw, mut frames) = collector();
        for _ in 0..3 {
            let (line, ()) = tokio::join!(output.next(), async {
                tokio::task::yield_now().await;
                frames.write_all(&frame(b"framed")).unwrap();
            });
            assert_eq!(line.unwrap().text, "framed");
            let (line, ()) = tokio::join!(output.next(), async {
                tokio::task::yield_now().await;
                raw.write_all(b"raw\n").unwrap();
            });
            assert_eq!(line.unwrap().text, "raw");
        }
    }

    #[tokio::test]
    async fn a_waiting_next_sleeps() {
        struct Count(AtomicUsize);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let (mut output, mut raw, _frames) = collector();
        raw.write_all(b"line\n").unwrap();
        assert_eq!(output.next().await.unwrap().text, "line");
        let wakes = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Arc::clone(&wakes).into();
        {
            let mut next = std::pin::pin!(output.next());
            assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert_eq!(wakes.0.load(Ordering::Relaxed), 0, "nothing was written");
        }
        raw.write_all(b"line\n").unwrap();
        assert_eq!(output.next().await.unwrap().text, "line");
    }

    #[tokio::test]
    async fn megabytes_without_a_newline_arrive_whole_and_in_pieces() {
        const TOTAL: usize = 5 * 1024 * 1024 + 17;
        let (mut output, mut raw, _) = collector();
        let writer = std::thread::spawn(move || raw.write_all(&vec![b'x'; TOTAL]).unwrap());
        let mut bytes = 0;
        while let Some(line) = output.next().await {
            assert!(line.text.len() <= MAX_LINE_BYTES);
            bytes += line.text.len();
        }
        writer.join().unwrap();
        assert_eq!(bytes, TOTAL);
    }

    #[tokio::test]
    async fn a_drain_ends_while_the_function_keeps_writing() {
        let (mut output, mut raw, _frames) = collector();
        // Until the reader is gone.
        let writer =
            std::thread::spawn(move || while raw.write_all(b"again and again\n").is_ok() {});
        for _ in 0..50 {
            let lines = output.drain().await;
            assert!(lines.len() <= 2 * READ_BYTES / 16, "{}", lines.len());
        }
        drop(output);
        writer.join().unwrap();
    }

    #[tokio::test]
    async fn what_is_no_pipe_is_refused() {
        let file = tempfile::tempfile().unwrap();
        let refused = OutputCollector::new(file.into(), None).unwrap_err();
        assert_eq!(refused.to_string(), "watch the function's output pipe");
    }
}
