//! An invocation whose answer is read while the function makes it.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::service::InvokeError;
use crate::model::{Invoked, Piece};

/// What is read of it. Dropping this stops the reading, and not the invocation.
#[derive(Debug)]
pub struct Streaming {
    pieces: mpsc::Receiver<Piece>,
    running: JoinHandle<Result<Invoked, InvokeError>>,
    /// Kept until the last piece was read.
    ended: Option<Result<Invoked, InvokeError>>,
}

/// What came next.
#[derive(Debug)]
pub enum Step {
    /// Something of a streamed answer.
    Piece(Piece),
    /// The one outcome, last of all; an answer that was not streamed is in it.
    Ended(Box<Result<Invoked, InvokeError>>),
}

impl Streaming {
    pub(super) fn new(
        pieces: mpsc::Receiver<Piece>,
        running: JoinHandle<Result<Invoked, InvokeError>>,
    ) -> Self {
        Self { pieces, running, ended: None }
    }

    /// Waits for what comes next. Dropping the future loses nothing. Nothing comes after the end.
    pub async fn next(&mut self) -> Step {
        while self.ended.is_none() {
            // Losing either side loses nothing.
            tokio::select! {
                biased;
                Some(piece) = self.pieces.recv() => return Step::Piece(piece),
                ended = &mut self.running => match ended {
                    Ok(ended) => self.ended = Some(ended),
                    Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
                },
            }
        }
        // Every piece was sent before the outcome, and some may not have been read.
        match (self.pieces.try_recv(), self.ended.take()) {
            (Ok(piece), ended) => {
                self.ended = ended;
                Step::Piece(piece)
            }
            (Err(_), Some(ended)) => Step::Ended(Box::new(ended)),
            (Err(_), None) => unreachable!("the loop above ends with an outcome"),
        }
    }
}
