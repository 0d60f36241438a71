//! Checks as text and as JSON.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::checks::{self, Check, Status};
use crate::config::Verbosity;

const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default().bold();

/// Width of the longest status, so that ids stand below each other.
const STATUS_WIDTH: usize = 7;

/// Whether text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    /// For a terminal.
    Colored,
    /// For everything else.
    Plain,
}

impl Paint {
    fn wrap(self, style: Style, text: &str) -> String {
        match self {
            Self::Colored => format!("{style}{text}{style:#}"),
            Self::Plain => text.to_owned(),
        }
    }
}

/// One line a check, its remedy beneath, the verdict last.
pub(super) fn text(checks: &[Check], paint: Paint, verbosity: Verbosity) -> String {
    let mut out = String::new();
    let mut line = |text: String| writeln!(out, "{text}").expect("a String takes every text");
    let indent = " ".repeat(STATUS_WIDTH + 2);
    for check in checks {
        if check.status == Status::Ok && verbosity == Verbosity::Quiet {
            continue;
        }
        let (style, word) = (style(check.status), check.status.word());
        // The colour's own bytes would count as width, so the blanks come after it.
        let blanks = " ".repeat(STATUS_WIDTH - word.len() + 2);
        line(format!("{}{blanks}{}: {}", paint.wrap(style, word), check.id, check.fact));
        if let Some(remedy) = &check.remedy {
            line(format!("{indent}{} {remedy}", paint.wrap(CYAN, "fix:")));
        }
        if verbosity == Verbosity::Verbose {
            line(format!("{indent}from: {}", check.read));
        }
    }
    let missing = checks.iter().filter(|check| check.status == Status::Missing).count();
    if missing > 0 {
        line(format!("functions cannot run here: {missing} missing"));
    } else if verbosity != Verbosity::Quiet {
        line("functions can run here".to_owned());
    }
    out
}

/// `{"can_run": …, "checks": [{"id", "status", "fact", "remedy"}, …]}`, the keys in this order.
pub(super) fn json(checks: &[Check]) -> String {
    let each = |check: &Check| -> Value {
        json!({
            "id": check.id,
            "status": check.status.word(),
            "fact": check.fact,
            "remedy": check.remedy,
        })
    };
    let can_run = checks::worst(checks) != Status::Missing;
    let whole = json!({
        "can_run": can_run,
        "checks": checks.iter().map(each).collect::<Vec<_>>(),
    });
    format!("{whole:#}\n")
}

fn style(status: Status) -> Style {
    match status {
        Status::Ok => GREEN,
        Status::Warn => YELLOW,
        Status::Missing => RED,
    }
}
