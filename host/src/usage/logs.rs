//! Events as log lines, in either format, for a file or a terminal.
//!
//! Pure: bytes out, the time comes in. What the function wrote passes unchanged in both formats.
//!
//! # Not here
//! Where the lines go (`cli`, later CloudWatch's counterpart); filtering of the function's lines.
//!
//! # Sources
//! `reference/runtime-api.md` 4.1 (`text`), 4.2 (`json`) and 4.3.

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;

use super::{json, text};
use crate::model::{Event, LogFormat, Status};

/// Whether the platform's own lines are coloured. The function's never are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Bytes as AWS writes them.
    Plain,
    /// For a terminal: platform lines dim, failures red.
    Ansi,
}

/// Least important platform event that is written in JSON (`SystemLogLevel`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum SystemLevel {
    /// Everything.
    Debug,
    /// AWS's default.
    #[default]
    Info,
    /// Failures only.
    Warn,
}

/// What the events do not say themselves.
#[derive(Debug, Clone)]
pub struct Labels {
    /// `FunctionName`.
    pub function_name: String,
    /// `$LATEST` or a number.
    pub function_version: String,
}

/// Turns the events of one function version into lines.
#[derive(Debug, Clone)]
pub struct LogRenderer {
    format: LogFormat,
    paint: Paint,
    level: SystemLevel,
    labels: Labels,
}

impl LogRenderer {
    /// Writes `format`; system events at [`SystemLevel::Info`].
    pub fn new(format: LogFormat, paint: Paint, labels: Labels) -> Self {
        Self { format, paint, level: SystemLevel::default(), labels }
    }

    /// Sets the level of system events; acts in JSON only, as on AWS.
    pub fn with_system_level(mut self, level: SystemLevel) -> Self {
        self.level = level;
        self
    }

    /// Appends the lines of `event`, each with its newline; none for what is not logged.
    pub fn render(&self, event: &Event, now: Timestamp, out: &mut Vec<u8>) {
        match event {
            Event::Log(line) => {
                out.extend_from_slice(&line.text);
                out.push(b'\n');
            }
            platform => {
                let lines = match self.format {
                    LogFormat::Text => text::lines(platform, now),
                    LogFormat::Json => json::lines(platform, now, &self.labels, self.level),
                };
                for line in lines {
                    self.line(&line, failed(platform), out);
                }
            }
        }
    }

    fn line(&self, line: &str, failed: Failed, out: &mut Vec<u8>) {
        let style = match (self.paint, failed) {
            (Paint::Plain, _) => Style::new(),
            (Paint::Ansi, Failed::No) => Style::new().dimmed(),
            (Paint::Ansi, Failed::Yes) => AnsiColor::Red.on_default(),
        };
        // An empty line (a timeout ends with one) needs no paint.
        let style = if line.is_empty() { Style::new() } else { style };
        out.extend_from_slice(format!("{style}{line}{style:#}\n").as_bytes());
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failed {
    No,
    Yes,
}

fn failed(event: &Event) -> Failed {
    let status = match event {
        Event::InitReport { status, .. } => *status,
        Event::Report(report) => report.status,
        Event::Fault { .. } => Status::Error,
        Event::InitStart { .. } | Event::Start { .. } | Event::Log(_) | Event::End { .. } => {
            Status::Success
        }
    };
    if status == Status::Success { Failed::No } else { Failed::Yes }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{InitPhase, LogLine, LogStream, Report, RequestId};

    pub(crate) const NOW: &str = "2024-03-04T17:22:38.033Z";

    pub(crate) fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    pub(crate) fn id() -> RequestId {
        RequestId("8f5c".to_owned())
    }

    pub(crate) fn report(status: Status, error_type: Option<&str>) -> Report {
        Report {
            request_id: id(),
            duration: Duration::from_micros(5_123),
            billed_ms: 6,
            memory_size_mb: 128,
            max_memory_used_mb: 40,
            raw_peak_mb: 55,
            init_duration: None,
            status,
            error_type: error_type.map(str::to_owned),
            notes: Vec::new(),
        }
    }

    pub(crate) fn init_report(status: Status, error_type: Option<&str>) -> Event {
        Event::InitReport {
            phase: InitPhase::Init,
            duration: Duration::from_micros(150_786),
            status,
            error_type: error_type.map(str::to_owned),
        }
    }

    pub(crate) fn rendered(format: LogFormat, level: SystemLevel, event: &Event) -> String {
        let labels =
            Labels { function_name: "hello".to_owned(), function_version: "$LATEST".to_owned() };
        let renderer = LogRenderer::new(format, Paint::Plain, labels).with_system_level(level);
        let mut out = Vec::new();
        renderer.render(event, now(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_the_function_wrote_passes_unchanged_in_both_formats() {
        for format in [LogFormat::Text, LogFormat::Json] {
            for paint in [Paint::Plain, Paint::Ansi] {
                let labels =
                    Labels { function_name: String::new(), function_version: String::new() };
                let renderer = LogRenderer::new(format, paint, labels);
                let mut out = Vec::new();
                let text = bytes::Bytes::from_static(b"\xff{not json\r");
                let line = Event::Log(LogLine { stream: LogStream::Output, text });
                renderer.render(&line, now(), &mut out);
                assert_eq!(out, b"\xff{not json\r\n");
            }
        }
    }

    #[test]
    fn a_terminal_gets_platform_lines_dim_and_failures_red() {
        let labels = Labels { function_name: String::new(), function_version: String::new() };
        let renderer = LogRenderer::new(LogFormat::Text, Paint::Ansi, labels);
        let paint = |event: &Event| {
            let mut out = Vec::new();
            renderer.render(event, now(), &mut out);
            String::from_utf8(out).unwrap()
        };
        let start = Event::Start { request_id: id(), version: "1".to_owned() };
        assert_eq!(paint(&start), "\x1b[2mSTART RequestId: 8f5c Version: 1\x1b[0m\n");
        let failed = paint(&Event::Report(report(Status::Timeout, None)));
        assert!(failed.starts_with("\x1b[31mREPORT ") && failed.ends_with("\x1b[0m\n"), "{failed}");
    }
}
