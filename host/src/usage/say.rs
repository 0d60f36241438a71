//! How lambdabox speaks on standard error: `lambdabox: …`, `warning: …`, `error: …`, `hint: …`.
//!
//! Making a line is pure and returns text; only [`Say::notice`] and its like write it, each in one
//! call, so that lines of several threads do not mix.

use std::error::Error;
use std::io::{self, IsTerminal};

use anstyle::{AnsiColor, Style};

use super::stderr;
use crate::config::{Color, Notice, NoticeLevel, Problems, Verbosity};
use crate::model::with_causes;

const DIM: Style = Style::new().dimmed();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default().bold();

/// What a stream leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// Somebody may be looking.
    Terminal,
    /// A file, a pipe.
    Other,
}

impl Device {
    /// Of a stream of this process.
    pub fn of(stream: &impl IsTerminal) -> Self {
        if stream.is_terminal() { Self::Terminal } else { Self::Other }
    }

    /// Whether text that goes there is coloured.
    pub fn is_colored(self, color: Color) -> bool {
        match color {
            Color::Auto => self == Self::Terminal,
            Color::Always => true,
            Color::Never => false,
        }
    }
}

/// A way of speaking: how much, and in which colour.
#[derive(Debug, Clone, Copy)]
pub struct Say {
    verbosity: Verbosity,
    color: Color,
    device: Device,
}

impl Say {
    /// On this process' standard error.
    pub fn new(color: Color, verbosity: Verbosity) -> Self {
        Self::on(Device::of(&io::stderr()), color, verbosity)
    }

    /// On something else.
    pub(crate) fn on(device: Device, color: Color, verbosity: Verbosity) -> Self {
        Self { verbosity, color, device }
    }

    /// Whether lines are coloured; the function's log is to look alike.
    pub fn is_colored(&self) -> bool {
        self.device.is_colored(self.color)
    }

    /// Says errors and warnings only, and never to a person who watches.
    pub(crate) fn silent() -> Self {
        Self::on(Device::Other, Color::Never, Verbosity::Quiet)
    }

    /// Whether everything is to be said.
    pub(crate) fn is_verbose(&self) -> bool {
        self.verbosity == Verbosity::Verbose
    }

    /// Whether somebody may watch a line that changes.
    pub(crate) fn shows_progress(&self) -> bool {
        self.device == Device::Terminal && self.verbosity != Verbosity::Quiet
    }

    /// Says what was decided for the user, unless quiet was asked for.
    pub fn notice(&self, text: &str) {
        self.line(NoticeLevel::Normal, text).iter().for_each(|line| write_to_stderr(line));
    }

    /// Says what it was decided from, if more was asked for.
    pub fn detail(&self, text: &str) {
        self.line(NoticeLevel::Detail, text).iter().for_each(|line| write_to_stderr(line));
    }

    /// Says what may be wrong, always.
    pub fn warning(&self, text: &str) {
        self.line(NoticeLevel::Warning, text).iter().for_each(|line| write_to_stderr(line));
    }

    /// Says what to do about something that was said already, unless quiet was asked for.
    pub fn hint(&self, text: &str) {
        if self.verbosity != Verbosity::Quiet {
            write_to_stderr(&self.worded(CYAN, "hint", text));
        }
    }

    /// Says what is wrong, with its causes, and what to do about it, always.
    pub fn error(&self, error: &dyn Error, hint: Option<&str>) {
        write_to_stderr(&self.error_lines(error, hint));
    }

    /// The line of a notice, if it is to be said.
    pub(crate) fn line(&self, level: NoticeLevel, text: &str) -> Option<String> {
        let (style, word) = match (level, self.verbosity) {
            (NoticeLevel::Warning, _) => (YELLOW, "warning"),
            (NoticeLevel::Normal, Verbosity::Normal | Verbosity::Verbose)
            | (NoticeLevel::Detail, Verbosity::Verbose) => (DIM, "lambdabox"),
            _ => return None,
        };
        Some(self.worded(style, word, text))
    }

    /// The lines of notices.
    pub(crate) fn notice_lines(&self, notices: &[Notice]) -> String {
        notices.iter().filter_map(|notice| self.line(notice.level, &notice.text)).collect()
    }

    /// The lines of an error and its hint.
    pub(crate) fn error_lines(&self, error: &dyn Error, hint: Option<&str>) -> String {
        let mut lines = self.worded(RED, "error", &with_causes(error));
        if let Some(hint) = hint {
            lines.push_str(&self.worded(CYAN, "hint", hint));
        }
        lines
    }

    /// The lines of everything that is wrong with the configuration.
    pub(crate) fn problem_lines(&self, problems: &Problems) -> String {
        let lines = |problem| {
            let problem: &crate::config::Problem = problem;
            self.error_lines(problem, problem.hint().as_deref())
        };
        problems.0.iter().map(lines).collect()
    }

    fn worded(&self, style: Style, word: &str, text: &str) -> String {
        let text = printable(text);
        match self.is_colored() {
            true => format!("{style}{word}:{style:#} {text}\n"),
            false => format!("{word}: {text}\n"),
        }
    }
}

/// Names and values come from files that others wrote; what a terminal would obey is spelled out.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() && c != '\n' && c != '\t' {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

fn write_to_stderr(lines: &str) {
    stderr::write(lines.as_bytes().to_vec());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_is_said_at_its_verbosity() {
        use NoticeLevel::{Detail, Normal, Warning};
        for (verbosity, said) in [
            (Verbosity::Quiet, [false, false, true]),
            (Verbosity::Normal, [true, false, true]),
            (Verbosity::Verbose, [true, true, true]),
        ] {
            let say = Say::on(Device::Other, Color::Auto, verbosity);
            let got = [Normal, Detail, Warning].map(|level| say.line(level, "x").is_some());
            assert_eq!(got, said, "{verbosity:?}");
        }
    }

    #[test]
    fn colour_is_for_terminals_unless_told_otherwise() {
        for (device, color, colored) in [
            (Device::Terminal, Color::Auto, true),
            (Device::Other, Color::Auto, false),
            (Device::Other, Color::Always, true),
            (Device::Terminal, Color::Never, false),
        ] {
            let line = Say::on(device, color, Verbosity::Normal).line(NoticeLevel::Normal, "x");
            assert_eq!(line.unwrap().contains('\u{1b}'), colored, "{device:?} {color:?}");
        }
    }

    #[test]
    fn an_error_is_printed_with_its_causes_once_and_its_hint() {
        let cause = io::Error::from(io::ErrorKind::PermissionDenied);
        let problem = crate::config::Problem::FileUnreadable { path: "/x".into(), source: cause };
        let say = Say::on(Device::Other, Color::Auto, Verbosity::Quiet);
        assert_eq!(
            say.error_lines(&problem, Some("do this")),
            "error: cannot read /x: permission denied\nhint: do this\n"
        );
    }

    #[test]
    fn nothing_a_terminal_would_obey_is_passed_on() {
        let say = Say::on(Device::Terminal, Color::Never, Verbosity::Normal);
        let line = say.line(NoticeLevel::Normal, "a\u{1b}[2Jb\rc").unwrap();
        assert_eq!(line, "lambdabox: a\\u{1b}[2Jb\\rc\n");
    }
}
