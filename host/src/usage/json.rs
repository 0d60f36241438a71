//! Lambda's JSON log lines: each platform line is one telemetry event, compact.
//!
//! # Sources
//! `reference/runtime-api.md` 3.3 and 3.4 (fields), 4.2 (which, and their levels).

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::logs::{Labels, SystemLevel};
use super::text::phase_name;
use crate::model::{Event, Report, RequestId, Status};

/// `initializationType` of every environment until provisioned concurrency comes.
const ON_DEMAND: &str = "on-demand";

/// The lines of a platform event at `level` and above, without newlines.
pub(super) fn lines(
    event: &Event,
    now: Timestamp,
    labels: &Labels,
    level: SystemLevel,
) -> Vec<String> {
    let line = |kind: &str, record: Map<String, Value>| {
        json!({ "time": format!("{now:.3}"), "type": kind, "record": record }).to_string()
    };
    let at = |least: SystemLevel, kind: &str, record: Map<String, Value>| {
        if least >= level { vec![line(kind, record)] } else { Vec::new() }
    };
    match event {
        Event::InitStart { phase } => {
            let mut record = Map::new();
            record.insert("initializationType".to_owned(), ON_DEMAND.into());
            record.insert("phase".to_owned(), phase_name(*phase).into());
            record.insert("functionName".to_owned(), labels.function_name.clone().into());
            record.insert("functionVersion".to_owned(), labels.function_version.clone().into());
            // INFO only where a runtime version is known.
            at(SystemLevel::Debug, "platform.initStart", record)
        }
        Event::InitReport { phase, duration, status, error_type } => {
            let mut record = Map::new();
            record.insert("initializationType".to_owned(), ON_DEMAND.into());
            record.insert("phase".to_owned(), phase_name(*phase).into());
            ended(&mut record, *status, error_type.as_deref());
            record.insert("metrics".to_owned(), json!({ "durationMs": milliseconds(*duration) }));
            at(graver(*status, SystemLevel::Debug), "platform.initReport", record)
        }
        Event::Start { request_id, version } => {
            let mut record = about(request_id);
            record.insert("version".to_owned(), version.clone().into());
            at(SystemLevel::Info, "platform.start", record)
        }
        // A fault is in the report; END's place is runtimeDone's.
        Event::Fault { .. } | Event::Log(_) => Vec::new(),
        Event::End { request_id, status } => {
            let mut record = about(request_id);
            ended(&mut record, *status, None);
            at(graver(*status, SystemLevel::Debug), "platform.runtimeDone", record)
        }
        Event::Report(report) => {
            let least = graver(report.status, SystemLevel::Info);
            let mut lines = at(least, "platform.report", report_record(report));
            // Ours, and not for leaving out: reduced isolation is always said.
            lines.extend(report.notes.iter().map(|note| {
                let mut record = about(&report.request_id);
                record.insert("note".to_owned(), note.clone().into());
                line("lambdabox.note", record)
            }));
            lines
        }
    }
}

fn report_record(report: &Report) -> Map<String, Value> {
    let mut metrics = json!({
        "durationMs": milliseconds(report.duration),
        "billedDurationMs": report.billed_ms,
        "memorySizeMB": report.memory_size_mb,
        "maxMemoryUsedMB": report.max_memory_used_mb,
    });
    if let Some(init) = report.init_duration {
        metrics["initDurationMs"] = milliseconds(init).into();
    }
    let mut record = about(&report.request_id);
    record.insert("metrics".to_owned(), metrics);
    ended(&mut record, report.status, report.error_type.as_deref());
    record
}

fn about(request_id: &RequestId) -> Map<String, Value> {
    let mut record = Map::new();
    record.insert("requestId".to_owned(), request_id.0.clone().into());
    record
}

fn ended(record: &mut Map<String, Value>, status: Status, error_type: Option<&str>) {
    record.insert("status".to_owned(), status.as_str().into());
    if let Some(error_type) = error_type.filter(|_| status != Status::Success) {
        record.insert("errorType".to_owned(), error_type.into());
    }
}

/// Failures are warnings.
fn graver(status: Status, success: SystemLevel) -> SystemLevel {
    if status == Status::Success { success } else { SystemLevel::Warn }
}

/// Float milliseconds with at most three decimals.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::super::logs::tests::{id, init_report, rendered, report};
    use super::*;
    use crate::model::{InitPhase, LogFormat};

    fn json_at(level: SystemLevel, event: &Event) -> String {
        rendered(LogFormat::Json, level, event)
    }

    #[test]
    fn platform_lines_are_compact_telemetry_events() {
        let start = Event::Start { request_id: id(), version: "$LATEST".to_owned() };
        assert_eq!(
            json_at(SystemLevel::Info, &start),
            "{\"time\":\"2024-03-04T17:22:38.033Z\",\"type\":\"platform.start\",\
             \"record\":{\"requestId\":\"8f5c\",\"version\":\"$LATEST\"}}\n"
        );
        let mut first = report(Status::Success, None);
        first.init_duration = Some(Duration::from_micros(402_040));
        assert_eq!(
            json_at(SystemLevel::Info, &Event::Report(first)),
            "{\"time\":\"2024-03-04T17:22:38.033Z\",\"type\":\"platform.report\",\
             \"record\":{\"requestId\":\"8f5c\",\"metrics\":{\"durationMs\":5.123,\
             \"billedDurationMs\":6,\"memorySizeMB\":128,\"maxMemoryUsedMB\":40,\
             \"initDurationMs\":402.04},\"status\":\"success\"}}\n"
        );
    }

    #[test]
    fn a_failure_is_in_the_report_alone() {
        let timeout = Event::Report(report(Status::Timeout, Some("Sandbox.Timedout")));
        let line = json_at(SystemLevel::Warn, &timeout);
        assert!(line.ends_with("\"status\":\"timeout\",\"errorType\":\"Sandbox.Timedout\"}}\n"));
        let fault = Event::Fault {
            request_id: id(),
            message: "Task timed out after 3.00 seconds".to_owned(),
            error_type: "Sandbox.Timedout".to_owned(),
        };
        assert_eq!(json_at(SystemLevel::Debug, &fault), "");
    }

    #[test]
    fn each_event_has_its_level() {
        let done = |status| Event::End { request_id: id(), status };
        let start = Event::Start { request_id: id(), version: "1".to_owned() };
        let events = [
            (Event::InitStart { phase: InitPhase::Invoke }, SystemLevel::Debug),
            (init_report(Status::Success, None), SystemLevel::Debug),
            (init_report(Status::Timeout, None), SystemLevel::Warn),
            (start, SystemLevel::Info),
            (done(Status::Success), SystemLevel::Debug),
            (done(Status::Error), SystemLevel::Warn),
            (Event::Report(report(Status::Success, None)), SystemLevel::Info),
            (Event::Report(report(Status::Error, Some("T"))), SystemLevel::Warn),
        ];
        for (event, own) in events {
            for level in [SystemLevel::Debug, SystemLevel::Info, SystemLevel::Warn] {
                let line = json_at(level, &event);
                assert_eq!(line.is_empty(), own < level, "{event:?} at {level:?}");
            }
        }
    }

    #[test]
    fn notes_are_said_at_every_level() {
        let mut noted = report(Status::Success, None);
        noted.notes = vec!["cpu unlimited".to_owned()];
        let line = json_at(SystemLevel::Warn, &Event::Report(noted));
        assert!(line.contains("\"type\":\"lambdabox.note\""), "{line}");
        assert!(line.contains("\"note\":\"cpu unlimited\"") && line.lines().count() == 1);
    }
}
