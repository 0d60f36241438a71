//! Why something could not be kept or found again. Each finishes "failed to …".

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The store could not do what it was asked for.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file or directory of the store.
    #[error("{doing} {}", path.display())]
    File {
        /// What was being done, as a verb.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Somebody else has the directory.
    #[error("use the data directory {}: {holder} has it", path.display())]
    Held {
        /// The directory.
        path: PathBuf,
        /// Who, in words, with the process id where it is known.
        holder: String,
    },
    /// A newer lambdabox wrote it.
    #[error(
        "read {}: it has version {found} of the tables, and this lambdabox knows {known}",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// What it has.
        found: u32,
        /// What we know.
        known: u32,
    },
    /// The disk or its quota is used up; nothing of the change was kept.
    #[error("keep it: no space is left in the data directory")]
    Full,
    /// SQLite refused.
    #[error("keep or find it in the database")]
    Database(#[source] Arc<rusqlite::Error>),
    /// A row that was written by us cannot be read.
    #[error("read what is stored about {what}")]
    Damaged {
        /// What the row is about.
        what: String,
        /// What the reader said.
        source: Arc<serde_json::Error>,
    },
    /// The thread that owns the database has ended.
    #[error("reach the database: its thread has ended")]
    Ended,
}

impl StoreError {
    pub(super) fn file(doing: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::File { doing, path: path.into(), source: Arc::new(source) },
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            _ => Self::Database(Arc::new(error)),
        }
    }
}
