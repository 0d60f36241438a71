//! `lambdabox top` and `lambdabox usage`: what the operator's listener says, for a person.

use std::io::IsTerminal as _;
use std::time::Duration;

use serde_json::Value;

use super::super::error::AppError;
use super::super::{Form, table};
use super::api::Api;
use super::output::{Reader, print};
use crate::config::HostCall;

/// Between two looks on a terminal.
const PAUSE: Duration = Duration::from_secs(1);
/// Cursor home, and everything below it gone: no flicker, and what was before stays in the scrollback.
const HOME: &str = "\u{1b}[H\u{1b}[J";
const CLEAR: &str = "\u{1b}[2J";

/// How usage is added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageLines {
    /// A line for each function.
    Functions,
    /// A line for each day.
    Days,
}

pub(super) async fn top(host: &HostCall, form: Form) -> Result<u8, AppError> {
    let api = Api::new(&host.endpoint);
    let is_watched = form == Form::Text && std::io::stdout().is_terminal();
    if is_watched {
        print(CLEAR)?;
    }
    loop {
        let pool = api.operator("show what its environments do", "/pool").await?;
        let text = match form {
            Form::Json => format!("{pool:#}\n"),
            Form::Text => environments(&pool),
        };
        if !is_watched {
            print(&text)?;
            return Ok(0);
        }
        if print(&format!("{HOME}{text}"))? == Reader::Gone {
            return Ok(0);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn environments(pool: &Value) -> String {
    let count = |of: &Value, name: &str| of[name].as_u64().unwrap_or(0);
    let all = &pool["environments"];
    let total: u64 = STATES.iter().map(|state| count(all, state)).sum();
    let mut text = format!(
        "memory: {} of {} MB promised{}; environments: {total}; waiting: {}{}\n\n",
        pool["memory_promised_mb"],
        pool["memory_budget_mb"],
        match count(pool, "memory_lost_mb") {
            0 => String::new(),
            lost => format!(" ({lost} MB lost)"),
        },
        pool["waiting"],
        match count(pool, "oldest_waiting_ms") {
            0 => String::new(),
            oldest => format!(" (the oldest for {oldest} ms)"),
        },
    );
    let functions = pool["functions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rows = functions.iter().map(|function| {
        let of = |name: &str| count(&function["environments"], name).to_string();
        [
            function["function"].as_str().unwrap_or("-").to_owned(),
            function["version"].as_str().unwrap_or("-").to_owned(),
            of("busy"),
            of("idle"),
            of("frozen"),
            of("starting"),
            of("ending"),
            function["waiting"].to_string(),
            format!("{} MB", function["memory_mb"]),
        ]
    });
    let head = [
        "FUNCTION", "VERSION", "BUSY", "IDLE", "FROZEN", "STARTING", "ENDING", "WAITING", "MEMORY",
    ];
    match functions.is_empty() {
        true => text.push_str("no function has an environment\n"),
        false => text.push_str(&table::text(head, rows)),
    }
    text
}

const STATES: [&str; 5] = ["starting", "idle", "frozen", "busy", "ending"];

pub(super) async fn usage(host: &HostCall, by: UsageLines, form: Form) -> Result<u8, AppError> {
    let (by, name) = match by {
        UsageLines::Functions => ("function", "FUNCTION"),
        UsageLines::Days => ("day", "DAY"),
    };
    let api = Api::new(&host.endpoint);
    let usage = api.operator("tell what was used", &format!("/usage?by={by}")).await?;
    print(&match form {
        Form::Json => format!("{usage:#}\n"),
        Form::Text => costs(&usage, by, name),
    })?;
    Ok(0)
}

fn costs(usage: &Value, by: &str, name: &str) -> String {
    let row = |of: &Value, named: &str| {
        let number = |name: &str| of[name].as_u64().unwrap_or(0).to_string();
        [
            named.to_owned(),
            number("invocations"),
            number("errors"),
            number("cold_starts"),
            format!("{} ms", number("billed_ms")),
            format!("{:.4}", of["gb_seconds"].as_f64().unwrap_or(0.0)),
            format!("{:.9}", of["cost_usd"].as_f64().unwrap_or(0.0)),
        ]
    };
    let parts = usage["usage"].as_array().map(Vec::as_slice).unwrap_or_default();
    let idle = usage["idle"]["environments"].as_u64().unwrap_or(0);
    let rows = parts.iter().map(|part| row(part, part[by].as_str().unwrap_or("-"))).chain([
        row(&usage["total"], "total"),
        row(&usage["idle"], &format!("idle ({idle} kept)")),
    ]);
    let head = [name, "INVOCATIONS", "ERRORS", "COLD", "BILLED", "GB-SECONDS", "US DOLLARS"];
    let prices = usage["prices"].as_str().unwrap_or_default();
    format!(
        "{}\nAn environment that waits costs nothing. Prices: {prices}.\n",
        table::text(head, rows)
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn top_shows_the_budget_and_a_line_for_each_function() {
        let pool = json!({
            "environments": {"starting": 0, "idle": 1, "frozen": 0, "busy": 2, "ending": 0},
            "functions": [{
                "function": "hello", "version": "$LATEST", "waiting": 4, "memory_mb": 408,
                "environments": {"starting": 0, "idle": 1, "frozen": 0, "busy": 2, "ending": 0},
            }],
            "memory_budget_mb": 1000, "memory_promised_mb": 408, "memory_lost_mb": 0,
            "waiting": 4, "oldest_waiting_ms": 12,
        });
        let text = environments(&pool);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "memory: 408 of 1000 MB promised; environments: 3; waiting: 4 (the oldest for 12 ms)"
        );
        assert!(lines[2].starts_with("FUNCTION  VERSION  BUSY"), "{text}");
        let cells: Vec<&str> = lines[3].split_whitespace().collect();
        assert_eq!(cells, ["hello", "$LATEST", "2", "1", "0", "0", "0", "4", "408", "MB"]);
    }

    #[test]
    fn usage_shows_the_total_and_that_idle_costs_nothing() {
        let figures = json!({"invocations": 2, "errors": 1, "cold_starts": 1, "billed_ms": 300,
            "gb_seconds": 0.0375, "cost_usd": 0.000_001_025, "function": "hello"});
        let idle = json!({"environments": 3, "billed_ms": 0, "gb_seconds": 0.0, "cost_usd": 0.0});
        let usage = json!({"usage": [figures], "total": figures, "idle": idle, "prices": "p"});
        let text = costs(&usage, "function", "FUNCTION");
        let cells = |line: usize| -> Vec<&str> {
            text.lines().nth(line).unwrap().split_whitespace().collect()
        };
        assert_eq!(cells(1), ["hello", "2", "1", "1", "300", "ms", "0.0375", "0.000001025"]);
        assert_eq!(cells(2)[0], "total");
        assert_eq!(
            cells(3),
            ["idle", "(3", "kept)", "0", "0", "0", "0", "ms", "0.0000", "0.000000000"]
        );
        assert!(text.ends_with("An environment that waits costs nothing. Prices: p.\n"));
    }
}
