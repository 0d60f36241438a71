//! The event: found, limited, checked to be JSON, and passed on byte by byte.
//!
//! # Invariants
//! - The bytes handed out are those that were given; nothing is parsed and written again.
//! - No more than the limit is ever read into memory.
//!
//! # Sources
//! `reference/runtime-api.md` 0.3 (6 MiB and 100 bytes).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;
use serde::de::IgnoredAny;

use super::Setting;
use super::caller::Caller;
use super::check::is_absent;
use super::place::Place;
use super::problem::{Bom, Problem};
use super::raw::Raw;
use crate::model::MAX_PAYLOAD_BYTES;

/// What a function gets when no event is given.
const NO_EVENT: &[u8] = b"{}";
/// How other programs are told that a file is meant: the aws command line's two, and curl's.
const PREFIXES: [&str; 3] = ["file://", "fileb://", "@"];
/// What files of JSON are called.
const JSON_ENDING: &str = ".json";
/// UTF-8's byte order mark.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads the event from where the settings say.
pub(crate) fn read(raw: &Raw, caller: &Caller, stdin: &mut dyn Read) -> Result<Bytes, Problem> {
    let Some((text, place)) = raw.text(Setting::Event) else {
        return Ok(Bytes::from_static(NO_EVENT));
    };
    if text == "-" {
        let what = "the event on standard input".to_owned();
        return checked(limited(stdin, &what)?, what);
    }
    if text.trim().is_empty() {
        return Err(Problem::EventEmpty { place });
    }
    let path = place.origin.base(&caller.cwd).join(text);
    let what = format!("the event file {}", path.display());
    match File::open(&path) {
        Ok(mut file) => checked(limited(&mut file, &what)?, what),
        Err(error) if cannot_be_a_path(&error) => inline(text, place, &path),
        // A file that is there and cannot be read wins all the same, unless it is plainly JSON.
        Err(source) => {
            inline(text, place, &path).map_err(|_| Problem::EventUnreadable { what, source })
        }
    }
}

/// Whether the error means that no file has this name (JSON is often no name a file can have).
fn cannot_be_a_path(error: &io::Error) -> bool {
    is_absent(error)
        || matches!(error.kind(), io::ErrorKind::InvalidFilename | io::ErrorKind::InvalidInput)
}

fn inline(text: &str, place: Place, path: &Path) -> Result<Bytes, Problem> {
    if text.len() > MAX_PAYLOAD_BYTES {
        let what = format!("the event of {place}");
        return Err(Problem::EventTooLarge { what, limit: MAX_PAYLOAD_BYTES });
    }
    match json_error(text.as_bytes()) {
        None => Ok(Bytes::copy_from_slice(text.as_bytes())),
        // Where the parser stumbled over a file's name says nothing.
        Some(_) if looks_like_a_file(text) => {
            let bare = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix));
            let bare = bare.filter(|bare| !bare.is_empty()).map(str::to_owned);
            Err(Problem::NoEventFile { place, path: path.to_owned(), bare })
        }
        Some((line, column, message)) => {
            Err(Problem::EventNeither { place, line, column, message })
        }
    }
}

/// Whether a text that is no JSON was meant as a file's name: JSON that is only broken begins as such.
fn looks_like_a_file(text: &str) -> bool {
    let is_json_like = text.trim_start().starts_with(['{', '[', '"', '\'']) || text.contains('\n');
    let ends = text.to_ascii_lowercase().ends_with(JSON_ENDING);
    let begins = PREFIXES.iter().any(|prefix| text.starts_with(prefix));
    !is_json_like && (ends || begins || text.contains('/'))
}

fn limited(from: &mut dyn Read, what: &str) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    from.take(MAX_PAYLOAD_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| Problem::EventUnreadable { what: what.to_owned(), source })?;
    if bytes.len() > MAX_PAYLOAD_BYTES {
        return Err(Problem::EventTooLarge { what: what.to_owned(), limit: MAX_PAYLOAD_BYTES });
    }
    Ok(bytes)
}

fn checked(bytes: Vec<u8>, what: String) -> Result<Bytes, Problem> {
    // Skipping over JSON does not look into its strings, so the encoding is checked apart.
    if let Err(error) = std::str::from_utf8(&bytes) {
        return Err(Problem::EventNotText { what, position: error.valid_up_to() });
    }
    let Some((line, column, message)) = json_error(&bytes) else { return Ok(bytes.into()) };
    let bom = if bytes.starts_with(BYTE_ORDER_MARK) { Bom::Present } else { Bom::Absent };
    Err(Problem::EventNotJson { what, line, column, message, bom })
}

/// Line, column and reason, unless `bytes` are JSON. Skips instead of building values: no depth
/// limit, and no memory.
pub(crate) fn json_error(bytes: &[u8]) -> Option<(usize, usize, String)> {
    let error = serde_json::from_slice::<IgnoredAny>(bytes).err()?;
    let text = error.to_string();
    let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
    let (line, column) = match (error.line(), error.column()) {
        (1, 0) => (1, 1),
        // The parser stood behind a line's end when it noticed; the mistake is before it.
        (line, 0) => {
            let above = bytes.split(|byte| *byte == b'\n').nth(line.saturating_sub(2));
            (line.saturating_sub(1), above.map_or(1, |above| above.len() + 1))
        }
        position => position,
    };
    Some((line, column, reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::tests::caller;

    fn of(text: &str, cwd: &str, mut stdin: &[u8]) -> Result<Bytes, String> {
        let mut raw = Raw::default();
        raw.set_flag(Setting::Event, Some(text.to_owned()));
        read(&raw, &caller(cwd, &[]), &mut stdin).map_err(|problem| problem.to_string())
    }

    #[test]
    fn no_event_is_an_empty_object() {
        let event = read(&Raw::default(), &caller("/", &[]), &mut io::empty()).unwrap();
        assert_eq!(&event[..], b"{}");
    }

    #[test]
    fn the_bytes_are_passed_unchanged() {
        for text in ["{ \"a\" : 1.0 }\n", " [1]", "null", "-5", "\"x\"", "{\"a\":1,\"a\":2}"] {
            assert_eq!(&of(text, "/", b"").unwrap()[..], text.as_bytes());
            assert_eq!(&of("-", "/", text.as_bytes()).unwrap()[..], text.as_bytes());
        }
    }

    #[test]
    fn an_existing_file_wins_over_json() {
        let dir = tempfile::tempdir().unwrap();
        let cwd = dir.path().to_str().unwrap();
        assert_eq!(&of("1", cwd, b"").unwrap()[..], b"1");
        fs::write(dir.path().join("1"), "{\"from\":\"file\"}\n").unwrap();
        assert_eq!(&of("1", cwd, b"").unwrap()[..], b"{\"from\":\"file\"}\n");
    }

    #[test]
    fn what_is_neither_json_nor_a_file_is_called_both() {
        assert_eq!(
            of("{\"a\":\n  b}", "/", b"").unwrap_err(),
            "--event is not JSON (line 2, column 3: expected value), and not a file either"
        );
        let long = format!("{{\"a\":{}", "x".repeat(5_000));
        assert!(of(&long, "/", b"").unwrap_err().ends_with("and not a file either"));
    }

    #[test]
    fn a_file_that_is_not_there_is_named_and_nothing_is_said_of_json() {
        for (text, hint) in [
            ("nofile.json", "give JSON in quotes"),
            ("events/one", "give JSON in quotes"),
            ("file://event.json", "-e event.json"),
            ("fileb://event.json", "-e event.json"),
            ("@event.json", "-e event.json"),
        ] {
            let mut raw = Raw::default();
            raw.set_flag(Setting::Event, Some(text.to_owned()));
            let problem = read(&raw, &caller("/nowhere", &[]), &mut io::empty()).unwrap_err();
            let said = problem.to_string();
            assert_eq!(said, format!("--event names a file that is not there: /nowhere/{text}"));
            assert!(problem.hint().unwrap().contains(hint), "{text}: {:?}", problem.hint());
        }
        // Broken JSON with a slash in it is no file's name.
        for text in ["{\"a\": \"b/c\"", "[\"a.json", "'{\"a\":\"b/c\"}'", "nofile"] {
            assert!(of(text, "/nowhere", b"").unwrap_err().contains("not a file either"), "{text}");
        }
    }

    #[test]
    fn an_event_of_nothing_is_called_empty() {
        for text in ["", " \n"] {
            assert_eq!(of(text, "/tmp", b"").unwrap_err(), "--event is empty");
        }
    }

    #[test]
    fn broken_files_and_input_are_named_with_line_and_column() {
        let dir = tempfile::tempdir().unwrap();
        let cwd = dir.path().to_str().unwrap();
        fs::write(dir.path().join("e.json"), "{\n  \"a\": tru\n}").unwrap();
        assert_eq!(
            of("e.json", cwd, b"").unwrap_err(),
            format!(
                "the event file {cwd}/e.json is not valid JSON at line 2, column 11: expected ident"
            )
        );
        assert_eq!(
            of("-", cwd, b"").unwrap_err(),
            "the event on standard input is not valid JSON at line 1, column 1: \
             EOF while parsing a value"
        );
        assert_eq!(
            of("-", cwd, b"\"a\xffb\"").unwrap_err(),
            "the event on standard input is not valid UTF-8 at byte 2"
        );
        assert!(of(".", cwd, b"").unwrap_err().starts_with("cannot read the event file"));
        let bom = checked(b"\xef\xbb\xbf{}".to_vec(), "it".into()).unwrap_err();
        assert!(bom.hint().unwrap().contains("byte order mark"));
    }

    #[test]
    fn an_event_of_the_limit_passes_and_one_byte_more_does_not() {
        let quoted = |len: usize| format!("\"{}\"", "x".repeat(len - 2));
        let largest = quoted(MAX_PAYLOAD_BYTES);
        assert_eq!(of("-", "/", largest.as_bytes()).unwrap().len(), MAX_PAYLOAD_BYTES);
        let over = quoted(MAX_PAYLOAD_BYTES + 1);
        let said = "is larger than Lambda's limit of 6291556 bytes (6 MiB)";
        assert!(of("-", "/", over.as_bytes()).unwrap_err().ends_with(said));
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &over).unwrap();
        assert!(of(file.path().to_str().unwrap(), "/", b"").unwrap_err().ends_with(said));
    }

    #[test]
    fn depth_is_no_error_of_ours() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(of("-", "/", deep.as_bytes()).is_ok());
    }
}
