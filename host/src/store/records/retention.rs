//! What goes when there is too much, or when it is old.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::Limits;
use crate::store::StoreError;

/// What a row takes beside its body: columns and three places in indexes.
pub(super) const ROW_BYTES: u64 = 128;
/// Of a log that is too large this part goes at once, so that not every commit has to remove.
const SHARE: u64 = 64;
/// Old chunks that go in one commit; the next has the others.
const OLD_AT_ONCE: u32 = 256;
/// Pages that are given back to the file system at a time.
const PAGES: u32 = 4_096;

/// How much is held of each group.
#[derive(Debug, Clone)]
pub(super) struct Held {
    limits: Limits,
    by_group: HashMap<i64, u64>,
    total: u64,
}

impl Held {
    pub(super) fn count(connection: &Connection, limits: Limits) -> Result<Self, StoreError> {
        let query = "SELECT group_id, SUM(bytes) FROM log_chunks GROUP BY group_id";
        let mut statement = connection.prepare(query)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let by_group: HashMap<i64, u64> = rows.collect::<Result<_, _>>()?;
        let total = by_group.values().sum();
        Ok(Self { limits, by_group, total })
    }

    pub(super) fn add(&mut self, group: i64, bytes: u64) {
        *self.by_group.entry(group).or_default() += bytes;
        self.total += bytes;
    }

    fn remove(
        &mut self,
        transaction: &Transaction<'_>,
        (chunk, group, bytes): (i64, i64, u64),
    ) -> Result<(), StoreError> {
        let removal = "DELETE FROM log_chunks WHERE id = ?1";
        transaction.prepare_cached(removal)?.execute([chunk])?;
        // A stream of which nothing is left goes, too.
        let streams = "DELETE FROM log_streams WHERE group_id = ?1 AND last_chunk <= ?2";
        transaction.prepare_cached(streams)?.execute(params![group, chunk])?;
        let held = self.by_group.entry(group).or_default();
        *held = held.saturating_sub(bytes);
        self.total = self.total.saturating_sub(bytes);
        Ok(())
    }

    /// Removes what is over the limits; whether anything was.
    pub(super) fn enforce(
        &mut self,
        transaction: &Transaction<'_>,
        now: u64,
    ) -> Result<bool, StoreError> {
        let mut removed = false;
        let age_ms = u64::try_from(self.limits.log_age.as_millis()).unwrap_or(u64::MAX);
        let old = now.saturating_sub(age_ms);
        // The order of their numbers is that of time, as far as the clock goes forward.
        let query = "SELECT id, group_id, bytes, last_ms FROM log_chunks ORDER BY id LIMIT ?1";
        let oldest: Vec<((i64, i64, u64), u64)> = {
            let mut statement = transaction.prepare_cached(query)?;
            let rows = statement
                .query_map([if self.total == 0 { 0 } else { OLD_AT_ONCE }], |row| {
                    Ok(((row.get(0)?, row.get(1)?, row.get(2)?), row.get(3)?))
                })?;
            // Stops at the first that is young enough: most commits look at one row.
            rows.take_while(|row| row.as_ref().map_or(true, |(_, last_ms)| *last_ms < old))
                .collect::<Result<_, _>>()?
        };
        for (chunk, _) in oldest {
            self.remove(transaction, chunk)?;
            removed = true;
        }
        let limit = self.limits.log_bytes;
        let until = if self.total > limit { limit - limit / SHARE } else { limit };
        while self.total > until {
            let largest = self.by_group.iter().max_by_key(|(_, bytes)| **bytes);
            let Some((group, _)) = largest.map(|(group, bytes)| (*group, *bytes)) else { break };
            let query = "SELECT id, group_id, bytes FROM log_chunks INDEXED BY log_chunks_of_group
                         WHERE group_id = ?1 ORDER BY id LIMIT 1";
            let row = transaction
                .prepare_cached(query)?
                .query_row([group], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()?;
            match row {
                Some(chunk) => self.remove(transaction, chunk)?,
                // What was counted is not there: count no more of it.
                None => {
                    let held = self.by_group.remove(&group).unwrap_or_default();
                    self.total = self.total.saturating_sub(held);
                }
            }
            removed = true;
        }
        Ok(removed)
    }
}

/// Gives free pages back to the file system, some at a time.
pub(super) fn shrink(connection: &Connection) -> Result<(), StoreError> {
    let free: u32 = connection.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
    // Fewer are used again in a moment.
    if free > PAGES {
        connection.execute_batch(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    }
    Ok(())
}
