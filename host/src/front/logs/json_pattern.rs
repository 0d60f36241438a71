//! Filter patterns of JSON logs: `{ $.level = "ERROR" && ($.status >= 500 || $.path = "/a*") }`.
//!
//! An event that is no JSON, or lacks a property, fits no test of it but `NOT EXISTS`.
//!
//! # Sources
//! CloudWatch Logs user guide, "filter pattern syntax for JSON log events".

use regex::Regex;
use serde_json::Value;

use super::pattern::expression;

/// Deepest nesting of parentheses.
const DEEPEST: usize = 16;

/// What an object must be like.
#[derive(Debug)]
pub(super) enum JsonPattern {
    All(Vec<Self>),
    Any(Vec<Self>),
    Test(Vec<Step>, Test),
}

/// One step of a selector.
#[derive(Debug)]
pub(super) enum Step {
    Key(String),
    Index(usize),
    /// Any element.
    Each,
}

#[derive(Debug)]
pub(super) enum Test {
    /// Equal to a text, in which `*` is anything.
    Text(Vec<String>),
    NotText(Vec<String>),
    Regex(Regex),
    NotRegex(Regex),
    Number(Order, f64),
    IsNull,
    IsTrue,
    IsFalse,
    NotExists,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl JsonPattern {
    /// Of what stands between the braces. The error says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        let parsed = any(&mut rest, 0)?;
        match rest.trim_start() {
            "" => Ok(parsed),
            rest => Err(format!("nothing can follow here: {rest}")),
        }
    }

    pub(super) fn fits(&self, event: &Value) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.fits(event)),
            Self::Any(parts) => parts.iter().any(|part| part.fits(event)),
            Self::Test(steps, test) => {
                let mut found = Vec::new();
                select(event, steps, &mut found);
                match test {
                    Test::NotExists => found.is_empty(),
                    test => found.into_iter().any(|value| test.fits(value)),
                }
            }
        }
    }
}

impl Test {
    fn fits(&self, value: &Value) -> bool {
        let text = || match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
            _ => None,
        };
        match self {
            Self::Text(parts) => text().is_some_and(|text| is_like(&text, parts)),
            Self::NotText(parts) => text().is_some_and(|text| !is_like(&text, parts)),
            Self::Regex(regex) => text().is_some_and(|text| regex.is_match(&text)),
            Self::NotRegex(regex) => text().is_some_and(|text| !regex.is_match(&text)),
            Self::Number(order, number) => value.as_f64().is_some_and(|value| match order {
                Order::Equal => value == *number,
                Order::NotEqual => value != *number,
                Order::Less => value < *number,
                Order::LessOrEqual => value <= *number,
                Order::Greater => value > *number,
                Order::GreaterOrEqual => value >= *number,
            }),
            Self::IsNull => value.is_null(),
            Self::IsTrue => value == &Value::Bool(true),
            Self::IsFalse => value == &Value::Bool(false),
            Self::NotExists => false,
        }
    }
}

fn select<'a>(value: &'a Value, steps: &[Step], found: &mut Vec<&'a Value>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push(value);
        return;
    };
    let next = match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
        Step::Each => {
            let each = value.as_array().map(Vec::as_slice).unwrap_or_default();
            each.iter().for_each(|value| select(value, rest, found));
            None
        }
    };
    if let Some(next) = next {
        select(next, rest, found);
    }
}

/// Whether the parts come in this order, the first at the beginning and the last at the end.
fn is_like(text: &str, parts: &[String]) -> bool {
    let [first, middle @ .., last] = parts else {
        return parts.first().is_some_and(|only| only == text);
    };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for part in middle {
        let Some((_, after)) = rest.split_once(part.as_str()) else { return false };
        rest = after;
    }
    rest.ends_with(last.as_str())
}

fn any(rest: &mut &str, depth: usize) -> Result<JsonPattern, String> {
    let mut parts = vec![all(rest, depth)?];
    while taken(rest, "||") {
        parts.push(all(rest, depth)?);
    }
    Ok(JsonPattern::Any(parts))
}

fn all(rest: &mut &str, depth: usize) -> Result<JsonPattern, String> {
    let mut parts = vec![one(rest, depth)?];
    while taken(rest, "&&") {
        parts.push(one(rest, depth)?);
    }
    Ok(JsonPattern::All(parts))
}

fn one(rest: &mut &str, depth: usize) -> Result<JsonPattern, String> {
    if taken(rest, "(") {
        if depth == DEEPEST {
            return Err(format!("parentheses are nested deeper than {DEEPEST}"));
        }
        let inner = any(rest, depth + 1)?;
        return match taken(rest, ")") {
            true => Ok(inner),
            false => Err("a parenthesis is not closed".to_owned()),
        };
    }
    let steps = selector(rest)?;
    Ok(JsonPattern::Test(steps, test(rest)?))
}

/// `$.a.b[0]["c d"][*]`.
fn selector(rest: &mut &str) -> Result<Vec<Step>, String> {
    if !taken(rest, "$") {
        return Err(format!("a selector such as $.level is expected: {}", rest.trim_start()));
    }
    let mut steps = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix('.') {
            let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '@' | '/');
            let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            if name.is_empty() {
                return Err("a name is expected after a dot".to_owned());
            }
            steps.push(Step::Key(name.to_owned()));
            *rest = after;
        } else if let Some(after) = rest.strip_prefix('[') {
            let closed = after.split_once(']').ok_or("a bracket is not closed")?;
            let (index, after) = (closed.0.trim(), closed.1);
            steps.push(match index {
                "*" => Step::Each,
                index => match index.parse() {
                    Ok(index) => Step::Index(index),
                    Err(_) => Step::Key(index.trim_matches(['"', '\'']).to_owned()),
                },
            });
            *rest = after;
        } else {
            return Ok(steps);
        }
    }
}

fn test(rest: &mut &str) -> Result<Test, String> {
    for (words, test) in [
        (["IS", "NULL"], Test::IsNull),
        (["IS", "TRUE"], Test::IsTrue),
        (["IS", "FALSE"], Test::IsFalse),
        (["NOT", "EXISTS"], Test::NotExists),
    ] {
        let mut after = *rest;
        if words.iter().all(|word| taken(&mut after, word)) {
            *rest = after;
            return Ok(test);
        }
    }
    let orders = [
        ("!=", Order::NotEqual),
        ("<=", Order::LessOrEqual),
        (">=", Order::GreaterOrEqual),
        ("=", Order::Equal),
        ("<", Order::Less),
        (">", Order::Greater),
    ];
    let Some((_, order)) = orders.iter().find(|(sign, _)| taken(rest, sign)) else {
        return Err(format!("a comparison is expected: {}", rest.trim_start()));
    };
    value(rest, *order)
}

fn value(rest: &mut &str, order: Order) -> Result<Test, String> {
    let text = rest.trim_start();
    let is_equal = match order {
        Order::Equal => Some(true),
        Order::NotEqual => Some(false),
        _ => None,
    };
    if let Some(after) = text.strip_prefix('%') {
        let (text, after) =
            after.split_once('%').ok_or("a regular expression has no % at its end")?;
        *rest = after;
        return match is_equal {
            Some(true) => Ok(Test::Regex(expression(text)?)),
            Some(false) => Ok(Test::NotRegex(expression(text)?)),
            None => Err("a regular expression is compared by = or !=".to_owned()),
        };
    }
    let is_quoted = text.starts_with('"');
    let word = if is_quoted {
        let (word, after) = text[1..].split_once('"').ok_or("a quotation mark is not closed")?;
        *rest = after;
        word
    } else {
        let ends = |c: char| c.is_whitespace() || matches!(c, ')' | '&' | '|' | '}');
        let (word, after) = text.split_at(text.find(ends).unwrap_or(text.len()));
        *rest = after;
        word
    };
    let number = word.parse::<f64>().ok().filter(|_| !is_quoted);
    let parts = || word.split('*').map(str::to_owned).collect();
    match (number, is_equal) {
        (Some(number), _) => Ok(Test::Number(order, number)),
        (None, _) if word.is_empty() && !is_quoted => Err("a value is expected".to_owned()),
        (None, Some(true)) => Ok(Test::Text(parts())),
        (None, Some(false)) => Ok(Test::NotText(parts())),
        (None, None) => Err(format!("{word} is no number, so it is compared by = or !=")),
    }
}

/// Whether this comes next; then it is behind us.
fn taken(rest: &mut &str, token: &str) -> bool {
    match rest.trim_start().strip_prefix(token) {
        Some(after) => {
            *rest = after;
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fits(pattern: &str) -> bool {
        let event = json!({
            "level": "ERROR", "status": 503, "ok": false, "none": null, "path": "/api/v1/users",
            "user": {"id": 7, "tags": ["a", "b"]}, "two words": 1,
        });
        JsonPattern::parse(pattern)
            .unwrap_or_else(|error| panic!("{pattern}: {error}"))
            .fits(&event)
    }

    #[test]
    fn properties_are_compared_as_texts_numbers_and_expressions() {
        for pattern in [
            "$.level = \"ERROR\"",
            "$.level = ERROR",
            "$.level = \"ERR*\"",
            "$.path = \"/api/*/users\"",
            "$.level != \"INFO\"",
            "$.level = %^ERR%",
            "$.status >= 500",
            "$.status = 503",
            "$.status = 5*",
            "$.user.id < 8",
            "$.user.tags[1] = b",
            "$.user.tags[*] = \"a\"",
            "$[\"two words\"] = 1",
            "$.ok IS FALSE",
            "$.none IS NULL",
            "$.nothing NOT EXISTS",
            "$.level = X || ($.status > 500 && $.user.id = 7)",
        ] {
            assert!(fits(pattern), "{pattern}");
        }
        for pattern in [
            "$.level = \"error\"",
            "$.path = \"/api/*/x\"",
            "$.status > 503",
            "$.nothing != 1",
            "$.ok IS TRUE",
            "$.level NOT EXISTS",
            "$.level = ERROR && $.status < 500",
        ] {
            assert!(!fits(pattern), "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_said() {
        let deep = "(".repeat(100);
        for (pattern, why) in [
            ("", "selector"),
            ("level = 1", "selector"),
            ("$.a", "comparison"),
            ("$.a =", "value"),
            ("$.a > x", "no number"),
            ("($.a = 1", "not closed"),
            ("$.a = 1 2", "follow"),
            ("$.a[0 = 1", "not closed"),
            (deep.as_str(), "deeper"),
        ] {
            let error = JsonPattern::parse(pattern).unwrap_err();
            assert!(error.contains(why), "{pattern}: {error}");
        }
    }
}
