//! Everything that happens in a host's environments, on its way to who keeps it.
//!
//! # Invariants
//! - No function waits: not for the disk, not for a reader of standard error, whom all share. What
//!   comes while too much waits is left out, counted, and said when there is room again.
//! - On standard error every line of a function begins with its name.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;

use super::logs::{Labels, LogRenderer, Paint};
use super::{Metrics, Say, SpanExporter, XrayDaemon, price, stderr};
use crate::model::{Event, InitPhase, LogFormat, Purpose, Report, Version};
use crate::pool::Journal;
use crate::store::{Entry, Records, StartKind, Totals, UsageRecord};

/// Logs that wait for a reader of standard error: some seconds of busy functions.
const LOG_WAITING_MOST_BYTES: usize = 16 * 1024 * 1024;
/// Told apart on a terminal.
const COLORS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Green,
    AnsiColor::Yellow,
    AnsiColor::Blue,
    AnsiColor::Magenta,
    AnsiColor::BrightBlue,
];

/// Who hears of traces.
#[derive(Debug, Default)]
pub struct Traces {
    /// An OpenTelemetry collector.
    pub exporter: Option<SpanExporter>,
    /// X-Ray's daemon.
    pub xray: Option<XrayDaemon>,
}

/// The pool's journal of a host.
#[derive(Debug)]
pub struct Observer {
    say: Say,
    records: Records,
    metrics: Arc<Metrics>,
    traces: Traces,
    /// Streams whose environment begins its init again, inside an invocation that is under way.
    resets: Mutex<HashSet<String>>,
    /// Left out on standard error since it was last said.
    unread_bytes: AtomicUsize,
}

impl Observer {
    /// Keeps what happens in `records`, counts it in `metrics`, shows it on standard error and has `traces` sent.
    pub fn new(say: Say, records: Records, metrics: Arc<Metrics>, traces: Traces) -> Self {
        let (resets, unread_bytes) = (Mutex::default(), AtomicUsize::new(0));
        Self { say, records, metrics, traces, resets, unread_bytes }
    }

    /// What an invocation used: watched, never steered.
    fn count(&self, version: &Version, stream: &str, report: &Report, now: Timestamp) {
        let function = &version.function;
        let start = match (self.resets().remove(stream), report.init_duration) {
            (true, _) => StartKind::Reset,
            (false, Some(_)) => StartKind::Cold,
            (false, None) => StartKind::Warm,
        };
        let (duration, init) = (report.duration, report.init_duration);
        self.metrics.ran(&function.name, start, report.status, duration, init);
        let micros =
            |duration: std::time::Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let mut record = UsageRecord {
            at_ms: u64::try_from(now.as_millisecond()).unwrap_or(0),
            day: now.strftime("%Y-%m-%d").to_string(),
            function: function.name.clone(),
            version: function.version.clone(),
            request_id: report.request_id.0.clone(),
            stream: stream.to_owned(),
            start,
            init_us: init.map_or(0, micros),
            duration_us: micros(duration),
            billed_ms: report.billed_ms,
            memory_mb: report.memory_size_mb,
            storage_mb: function.ephemeral_storage_mb,
            max_memory_mb: report.max_memory_used_mb,
            status: report.status.as_str(),
            cost_pico: 0,
        };
        record.cost_pico = price::pico_dollars(&Totals::of(&record));
        self.records.used(record);
    }

    fn resets(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        // A set is whole after a panic, too.
        self.resets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, function: &str, lines: &[u8]) {
        if !stderr::has_room(LOG_WAITING_MOST_BYTES) {
            self.unread_bytes.fetch_add(lines.len(), Ordering::Relaxed);
            return;
        }
        let unread = self.unread_bytes.swap(0, Ordering::Relaxed);
        if unread > 0 {
            self.say.warning(&format!(
                "{unread} bytes of functions' logs are left out here: standard error was not read \
                 (the stored log has them)"
            ));
        }
        stderr::write(named(function, lines, self.say.is_colored()));
    }
}

impl Journal for Observer {
    fn note(&self, version: &Version, stream: &str, event: &Event, lines: &mut Vec<u8>) {
        let function = &version.function;
        let labels = Labels::of(function);
        let from = lines.len();
        let renderer = LogRenderer::new(function.log_format, Paint::Plain, labels)
            .with_levels(function.effective_levels());
        let now = Timestamp::now();
        if version.purpose == Purpose::Archive {
            // An invocation is over when its REPORT is written, whoever reads it.
            renderer.render(event, now, lines);
            return;
        }
        match event {
            Event::InitStart { phase: InitPhase::Invoke } => {
                self.resets().insert(stream.to_owned());
            }
            Event::Report(report) => {
                self.count(version, stream, report, now);
                if let Some(exporter) = &self.traces.exporter {
                    exporter.report(function, stream, report);
                }
                if let Some(daemon) = &self.traces.xray {
                    daemon.report(function, report);
                }
            }
            _ => {}
        }
        renderer.render(event, now, lines);
        let new = &lines[from..];
        if new.is_empty() {
            return;
        }
        self.show(&function.name, new);
        let at_ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
        for text in events(function.log_format, event, new) {
            self.records.log(Entry {
                group: function.log_group.clone(),
                stream: stream.to_owned(),
                at_ms,
                format: function.log_format,
                text: text.to_vec(),
            });
        }
    }

    fn trouble(&self, text: &str) {
        self.say.warning(&format!("an execution environment failed: {text}"));
    }
}

/// The log events that an event's lines are: in text form one, however many lines it has; in JSON one
/// for each of the platform's lines.
fn events<'a>(
    format: LogFormat,
    event: &Event,
    lines: &'a [u8],
) -> Box<dyn Iterator<Item = &'a [u8]> + 'a> {
    match (format, event) {
        (LogFormat::Text, _) | (LogFormat::Json, Event::Log(_)) => Box::new(std::iter::once(lines)),
        (LogFormat::Json, _) => Box::new(lines.split_inclusive(|byte| *byte == b'\n')),
    }
}

/// The lines, each after the function's name.
fn named(function: &str, lines: &[u8], is_colored: bool) -> Vec<u8> {
    let color =
        function.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31) + usize::from(byte));
    let style = match is_colored {
        true => COLORS[color % COLORS.len()].on_default(),
        false => Style::new(),
    };
    let name = format!("{style}{function}{style:#} | ");
    let mut out = Vec::with_capacity(lines.len() + name.len() * 2);
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LogLine, LogStream, Status};
    use crate::usage::logs::tests::{id, report};

    #[test]
    fn every_line_on_standard_error_begins_with_its_functions_name() {
        assert_eq!(named("hello", b"a\n\nb\n", false), b"hello | a\nhello | \nhello | b\n");
        let colored = String::from_utf8(named("hello", b"a\n", true)).unwrap();
        assert!(colored.starts_with("\x1b[") && colored.ends_with("\x1b[0m | a\n"), "{colored:?}");
    }

    #[test]
    fn an_event_is_one_event_of_the_log_unless_its_lines_are_json_of_the_platform() {
        let line = LogLine { stream: LogStream::Frame, text: "{\n}".into() };
        let own = Event::Log(line);
        let platform = Event::Report(report(Status::Success, None));
        let fault =
            Event::Fault { request_id: id(), message: "m".to_owned(), error_type: "T".to_owned() };
        let count = |format, event: &Event| events(format, event, b"1\n2\n").count();
        assert_eq!(count(LogFormat::Json, &own), 1);
        assert_eq!(count(LogFormat::Json, &platform), 2);
        assert_eq!(count(LogFormat::Text, &fault), 1);
    }
}
