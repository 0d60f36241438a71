//! `GET /2021-04-23/credentials`: the function's keys where none are in its environment, because what
//! is in a snapshot would be old.
//!
//! # Sources
//! `reference/runtime-api.md` 1.7; the container credential provider of AWS's SDKs.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::json;
use uuid::Uuid;

use super::reply::{self, Reply};
use super::shared::Shared;

/// Its path, which needs no version of the Runtime API.
pub(super) const PATH: &str = "/2021-04-23/credentials";
/// How long what was answered may be used: SDKs ask again before that.
const GOOD_FOR_SECS: i64 = 6 * 60 * 60;

/// Keys that are asked for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ServedCredentials {
    /// Who has it may ask.
    pub(crate) token: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: String,
}

impl ServedCredentials {
    /// With a token of their own; `keys` by the names of the variables.
    pub(crate) fn of(keys: &[(&'static str, String)]) -> Self {
        let key = |name| {
            let found = keys.iter().find(|(key, _)| *key == name);
            found.map_or_else(String::new, |(_, value)| value.clone())
        };
        Self {
            token: Uuid::new_v4().to_string(),
            access_key_id: key("AWS_ACCESS_KEY_ID"),
            secret_access_key: key("AWS_SECRET_ACCESS_KEY"),
            session_token: key("AWS_SESSION_TOKEN"),
        }
    }

    /// The variables that lead SDKs here; `runtime_api` is where the API is, as the function sees it.
    pub(crate) fn variables(&self, runtime_api: &str) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{runtime_api}{PATH}")),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", self.token.clone()),
        ]
    }
}

impl std::fmt::Debug for ServedCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServedCredentials").finish_non_exhaustive()
    }
}

pub(super) fn answer(shared: &Shared, headers: &HeaderMap) -> Reply {
    let Some(credentials) = &shared.credentials else { return reply::not_found() };
    let given = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
    if given != Some(credentials.token.as_bytes()) {
        return reply::no_credentials();
    }
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(GOOD_FOR_SECS);
    reply::json(&json!({
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "Token": credentials.session_token,
        "Expiration": format!("{until:.0}"),
    }))
}
