//! Functions and their versions.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::record::{Dead, FunctionRecord};
use super::{Store, StoreError};

/// What the one who changes a version has seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Nothing: it is new.
    Absent,
    /// This revision.
    Revision(String),
}

/// Whether a change was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is stored.
    Stored,
    /// What is stored is not what was seen.
    Conflict,
}

/// Whether a reservation was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserve {
    /// It is stored.
    Stored,
    /// There is no such function.
    NoFunction,
    /// Too little would be left to all others.
    TooMuch,
}

const COLUMNS: &str = "SELECT v.body, f.reserved, f.tags, v.name FROM versions v \
                       JOIN functions f ON f.name = v.name";

impl Store {
    /// Stores a version if what was seen of it is still so. Tags and reservation are stored with
    /// the first version and left alone later.
    pub async fn put_function(
        &self,
        record: FunctionRecord,
        expected: Expected,
    ) -> Result<Put, StoreError> {
        self.ask(move |transaction| {
            let key = params![record.name, record.version];
            let stored: Option<String> = transaction
                .prepare_cached("SELECT revision FROM versions WHERE name = ?1 AND version = ?2")?
                .query_row(key, |row| row.get(0))
                .optional()?;
            let as_seen = match (&stored, &expected) {
                (None, Expected::Absent) => true,
                (Some(stored), Expected::Revision(seen)) => stored == seen,
                _ => false,
            };
            if !as_seen {
                return Ok(Put::Conflict);
            }
            if stored.is_none() {
                let tags = json("tags", &record.tags)?;
                transaction.execute(
                    "INSERT OR IGNORE INTO functions (name, reserved, tags) VALUES (?1, ?2, ?3)",
                    params![record.name, record.reserved, tags],
                )?;
            }
            let body = json(&record.name, &record)?;
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO versions (name, version, revision, sha256, bytes, body)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    record.name,
                    record.version,
                    record.revision,
                    record.code.sha256,
                    record.code.bytes,
                    body
                ])?;
            Ok(Put::Stored)
        })
        .await
    }

    /// Stores a function's tags with the record's new revision, if its revision was still `seen`.
    pub async fn put_tags(&self, record: FunctionRecord, seen: String) -> Result<Put, StoreError> {
        self.ask(move |transaction| {
            let body = json(&record.name, &record)?;
            let changed = transaction
                .prepare_cached(
                    "UPDATE versions SET revision = ?4, body = ?5
                     WHERE name = ?1 AND version = ?2 AND revision = ?3",
                )?
                .execute(params![record.name, record.version, seen, record.revision, body])?;
            if changed == 0 {
                return Ok(Put::Conflict);
            }
            let tags = json("tags", &record.tags)?;
            transaction
                .prepare_cached("UPDATE functions SET tags = ?2 WHERE name = ?1")?
                .execute(params![record.name, tags])?;
            Ok(Put::Stored)
        })
        .await
    }

    /// One version of a function.
    pub async fn function(
        &self,
        name: &str,
        version: &str,
    ) -> Result<Option<FunctionRecord>, StoreError> {
        let (name, version) = (name.to_owned(), version.to_owned());
        self.ask(move |transaction| {
            let query = format!("{COLUMNS} WHERE v.name = ?1 AND v.version = ?2");
            let found = transaction
                .prepare_cached(&query)?
                .query_row(params![name, version], columns)
                .optional()?;
            found.map(record).transpose()
        })
        .await
    }

    /// The `version` of up to `limit` functions whose names come after `after`, by name.
    pub async fn functions(
        &self,
        version: &str,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<FunctionRecord>, StoreError> {
        let version = version.to_owned();
        self.ask(move |transaction| {
            let query =
                format!("{COLUMNS} WHERE v.version = ?1 AND v.name > ?2 ORDER BY v.name LIMIT ?3");
            let mut statement = transaction.prepare_cached(&query)?;
            let after = after.unwrap_or_default();
            let rows = statement.query_map(params![version, after, limit], columns)?;
            rows.map(|row| record(row?)).collect()
        })
        .await
    }

    /// Removes a function with everything that is its own. Its accepted events stay in the queue.
    pub async fn delete_function(&self, name: &str) -> Result<Dead, StoreError> {
        let name = name.to_owned();
        self.ask(move |transaction| {
            let count = transaction.execute("DELETE FROM functions WHERE name = ?1", [name])?;
            Ok(if count == 0 { Dead::Absent } else { Dead::Deleted })
        })
        .await
    }

    /// Sets a function's reserved concurrency, unless all reservations together came to more than
    /// `most`. `None` takes it away.
    pub async fn reserve(
        &self,
        name: &str,
        reserved: Option<u32>,
        most: u32,
    ) -> Result<Reserve, StoreError> {
        let name = name.to_owned();
        self.ask(move |transaction| {
            let others: u64 = transaction
                .prepare_cached(
                    "SELECT COALESCE(SUM(reserved), 0) FROM functions WHERE name <> ?1",
                )?
                .query_row([&name], |row| row.get(0))?;
            if reserved.is_some_and(|reserved| u64::from(reserved) + others > u64::from(most)) {
                return Ok(Reserve::TooMuch);
            }
            let count = transaction
                .prepare_cached("UPDATE functions SET reserved = ?2 WHERE name = ?1")?
                .execute(params![name, reserved])?;
            Ok(if count == 0 { Reserve::NoFunction } else { Reserve::Stored })
        })
        .await
    }

    /// Sum of all reservations.
    pub async fn reserved(&self) -> Result<u64, StoreError> {
        self.ask(|transaction| {
            let sum = "SELECT COALESCE(SUM(reserved), 0) FROM functions";
            Ok(transaction.prepare_cached(sum)?.query_row([], |row| row.get(0))?)
        })
        .await
    }

    /// How many functions there are, and the bytes of all packages, as AWS counts code storage.
    pub async fn usage(&self) -> Result<(u64, u64), StoreError> {
        self.ask(|transaction| {
            let sum = "SELECT (SELECT COUNT(*) FROM functions),
                       (SELECT COALESCE(SUM(bytes), 0) FROM versions)
                       + (SELECT COALESCE(SUM(bytes), 0) FROM layer_versions)";
            let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            Ok(transaction.prepare_cached(sum)?.query_row([], row)?)
        })
        .await
    }

    /// Hashes of every package that a function or layer still needs.
    pub async fn needed_blobs(&self) -> Result<BTreeSet<String>, StoreError> {
        self.ask(|transaction| {
            let mut needed = BTreeSet::new();
            let mut layers = transaction.prepare_cached("SELECT sha256 FROM layer_versions")?;
            for sha256 in layers.query_map([], |row| row.get::<_, String>(0))? {
                needed.insert(sha256?);
            }
            let mut statement = transaction.prepare_cached(COLUMNS)?;
            for row in statement.query_map([], columns)? {
                let record = record(row?)?;
                needed.extend(record.configuration.layers.into_iter().map(|l| l.code.sha256));
                needed.insert(record.code.sha256);
            }
            Ok(needed)
        })
        .await
    }

    /// A setting of the host's own.
    pub async fn setting(&self, name: &'static str) -> Result<Option<String>, StoreError> {
        self.ask(move |transaction| {
            let query = "SELECT value FROM settings WHERE name = ?1";
            Ok(transaction.query_row(query, [name], |row| row.get(0)).optional()?)
        })
        .await
    }

    /// Keeps a setting of the host's own.
    pub async fn set(&self, name: &'static str, value: String) -> Result<(), StoreError> {
        self.ask(move |transaction: &Transaction<'_>| {
            let change = "INSERT OR REPLACE INTO settings (name, value) VALUES (?1, ?2)";
            transaction.execute(change, params![name, value])?;
            Ok(())
        })
        .await
    }
}

type Columns = (String, Option<u32>, String, String);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

fn record((body, reserved, tags, name): Columns) -> Result<FunctionRecord, StoreError> {
    let mut record: FunctionRecord = parsed(&name, &body)?;
    record.reserved = reserved;
    record.tags = parsed::<BTreeMap<_, _>>(&name, &tags)?;
    Ok(record)
}

/// A row's JSON.
pub(super) fn json(what: &str, value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|source| StoreError::Damaged { what: what.to_owned(), source: source.into() })
}

/// What a row's JSON says.
pub(super) fn parsed<T: serde::de::DeserializeOwned>(
    what: &str,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text)
        .map_err(|source| StoreError::Damaged { what: what.to_owned(), source: source.into() })
}
