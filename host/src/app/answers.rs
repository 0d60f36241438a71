//! Where the answers of invocations go: standard output, or a file.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use super::error::AppError;

/// Takes answers.
pub(super) struct Answers {
    target: Target,
    newline: bool,
}

enum Target {
    Stdout,
    File { path: PathBuf, file: File },
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
        Ok(Self { target, newline: terminal || expected > 1 })
    }

    /// One answer: bytes unchanged, a newline only between several or for a person.
    pub(super) fn write(&mut self, payload: &[u8]) -> Result<(), AppError> {
        let mut bytes = payload.to_vec();
        if self.newline {
            bytes.push(b'\n');
        }
        let (path, written) = match &mut self.target {
            Target::Stdout => {
                let mut stdout = io::stdout().lock();
                (
                    Path::new("standard output"),
                    stdout.write_all(&bytes).and_then(|()| stdout.flush()),
                )
            }
            Target::File { path, file } => (path.as_path(), file.write_all(&bytes)),
        };
        written.map_err(|source| AppError::Write { path: path.to_owned(), source })
    }
}
