//! Where the answers of invocations go: to standard output or a file, whole or as they come.
//!
//! A streamed answer is written by a thread of its own: whoever reads standard output may be slow, and
//! then the function waits, not the clock nor Ctrl-C. What it says for HTTP (its prelude) goes to
//! standard error, as does the error of a stream that broke off: half an answer and an error are not
//! mixed.
//!
//! A reader of standard output that has seen enough is no failure: its answer counts as given, and of
//! several the rest is not asked for ([`AppError::ReaderGone`]).

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::error::AppError;
use crate::invoke::{HTTP_INTEGRATION, Prelude, PreludeReader};
use crate::model::{Piece, StreamTo};
use crate::usage::stderr;

/// Where answers go.
pub(super) struct Answers {
    target: Target,
    newline: bool,
    /// How many there will be.
    expected: u32,
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
    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }
}

impl Answers {
    /// `expected` is how many there will be.
    pub(super) fn new(output: Option<&Path>, expected: u32) -> Result<Self, AppError> {
        let target = match output {
            None => Target::Stdout,
            Some(path) => {
                let file = File::create(path)
                    .map_err(|source| AppError::Write { path: path.to_owned(), source })?;
                Target::File { path: path.to_owned(), file }
            }
        };
        let terminal = matches!(target, Target::Stdout) && io::stdout().is_terminal();
        Ok(Self { target, newline: terminal || expected > 1, expected })
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
    pub(super) fn write(&mut self, payload: &[u8]) -> Result<(), AppError> {
        self.put(payload)?;
        self.end_line()
    }

    /// Waits until a stream is written.
    pub(super) async fn end(&mut self, streamed: Streamed) -> Result<(), AppError> {
        if !streamed.has_begun() {
            streamed.writing.abort();
            return Ok(());
        }
        let written = streamed.writing.await.unwrap_or_else(|gone| Err(io::Error::other(gone)));
        self.given(written)?;
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
        self.given(written)
    }

    /// What came of writing an answer.
    fn given(&self, written: io::Result<()>) -> Result<(), AppError> {
        match (written, &self.target) {
            (Ok(()), _) => Ok(()),
            (Err(error), Target::Stdout) if error.kind() == io::ErrorKind::BrokenPipe => {
                match self.expected {
                    1 => Ok(()),
                    _ => Err(AppError::ReaderGone),
                }
            }
            (Err(source), target) => Err(target.failed(source)),
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
