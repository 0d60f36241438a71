//! Lambda's plain log lines.
//!
//! # Sources
//! `reference/runtime-api.md` 4.1. Facts of a failure stand in REPORT, as AWS does now; the older
//! message between START and END is printed too, for it is what people know and search for.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::{Event, InitPhase, Report, Sampled, Status, SubscribedTo, TraceHeader};

/// Error type whose message has a line of its own form.
const TIMED_OUT: &str = "Sandbox.Timedout";

/// The lines of a platform event, without newlines.
pub(super) fn lines(event: &Event, now: Timestamp) -> Vec<String> {
    match event {
        // INIT_START needs a runtime version, which a local runtime has not.
        Event::InitStart { .. } | Event::RestoreStart | Event::Log(_) => Vec::new(),
        Event::Subscription { api, name, state, types } => {
            let api = match api {
                SubscribedTo::Telemetry => "TELEMETRY",
                SubscribedTo::Logs => "LOGS",
            };
            let types: Vec<String> = types.iter().map(|name| capitalized(name)).collect();
            let types = types.join(", ");
            vec![format!("{api}\tName: {name}\tState: {state}\tTypes: [{types}]")]
        }
        Event::InitRuntimeDone { .. }
        | Event::RestoreRuntimeDone { .. }
        | Event::RuntimeDone { .. } => Vec::new(),
        Event::Extension { name, state, events, error_type } => {
            let events: Vec<_> = events.iter().map(|event| event.as_str()).collect();
            let events = events.join(", ");
            let mut line = format!("EXTENSION\tName: {name}\tState: {}", state.as_str());
            line.push_str(&format!("\tEvents: [{events}]"));
            if let Some(error_type) = error_type {
                line.push_str(&format!("\tError Type: {error_type}"));
            }
            vec![line]
        }
        // On demand, a successful init is in REPORT.
        Event::InitReport { status: Status::Success, phase, .. }
            if *phase != InitPhase::SnapStart =>
        {
            Vec::new()
        }
        Event::InitReport { phase, duration, status, error_type } => {
            let mut line = format!(
                "INIT_REPORT Init Duration: {} ms\tPhase: {}",
                milliseconds(*duration),
                phase.as_str()
            );
            push_failure(&mut line, *status, error_type.as_deref());
            vec![line]
        }
        Event::RestoreReport { duration, status, error_type } => {
            let mut line =
                format!("RESTORE_REPORT Restore Duration: {} ms", milliseconds(*duration));
            push_failure(&mut line, *status, error_type.as_deref());
            vec![line]
        }
        Event::Start { request_id, version, .. } => {
            vec![format!("START RequestId: {request_id} Version: {version}")]
        }
        Event::Fault { request_id, message, error_type } if error_type == TIMED_OUT => {
            // This event ends with an empty line on AWS.
            vec![format!("{now:.3} {request_id} {message}"), String::new()]
        }
        Event::Fault { request_id, message, error_type } => {
            let message = message.strip_prefix("Error: ").unwrap_or(message);
            vec![format!("RequestId: {request_id} Error: {message}"), error_type.clone()]
        }
        Event::End { request_id } => vec![format!("END RequestId: {request_id}")],
        Event::Report(report) => report_lines(report),
    }
}

/// `Platform` of `platform`.
fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// REPORT ends with a TAB, unless a status ends it. What is sampled has a second line.
fn report_lines(report: &Report) -> Vec<String> {
    let mut line = format!(
        "REPORT RequestId: {}\tDuration: {} ms\tBilled Duration: {} ms\tMemory Size: {} MB\t\
         Max Memory Used: {} MB\t",
        report.request_id,
        milliseconds(report.duration),
        report.billed_ms,
        report.memory_size_mb,
        report.max_memory_used_mb
    );
    if let Some(init) = report.init_duration {
        line.push_str(&format!("Init Duration: {} ms\t", milliseconds(init)));
    }
    if let (Some(restore), Some(billed)) = (report.restore_duration, report.billed_restore_ms()) {
        let restore = milliseconds(restore);
        line.push_str(&format!(
            "Restore Duration: {restore} ms\tBilled Restore Duration: {billed} ms\t"
        ));
    }
    if report.status != Status::Success {
        line.push_str(&failure(report.status, report.error_type.as_deref()));
    }
    for note in &report.notes {
        // Fields of AWS's own are never touched; ours come last and say whose they are.
        let separator = if line.ends_with('\t') { "" } else { "\t" };
        line.push_str(&format!("{separator}lambdabox: {note}\t"));
    }
    let header = report.timeline.as_ref().and_then(|timeline| timeline.header.as_deref());
    let header = header.and_then(TraceHeader::read);
    let sampled = header.filter(|header| header.sampled == Some(Sampled::Yes));
    let trace = sampled.map(|header| {
        let segment = header.parent.unwrap_or_default();
        format!("XRAY TraceId: {}\tSegmentId: {segment}\tSampled: true\t", header.root)
    });
    std::iter::once(line).chain(trace).collect()
}

fn push_failure(line: &mut String, status: Status, error_type: Option<&str>) {
    if status != Status::Success {
        line.push('\t');
        line.push_str(&failure(status, error_type));
    }
}

/// `Status: …`, and the error type, which a timeout does not repeat.
fn failure(status: Status, error_type: Option<&str>) -> String {
    match error_type {
        Some(error_type) if status == Status::Error => {
            format!("Status: {}\tError Type: {error_type}", status.as_str())
        }
        _ => format!("Status: {}", status.as_str()),
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::super::logs::tests::{NOW, id, init_report, rendered, report};
    use super::*;
    use crate::model::{LogFormat, SystemLevel};

    fn text(event: &Event) -> String {
        rendered(LogFormat::Text, SystemLevel::Info, event)
    }

    #[test]
    fn start_and_end_are_as_on_aws() {
        let start =
            Event::Start { request_id: id(), version: "$LATEST".to_owned(), tenant_id: None };
        assert_eq!(text(&start), "START RequestId: 8f5c Version: $LATEST\n");
        let end = Event::End { request_id: id() };
        assert_eq!(text(&end), "END RequestId: 8f5c\n");
    }

    #[test]
    fn a_successful_report_ends_with_a_tab() {
        let mut success = report(Status::Success, None);
        assert_eq!(
            text(&Event::Report(success.clone())),
            "REPORT RequestId: 8f5c\tDuration: 5.12 ms\tBilled Duration: 6 ms\t\
             Memory Size: 128 MB\tMax Memory Used: 40 MB\t\n"
        );
        success.init_duration = Some(Duration::from_micros(402_040));
        assert!(text(&Event::Report(success)).ends_with("40 MB\tInit Duration: 402.04 ms\t\n"));
    }

    #[test]
    fn what_is_sampled_has_a_second_line() {
        let mut traced = report(Status::Success, None);
        let times = |header: &str| {
            let now = std::time::SystemTime::now();
            Some(Box::new(crate::model::Timeline {
                traced: crate::model::Traced::alone(now),
                header: Some(header.to_owned()),
                began: now,
                init: None,
                handed: None,
                answered: None,
                ended: now,
                runtime_release: String::new(),
                extensions: String::new(),
            }))
        };
        traced.timeline = times("Root=1-5759e988-bd86;Parent=53995c3f42cd8ad8;Sampled=1");
        let line =
            "\nXRAY TraceId: 1-5759e988-bd86\tSegmentId: 53995c3f42cd8ad8\tSampled: true\t\n";
        assert!(text(&Event::Report(traced.clone())).ends_with(line));
        traced.timeline = times("Root=1-5759e988-bd86;Parent=53995c3f42cd8ad8;Sampled=0");
        assert!(!text(&Event::Report(traced)).contains("XRAY"));
    }

    #[test]
    fn a_failed_report_ends_with_its_status() {
        let mut failed = report(Status::Error, Some("Runtime.ExitError"));
        let end = "Max Memory Used: 40 MB\tStatus: error\tError Type: Runtime.ExitError\n";
        assert!(text(&Event::Report(failed.clone())).ends_with(end));
        failed.init_duration = Some(Duration::from_micros(402_040));
        failed.status = Status::Timeout;
        failed.error_type = Some(TIMED_OUT.to_owned());
        let end = "40 MB\tInit Duration: 402.04 ms\tStatus: timeout\n";
        assert!(text(&Event::Report(failed)).ends_with(end));
    }

    #[test]
    fn notes_are_the_last_fields_of_report() {
        let mut noted = report(Status::Success, None);
        noted.notes = vec!["the host's network was used".to_owned(), "cpu unlimited".to_owned()];
        let text = text(&Event::Report(noted));
        let tail = "40 MB\tlambdabox: the host's network was used\tlambdabox: cpu unlimited\t\n";
        assert!(text.ends_with(tail), "{text}");
    }

    #[test]
    fn init_is_reported_only_when_it_failed() {
        assert_eq!(text(&Event::InitStart { phase: InitPhase::Init }), "");
        assert_eq!(text(&init_report(Status::Success, None)), "");
        assert_eq!(
            text(&init_report(Status::Timeout, Some(TIMED_OUT))),
            "INIT_REPORT Init Duration: 150.79 ms\tPhase: init\tStatus: timeout\n"
        );
        assert_eq!(
            text(&init_report(Status::Error, Some("Runtime.UserCodeSyntaxError"))),
            "INIT_REPORT Init Duration: 150.79 ms\tPhase: init\tStatus: error\t\
             Error Type: Runtime.UserCodeSyntaxError\n"
        );
    }

    #[test]
    fn a_timeout_has_its_dated_line_and_an_exit_its_two_lines() {
        let fault = |message: &str, error_type: &str| {
            text(&Event::Fault {
                request_id: id(),
                message: message.to_owned(),
                error_type: error_type.to_owned(),
            })
        };
        assert_eq!(
            fault("Task timed out after 3.00 seconds", TIMED_OUT),
            format!("{NOW} 8f5c Task timed out after 3.00 seconds\n\n")
        );
        let killed = "RequestId: 8f5c Error: Runtime exited with error: signal: killed\n";
        let exit = "Runtime exited with error: signal: killed";
        assert_eq!(fault(exit, "Runtime.ExitError"), format!("{killed}Runtime.ExitError\n"));
        let worded = format!("Error: {exit}");
        assert_eq!(fault(&worded, "Runtime.OutOfMemory"), format!("{killed}Runtime.OutOfMemory\n"));
    }
}
