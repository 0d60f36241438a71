//! A light look into a source file: which names stand at its top level, without running anything.
//!
//! Good enough to choose a handler and to say what a file offers; never a reason to refuse a handler
//! that was named, since a program may make names while it runs.
//!
//! # Not here
//! Judging handlers (`host/src/catalog/infer.rs`).

mod javascript;
mod ruby;

/// More of a file than this is not looked at; a handler that far down can be named.
pub const MAX_SCANNED_BYTES: usize = 1024 * 1024;

/// Names a module offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopLevel {
    /// Functions, in order of appearance.
    pub functions: Vec<String>,
    /// Names bound otherwise: assigned, imported, classes.
    pub others: Vec<String>,
    /// True after `from x import *` and its like: any name may be there.
    pub open_ended: bool,
}

impl TopLevel {
    /// Whether this name is surely bound.
    pub fn has(&self, name: &str) -> bool {
        self.functions.iter().chain(&self.others).any(|known| known == name)
    }
}

/// Top-level names of a source file of this language; `None` if there is no scanner for it.
pub fn top_level(language: &str, source: &[u8]) -> Option<TopLevel> {
    let source = &source[..source.len().min(MAX_SCANNED_BYTES)];
    match language {
        "nodejs" => Some(javascript::javascript(&String::from_utf8_lossy(source))),
        "python" => Some(python(&String::from_utf8_lossy(source))),
        "ruby" => Some(ruby::top_level(&String::from_utf8_lossy(source))),
        _ => None,
    }
}

fn python(source: &str) -> TopLevel {
    let mut names = TopLevel::default();
    // Indentation of the `def` or `class` whose body is being passed over.
    let mut body_of: Option<usize> = None;
    for line in logical_lines(source) {
        if body_of.is_some_and(|indent| line.indent > indent) {
            continue;
        }
        body_of = None;
        let text = line.text.trim();
        let bare = text.strip_prefix("async ").map_or(text, str::trim_start);
        if let Some(name) = bare.strip_prefix("def ").and_then(identifier) {
            names.functions.push(name.to_owned());
            body_of = Some(line.indent);
        } else if let Some(name) = text.strip_prefix("class ").and_then(identifier) {
            names.others.push(name.to_owned());
            body_of = Some(line.indent);
        } else if let Some((_, imported)) =
            text.strip_prefix("from ").and_then(|rest| rest.split_once(" import"))
        {
            imports(imported, &mut names);
        } else {
            assignments(text, &mut names);
        }
    }
    names
}

/// `a, b as c` and `(a, b)` and `*`.
fn imports(list: &str, names: &mut TopLevel) {
    let list = list.trim().trim_start_matches('(').trim_end_matches(')');
    for item in list.split(',').map(str::trim) {
        if item == "*" {
            names.open_ended = true;
        }
        let bound = item.rsplit_once(" as ").map_or(item, |(_, name)| name.trim());
        names.others.extend(identifier(bound).map(str::to_owned));
    }
}

/// `a = b = …` and `a: T = …`.
fn assignments(text: &str, names: &mut TopLevel) {
    let mut rest = text;
    while let Some(name) = identifier(rest) {
        let after = rest.trim_start()[name.len()..].trim_start();
        let value = if let Some(annotated) = after.strip_prefix(':') {
            annotated.split_once('=').map(|(_, value)| value)
        } else {
            after.strip_prefix('=')
        };
        match value {
            Some(value) if !value.starts_with('=') => {
                names.others.push(name.to_owned());
                rest = value;
            }
            _ => break,
        }
    }
}

/// The identifier a text begins with.
fn identifier(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    let name = &text[..end];
    name.starts_with(|c: char| c.is_alphabetic() || c == '_').then_some(name)
}

/// A statement, however many lines it spans; strings are left out, comments too.
struct LogicalLine {
    indent: usize,
    text: String,
}

/// Splits Python into statements by brackets, strings and backslashes.
fn logical_lines(source: &str) -> Vec<LogicalLine> {
    let mut lines = Vec::new();
    let mut text = String::new();
    let mut depth = 0_usize;
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        match c {
            '\'' | '"' => taken = string_length(rest),
            '#' => taken = rest.find('\n').unwrap_or(rest.len()),
            '\\' => taken += rest[1..].chars().next().map_or(0, char::len_utf8),
            '\n' if depth == 0 => finish(&mut text, &mut lines),
            '\n' => text.push(' '),
            _ => {
                match c {
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                text.push(c);
            }
        }
        rest = &rest[taken..];
    }
    finish(&mut text, &mut lines);
    lines
}

fn finish(text: &mut String, lines: &mut Vec<LogicalLine>) {
    if !text.trim().is_empty() {
        let indent = text.len() - text.trim_start().len();
        lines.push(LogicalLine { indent, text: std::mem::take(text) });
    }
    text.clear();
}

/// Bytes of the string literal `rest` begins with, quotes included.
fn string_length(rest: &str) -> usize {
    let quote = &rest[..1];
    let triple = quote.repeat(3);
    let end = if rest.starts_with(&triple) { triple.as_str() } else { quote };
    let mut at = end.len();
    while at < rest.len() {
        let here = &rest[at..];
        if here.starts_with(end) {
            return at + end.len();
        }
        // A plain string ends with its line, closed or not.
        if end.len() == 1 && here.starts_with('\n') {
            return at;
        }
        let step = here.chars().next().map_or(1, char::len_utf8);
        at += step;
        if here.starts_with('\\') {
            at += rest[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(source: &str) -> TopLevel {
        top_level("python", source.as_bytes()).unwrap()
    }

    #[test]
    fn functions_assignments_and_imports_are_seen() {
        let found = names(
            "import os\nfrom lib import helper as helped, other\n\nasync def slow(e, c):\n    pass\n\
             def handler(event, context):\n    inner = 1\n    def nested(): pass\n\
             lambda_handler = alias = make(\n  app=1,\n)\ntyped: Callable = handler\n",
        );
        assert_eq!(found.functions, ["slow", "handler"]);
        assert_eq!(found.others, ["helped", "other", "lambda_handler", "alias", "typed"]);
        assert!(!found.open_ended && !found.has("nested") && !found.has("inner"));
        assert!(!found.has("app"), "a keyword argument is no assignment");
    }

    #[test]
    fn names_in_strings_and_comments_and_classes_are_not_seen() {
        let found = names(
            "'''\ndef handler(e, c): pass\n'''\n# def handler\nx = \"def handler(\"\n\
             class A:\n    def handler(self): pass\n    lambda_handler = 1\n\
             y = r'\\'\nz = 'it\\'s'\n",
        );
        assert!(!found.has("handler") && !found.has("lambda_handler"), "{found:?}");
        assert!(found.has("z"), "{found:?}");
    }

    #[test]
    fn handlers_made_in_branches_and_tries_are_seen() {
        let found = names(
            "try:\n    from fast import handler\nexcept ImportError:\n    def handler(e, c):\n        \
             return 1\nif True:\n    lambda_handler = handler\n",
        );
        assert!(found.has("handler") && found.has("lambda_handler"), "{found:?}");
    }

    #[test]
    fn imports_over_several_lines_and_stars_are_seen() {
        let found = names("from a import (\n    b,\n    handler,\n)\nfrom c import *\n");
        assert!(found.has("handler") && found.has("b") && found.open_ended, "{found:?}");
    }

    #[test]
    fn a_comparison_or_a_call_binds_nothing() {
        assert_eq!(names("handler == 1\nhandler()\nhandler.x = 2\n"), TopLevel::default());
    }

    #[test]
    fn anything_at_all_is_scanned_without_a_panic() {
        for source in ["'", "'''", "\\", "'\\", "(((", ")))", "é = 'ü\\é'\nü", "\"\"\"é"] {
            names(source);
        }
        assert_eq!(names("é = 1\n").others, ["é"]);
        assert_eq!(top_level("cobol", b"x"), None);
    }
}
