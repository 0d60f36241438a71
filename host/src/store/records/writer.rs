//! The thread that writes: gathers, commits, and holds the logs to their limits.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use tokio::sync::oneshot;

use super::Limits;
use super::handle::{Say, now_ms};
use super::retention::{Held, ROW_BYTES, shrink};
use super::usage::{self, Sums, UsageRecord};
use super::waiting::{Entry, Lost, Shared, Taken, Where};
use crate::model::{LogFormat, with_causes};
use crate::store::StoreError;

/// A chunk ends after so much text, so that reading one costs little memory.
const CHUNK_BYTES: usize = 256 * 1024;

pub(super) struct Writer {
    connection: Connection,
    held: Held,
    say: Say,
    /// Set while nothing can be written, so that it is said once.
    is_failing: bool,
}

/// Events of one group that become one row.
#[derive(Default)]
struct Chunk<'a> {
    /// In the order they came; streams by their place in `streams`.
    events: Vec<(usize, u64, std::borrow::Cow<'a, str>)>,
    streams: Vec<Seen<'a>>,
    bytes: usize,
}

/// What a chunk has of a stream.
struct Seen<'a> {
    name: &'a str,
    first_ms: u64,
    last_ms: u64,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        limits: Limits,
        say: Say,
    ) -> Result<Self, StoreError> {
        let held = Held::count(&connection, limits)?;
        Ok(Self { connection, held, say, is_failing: false })
    }

    pub(super) fn live(mut self, shared: &Shared) {
        loop {
            let mut taken = shared.take();
            match self.write(&mut taken) {
                Ok(()) if std::mem::take(&mut self.is_failing) => {
                    (self.say)("logs are kept again");
                }
                Ok(()) => {}
                Err(error) => {
                    if !std::mem::replace(&mut self.is_failing, true) {
                        (self.say)(&format!(
                            "logs are not kept and get lost: failed to {}",
                            with_causes(&error)
                        ));
                    }
                    shared.give_up(&mut taken);
                }
            }
            if taken.is_last {
                // Closing folds the write-ahead log into the file. One that fails is done by the next
                // start. Whoever waits for the end is told after it.
                let _checkpointed_later = self.connection.close();
                told(taken.flushes);
                return;
            }
            told(taken.flushes);
        }
    }

    fn write(&mut self, taken: &mut Taken) -> Result<(), StoreError> {
        let now = now_ms();
        let missing = std::mem::take(&mut taken.lost);
        let said = missing.iter().map(|(place, lost)| missing_here(place, *lost, now));
        let said: Vec<Entry> = said.collect();
        if !missing.is_empty() && !self.is_failing {
            let events: u64 = missing.values().map(|lost| lost.events).sum();
            (self.say)(&format!(
                "{events} log events were dropped: functions wrote faster than the disk takes it"
            ));
        }
        let entries = taken.entries.iter().chain(&said);
        let written = self.commit(entries, &taken.usage, &taken.sums, now);
        if written.is_err() {
            taken.lost = missing;
        }
        written
    }

    fn commit<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a Entry>,
        records: &[UsageRecord],
        sums: &Sums,
        now: u64,
    ) -> Result<(), StoreError> {
        let mut groups: BTreeMap<&str, Vec<Chunk<'a>>> = BTreeMap::new();
        for entry in entries {
            let chunks = groups.entry(&entry.group).or_default();
            if chunks.last().is_none_or(|chunk| chunk.bytes >= CHUNK_BYTES) {
                chunks.push(Chunk::default());
            }
            chunks.last_mut().expect("one was made").push(entry);
        }
        let begun = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(begun)?;
        // Counted only if all of it is kept.
        let mut held = self.held.clone();
        for (group, chunks) in &groups {
            let group = group_id(&transaction, group, now)?;
            for chunk in chunks {
                held.add(group, insert(&transaction, group, chunk, now)?);
            }
        }
        usage::write(&transaction, records, sums)?;
        let removed = held.enforce(&transaction, now)?;
        transaction.commit()?;
        self.held = held;
        if removed {
            // Gives back to the file system what is not used again soon.
            shrink(&self.connection)?;
        }
        Ok(())
    }
}

fn told(flushes: Vec<oneshot::Sender<()>>) {
    for written in flushes {
        // Who stopped waiting need not know.
        let _unheard = written.send(());
    }
}

impl<'a> Chunk<'a> {
    fn push(&mut self, entry: &'a Entry) {
        let known = self.streams.iter().position(|seen| seen.name == entry.stream);
        let at = known.unwrap_or_else(|| {
            let (first_ms, last_ms) = (entry.at_ms, entry.at_ms);
            self.streams.push(Seen { name: &entry.stream, first_ms, last_ms });
            self.streams.len() - 1
        });
        let seen = &mut self.streams[at];
        seen.first_ms = seen.first_ms.min(entry.at_ms);
        seen.last_ms = seen.last_ms.max(entry.at_ms);
        self.bytes += entry.text.len();
        self.events.push((at, entry.at_ms, String::from_utf8_lossy(&entry.text)));
    }
}

fn group_id(transaction: &Transaction<'_>, name: &str, now: u64) -> Result<i64, StoreError> {
    let query = "INSERT INTO log_groups (name, created_ms) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET name = name RETURNING id";
    Ok(transaction.prepare_cached(query)?.query_row(params![name, now], |row| row.get(0))?)
}

/// Writes a chunk; its size.
fn insert(
    transaction: &Transaction<'_>,
    group: i64,
    chunk: &Chunk<'_>,
    now: u64,
) -> Result<u64, StoreError> {
    let first = chunk.streams.iter().map(|seen| seen.first_ms).min().unwrap_or(now);
    let last = chunk.streams.iter().map(|seen| seen.last_ms).max().unwrap_or(now);
    let reserve = "INSERT INTO log_chunks (group_id, first_ms, last_ms, ingested_ms, bytes, body)
                   VALUES (?1, ?2, ?3, ?4, 0, '')";
    transaction.prepare_cached(reserve)?.execute(params![group, first, last, now])?;
    let id = transaction.last_insert_rowid();
    let stream = "INSERT INTO log_streams (group_id, name, created_ms, first_ms, last_ms,
                      ingested_ms, first_chunk, last_chunk)
                  VALUES (?1, ?2, ?5, ?3, ?4, ?5, ?6, ?6)
                  ON CONFLICT (group_id, name) DO UPDATE SET
                      first_ms = MIN(first_ms, excluded.first_ms),
                      last_ms = MAX(last_ms, excluded.last_ms),
                      ingested_ms = excluded.ingested_ms, last_chunk = excluded.last_chunk
                  RETURNING id";
    let mut stream = transaction.prepare_cached(stream)?;
    let mut ids: Vec<i64> = Vec::with_capacity(chunk.streams.len());
    for seen in &chunk.streams {
        let row = params![group, seen.name, seen.first_ms, seen.last_ms, now, id];
        ids.push(stream.query_row(row, |row| row.get(0))?);
    }
    let events: Vec<_> = chunk.events.iter().map(|(at, ms, text)| (ids[*at], ms, text)).collect();
    let body = serde_json::to_string(&events).expect("numbers and texts are JSON");
    let bytes = body.len() as u64 + ROW_BYTES;
    let fill = "UPDATE log_chunks SET bytes = ?2, body = ?3 WHERE id = ?1";
    transaction.prepare_cached(fill)?.execute(params![id, bytes, body])?;
    Ok(bytes)
}

/// Said in the log, in its own form (`platform.logsDropped`: runtime-api.md 3.4).
fn missing_here((group, stream, format): &Where, lost: Lost, now: u64) -> Entry {
    const REASON: &str = "the host could not write this log as fast as it came";
    let Lost { events, bytes } = lost;
    let text = match format {
        LogFormat::Text => {
            format!("lambdabox: {events} log events ({bytes} bytes) are missing here: {REASON}\n")
        }
        LogFormat::Json => {
            let at =
                i64::try_from(now).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
            let record = serde_json::json!({
                "time": format!("{:.3}", at.unwrap_or_default()),
                "type": "platform.logsDropped",
                "record": { "reason": REASON, "droppedRecords": events, "droppedBytes": bytes },
            });
            format!("{record}\n")
        }
    };
    let (group, stream, format) = (group.clone(), stream.clone(), *format);
    Entry { group, stream, at_ms: now, format, text: text.into_bytes() }
}
