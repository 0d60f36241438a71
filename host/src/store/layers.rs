//! Layer versions.

use rusqlite::{OptionalExtension as _, Row, params};

use super::functions::{json, parsed};
use super::record::{Dead, LayerRecord};
use super::{Store, StoreError};

impl Store {
    /// Stores a layer version under the next number, which is written into what is returned.
    pub async fn publish_layer(&self, mut layer: LayerRecord) -> Result<LayerRecord, StoreError> {
        self.ask(move |transaction| {
            layer.version = transaction.query_row(
                "INSERT INTO layers (name, last_version) VALUES (?1, 1)
                 ON CONFLICT (name) DO UPDATE SET last_version = last_version + 1
                 RETURNING last_version",
                [&layer.name],
                |row| row.get(0),
            )?;
            let body = json(&layer.name, &layer)?;
            transaction.execute(
                "INSERT INTO layer_versions (name, version, sha256, bytes, body)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![layer.name, layer.version, layer.code.sha256, layer.code.bytes, body],
            )?;
            Ok(layer)
        })
        .await
    }

    /// One layer version.
    pub async fn layer(&self, name: &str, version: u64) -> Result<Option<LayerRecord>, StoreError> {
        let name = name.to_owned();
        self.ask(move |transaction| {
            let query = "SELECT name, body FROM layer_versions WHERE name = ?1 AND version = ?2";
            let found = transaction
                .prepare_cached(query)?
                .query_row(params![name, version], columns)
                .optional()?;
            found.map(record).transpose()
        })
        .await
    }

    /// All versions of a layer, the newest first, and below `below` if that is given.
    pub async fn layer_versions(
        &self,
        name: &str,
        below: Option<u64>,
    ) -> Result<Vec<LayerRecord>, StoreError> {
        let name = name.to_owned();
        self.ask(move |transaction| {
            let query = "SELECT name, body FROM layer_versions
                         WHERE name = ?1 AND version < ?2 ORDER BY version DESC";
            let below = below.and_then(|below| i64::try_from(below).ok()).unwrap_or(i64::MAX);
            let mut statement = transaction.prepare_cached(query)?;
            let rows = statement.query_map(params![name, below], columns)?;
            rows.map(|row| record(row?)).collect()
        })
        .await
    }

    /// All versions of every layer whose name comes after `after`: by name, the newest first.
    pub async fn layers(&self, after: Option<String>) -> Result<Vec<LayerRecord>, StoreError> {
        self.ask(move |transaction| {
            let query = "SELECT name, body FROM layer_versions
                         WHERE name > ?1 ORDER BY name, version DESC";
            let mut statement = transaction.prepare_cached(query)?;
            let rows = statement.query_map([after.unwrap_or_default()], columns)?;
            rows.map(|row| record(row?)).collect()
        })
        .await
    }

    /// Removes a layer version; functions that use it keep its package.
    pub async fn delete_layer(&self, name: &str, version: u64) -> Result<Dead, StoreError> {
        let name = name.to_owned();
        self.ask(move |transaction| {
            let change = "DELETE FROM layer_versions WHERE name = ?1 AND version = ?2";
            let count = transaction.execute(change, params![name, version])?;
            Ok(if count == 0 { Dead::Absent } else { Dead::Deleted })
        })
        .await
    }
}

fn columns(row: &Row<'_>) -> rusqlite::Result<(String, String)> {
    Ok((row.get(0)?, row.get(1)?))
}

fn record((name, body): (String, String)) -> Result<LayerRecord, StoreError> {
    parsed(&name, &body)
}
