//! X-Ray's error cause: checked, and cropped to what a trace segment may hold.
//!
//! # Sources
//! `reference/runtime-api.md` 1.10.

use bytes::Bytes;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const CAUSE: &str = "lambda-runtime-function-xray-error-cause";
/// Largest cause (1.10).
pub(crate) const MAX_CAUSE_BYTES: usize = 64 * 1024;
/// Longest of the two texts when the lists had to go (1.10).
const MAX_TEXT_BYTES: usize = (MAX_CAUSE_BYTES - 4096) / 2;
/// Tenths of the lists that are tried, in order.
const TENTHS: [usize; 4] = [8, 6, 4, 2];

#[derive(Debug, Default, Deserialize, Serialize)]
struct Cause {
    working_directory: Option<String>,
    exceptions: Option<Vec<Exception>>,
    paths: Option<Vec<String>>,
    message: Option<String>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
struct Exception {
    #[serde(rename = "type")]
    error_type: Option<String>,
    message: Option<String>,
    stack: Option<Vec<Value>>,
}

/// The cause in the headers, if there is a valid one.
pub(crate) fn from_header(headers: &HeaderMap) -> Option<Bytes> {
    checked(headers.get(CAUSE)?.as_bytes())
}

/// The cause as X-Ray may have it; `None` if it does not parse or says nothing.
pub(crate) fn checked(json: &[u8]) -> Option<Bytes> {
    let cause: Cause = serde_json::from_slice(json).ok()?;
    let says = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let empty = !says(&cause.working_directory)
        && !says(&cause.message)
        && cause.exceptions.as_ref().is_none_or(Vec::is_empty)
        && cause.paths.as_ref().is_none_or(Vec::is_empty);
    if empty {
        return None;
    }
    cropped(cause)
}

fn cropped(mut cause: Cause) -> Option<Bytes> {
    let exceptions = cause.exceptions.as_ref().map_or(0, Vec::len);
    let paths = cause.paths.as_ref().map_or(0, Vec::len);
    let mut json = serde_json::to_vec(&cause).ok()?;
    for tenths in TENTHS {
        if json.len() <= MAX_CAUSE_BYTES {
            return Some(json.into());
        }
        if let Some(list) = &mut cause.exceptions {
            list.truncate(exceptions * tenths / 10);
        }
        if let Some(list) = &mut cause.paths {
            list.truncate(paths * tenths / 10);
        }
        json = serde_json::to_vec(&cause).ok()?;
    }
    if json.len() > MAX_CAUSE_BYTES {
        (cause.exceptions, cause.paths) = (None, None);
        cause.message = cause.message.map(shortened);
        cause.working_directory = cause.working_directory.map(shortened);
        json = serde_json::to_vec(&cause).ok()?;
    }
    // Escapes can double what is left; then there is nothing sensible to keep.
    (json.len() <= MAX_CAUSE_BYTES).then(|| json.into())
}

/// At most [`MAX_TEXT_BYTES`], whole characters, ending in `...` if something was cut.
fn shortened(mut text: String) -> String {
    const ELLIPSIS: &str = "...";
    if text.len() > MAX_TEXT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES - ELLIPSIS.len()));
        text.push_str(ELLIPSIS);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(cause: Value) -> Option<Value> {
        let checked = checked(cause.to_string().as_bytes())?;
        assert!(checked.len() <= MAX_CAUSE_BYTES, "{}", checked.len());
        Some(serde_json::from_slice(&checked).unwrap())
    }

    #[test]
    fn a_valid_cause_passes_and_one_that_says_nothing_does_not() {
        let frame = json!({ "path": "a.py", "line": 3, "label": "f" });
        let exceptions = json!([{ "type": "E", "message": "m", "stack": [frame] }]);
        let cause = json!({ "working_directory": "/var/task", "exceptions": exceptions,
                            "paths": ["a.py"], "message": "why" });
        assert_eq!(check(cause.clone()), Some(cause));
        assert_eq!(check(json!({})), None);
        assert_eq!(check(json!({ "message": "", "paths": [], "exceptions": null })), None);
        assert_eq!(check(json!({ "paths": "no list" })), None);
        assert_eq!(checked(b"{oops"), None);
    }

    #[test]
    fn lists_are_cut_by_fifths_until_the_cause_fits() {
        let paths = vec!["p".repeat(999); 100];
        let cut = check(json!({ "paths": paths, "message": "kept" })).unwrap();
        assert_eq!(cut["paths"].as_array().unwrap().len(), 60);
        assert_eq!(cut["message"], "kept");
    }

    #[test]
    fn texts_are_cut_last_and_at_a_character() {
        let cut = check(json!({ "message": "é".repeat(60_000), "paths": ["p"] })).unwrap();
        let message = cut["message"].as_str().unwrap();
        assert!(message.ends_with("é...") && message.len() <= MAX_TEXT_BYTES);
        assert!(message.len() > MAX_TEXT_BYTES - 3);
        assert!(cut["paths"].is_null());
    }
}
