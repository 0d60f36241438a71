//! Accepted events: durable, leased while they run, given back when they could not be.
//!
//! # Invariants
//! - An event leaves the queue only by [`Store::done`].
//! - A lease that ran out, or whose holder died, lets the event be taken again: at least once.

use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};

use super::functions::{json, parsed};
use super::{Store, StoreError};

/// An event as it was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedEvent {
    /// Name of the function.
    pub function: String,
    /// As the invoker named the function, qualifier and all.
    pub arn: String,
    /// The same for every run of it.
    pub request_id: String,
    /// `X-Amzn-Trace-Id`.
    pub trace_id: String,
    /// `X-Amz-Tenant-Id`.
    #[serde(default)]
    pub tenant_id: Option<String>,
    /// When it was accepted, milliseconds since the epoch.
    #[serde(skip)]
    pub accepted_ms: u64,
    /// The event's bytes.
    #[serde(skip)]
    pub payload: Vec<u8>,
}

/// An event that was taken to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// Its place in the queue.
    pub id: u64,
    /// How often it was taken, this time included.
    pub attempts: u32,
    /// What was accepted.
    pub event: QueuedEvent,
}

impl Store {
    /// Accepts an event: it is on disk when this returns.
    pub async fn enqueue(&self, event: QueuedEvent) -> Result<(), StoreError> {
        self.ask(move |transaction| {
            let body = json(&event.function, &event)?;
            transaction
                .prepare_cached(
                    "INSERT INTO queue (function, accepted_ms, due_ms, body, payload)
                     VALUES (?1, ?2, ?2, ?3, ?4)",
                )?
                .execute(params![event.function, event.accepted_ms, body, event.payload])?;
            Ok(())
        })
        .await
    }

    /// Takes up to `limit` events that are due and in nobody's hands, the longest due first, but none
    /// of the functions in `but`; they are the caller's until `until_ms`.
    pub async fn lease(
        &self,
        now_ms: u64,
        until_ms: u64,
        limit: u32,
        but: Vec<String>,
    ) -> Result<Vec<Leased>, StoreError> {
        self.ask(move |transaction| {
            let query = "UPDATE queue SET leased_until_ms = ?2, attempts = attempts + 1
                         WHERE id IN (SELECT id FROM queue
                                      WHERE due_ms <= ?1 AND leased_until_ms <= ?1
                                      AND function NOT IN (SELECT value FROM json_each(?4))
                                      ORDER BY due_ms, id LIMIT ?3)
                         RETURNING id, attempts, accepted_ms, body, payload";
            let mut statement = transaction.prepare_cached(query)?;
            let but = json("functions that have all their places", &but)?;
            let rows = statement.query_map(params![now_ms, until_ms, limit, but], columns)?;
            let mut leased = rows.map(|row| event(row?)).collect::<Result<Vec<_>, _>>()?;
            leased.sort_by_key(|leased| leased.id);
            Ok(leased)
        })
        .await
    }

    /// The event was run, or never will be.
    pub async fn done(&self, id: u64) -> Result<(), StoreError> {
        self.ask(move |transaction| {
            transaction.prepare_cached("DELETE FROM queue WHERE id = ?1")?.execute([id])?;
            Ok(())
        })
        .await
    }

    /// The event could not be run now; it is due again at `due_ms`.
    pub async fn give_back(&self, id: u64, due_ms: u64) -> Result<(), StoreError> {
        self.ask(move |transaction| {
            let change = "UPDATE queue SET leased_until_ms = 0, due_ms = ?2 WHERE id = ?1";
            transaction.prepare_cached(change)?.execute(params![id, due_ms])?;
            Ok(())
        })
        .await
    }

    /// Ends every lease: nobody from before this start is left to hold one.
    pub async fn forget_leases(&self) -> Result<(), StoreError> {
        self.ask(|transaction| {
            transaction.execute("UPDATE queue SET leased_until_ms = 0", [])?;
            Ok(())
        })
        .await
    }

    /// When the next event may be taken, milliseconds since the epoch, but none of the functions in
    /// `but`; `None` if there is none.
    pub async fn next_due_ms(&self, but: Vec<String>) -> Result<Option<u64>, StoreError> {
        self.ask(move |transaction| {
            let query = "SELECT MIN(MAX(due_ms, leased_until_ms)) FROM queue
                         WHERE function NOT IN (SELECT value FROM json_each(?1))";
            let but = json("functions that have all their places", &but)?;
            let found: Option<Option<u64>> =
                transaction.prepare_cached(query)?.query_row([but], |row| row.get(0)).optional()?;
            Ok(found.flatten())
        })
        .await
    }

    /// How many events wait or run, and when the oldest was accepted.
    pub async fn queue_depth(&self) -> Result<(u64, Option<u64>), StoreError> {
        self.ask(|transaction| {
            let query = "SELECT COUNT(*), MIN(accepted_ms) FROM queue";
            let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            Ok(transaction.prepare_cached(query)?.query_row([], row)?)
        })
        .await
    }
}

type Columns = (u64, u32, u64, String, Vec<u8>);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn event((id, attempts, accepted_ms, body, payload): Columns) -> Result<Leased, StoreError> {
    let mut event: QueuedEvent = parsed("an event of the queue", &body)?;
    event.accepted_ms = accepted_ms;
    event.payload = payload;
    Ok(Leased { id, attempts, event })
}
