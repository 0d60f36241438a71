//! Lambda's JSON log lines: each platform line is one telemetry event, compact.
//!
//! # Sources
//! `reference/runtime-api.md` 3.3 (envelope), 4.2 (which, and their levels). The records are telemetry's
//! (`runtime_api::telemetry::event`).

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::logs::Labels;
use crate::model::{Event, ExtensionState, InitPhase, Status, SystemLevel};
use crate::runtime_api::{Described, platform_record};

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
    let about = Described {
        function_name: &labels.function_name,
        function_version: &labels.function_version,
        of_many: labels.of_many.as_deref(),
        initialization_type: labels.initialization_type,
        ..Described::default()
    };
    let mut lines = Vec::new();
    if let Some((kind, record)) = platform_record(event, &about)
        && level_of(event) >= level
    {
        lines.push(line(kind, record));
    }
    // Ours, and not for leaving out: reduced isolation is always said.
    if let Event::Report(report) = event {
        lines.extend(report.notes.iter().map(|note| {
            let mut record = Map::new();
            record.insert("requestId".to_owned(), report.request_id.0.clone().into());
            record.insert("note".to_owned(), note.clone().into());
            line("lambdabox.note", record)
        }));
    }
    lines
}

/// How important a platform event is (runtime-api.md 4.2).
fn level_of(event: &Event) -> SystemLevel {
    let graver = |status: Status, success: SystemLevel| match status {
        Status::Success => success,
        Status::Error | Status::Timeout => SystemLevel::Warn,
    };
    match event {
        // INFO only where a runtime version is known.
        Event::InitStart { .. } | Event::RestoreStart => SystemLevel::Debug,
        // Only on demand is a success told by REPORT.
        Event::InitReport { phase: InitPhase::SnapStart, status, .. }
        | Event::RestoreReport { status, .. } => graver(*status, SystemLevel::Info),
        Event::InitRuntimeDone { status, .. }
        | Event::InitReport { status, .. }
        | Event::RestoreRuntimeDone { status, .. }
        | Event::RuntimeDone { status, .. } => graver(*status, SystemLevel::Debug),
        Event::Report(report) => graver(report.status, SystemLevel::Info),
        Event::Extension { state: ExtensionState::Ready, .. } => SystemLevel::Info,
        Event::Extension { .. } => SystemLevel::Warn,
        // The rest of these are not lines of their own.
        Event::Start { .. }
        | Event::Subscription { .. }
        | Event::Log(_)
        | Event::Fault { .. }
        | Event::End { .. } => SystemLevel::Info,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::logs::tests::{id, init_report, rendered, report};
    use super::*;
    use crate::model::LogFormat;

    fn json_at(level: SystemLevel, event: &Event) -> String {
        rendered(LogFormat::Json, level, event)
    }

    #[test]
    fn platform_lines_are_compact_telemetry_events() {
        let start =
            Event::Start { request_id: id(), version: "$LATEST".to_owned(), tenant_id: None };
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
        let done = |status| Event::RuntimeDone {
            request_id: id(),
            status,
            error_type: None,
            metrics: None,
            tenant_id: None,
        };
        let start = Event::Start { request_id: id(), version: "1".to_owned(), tenant_id: None };
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
