//! Which logs there are.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::Records;
use crate::store::StoreError;

/// One log group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogGroup {
    /// Such as `/aws/lambda/hello`.
    pub name: String,
    /// Of its first event, milliseconds since the epoch.
    pub created_ms: u64,
    /// What is kept of it.
    pub bytes: u64,
}

/// One stream of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStreamRow {
    /// Such as `2026/11/25/[$LATEST]0123…`.
    pub name: String,
    /// When it was first written, milliseconds since the epoch.
    pub created_ms: u64,
    /// Of its first event.
    pub first_ms: u64,
    /// Of its last event.
    pub last_ms: u64,
    /// When that was written.
    pub ingested_ms: u64,
}

/// In which order streams are listed, and after which one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamOrder {
    /// By name, those that begin with `prefix`.
    Name {
        /// Empty for all.
        prefix: String,
        /// The last one that is known.
        after: Option<String>,
    },
    /// By the time of their last event.
    LastEvent {
        /// Time and name of the last one that is known.
        after: Option<(u64, String)>,
    },
}

impl Records {
    /// Groups whose name begins with `prefix` and holds `part`, by name.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn log_groups(
        &self,
        prefix: String,
        part: String,
        after: String,
        limit: usize,
    ) -> Result<Vec<LogGroup>, StoreError> {
        self.read(move |connection| {
            let query = "SELECT name, created_ms, (SELECT COALESCE(SUM(bytes), 0) FROM log_chunks
                             WHERE group_id = log_groups.id)
                         FROM log_groups WHERE name > ?1 AND substr(name, 1, length(?2)) = ?2
                             AND instr(lower(name), lower(?3)) > 0
                         ORDER BY name LIMIT ?4";
            let mut statement = connection.prepare_cached(query)?;
            let rows = statement.query_map(params![after, prefix, part, limit], |row| {
                Ok(LogGroup { name: row.get(0)?, created_ms: row.get(1)?, bytes: row.get(2)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Streams of a group; `None` if there is no such group.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn log_streams(
        &self,
        group: String,
        order: StreamOrder,
        is_descending: bool,
        limit: usize,
    ) -> Result<Option<Vec<LogStreamRow>>, StoreError> {
        self.read(move |connection| {
            let Some(group) = group_id(connection, &group)? else { return Ok(None) };
            let (way, direction) = if is_descending { ("<", "DESC") } else { (">", "ASC") };
            let columns = "name, created_ms, first_ms, last_ms, ingested_ms";
            let found = match order {
                StreamOrder::Name { prefix, after } => {
                    let query = format!(
                        "SELECT {columns} FROM log_streams
                         WHERE group_id = ?1 AND substr(name, 1, length(?2)) = ?2
                             AND (?3 IS NULL OR name {way} ?3)
                         ORDER BY name {direction} LIMIT ?4"
                    );
                    let mut statement = connection.prepare_cached(&query)?;
                    let rows = statement.query_map(params![group, prefix, after, limit], stream)?;
                    rows.collect::<Result<Vec<_>, _>>()?
                }
                StreamOrder::LastEvent { after } => {
                    let (after_ms, after_name) = after.unzip();
                    let query = format!(
                        "SELECT {columns} FROM log_streams
                         WHERE group_id = ?1 AND (?2 IS NULL OR (last_ms, name) {way} (?2, ?3))
                         ORDER BY last_ms {direction}, name {direction} LIMIT ?4"
                    );
                    let mut statement = connection.prepare_cached(&query)?;
                    let given = params![group, after_ms, after_name, limit];
                    let rows = statement.query_map(given, stream)?;
                    rows.collect::<Result<Vec<_>, _>>()?
                }
            };
            Ok(Some(found))
        })
        .await
    }
}

fn stream(row: &Row<'_>) -> rusqlite::Result<LogStreamRow> {
    Ok(LogStreamRow {
        name: row.get(0)?,
        created_ms: row.get(1)?,
        first_ms: row.get(2)?,
        last_ms: row.get(3)?,
        ingested_ms: row.get(4)?,
    })
}

pub(super) fn group_id(connection: &Connection, name: &str) -> Result<Option<i64>, StoreError> {
    let query = "SELECT id FROM log_groups WHERE name = ?1";
    let mut statement = connection.prepare_cached(query)?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?)
}
