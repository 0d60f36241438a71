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
use serde_json::{Map, Value};

use super::{json, text};
use crate::model::{
    ApplicationLevel, Event, Function, LogFormat, LogLevels, LogLine, LogStream, Status,
};

/// Whether the platform's own lines are coloured. The function's never are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Bytes as AWS writes them.
    Plain,
    /// For a terminal: platform lines dim, failures red.
    Ansi,
}

/// What the events do not say themselves.
#[derive(Debug, Clone)]
pub struct Labels {
    /// `FunctionName`.
    pub function_name: String,
    /// `$LATEST` or a number.
    pub function_version: String,
    /// The ARN of a function that runs many at once.
    pub of_many: Option<String>,
    /// How its environments come to be.
    pub initialization_type: &'static str,
}

impl Labels {
    /// Of this function.
    pub fn of(function: &Function) -> Self {
        Self {
            function_name: function.name.clone(),
            function_version: function.version.clone(),
            of_many: function.max_concurrency.map(|_| function.arn()),
            initialization_type: function.initialization_type(),
        }
    }
}

/// Turns the events of one function version into lines.
#[derive(Debug, Clone)]
pub struct LogRenderer {
    format: LogFormat,
    paint: Paint,
    levels: LogLevels,
    labels: Labels,
}

impl LogRenderer {
    /// Writes `format`, at AWS's default levels.
    pub fn new(format: LogFormat, paint: Paint, labels: Labels) -> Self {
        Self { format, paint, levels: LogLevels::default(), labels }
    }

    /// Sets the levels; they act in JSON only, as on AWS.
    pub fn with_levels(mut self, levels: LogLevels) -> Self {
        self.levels = levels;
        self
    }

    /// Appends the lines of `event`, each with its newline; none for what is not logged.
    pub fn render(&self, event: &Event, now: Timestamp, out: &mut Vec<u8>) {
        match event {
            Event::Log(line) if self.leaves_out(line) => {}
            Event::Log(line) => {
                out.extend_from_slice(&line.text);
                out.push(b'\n');
            }
            platform => {
                let lines = match self.format {
                    LogFormat::Text => text::lines(platform, now),
                    LogFormat::Json => json::lines(platform, now, &self.labels, self.levels.system),
                };
                for line in lines {
                    self.line(&line, failed(platform), out);
                }
            }
        }
    }

    /// Whether a line of the function's is less important than what is wanted. One without a level, or
    /// that is no JSON, stands at INFO. Records of the log descriptor come from loggers that have been
    /// told the level, and an extension's lines have none.
    fn leaves_out(&self, line: &LogLine) -> bool {
        let default = ApplicationLevel::default();
        let wanted = self.levels.application;
        if self.format == LogFormat::Text
            || line.stream != LogStream::Output
            || wanted == ApplicationLevel::Trace
        {
            return false;
        }
        let fields = serde_json::from_slice::<Map<String, Value>>(&line.text).unwrap_or_default();
        let given = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("level"));
        let level = given.and_then(|(_, value)| ApplicationLevel::named(value.as_str()?));
        level.unwrap_or(default) < wanted
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
        Event::InitReport { status, .. }
        | Event::RestoreRuntimeDone { status, .. }
        | Event::RestoreReport { status, .. } => *status,
        Event::Report(report) => report.status,
        Event::InitRuntimeDone { status, .. } | Event::RuntimeDone { status, .. } => *status,
        Event::Extension { error_type: Some(_), .. } | Event::Fault { .. } => Status::Error,
        Event::InitStart { .. }
        | Event::RestoreStart
        | Event::Extension { error_type: None, .. }
        | Event::Subscription { .. }
        | Event::Start { .. }
        | Event::Log(_)
        | Event::End { .. } => Status::Success,
    };
    if status == Status::Success { Failed::No } else { Failed::Yes }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{InitPhase, Report, RequestId, SystemLevel};

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
            restore_duration: None,
            status,
            error_type: error_type.map(str::to_owned),
            tenant_id: None,
            extension_overhead: None,
            notes: Vec::new(),
            timeline: None,
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
        let labels = Labels {
            function_name: "hello".to_owned(),
            function_version: "$LATEST".to_owned(),
            of_many: None,
            initialization_type: "on-demand",
        };
        let renderer = LogRenderer::new(format, Paint::Plain, labels)
            .with_levels(LogLevels { system: level, ..LogLevels::default() });
        let mut out = Vec::new();
        renderer.render(event, now(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_the_function_wrote_passes_unchanged_in_both_formats() {
        for format in [LogFormat::Text, LogFormat::Json] {
            for paint in [Paint::Plain, Paint::Ansi] {
                let labels = Labels {
                    function_name: String::new(),
                    function_version: String::new(),
                    of_many: None,
                    initialization_type: "on-demand",
                };
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
    fn in_json_lines_below_the_level_are_left_out_and_one_without_a_level_is_info() {
        let kept = |format, application, stream, text: &'static str| {
            let labels = Labels {
                function_name: String::new(),
                function_version: String::new(),
                of_many: None,
                initialization_type: "on-demand",
            };
            let renderer = LogRenderer::new(format, Paint::Plain, labels)
                .with_levels(LogLevels { application, ..LogLevels::default() });
            let mut out = Vec::new();
            let line = LogLine { stream, text: text.into() };
            renderer.render(&Event::Log(line), now(), &mut out);
            !out.is_empty()
        };
        let (json, output) = (LogFormat::Json, LogStream::Output);
        for (text, warn, debug) in [
            ("{\"level\":\"debug\"}", false, true),
            ("{\"LEVEL\":\"Trace\"}", false, false),
            ("{\"level\":\"ERROR\"}", true, true),
            ("{\"level\":\"loud\"}", false, true),
            ("{\"level\":7}", false, true),
            ("plain", false, true),
        ] {
            assert_eq!(kept(json, ApplicationLevel::Warn, output, text), warn, "{text}");
            assert_eq!(kept(json, ApplicationLevel::Debug, output, text), debug, "{text}");
            assert!(kept(LogFormat::Text, ApplicationLevel::Fatal, output, text));
            assert!(kept(json, ApplicationLevel::Fatal, LogStream::Extension, text));
            assert!(kept(json, ApplicationLevel::Fatal, LogStream::Frame, text));
        }
    }

    #[test]
    fn a_terminal_gets_platform_lines_dim_and_failures_red() {
        let labels = Labels {
            function_name: String::new(),
            function_version: String::new(),
            of_many: None,
            initialization_type: "on-demand",
        };
        let renderer = LogRenderer::new(LogFormat::Text, Paint::Ansi, labels);
        let paint = |event: &Event| {
            let mut out = Vec::new();
            renderer.render(event, now(), &mut out);
            String::from_utf8(out).unwrap()
        };
        let start = Event::Start { request_id: id(), version: "1".to_owned(), tenant_id: None };
        assert_eq!(paint(&start), "\x1b[2mSTART RequestId: 8f5c Version: 1\x1b[0m\n");
        let failed = paint(&Event::Report(report(Status::Timeout, None)));
        assert!(failed.starts_with("\x1b[31mREPORT ") && failed.ends_with("\x1b[0m\n"), "{failed}");
    }
}
