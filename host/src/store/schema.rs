//! The tables, and how an older file becomes one of today.
//!
//! What is asked for by column stands in columns; everything else of a row is its JSON, so that a
//! new setting of a function is no new table.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::StoreError;

/// Each step makes the next version out of the one before; a step that was released never changes.
pub(super) const STEPS: [&str; 1] = ["
    CREATE TABLE functions (
        name TEXT PRIMARY KEY,
        reserved INTEGER,
        tags TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE versions (
        name TEXT NOT NULL REFERENCES functions(name) ON DELETE CASCADE,
        version TEXT NOT NULL,
        revision TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (name, version)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE layers (
        name TEXT PRIMARY KEY,
        last_version INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE layer_versions (
        name TEXT NOT NULL REFERENCES layers(name),
        version INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (name, version)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE queue (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        function TEXT NOT NULL,
        accepted_ms INTEGER NOT NULL,
        due_ms INTEGER NOT NULL,
        leased_until_ms INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0,
        body TEXT NOT NULL,
        payload BLOB NOT NULL
    ) STRICT;
    CREATE INDEX queue_by_due ON queue (due_ms);
    CREATE TABLE settings (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
"];

/// Brings the file to today's tables, which `steps` make.
pub(super) fn migrate(
    connection: &mut Connection,
    path: &Path,
    steps: &[&str],
) -> Result<(), StoreError> {
    let known = u32::try_from(steps.len()).expect("a handful of steps");
    let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    for (step, version) in steps.iter().zip(1..=known).skip(found as usize) {
        let change: Transaction<'_> =
            connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        change.execute_batch(step)?;
        change.pragma_update(None, "user_version", version)?;
        change.commit()?;
    }
    Ok(())
}
