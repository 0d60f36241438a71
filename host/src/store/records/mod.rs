//! What happened: the logs of all functions and what each invocation used, in a database of their own,
//! apart from what must not be lost ([`super::Store`]).
//!
//! Who has something to note hands it over and goes on ([`Records::log`], [`Records::used`]); a thread gathers what comes
//! within some milliseconds and commits it at once. Who reads waits for what was noted before
//! ([`Records::flush`]), so that nobody misses what they have just caused.
//!
//! # Invariants
//! - Nobody who notes ever waits for the disk. What there is no room for is dropped, counted, and
//!   said at the place in the log where it is missing.
//! - The logs take no more than [`Limits`] allow: whose log is largest loses its oldest part first.
//! - A commit survives the end of this process however it ends. It is not synced one by one, so a
//!   power cut may take the last seconds.
//!
//! # Not here
//! Which lines an event makes (`usage`), CloudWatch's API (`front`).

mod handle;
mod listing;
mod reading;
mod retention;
mod schema;
#[cfg(test)]
mod tests;
mod usage;
mod waiting;
mod writer;

pub use handle::{Limits, Records};
pub use listing::{LogGroup, LogStreamRow, StreamOrder};
pub use reading::{Direction, LogEvent, LogPage, LogQuery, Position, Streams};
pub use usage::{StartKind, Totals, UsageRecord, UsageRow};
pub use waiting::{Entry, Lost};
