//! What a host did for an invocation, as spans of OpenTelemetry: the whole of it and, within that, the
//! queue, the init, the invocation in the function and what came after the answer.
//!
//! # Sources
//! OpenTelemetry's semantic conventions for FaaS; `reference/runtime-api.md` 1.10 (ids).

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status as SpanStatus};

use crate::model::{Function, Report, Sampled, Status, Timeline, TraceHeader, new_root, new_span};

/// `flags` of a span whose trace is sampled (W3C Trace Context).
const SAMPLED: u32 = 1;

/// The spans of one invocation that was reported.
pub(super) fn of(
    function: &Function,
    stream: &str,
    report: &Report,
    times: &Timeline,
) -> Vec<Span> {
    let header = times.header.as_deref().and_then(TraceHeader::read);
    let trace_id = header.and_then(|header| header.trace_id());
    // A root that is nobody's form is not an id: those spans have a trace of their own.
    let trace_id =
        trace_id.unwrap_or_else(|| new_root(times.traced.accepted)[2..].replace('-', ""));
    let is_sampled = header.is_some_and(|header| header.sampled == Some(Sampled::Yes));
    let blank = Span {
        trace_id: bytes(&trace_id),
        flags: if is_sampled { SAMPLED } else { 0 },
        ..Span::default()
    };
    let part = |name: &str, from: SystemTime, to: SystemTime| Span {
        name: name.to_owned(),
        span_id: bytes(&new_span()),
        parent_span_id: bytes(&times.traced.span),
        kind: SpanKind::Internal.into(),
        start_time_unix_nano: nanos(from),
        end_time_unix_nano: nanos(to.max(from)),
        ..blank.clone()
    };
    let mut attributes = vec![
        text("faas.name", &function.name),
        text("faas.version", &function.version),
        text("faas.instance", stream),
        text("faas.invocation_id", &report.request_id.0),
        text("cloud.provider", "aws"),
        text("cloud.platform", "aws_lambda"),
        text("cloud.region", &function.region),
        text("cloud.account.id", &function.account),
        text("cloud.resource_id", &function.arn()),
        attribute("faas.coldstart", Value::BoolValue(times.init.is_some())),
        number("faas.max_memory", i64::from(function.memory_mb) * 1024 * 1024),
        number("aws.lambda.billed_duration_ms", report.billed_ms.try_into().unwrap_or(i64::MAX)),
    ];
    if let Some(error_type) = &report.error_type {
        attributes.push(text("error.type", error_type));
    }
    let mut spans = Vec::with_capacity(5);
    // An init that ran ahead may have begun before anybody called.
    let began = times.init.as_ref().map_or(times.traced.accepted, |init| init.start);
    spans.push(Span {
        name: function.name.clone(),
        span_id: bytes(&times.traced.span),
        parent_span_id: times.traced.parent.as_deref().map(bytes).unwrap_or_default(),
        kind: SpanKind::Server.into(),
        start_time_unix_nano: nanos(began.min(times.traced.accepted)),
        end_time_unix_nano: nanos(times.ended),
        attributes,
        status: Some(status(report)),
        ..blank.clone()
    });
    spans.push(part("queue", times.traced.accepted, times.began));
    if let Some(init) = &times.init {
        let mut span = part("init", init.start, init.start + init.duration);
        span.attributes = vec![
            text("aws.lambda.initialization_type", function.initialization_type()),
            text("aws.lambda.runtime_release", &times.runtime_release),
            text("aws.lambda.extensions", &times.extensions),
        ];
        spans.push(span);
    }
    if let Some(handed) = times.handed {
        let answered = times.answered.unwrap_or(times.ended);
        spans.push(part("invoke", handed, answered));
        if times.answered.is_some() {
            spans.push(part("overhead", answered, times.ended));
        }
    }
    spans
}

fn status(report: &Report) -> SpanStatus {
    let message = match (&report.error_type, report.status) {
        (_, Status::Success) => {
            return SpanStatus { code: StatusCode::Unset.into(), ..SpanStatus::default() };
        }
        (Some(error_type), _) => error_type.clone(),
        (None, status) => status.as_str().to_owned(),
    };
    SpanStatus { code: StatusCode::Error.into(), message }
}

pub(super) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

/// Hex digits as bytes; an id that is not hexadecimal is none.
fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    });
    pairs.collect::<Option<_>>().unwrap_or_default()
}

fn nanos(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
