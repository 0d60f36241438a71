//! What a host keeps: functions, layers, packages and accepted events. Survives every kind of end.
//!
//! Facts are rows of one SQLite file ([`Store`]), packages are files named by their hash
//! ([`Blobs`]), what happened is in a second file, written behind ([`Records`]). Whoever changes a fact says which one it has seen (compare and set), so nobody's
//! change is lost. Later engines offer the same behind one trait.
//!
//! # Invariants
//! - What a call of [`Store`] has answered is on disk: a transaction, synced, before the answer.
//! - A package is whole or not there: written aside, synced, renamed.
//! - One process has the directory ([`DirectoryLock`]); a second one is told who.
//! - What two hosts would see differently stands in no column: time comes in as a parameter.
//!
//! # Not here
//! What is allowed (`front`), unpacking (`catalog`), running (`invoke`).
//!
//! # Sources
//! Design section 7; `reference/components.md` 1.4 (costs of a synced commit).

mod blobs;
mod database;
mod error;
mod functions;
mod layers;
mod lock;
pub mod private;
mod queue;
mod record;
mod records;
mod schema;
#[cfg(test)]
mod tests;
mod urls;

pub use blobs::{Blob, Blobs, Pinned};
pub use database::Store;
pub use error::StoreError;
pub use functions::{Expected, Put, Reserve};
pub use lock::DirectoryLock;
pub use queue::{Leased, QueuedEvent};
pub use record::{
    CapacityProvider, Code, Configuration, Cors, Dead, FunctionRecord, LastUpdate, LayerRecord,
    LayerUse, Logging, State, UpdateStatus, UrlRecord, Vpc,
};
pub use records::{
    Direction, Entry, Limits, LogEvent, LogGroup, LogPage, LogQuery, LogStreamRow, Lost, Position,
    Records, StartKind, StreamOrder, Streams, Totals, UsageRecord, UsageRow,
};
#[cfg(test)]
pub(crate) use tests::record_named as sample_record;
