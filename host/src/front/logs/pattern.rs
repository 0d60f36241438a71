//! Filter patterns: terms (`ERROR`, `"two words"`, `?a ?b`, `-not`, `%reg.*ex%`), or of JSON
//! (`json_pattern`).
//!
//! # Not here
//! Patterns of columns (`[a, b]`), which are refused by name.
//!
//! # Sources
//! CloudWatch Logs user guide, "filter pattern syntax".

use regex::{Regex, RegexBuilder};

use super::json_pattern::JsonPattern;

/// Largest compiled regular expression.
const REGEX_BYTES: usize = 256 * 1024;

/// What an event must hold.
#[derive(Debug, Default)]
pub(super) struct Pattern {
    all: Vec<Term>,
    /// One of these, if there are no others.
    any: Vec<Term>,
    none: Vec<Term>,
    json: Option<JsonPattern>,
}

#[derive(Debug)]
enum Term {
    Text(String),
    Regex(Regex),
}

impl Term {
    fn fits(&self, text: &str) -> bool {
        match self {
            Self::Text(term) => text.contains(term.as_str()),
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

impl Pattern {
    /// Of its text; an empty one fits everything. The error is for the caller.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text.trim();
        if rest.starts_with('[') {
            return Err(format!("lambdabox does not filter by columns yet: {rest}"));
        }
        if let Some(inner) = rest.strip_prefix('{') {
            let inner = inner.strip_suffix('}').ok_or("a brace is not closed".to_owned());
            let parsed = inner.and_then(JsonPattern::parse);
            let json = parsed.map_err(|why| format!("Invalid filter pattern: {why}: {text}"))?;
            return Ok(Self { json: Some(json), ..Self::default() });
        }
        let mut pattern = Self::default();
        while !rest.is_empty() {
            let (list, after) = match rest.as_bytes()[0] {
                b'?' => (&mut pattern.any, &rest[1..]),
                b'-' => (&mut pattern.none, &rest[1..]),
                _ => (&mut pattern.all, rest),
            };
            let (term, after) = term(after, text)?;
            list.push(term);
            rest = after.trim_start();
        }
        Ok(pattern)
    }

    /// Whether an event's text fits.
    pub(super) fn fits(&self, text: &str) -> bool {
        if let Some(json) = &self.json {
            return serde_json::from_str(text).is_ok_and(|event| json.fits(&event));
        }
        let fits = |term: &Term| term.fits(text);
        // Beside terms that must be there, optional ones say nothing.
        let any = !self.all.is_empty() || self.any.is_empty() || self.any.iter().any(fits);
        any && self.all.iter().all(fits) && !self.none.iter().any(fits)
    }
}

/// A regular expression of bounded size.
pub(super) fn expression(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text).size_limit(REGEX_BYTES).build().map_err(|error| error.to_string())
}

/// The first term of `text`, and what comes after it.
fn term<'a>(text: &'a str, whole: &str) -> Result<(Term, &'a str), String> {
    let invalid = |why: &str| format!("Invalid filter pattern: {why}: {whole}");
    if let Some(quoted) = text.strip_prefix('"') {
        let mut out = String::new();
        let mut characters = quoted.char_indices();
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => return Ok((Term::Text(out), &quoted[at + 1..])),
                '\\' => out.extend(characters.next().map(|(_, escaped)| escaped)),
                c => out.push(c),
            }
        }
        return Err(invalid("a quotation mark is not closed"));
    }
    if let Some(expression) = text.strip_prefix('%') {
        let Some((expression, after)) = expression.split_once('%') else {
            return Err(invalid("a regular expression has no % at its end"));
        };
        let regex = self::expression(expression).map_err(|why| invalid(&why))?;
        return Ok((Term::Regex(regex), after));
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    match end {
        0 => Err(invalid("a term is empty")),
        end => Ok((Term::Text(text[..end].to_owned()), &text[end..])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern).unwrap().fits(text)
    }

    #[test]
    fn terms_are_all_needed_and_case_counts() {
        assert!(fits("", "anything"));
        assert!(fits("ERROR", "[ERROR] it broke"));
        assert!(!fits("error", "[ERROR] it broke"));
        assert!(fits("ERROR broke", "[ERROR] it broke"));
        assert!(!fits("ERROR whole", "[ERROR] it broke"));
        assert!(fits("\"it broke\"", "[ERROR] it broke"));
        assert!(!fits("\"broke it\"", "[ERROR] it broke"));
        assert!(fits(r#""say \"x\"""#, r#"say "x" now"#));
    }

    #[test]
    fn terms_can_be_optional_excluded_or_expressions() {
        assert!(fits("?WARN ?ERROR", "ERROR"));
        assert!(!fits("?WARN ?ERROR", "INFO"));
        assert!(fits("ERROR ?WARN", "ERROR"));
        assert!(!fits("ERROR -Exiting", "ERROR Exiting"));
        assert!(fits("-Exiting", "ERROR"));
        assert!(fits("-\"two words\" ERROR", "ERROR two"));
        assert!(fits("%E[RT]+OR%", "ERROR") && !fits("%^RROR%", "ERROR"));
    }

    #[test]
    fn a_pattern_of_json_fits_events_that_are_json() {
        assert!(fits("{ $.level = \"ERROR\" }", "{\"level\":\"ERROR\"}\n"));
        assert!(!fits("{ $.level = \"ERROR\" }", "{\"level\":\"INFO\"}\n"));
        assert!(!fits("{ $.level = \"ERROR\" }", "level ERROR\n"));
    }

    #[test]
    fn what_is_no_pattern_is_refused_in_words() {
        for (pattern, why) in [
            ("\"a", "not closed"),
            ("%a", "no %"),
            ("%(%", "Invalid filter pattern"),
            ("{ $.a = 1", "brace"),
            ("{ a = 1 }", "selector"),
            ("[a, b]", "columns"),
            ("a ?", "empty"),
        ] {
            let error = Pattern::parse(pattern).unwrap_err();
            assert!(error.contains(why), "{pattern}: {error}");
        }
    }
}
