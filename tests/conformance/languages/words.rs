//! What differs from language to language: the folder's `suite.toml`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// What becomes of an integer beyond 2^53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum BigIntegers {
    /// It stays what it is.
    Exact,
    /// It becomes the nearest double.
    Doubles,
}

/// Error types the caller sees. What only left-out cases ask for may be missing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Errors {
    /// Of the handler `fail`.
    pub(super) raised: String,
    /// Of the module `init_fails`.
    #[serde(default)]
    pub(super) init: String,
    /// Of the module `missing_module`.
    #[serde(default)]
    pub(super) missing_module: String,
    /// Of a module whose file is not there.
    #[serde(default)]
    pub(super) missing_file: String,
    /// Of a handler that its module does not have; none where only a message is told.
    pub(super) missing_handler: Option<String>,
    /// Of a handler without a function.
    #[serde(default)]
    pub(super) malformed_handler: String,
    /// Of the module `syntax_error`.
    #[serde(default)]
    pub(super) syntax: String,
    /// Of a handler without parameters; none where that is no error.
    pub(super) signature: Option<String>,
}

/// A language's `suite.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Words {
    /// A handler, with `{module}` and `{function}`.
    pub(super) handler: String,
    /// Cases that mean nothing for the language.
    #[serde(default)]
    pub(super) left_out: Vec<String>,
    /// Member of an error's JSON that holds the trace; none where errors have none.
    pub(super) trace: Option<String>,
    /// A text of the trace of the handler `fail`.
    #[serde(default)]
    pub(super) shows_itself_in_trace: String,
    /// Whether AWS's client leaves the log descriptor's variable for the function to see.
    #[serde(default)]
    pub(super) official_shows_log_descriptor: bool,
    /// Whether a log record of text names the request.
    #[serde(default = "yes")]
    pub(super) log_text_has_request: bool,
    /// Level INFO as a log record of text has it.
    #[serde(default = "info")]
    pub(super) log_level_text: String,
    /// Level INFO as a log record of JSON has it.
    #[serde(default = "info")]
    pub(super) log_level_json: String,
    /// Member of a log record's JSON that names the request.
    #[serde(default = "request_id")]
    pub(super) log_request_member: String,
    /// Whether an object's members that are null are left out of what a handler gives.
    #[serde(default)]
    pub(super) drops_null_members: bool,
    /// What becomes of large integers.
    pub(super) big_integers: BigIntegers,
    /// Error types.
    pub(super) errors: Errors,
}

fn yes() -> bool {
    true
}

fn info() -> String {
    "INFO".to_owned()
}

fn request_id() -> String {
    "requestId".to_owned()
}

/// The folder of a language's fixtures.
pub(super) fn folder(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/languages").join(language)
}

impl Words {
    /// Of this language.
    pub(super) fn of(language: &str) -> Self {
        let file = folder(language).join("suite.toml");
        let text =
            std::fs::read_to_string(&file).expect("every language's folder has a suite.toml");
        toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
    }
}
