//! Events of a group, page by page, in the order they came.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::Records;
use super::listing::group_id;
use crate::store::StoreError;

/// So much is looked at for one page, whether it is found fitting or not: reading holds up who reads
/// beside.
const LOOKED_AT_BYTES: u64 = 32 * 1024 * 1024;

/// The place of an event among all. Later ones are larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The row it stands in.
    pub chunk: u64,
    /// Its place there.
    pub index: u32,
}

/// One event of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// Its place.
    pub position: Position,
    /// Name of its stream.
    pub stream: String,
    /// When it happened, milliseconds since the epoch.
    pub at_ms: u64,
    /// When it was written.
    pub ingested_ms: u64,
    /// As it was noted; what is no UTF-8 was replaced.
    pub text: String,
}

/// Of which streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Streams {
    /// Of all.
    All,
    /// Of these.
    Named(Vec<String>),
    /// Of those that begin so.
    Prefix(String),
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From old to new.
    Forward,
    /// From new to old.
    Backward,
}

/// Which events.
#[derive(Clone)]
pub struct LogQuery {
    /// Of this group.
    pub group: String,
    /// Of these streams.
    pub streams: Streams,
    /// Not before this, milliseconds since the epoch.
    pub from_ms: u64,
    /// Before this.
    pub until_ms: u64,
    /// In which order.
    pub direction: Direction,
    /// Beginning beyond this one in that order.
    pub beyond: Option<Position>,
    /// At most so many.
    pub limit: usize,
    /// And so much text, but one event in any case.
    pub limit_bytes: usize,
    /// Only those of which this holds.
    pub keep: Arc<dyn Fn(&str) -> bool + Send + Sync>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPage {
    /// In the order that was asked for.
    pub events: Vec<LogEvent>,
    /// Where to go on, if there may be more.
    pub next: Option<Position>,
}

impl Records {
    /// A page of events; `None` if there is no such group, or none of the streams that were named.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn log_events(&self, query: LogQuery) -> Result<Option<LogPage>, StoreError> {
        self.read(move |connection| page(connection, &query)).await
    }
}

fn page(connection: &Connection, query: &LogQuery) -> Result<Option<LogPage>, StoreError> {
    let Some(group) = group_id(connection, &query.group)? else { return Ok(None) };
    let names = streams(connection, group, &query.streams)?;
    if names.is_empty() && matches!(query.streams, Streams::Named(_)) {
        return Ok(None);
    }
    let first = names.values().map(|(_, first, _)| *first).min().unwrap_or(0);
    let last = names.values().map(|(_, _, last)| *last).max().unwrap_or(0);
    let (order, beyond) = match query.direction {
        Direction::Forward => ("ASC", query.beyond.map(|position| (position.chunk, u64::MAX))),
        Direction::Backward => ("DESC", query.beyond.map(|position| (0, position.chunk))),
    };
    let (low, high) = beyond.unwrap_or((0, u64::MAX));
    let (low, high) = (low.max(first), high.min(last));
    // Numbers of chunks follow time, so the first that is young enough is found by the index.
    let search = format!(
        "SELECT id, ingested_ms, bytes, body FROM log_chunks INDEXED BY log_chunks_of_group
         WHERE group_id = ?1 AND id BETWEEN MAX(?2, (SELECT COALESCE(MIN(id), 0) FROM log_chunks
             INDEXED BY log_chunks_by_time WHERE group_id = ?1 AND last_ms >= ?4)) AND ?3
         AND last_ms >= ?4 AND first_ms < ?5 ORDER BY id {order}"
    );
    let mut statement = connection.prepare_cached(&search)?;
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let given =
        params![group, signed(low), signed(high), signed(query.from_ms), signed(query.until_ms)];
    let mut rows = statement.query(given)?;
    let mut page = LogPage::default();
    let (mut looked_at, mut taken_bytes) = (0, 0);
    // The last one that was looked at, fitting or not.
    let mut seen = None;
    while let Some(row) = rows.next()? {
        let (chunk, ingested_ms, bytes): (u64, u64, u64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let body: String = row.get(3)?;
        let damaged = |source: serde_json::Error| StoreError::Damaged {
            what: format!("the log of {}", query.group),
            source: source.into(),
        };
        let events: Vec<(i64, u64, String)> = serde_json::from_str(&body).map_err(damaged)?;
        let mut events: Vec<(u32, _)> = (0..).zip(events).collect();
        if query.direction == Direction::Backward {
            events.reverse();
        }
        for (index, (stream, at_ms, text)) in events {
            let position = Position { chunk, index };
            if query.beyond.is_some_and(|beyond| !is_beyond(position, beyond, query.direction)) {
                continue;
            }
            let is_within = (query.from_ms..query.until_ms).contains(&at_ms);
            // A stream that is not known went meanwhile.
            let name = names.get(&stream).filter(|_| is_within && (query.keep)(&text));
            if let Some((stream, _, _)) = name {
                let is_full = page.events.len() >= query.limit
                    || taken_bytes + text.len() > query.limit_bytes && !page.events.is_empty();
                if is_full {
                    page.next = seen;
                    return Ok(Some(page));
                }
                taken_bytes += text.len();
                let stream = stream.clone();
                page.events.push(LogEvent { position, stream, at_ms, ingested_ms, text });
            }
            seen = Some(position);
        }
        looked_at += bytes;
        if looked_at > LOOKED_AT_BYTES {
            page.next = seen;
            return Ok(Some(page));
        }
    }
    Ok(Some(page))
}

fn is_beyond(position: Position, other: Position, direction: Direction) -> bool {
    match direction {
        Direction::Forward => position > other,
        Direction::Backward => position < other,
    }
}

/// Streams by number: name, first and last chunk.
type Known = HashMap<i64, (String, u64, u64)>;

fn streams(connection: &Connection, group: i64, of: &Streams) -> Result<Known, StoreError> {
    let columns = "SELECT id, name, first_chunk, last_chunk FROM log_streams WHERE group_id = ?1";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?)));
    let found = match of {
        Streams::All => {
            let mut statement = connection.prepare_cached(columns)?;
            statement.query_map([group], row)?.collect::<Result<_, _>>()?
        }
        Streams::Prefix(prefix) => {
            let query = format!("{columns} AND substr(name, 1, length(?2)) = ?2");
            let mut statement = connection.prepare_cached(&query)?;
            statement.query_map(params![group, prefix], row)?.collect::<Result<_, _>>()?
        }
        Streams::Named(names) => {
            let names = serde_json::to_string(names).expect("texts are JSON");
            let query = format!("{columns} AND name IN (SELECT value FROM json_each(?2))");
            let mut statement = connection.prepare_cached(&query)?;
            statement.query_map(params![group, names], row)?.collect::<Result<_, _>>()?
        }
    };
    Ok(found)
}

impl std::fmt::Debug for LogQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogQuery")
            .field("group", &self.group)
            .field("streams", &self.streams)
            .finish_non_exhaustive()
    }
}
