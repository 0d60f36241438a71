//! [`Records`], for whoever notes or reads: opens the file, starts the thread, hands over.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Mutex;

use super::schema;
use super::usage::UsageRecord;
use super::waiting::{Entry, Lost, Shared};
use super::writer::Writer;
use crate::store::schema::migrate;
use crate::store::{StoreError, private};

pub(super) const FILE_NAME: &str = "records.sqlite3";
/// Prepared statements that are kept; there are about twenty.
const STATEMENTS: usize = 32;
/// Pages after which the write-ahead log is folded into the file, and its size at rest.
const CHECKPOINT_PAGES: u32 = 2_000;
const WAL_BYTES: u32 = 16 * 1024 * 1024;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of all logs together.
    pub log_bytes: u64,
    /// How long an event is kept.
    pub log_age: Duration,
}

/// Tells the operator.
pub(super) type Say = Box<dyn Fn(&str) + Send>;

/// Logs on disk. Clones share one thread, which ends after the last of them, or at [`Records::close`].
#[derive(Debug, Clone)]
pub struct Records(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    /// Its own, so that who reads and who writes do not wait for each other.
    /// Gone after [`Records::close`], as the last connection is the one that folds the log in.
    reader: Arc<Mutex<Option<Connection>>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl Records {
    /// Opens or makes the database in `directory`, which the caller holds the lock of. `say` is told
    /// what went wrong, by a thread that waits for nobody.
    ///
    /// # Errors
    /// A file that cannot be opened, or was written by a newer lambdabox.
    pub fn open(
        directory: &Path,
        limits: Limits,
        say: impl Fn(&str) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let path = directory.join(FILE_NAME);
        let connection = open(&path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = Connection::open_with_flags(&path, flags)?;
        reader.set_prepared_statement_cache_capacity(STATEMENTS);
        let shared = Arc::new(Shared::default());
        let writer = Writer::new(connection, limits, Box::new(say))?;
        let taken = Arc::clone(&shared);
        thread::Builder::new()
            .name("records".to_owned())
            .spawn(move || writer.live(&taken))
            .map_err(|source| StoreError::file("start the thread of", path, source))?;
        let reader = Arc::new(Mutex::new(Some(reader)));
        Ok(Self(Arc::new(Handle { shared, reader })))
    }

    /// Notes an event of a log. Never waits for the disk.
    pub fn log(&self, entry: Entry) {
        self.0.shared.push(entry);
    }

    /// Notes what an invocation used. Never waits for the disk.
    pub fn used(&self, record: UsageRecord) {
        self.0.shared.push_usage(record);
    }

    /// Ends when what was noted before is on disk, or was dropped because it could not be.
    pub async fn flush(&self) {
        self.0.shared.flush().await;
    }

    /// The same, and nothing that is noted later is kept, nor is anything read.
    pub async fn close(&self) {
        drop(self.0.reader.lock().await.take());
        self.0.shared.close().await;
    }

    /// What was dropped since this process began.
    pub fn lost(&self) -> Lost {
        self.0.shared.lost()
    }

    /// Reads, where it holds up nobody.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        // Waited for here: those who wait take no thread that others need.
        let reader = Arc::clone(&self.0.reader).lock_owned().await;
        let reading = tokio::task::spawn_blocking(move || match reader.as_ref() {
            Some(connection) => read(connection),
            None => Err(StoreError::file(
                "read",
                PathBuf::from(FILE_NAME),
                io::Error::other("it is closed"),
            )),
        });
        reading.await.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))
    }
}

fn open(path: &PathBuf) -> Result<Connection, StoreError> {
    private::file(path).map_err(|source| StoreError::file("make", path, source))?;
    let mut connection = Connection::open(path)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Before there are tables, or it does nothing: lets the file shrink without being written anew.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A log is not worth a sync of the disk for each line.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES)?;
    migrate(&mut connection, path, &schema::STEPS)?;
    Ok(connection)
}

pub(super) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
