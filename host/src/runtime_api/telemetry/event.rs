//! Events as JSON, in the form each schema has.
//!
//! # Sources
//! `reference/runtime-api.md` 3.3 to 3.5, 4.2.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::call::Api;
use super::queue::Dropped;
use super::subscription::{Schema, Stream};
use crate::model::{
    Event, InitPhase, LogFormat, LogLine, LogStream, Report, RequestId, RuntimeMetrics, Sampled,
    Span, Status, SubscribedTo, TraceHeader,
};

/// Why events are missing.
const FALLEN_BEHIND: &str = "the subscriber has fallen behind or does not accept what it is sent";

/// What events do not say themselves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Described<'a> {
    /// `FunctionName`.
    pub function_name: &'a str,
    /// `$LATEST` or a number.
    pub function_version: &'a str,
    /// Which environment, and its memory in bytes.
    pub instance: Option<(&'a str, u64)>,
    /// The ARN of a function that runs many at once, whose events differ (7.7).
    pub of_many: Option<&'a str>,
    /// X-Ray's header of the invocation.
    pub trace_id: Option<&'a str>,
    /// The invocation's own span in that trace, 16 hex digits.
    pub span_id: Option<&'a str>,
    /// How the environment comes to be.
    pub initialization_type: &'a str,
}

/// The type and record of a platform event of the Telemetry API; `None` for what it does not have.
pub fn platform_record(
    event: &Event,
    about: &Described<'_>,
) -> Option<(&'static str, Map<String, Value>)> {
    let mut record = Map::new();
    let kind = match event {
        Event::InitStart { phase } => {
            init(&mut record, *phase, about);
            put(&mut record, "functionName", about.function_name);
            put(&mut record, "functionVersion", about.function_version);
            if let Some((id, memory_bytes)) = about.instance {
                put(&mut record, "instanceId", id);
                put(&mut record, "instanceMaxMemory", memory_bytes);
            }
            "platform.initStart"
        }
        Event::InitRuntimeDone { phase, status, error_type } => {
            init(&mut record, *phase, about);
            ended(&mut record, *status, error_type.as_deref());
            "platform.initRuntimeDone"
        }
        Event::InitReport { phase, duration, status, error_type } => {
            init(&mut record, *phase, about);
            ended(&mut record, *status, error_type.as_deref());
            put(&mut record, "metrics", json!({ "durationMs": milliseconds(*duration) }));
            "platform.initReport"
        }
        Event::RestoreStart => {
            put(&mut record, "functionName", about.function_name);
            put(&mut record, "functionVersion", about.function_version);
            if let Some((id, memory_bytes)) = about.instance {
                put(&mut record, "instanceId", id);
                put(&mut record, "instanceMaxMemory", memory_bytes);
            }
            "platform.restoreStart"
        }
        Event::RestoreRuntimeDone { status, error_type } => {
            ended(&mut record, *status, error_type.as_deref());
            "platform.restoreRuntimeDone"
        }
        Event::RestoreReport { duration, status, error_type } => {
            ended(&mut record, *status, error_type.as_deref());
            put(&mut record, "metrics", json!({ "durationMs": milliseconds(*duration) }));
            "platform.restoreReport"
        }
        Event::Extension { name, state, events, error_type } => {
            put(&mut record, "name", name.as_str());
            put(&mut record, "state", state.as_str());
            let events: Vec<_> = events.iter().map(|event| event.as_str()).collect();
            put(&mut record, "events", events);
            if let Some(error_type) = error_type {
                put(&mut record, "errorType", error_type.as_str());
            }
            "platform.extension"
        }
        Event::Subscription { api, name, state, types } => {
            put(&mut record, "name", name.as_str());
            put(&mut record, "state", *state);
            put(&mut record, "types", types.clone());
            match api {
                SubscribedTo::Telemetry => "platform.telemetrySubscription",
                SubscribedTo::Logs => "platform.logsSubscription",
            }
        }
        Event::Start { request_id, version, tenant_id } => {
            about_request(&mut record, request_id);
            put(&mut record, "version", version.as_str());
            if let Some(arn) = about.of_many {
                put(&mut record, "functionArn", arn);
            }
            of_whom(&mut record, tenant_id.as_deref(), about);
            "platform.start"
        }
        Event::RuntimeDone { request_id, status, error_type, metrics, tenant_id } => {
            about_request(&mut record, request_id);
            ended(&mut record, *status, error_type.as_deref());
            if let Some(RuntimeMetrics { duration, produced_bytes, spans: parts }) = metrics {
                let duration_ms = milliseconds(*duration);
                let figures = json!({ "durationMs": duration_ms, "producedBytes": produced_bytes });
                put(&mut record, "metrics", figures);
                spans(&mut record, parts);
            }
            of_whom(&mut record, tenant_id.as_deref(), about);
            "platform.runtimeDone"
        }
        Event::Report(report) => {
            about_request(&mut record, &report.request_id);
            match about.of_many {
                None => put(&mut record, "metrics", metrics(report)),
                Some(_) => {
                    let duration_ms = milliseconds(report.duration);
                    put(&mut record, "metrics", json!({ "durationMs": duration_ms }));
                }
            }
            ended(&mut record, report.status, report.error_type.as_deref());
            spans(&mut record, report.extension_overhead.as_slice());
            of_whom(&mut record, report.tenant_id.as_deref(), about);
            "platform.report"
        }
        Event::Log(_) | Event::Fault { .. } | Event::End { .. } => return None,
    };
    Some((kind, record))
}

/// Which stream an event is of.
pub(super) fn stream_of(event: &Event) -> Stream {
    match event {
        Event::Log(LogLine { stream: LogStream::Extension, .. }) => Stream::Extension,
        Event::Log(_) => Stream::Function,
        _ => Stream::Platform,
    }
}

/// One event as it is sent, or `None` if the schema does not have it.
pub(super) fn render(
    event: &Event,
    at: Timestamp,
    schema: Schema,
    format: LogFormat,
    about: &Described<'_>,
) -> Option<String> {
    let (kind, record) = match event {
        Event::Log(line) => (stream_of(event).as_str(), said(line, schema, format)),
        event if schema.api() == Api::Logs => logs_record(event, schema, about)?,
        Event::Subscription { api: SubscribedTo::Logs, .. } => return None,
        event => {
            let (kind, record) = platform_record(event, about)?;
            (kind, Value::Object(record))
        }
    };
    Some(enveloped(kind, &record, at))
}

/// What is told where events are missing.
pub(super) fn dropped(missing: Dropped, at: Timestamp) -> String {
    let record = json!({
        "reason": FALLEN_BEHIND,
        "droppedRecords": missing.records,
        "droppedBytes": missing.bytes,
    });
    enveloped("platform.logsDropped", &record, at)
}

fn enveloped(kind: &str, record: &Value, at: Timestamp) -> String {
    json!({ "time": format!("{at:.3}"), "type": kind, "record": record }).to_string()
}

/// What a process wrote: text with its newline or, where logs are JSON and the schema knows that, the
/// object it is.
fn said(line: &LogLine, schema: Schema, format: LogFormat) -> Value {
    if format == LogFormat::Json
        && schema >= Schema::Telemetry20221213
        && let Ok(object) = serde_json::from_slice::<Map<String, Value>>(&line.text)
    {
        return Value::Object(object);
    }
    Value::String(format!("{}\n", String::from_utf8_lossy(&line.text)))
}

/// The Logs API's events are fewer and simpler.
fn logs_record(
    event: &Event,
    schema: Schema,
    about: &Described<'_>,
) -> Option<(&'static str, Value)> {
    Some(match event {
        Event::End { request_id } => ("platform.end", json!({ "requestId": request_id.0 })),
        Event::Fault { request_id, message, error_type } => {
            let text = format!("RequestId: {request_id} Error: {message}\n{error_type}\n");
            ("platform.fault", Value::String(text))
        }
        Event::RuntimeDone { request_id, status, .. } if schema >= Schema::Logs20210318 => {
            let status = match status {
                Status::Error => "failure",
                other => other.as_str(),
            };
            ("platform.runtimeDone", json!({ "requestId": request_id.0, "status": status }))
        }
        Event::Report(report) => {
            let record = json!({ "requestId": report.request_id.0, "metrics": metrics(report) });
            ("platform.report", record)
        }
        Event::Start { .. }
        | Event::Extension { .. }
        | Event::Subscription { api: SubscribedTo::Logs, .. } => {
            let (kind, record) = platform_record(event, about)?;
            (kind, Value::Object(record))
        }
        _ => return None,
    })
}

fn put(record: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    record.insert(key.to_owned(), value.into());
}

fn init(record: &mut Map<String, Value>, phase: InitPhase, about: &Described<'_>) {
    put(record, "initializationType", about.initialization_type);
    put(record, "phase", phase.as_str());
}

fn about_request(record: &mut Map<String, Value>, request_id: &RequestId) {
    put(record, "requestId", request_id.0.as_str());
}

fn ended(record: &mut Map<String, Value>, status: Status, error_type: Option<&str>) {
    put(record, "status", status.as_str());
    if let Some(error_type) = error_type.filter(|_| status != Status::Success) {
        put(record, "errorType", error_type);
    }
}

fn of_whom(record: &mut Map<String, Value>, tenant_id: Option<&str>, about: &Described<'_>) {
    if let Some(tenant_id) = tenant_id {
        put(record, "tenantId", tenant_id);
    }
    // Only what is sampled is traced.
    if let Some(value) = about.trace_id.filter(|trace| is_sampled(trace)) {
        let mut tracing = Map::new();
        if let Some(span_id) = about.span_id {
            put(&mut tracing, "spanId", span_id);
        }
        put(&mut tracing, "type", "X-Amzn-Trace-Id");
        put(&mut tracing, "value", value);
        put(record, "tracing", tracing);
    }
}

pub(super) fn is_sampled(trace: &str) -> bool {
    TraceHeader::read(trace).is_some_and(|header| header.sampled == Some(Sampled::Yes))
}

fn metrics(report: &Report) -> Value {
    let mut metrics = json!({
        "durationMs": milliseconds(report.duration),
        "billedDurationMs": report.billed_ms,
        "memorySizeMB": report.memory_size_mb,
        "maxMemoryUsedMB": report.max_memory_used_mb,
    });
    if let Some(init) = report.init_duration {
        metrics["initDurationMs"] = milliseconds(init).into();
    }
    if let (Some(restore), Some(billed)) = (report.restore_duration, report.billed_restore_ms()) {
        metrics["restoreDurationMs"] = milliseconds(restore).into();
        metrics["billedRestoreDurationMs"] = billed.into();
    }
    metrics
}

fn spans(record: &mut Map<String, Value>, spans: &[Span]) {
    if spans.is_empty() {
        return;
    }
    let all = spans.iter().map(|span| {
        let start = instant(span.start);
        let duration_ms = milliseconds(span.duration);
        json!({ "name": span.name, "start": format!("{start:.3}"), "durationMs": duration_ms })
    });
    put(record, "spans", all.collect::<Vec<_>>());
}

fn instant(at: SystemTime) -> Timestamp {
    // A clock beyond the year 9999 is not ours.
    Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Float milliseconds with at most three decimals.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests;
