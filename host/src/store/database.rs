//! The one thread that owns the database, and how others ask it.
//!
//! Questions that wait at the same moment share one transaction, so that many callers share one
//! sync of the disk; each has a savepoint of its own, so that one that fails takes nobody along.
//!
//! # Invariants
//! - An answer is sent after the commit of its transaction, never before.
//! - A full channel makes the asker wait; nothing is dropped.

use std::path::{Path, PathBuf};
use std::thread;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::schema::{STEPS, migrate};
use super::{StoreError, private};

/// Questions that wait; askers beyond these wait for a place.
const WAITING: usize = 256;
/// Questions that share a transaction.
const TOGETHER: usize = 64;
const FILE_NAME: &str = "store.sqlite3";
/// Prepared statements that are kept; there are about thirty.
const STATEMENTS: usize = 64;

/// Facts on disk. Clones ask the same thread, which ends when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Store {
    questions: mpsc::Sender<Ask>,
}

/// What the thread is asked.
enum Ask {
    Question(Question),
    /// To end now, though there are clones; told when the file is closed.
    Close(oneshot::Sender<()>),
}

/// Asks within the transaction, or is told that there is none; returns how to answer.
type Question = Box<dyn FnOnce(Result<&mut Transaction<'_>, StoreError>) -> Answer + Send>;
/// Called after the commit, with its failure if it failed.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

impl Store {
    /// Opens or makes the database in `directory`, which the caller holds the lock of.
    ///
    /// # Errors
    /// A file that cannot be opened, or was written by a newer lambdabox.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(FILE_NAME);
        let connection = open(&path)?;
        let (questions, waiting) = mpsc::channel(WAITING);
        thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || live(connection, waiting))
            .map_err(|source| StoreError::file("start the thread of", path, source))?;
        Ok(Self { questions })
    }

    /// Runs `question` in a transaction and returns what it found once that is on disk.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (tell, told) = oneshot::channel();
        let boxed: Question = Box::new(move |transaction| {
            let found = transaction.and_then(|transaction| within(transaction, question));
            Box::new(move |committed| {
                // An asker that is gone (a caller that hung up) has no use for the answer.
                let _unheard = tell.send(committed.and(found));
            })
        });
        self.questions.send(Ask::Question(boxed)).await.map_err(|_| StoreError::Ended)?;
        told.await.map_err(|_| StoreError::Ended)?
    }

    /// Answers what was asked before, and closes the file: what is asked later is [`StoreError::Ended`].
    pub async fn close(&self) {
        let (closed, is_closed) = oneshot::channel();
        if self.questions.send(Ask::Close(closed)).await.is_ok() {
            // A thread that has ended has closed it.
            let _ended = is_closed.await;
        }
    }
}

fn open(path: &PathBuf) -> Result<Connection, StoreError> {
    private::file(path).map_err(|source| StoreError::file("make", path, source))?;
    let mut connection = Connection::open(path)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Nobody else has the file: no shared memory, no waiting for locks.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // An accepted event must survive a power cut, not only our own end.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    migrate(&mut connection, path, &STEPS)?;
    Ok(connection)
}

/// One question in a savepoint: all of it or nothing.
fn within<T>(
    transaction: &mut Transaction<'_>,
    question: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    transaction.execute_batch("SAVEPOINT question")?;
    let found = question(transaction);
    transaction.execute_batch(match found {
        Ok(_) => "RELEASE question",
        Err(_) => "ROLLBACK TO question; RELEASE question",
    })?;
    found
}

fn live(mut connection: Connection, mut waiting: mpsc::Receiver<Ask>) {
    let mut asked = Vec::with_capacity(TOGETHER);
    let mut batch: Vec<Question> = Vec::with_capacity(TOGETHER);
    let mut closed = None;
    while closed.is_none() && waiting.blocking_recv_many(&mut asked, TOGETHER) > 0 {
        for ask in asked.drain(..) {
            match ask {
                Ask::Question(question) => batch.push(question),
                Ask::Close(tell) => closed = Some(tell),
            }
        }
        let mut answers: Vec<Answer> = Vec::with_capacity(batch.len());
        let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let committed = match begun {
            Ok(mut transaction) => {
                for question in batch.drain(..) {
                    answers.push(question(Ok(&mut transaction)));
                }
                transaction.commit().map_err(StoreError::from)
            }
            Err(error) => {
                let error = StoreError::from(error);
                for question in batch.drain(..) {
                    answers.push(question(Err(error.clone())));
                }
                Err(error)
            }
        };
        for answer in answers {
            answer(committed.clone());
        }
    }
    // Closing checkpoints the log into the file. One that fails is done by the next start.
    let _checkpointed_later = connection.close();
    if let Some(tell) = closed {
        // Whoever wanted to know may be gone.
        let _gone = tell.send(());
    }
}
