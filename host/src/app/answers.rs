//! Where the answers of `lambdabox invoke` go: to standard output or a file, whole or as they come.
//!
//! A streamed answer is written by a thread of its own: whoever reads standard output may be slow, and
//! then the function waits, not the clock nor Ctrl-C. What it says for HTTP (its prelude) goes to
//! standard error, as does the error of a stream that broke off: half an answer and an error are not
//! mixed.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::error::AppError;
use crate::config;
use crate::invoke::{HTTP_INTEGRATION, Prelude, PreludeReader};
use crate::model::{
    Failure, FailureKind, Function, MEMORY_MB, Outcome, Piece, StreamTo, TIMEOUT_SECS,
};
use crate::usage::{Say, stderr};

/// Where answers go.
pub(super) struct Answers {
    target: Target,
    newline: bool,
    last_failure: Option<Failure>,
}

enum Target {
    Stdout,
    File { path: PathBuf, file: File },
}

/// An answer that may come as a stream.
pub(super) struct Streamed {
    begun: Arc<AtomicBool>,
    /// Ends with the stream; nothing waits for it if none has begun.
    writing: JoinHandle<io::Result<()>>,
}

impl Streamed {
    fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }
}

impl Answers {
    pub(super) fn new(config: &config::Invoke) -> Result<Self, AppError> {
        let target = match &config.output {
            None => Target::Stdout,
            Some(path) => {
                let file = File::create(path)
                    .map_err(|source| AppError::Write { path: path.clone(), source })?;
                Target::File { path: path.clone(), file }
            }
        };
        let terminal = matches!(target, Target::Stdout) && io::stdout().is_terminal();
        Ok(Self { target, newline: terminal || config.repeat > 1, last_failure: None })
    }

    /// Is ready to write what comes of a stream.
    pub(super) fn stream(
        &self,
        stream_to: &StreamTo,
        pieces: mpsc::Receiver<Piece>,
    ) -> Result<Streamed, AppError> {
        let to: Box<dyn Write + Send> = match &self.target {
            Target::Stdout => Box::new(io::stdout()),
            Target::File { file, .. } => {
                Box::new(file.try_clone().map_err(|source| self.target.failed(source))?)
            }
        };
        Ok(Streamed { begun: stream_to.begun(), writing: tokio::spawn(write_stream(pieces, to)) })
    }

    /// One answer: bytes unchanged, a newline only between several or for a person.
    pub(super) fn write(&mut self, outcome: Outcome, streamed: &Streamed) -> Result<(), AppError> {
        let payload = match outcome {
            Outcome::Answered { payload, .. } => payload,
            Outcome::Streamed { .. } => return Ok(()),
            Outcome::Failed(failure) => {
                let payload = failure.payload.clone();
                self.last_failure = Some(failure);
                if streamed.has_begun() {
                    stderr::write([&payload[..], b"\n"].concat());
                    return Ok(());
                }
                payload
            }
        };
        self.put(&payload)?;
        self.end_line()
    }

    /// Waits until a stream is written.
    pub(super) async fn end(&mut self, streamed: Streamed) -> Result<(), AppError> {
        if !streamed.has_begun() {
            streamed.writing.abort();
            return Ok(());
        }
        let written = streamed.writing.await.unwrap_or_else(|gone| Err(io::Error::other(gone)));
        written.map_err(|source| self.target.failed(source))?;
        self.end_line()
    }

    fn end_line(&mut self) -> Result<(), AppError> {
        if self.newline { self.put(b"\n") } else { Ok(()) }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), AppError> {
        let written = match &mut self.target {
            Target::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes).and_then(|()| stdout.flush())
            }
            Target::File { file, .. } => file.write_all(bytes),
        };
        written.map_err(|source| self.target.failed(source))
    }

    /// Whether the error is that of a client that nobody answered, as Python and its SDK word it.
    fn was_refused(&self) -> bool {
        let payload = self.last_failure.as_ref().map(|failure| failure.payload.as_ref());
        let text = String::from_utf8_lossy(payload.unwrap_or_default());
        ["Connection refused", "Could not connect to the endpoint"].iter().any(|w| text.contains(w))
    }

    /// Which setting would have helped, and what the function had to do without.
    pub(super) fn explain(&self, function: &Function, network_notice: Option<&str>, say: &Say) {
        match self.last_failure.as_ref().map(|failure| failure.kind) {
            Some(FailureKind::Timeout) => say.hint(&format!(
                "--timeout SECONDS gives the function more time (now {}, at most {})",
                function.timeout.as_secs(),
                TIMEOUT_SECS.end()
            )),
            Some(FailureKind::OutOfMemory) => say.hint(&format!(
                "--memory-size MB gives the function more memory (now {}, at most {})",
                function.memory_mb,
                MEMORY_MB.end()
            )),
            Some(FailureKind::Handler) if self.was_refused() => say.hint(
                "localhost is the function's own: --forward PORT lets a service of this machine in",
            ),
            _ => {}
        }
        if let Some(notice) = network_notice {
            say.notice(notice);
        }
    }
}

impl Target {
    fn failed(&self, source: io::Error) -> AppError {
        let path = match self {
            Self::Stdout => PathBuf::from("standard output"),
            Self::File { path, .. } => path.clone(),
        };
        AppError::Write { path, source }
    }
}

/// Writes a stream once one begins. A thread is made only then.
async fn write_stream(
    mut pieces: mpsc::Receiver<Piece>,
    to: Box<dyn Write + Send>,
) -> io::Result<()> {
    let Some(Piece::Head { content_type }) = pieces.recv().await else { return Ok(()) };
    let prelude = (content_type.as_deref() == Some(HTTP_INTEGRATION)).then(PreludeReader::default);
    let (done, is_done) = tokio::sync::oneshot::channel();
    // Not one of the event loop's: the end of the process does not wait for it.
    thread::Builder::new().name("stdout".into()).spawn(move || {
        // Whoever has been interrupted does not wait for it.
        let _unheard = done.send(write_pieces(pieces, prelude, to));
    })?;
    is_done.await.unwrap_or_else(|gone| Err(io::Error::other(gone)))
}

fn write_pieces(
    mut pieces: mpsc::Receiver<Piece>,
    mut prelude: Option<PreludeReader>,
    mut to: Box<dyn Write + Send>,
) -> io::Result<()> {
    while let Some(piece) = pieces.blocking_recv() {
        let Piece::Data(mut bytes) = piece else { continue };
        if let Some(reader) = &mut prelude {
            bytes = match reader.push(&bytes) {
                Prelude::Unfinished => continue,
                Prelude::Found { json, body } => {
                    stderr::write([&json[..], b"\n"].concat());
                    body
                }
                Prelude::Missing(bytes) => bytes,
            };
            prelude = None;
        }
        to.write_all(&bytes)?;
        to.flush()?;
    }
    // It ended before its prelude did.
    let rest = prelude.map(PreludeReader::into_held).unwrap_or_default();
    to.write_all(&rest)?;
    to.flush()
}
