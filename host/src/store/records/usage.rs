//! What every invocation used, and the totals of each function and day.
//!
//! # Invariants
//! - A record and its share of the totals are one commit.
//! - Totals are kept for good and never dropped; single records are, oldest first, and when they come
//!   faster than the disk takes them.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, params};

use super::Records;
use crate::store::StoreError;

/// Single records that are kept: some weeks of a busy host, some hundred megabytes at most.
const KEPT: i64 = 1_000_000;

/// How an invocation's environment came to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartKind {
    /// New: its init ran ahead of this first invocation.
    Cold,
    /// It had waited.
    Warm,
    /// Everything in it had been killed: the init ran inside the invocation.
    Reset,
}

impl StartKind {
    /// The word in records and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
            Self::Reset => "reset",
        }
    }
}

/// One invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRecord {
    /// When it ended, milliseconds since the epoch.
    pub at_ms: u64,
    /// Its day in UTC, `2026-11-25`.
    pub day: String,
    /// `FunctionName`.
    pub function: String,
    /// `$LATEST` or a number.
    pub version: String,
    /// Its id.
    pub request_id: String,
    /// The environment, by its log stream.
    pub stream: String,
    /// How it was started.
    pub start: StartKind,
    /// Of a cold start.
    pub init_us: u64,
    /// From the event to the end.
    pub duration_us: u64,
    /// What is paid for.
    pub billed_ms: u64,
    /// The function's memory.
    pub memory_mb: u32,
    /// The function's `/tmp`.
    pub storage_mb: u32,
    /// Memory it had at most.
    pub max_memory_mb: u64,
    /// `success`, `error` or `timeout`.
    pub status: &'static str,
    /// By the price table, 10⁻¹² US dollars.
    pub cost_pico: u64,
}

/// Totals of some invocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// How many.
    pub invocations: u64,
    /// Those that failed or took too long.
    pub errors: u64,
    /// In a new environment.
    pub cold: u64,
    /// In one whose init ran again.
    pub reset: u64,
    /// All inits.
    pub init_us: u64,
    /// All of what is paid for.
    pub billed_ms: u64,
    /// Billed time and memory.
    pub mb_ms: u64,
    /// Billed time and storage over what is free.
    pub storage_mb_ms: u64,
}

/// Totals of a function on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// `FunctionName`.
    pub function: String,
    /// In UTC.
    pub day: String,
    /// The totals.
    pub totals: Totals,
}

/// What was not written yet, by function and day.
pub(super) type Sums = BTreeMap<(String, String), Totals>;

impl Totals {
    /// Of one invocation.
    pub fn of(record: &UsageRecord) -> Self {
        /// `/tmp` of this size costs nothing (lambda-service.md 21).
        const FREE_STORAGE_MB: u32 = 512;
        let storage_mb = record.storage_mb.saturating_sub(FREE_STORAGE_MB);
        Self {
            invocations: 1,
            errors: u64::from(record.status != "success"),
            cold: u64::from(record.start == StartKind::Cold),
            reset: u64::from(record.start == StartKind::Reset),
            init_us: record.init_us,
            billed_ms: record.billed_ms,
            mb_ms: record.billed_ms * u64::from(record.memory_mb),
            storage_mb_ms: record.billed_ms * u64::from(storage_mb),
        }
    }

    /// Both together.
    pub fn add(&mut self, other: &Self) {
        self.invocations += other.invocations;
        self.errors += other.errors;
        self.cold += other.cold;
        self.reset += other.reset;
        self.init_us += other.init_us;
        self.billed_ms += other.billed_ms;
        self.mb_ms += other.mb_ms;
        self.storage_mb_ms += other.storage_mb_ms;
    }
}

pub(super) fn add_up(sums: &mut Sums, record: &UsageRecord) {
    let key = (record.function.clone(), record.day.clone());
    sums.entry(key).or_default().add(&Totals::of(record));
}

/// Writes records, and totals that hold what has no record of its own.
pub(super) fn write(
    transaction: &Transaction<'_>,
    records: &[UsageRecord],
    sums: &Sums,
) -> Result<(), StoreError> {
    let mut all = sums.clone();
    let insert = "INSERT INTO invocations (at_ms, function, version, request_id, stream, start,
                      init_us, duration_us, billed_ms, memory_mb, max_memory_mb, status, cost_pico)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
    let mut insert = transaction.prepare_cached(insert)?;
    for record in records {
        add_up(&mut all, record);
        insert.execute(params![
            record.at_ms,
            record.function,
            record.version,
            record.request_id,
            record.stream,
            record.start.word(),
            record.init_us,
            record.duration_us,
            record.billed_ms,
            record.memory_mb,
            record.max_memory_mb,
            record.status,
            record.cost_pico,
        ])?;
    }
    if !records.is_empty() {
        let over = transaction.last_insert_rowid() - KEPT;
        transaction.prepare_cached("DELETE FROM invocations WHERE id <= ?1")?.execute([over])?;
    }
    let add = "INSERT INTO usage_totals (function, day, invocations, errors, cold, reset, init_us,
                   billed_ms, mb_ms, storage_mb_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
               ON CONFLICT (function, day) DO UPDATE SET
                   invocations = invocations + ?3, errors = errors + ?4, cold = cold + ?5,
                   reset = reset + ?6, init_us = init_us + ?7, billed_ms = billed_ms + ?8,
                   mb_ms = mb_ms + ?9, storage_mb_ms = storage_mb_ms + ?10";
    let mut add = transaction.prepare_cached(add)?;
    for ((function, day), totals) in &all {
        add.execute(params![
            function,
            day,
            totals.invocations,
            totals.errors,
            totals.cold,
            totals.reset,
            totals.init_us,
            totals.billed_ms,
            totals.mb_ms,
            totals.storage_mb_ms,
        ])?;
    }
    Ok(())
}

impl Records {
    /// Totals of each function and day, by both.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn usage(&self) -> Result<Vec<UsageRow>, StoreError> {
        self.read(|connection: &Connection| {
            let query =
                "SELECT function, day, invocations, errors, cold, reset, init_us, billed_ms,
                             mb_ms, storage_mb_ms
                         FROM usage_totals ORDER BY function, day";
            let mut statement = connection.prepare_cached(query)?;
            let rows = statement.query_map([], |row| {
                Ok(UsageRow {
                    function: row.get(0)?,
                    day: row.get(1)?,
                    totals: Totals {
                        invocations: row.get(2)?,
                        errors: row.get(3)?,
                        cold: row.get(4)?,
                        reset: row.get(5)?,
                        init_us: row.get(6)?,
                        billed_ms: row.get(7)?,
                        mb_ms: row.get(8)?,
                        storage_mb_ms: row.get(9)?,
                    },
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}
