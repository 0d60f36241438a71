//! Function URLs.

use rusqlite::{OptionalExtension as _, Row, params};

use super::functions::{json, parsed};
use super::record::{Dead, UrlRecord};
use super::{Put, Store, StoreError};

const COLUMNS: &str = "SELECT id, body FROM function_urls";

impl Store {
    /// Stores the URL of a function that has none; there must be the function.
    pub async fn create_url(&self, url: UrlRecord) -> Result<Put, StoreError> {
        self.ask(move |transaction| {
            let body = json(&url.function, &url)?;
            let count = transaction.execute(
                "INSERT INTO function_urls (id, function, body) VALUES (?1, ?2, ?3)
                 ON CONFLICT (function) DO NOTHING",
                params![url.id, url.function, body],
            )?;
            Ok(if count == 0 { Put::Conflict } else { Put::Stored })
        })
        .await
    }

    /// Stores what has changed of a URL.
    pub async fn update_url(&self, url: UrlRecord) -> Result<Put, StoreError> {
        self.ask(move |transaction| {
            let body = json(&url.function, &url)?;
            let change = "UPDATE function_urls SET body = ?2 WHERE id = ?1";
            let count = transaction.execute(change, params![url.id, body])?;
            Ok(if count == 0 { Put::Conflict } else { Put::Stored })
        })
        .await
    }

    /// The URL of a function.
    pub async fn url_of(&self, function: &str) -> Result<Option<UrlRecord>, StoreError> {
        self.one_url("function", function).await
    }

    /// The URL of this id.
    pub async fn url(&self, id: &str) -> Result<Option<UrlRecord>, StoreError> {
        self.one_url("id", id).await
    }

    /// Removes a function's URL.
    pub async fn delete_url(&self, function: &str) -> Result<Dead, StoreError> {
        let function = function.to_owned();
        self.ask(move |transaction| {
            let change = "DELETE FROM function_urls WHERE function = ?1";
            let count = transaction.execute(change, [function])?;
            Ok(if count == 0 { Dead::Absent } else { Dead::Deleted })
        })
        .await
    }

    async fn one_url(
        &self,
        column: &'static str,
        value: &str,
    ) -> Result<Option<UrlRecord>, StoreError> {
        let value = value.to_owned();
        self.ask(move |transaction| {
            let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let found: Option<(String, String)> = transaction
                .prepare_cached(&format!("{COLUMNS} WHERE {column} = ?1"))?
                .query_row([value], row)
                .optional()?;
            found.map(|(id, body)| parsed(&id, &body)).transpose()
        })
        .await
    }
}
