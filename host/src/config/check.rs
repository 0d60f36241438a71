//! Small checks that every setting shares: a number within limits, one word out of a few.

use std::ops::RangeInclusive;

use super::Setting;
use super::place::Place;
use super::problem::Problem;
use super::raw::Raw;

/// A whole number within `limits`; absent, `default`.
pub(crate) fn number(
    raw: &Raw,
    setting: Setting,
    limits: RangeInclusive<u32>,
    unit: &'static str,
    default: u32,
) -> Result<u32, Problem> {
    match raw.text(setting) {
        Some((text, place)) => number_text(&place.to_string(), text, limits, unit),
        None => Ok(default),
    }
}

/// The same of a text that is there.
pub(crate) fn number_text(
    place: &str,
    text: &str,
    limits: RangeInclusive<u32>,
    unit: &'static str,
) -> Result<u32, Problem> {
    let (low, high) = (*limits.start(), *limits.end());
    let (place, value) = (place.to_owned(), text.to_owned());
    // The sign and the length are left to this check, so that -1 and 99999999999 are numbers too.
    match text.trim().parse::<i128>() {
        Ok(number) => match u32::try_from(number) {
            Ok(number) if limits.contains(&number) => Ok(number),
            _ => Err(Problem::OutOfRange { place, value, low, high, unit }),
        },
        Err(_) => Err(Problem::NotANumber { place, value, low, high, unit }),
    }
}

/// One of `choices`, upper and lower case alike; absent, `default`.
pub(crate) fn choice<T: Copy>(
    raw: &Raw,
    setting: Setting,
    names: &'static [&'static str],
    values: &[T],
    default: T,
) -> Result<T, Problem> {
    let Some((text, place)) = raw.text(setting) else { return Ok(default) };
    names
        .iter()
        .zip(values)
        .find(|(name, _)| name.eq_ignore_ascii_case(text.trim()))
        .map(|(_, value)| *value)
        .ok_or_else(|| Problem::NotOneOf {
            place: place.to_string(),
            value: text.to_owned(),
            choices: names,
        })
}

/// A text that satisfies `holds`, which `rule` says in words.
pub(crate) fn text(
    raw: &Raw,
    setting: Setting,
    rule: &'static str,
    holds: impl Fn(&str) -> bool,
) -> Result<Option<String>, Problem> {
    match raw.text(setting) {
        None => Ok(None),
        Some((text, _)) if holds(text) => Ok(Some(text.to_owned())),
        Some((text, place)) => Err(Problem::Malformed { place, value: text.to_owned(), rule }),
    }
}

/// The path that `text` names, seen from where it was written, and that must exist.
pub(crate) fn existing_path(
    text: &str,
    place: &Place,
    cwd: &std::path::Path,
) -> Result<(std::path::PathBuf, std::fs::Metadata), Problem> {
    let path = place.origin.base(cwd).join(text);
    match std::fs::metadata(&path) {
        Ok(metadata) => Ok((path, metadata)),
        Err(error) if is_absent(&error) => {
            Err(Problem::NoSuchSettingPath { place: place.clone(), path })
        }
        Err(source) => Err(Problem::PathUnreadable { path, source }),
    }
}

/// Whether an error says that a path does not exist (a file in the place of a directory, too).
pub(crate) fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_whole_and_within_limits_and_the_message_names_them() {
        for (text, said) in [
            ("127", Some("--x is 127, outside the limits of 128 to 10240 MB")),
            ("99999", Some("--x is 99999, outside the limits of 128 to 10240 MB")),
            ("-1", Some("--x is -1, outside the limits of 128 to 10240 MB")),
            (
                "99999999999999",
                Some("--x is 99999999999999, outside the limits of 128 to 10240 MB"),
            ),
            ("1.5", Some("--x is `1.5`, which is not a whole number (128 to 10240 MB)")),
            ("512MB", Some("--x is `512MB`, which is not a whole number (128 to 10240 MB)")),
            ("", Some("--x is ``, which is not a whole number (128 to 10240 MB)")),
            ("128", None),
            ("10240", None),
        ] {
            let got = number_text("--x", text, 128..=10_240, "MB").map_err(|p| p.to_string());
            assert_eq!(got.err().as_deref(), said, "{text}");
        }
    }
}
