//! Each event in each form, field by field.

use super::*;
use crate::model::{ExtensionState, LifecycleEvent};

const AT: &str = "2022-10-12T00:00:15.064Z";
const TRACE: &str = "Root=1-2-3;Parent=0123456789abcdef;Sampled=1";

fn id() -> RequestId {
    RequestId("8f5c".to_owned())
}

fn about() -> Described<'static> {
    Described {
        function_name: "hello",
        function_version: "$LATEST",
        initialization_type: "on-demand",
        instance: Some(("2022/10/12/hello[$LATEST]0f", 134_217_728)),
        ..Described::default()
    }
}

fn report() -> Report {
    Report {
        request_id: id(),
        duration: Duration::from_micros(5_123),
        billed_ms: 6,
        memory_size_mb: 128,
        max_memory_used_mb: 40,
        raw_peak_mb: 55,
        init_duration: None,
        restore_duration: None,
        status: Status::Success,
        error_type: None,
        tenant_id: None,
        extension_overhead: None,
        notes: Vec::new(),
        timeline: None,
    }
}

fn sent(event: &Event, schema: Schema, about: &Described<'_>) -> Option<Value> {
    let text = render(event, AT.parse().unwrap(), schema, LogFormat::Text, about)?;
    let event: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(event["time"], AT);
    Some(event)
}

/// Type and record by the Telemetry API.
fn telemetry(event: &Event) -> (String, Value) {
    let event = sent(event, Schema::Telemetry20220701, &about()).unwrap();
    (event["type"].as_str().unwrap().to_owned(), event["record"].clone())
}

fn runtime_done(metrics: Option<RuntimeMetrics>, status: Status) -> Event {
    let error_type = (status == Status::Error).then(|| "Runtime.ExitError".to_owned());
    Event::RuntimeDone { request_id: id(), status, error_type, metrics, tenant_id: None }
}

fn measured() -> RuntimeMetrics {
    let start = SystemTime::UNIX_EPOCH + Duration::from_millis(1_665_532_815_064);
    let span = Span { name: "responseLatency", start, duration: Duration::from_micros(23_021) };
    let duration = Duration::from_micros(30_500);
    RuntimeMetrics { duration, produced_bytes: 0, spans: vec![span] }
}

#[test]
fn the_events_of_an_init_have_awss_fields() {
    let (phase, status) = (InitPhase::Init, Status::Success);
    assert_eq!(
        telemetry(&Event::InitStart { phase }),
        (
            "platform.initStart".to_owned(),
            json!({
                "initializationType": "on-demand", "phase": "init", "functionName": "hello",
                "functionVersion": "$LATEST", "instanceId": "2022/10/12/hello[$LATEST]0f",
                "instanceMaxMemory": 134_217_728,
            })
        )
    );
    assert_eq!(
        telemetry(&Event::InitRuntimeDone { phase, status, error_type: None }),
        (
            "platform.initRuntimeDone".to_owned(),
            json!({"initializationType": "on-demand", "phase": "init", "status": "success"})
        )
    );
    let failed = Event::InitReport {
        phase: InitPhase::Invoke,
        duration: Duration::from_micros(150_786),
        status: Status::Error,
        error_type: Some("Extension.Crash".to_owned()),
    };
    assert_eq!(
        telemetry(&failed),
        (
            "platform.initReport".to_owned(),
            json!({
                "initializationType": "on-demand", "phase": "invoke", "status": "error",
                "errorType": "Extension.Crash", "metrics": {"durationMs": 150.786},
            })
        )
    );
}

#[test]
fn the_events_of_an_invocation_have_awss_fields() {
    let start = Event::Start { request_id: id(), version: "$LATEST".to_owned(), tenant_id: None };
    let record = json!({"requestId": "8f5c", "version": "$LATEST"});
    assert_eq!(telemetry(&start), ("platform.start".to_owned(), record));
    assert_eq!(
        telemetry(&runtime_done(Some(measured()), Status::Success)),
        (
            "platform.runtimeDone".to_owned(),
            json!({
                "requestId": "8f5c", "status": "success",
                "metrics": {"durationMs": 30.5, "producedBytes": 0},
                "spans": [{
                    "name": "responseLatency", "start": "2022-10-12T00:00:15.064Z",
                    "durationMs": 23.021,
                }],
            })
        )
    );
    // Without a response there are no figures.
    let record = json!({"requestId": "8f5c", "status": "error", "errorType": "Runtime.ExitError"});
    assert_eq!(telemetry(&runtime_done(None, Status::Error)).1, record);
    let (kind, record) = telemetry(&Event::Report(report()));
    assert_eq!(kind, "platform.report");
    let metrics = json!({
        "durationMs": 5.123, "billedDurationMs": 6, "memorySizeMB": 128, "maxMemoryUsedMB": 40,
    });
    let expected = json!({"requestId": "8f5c", "metrics": metrics, "status": "success"});
    assert_eq!(record, expected);
    // Clients with integers in their types refuse 6.0.
    assert!(record.to_string().contains("\"billedDurationMs\":6,"), "{record}");
}

#[test]
fn tracing_is_there_where_something_is_traced_and_the_tenant_where_there_is_one() {
    let with = |trace_id, tenant_id: Option<&str>| {
        let tenant_id = tenant_id.map(str::to_owned);
        let start = Event::Start { request_id: id(), version: "1".to_owned(), tenant_id };
        let about = Described { trace_id, span_id: Some("00f067aa0ba902b7"), ..about() };
        sent(&start, Schema::Telemetry20250129, &about).unwrap()["record"].clone()
    };
    let tracing = json!({"spanId": "00f067aa0ba902b7", "type": "X-Amzn-Trace-Id", "value": TRACE});
    assert_eq!(with(Some(TRACE), None)["tracing"], tracing);
    for untraced in [None, Some("Root=1-2-3;Parent=4;Sampled=0"), Some("Sampled=1"), Some("")] {
        assert!(with(untraced, None).get("tracing").is_none(), "{untraced:?}");
    }
    assert_eq!(with(None, Some("blue"))["tenantId"], "blue");
}

#[test]
fn extensions_and_subscriptions_are_told_by_name() {
    let extension = Event::Extension {
        name: "ext".to_owned(),
        state: ExtensionState::Ready,
        events: vec![LifecycleEvent::Invoke, LifecycleEvent::Shutdown],
        error_type: None,
    };
    let record = json!({"name": "ext", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]});
    assert_eq!(telemetry(&extension), ("platform.extension".to_owned(), record));
    let subscribed = |api| Event::Subscription {
        api,
        name: "ext".to_owned(),
        state: "Subscribed",
        types: vec!["platform", "function"],
    };
    let record = json!({"name": "ext", "state": "Subscribed", "types": ["platform", "function"]});
    let of_telemetry = subscribed(SubscribedTo::Telemetry);
    assert_eq!(
        telemetry(&of_telemetry),
        ("platform.telemetrySubscription".to_owned(), record.clone())
    );
    // Each API tells of its own.
    let of_logs = subscribed(SubscribedTo::Logs);
    assert_eq!(sent(&of_logs, Schema::Telemetry20250129, &about()), None);
    assert_eq!(sent(&of_telemetry, Schema::Logs20210318, &about()), None);
    let told = sent(&of_logs, Schema::Logs20200815, &about()).unwrap();
    assert_eq!((&told["type"], &told["record"]), (&json!("platform.logsSubscription"), &record));
}

#[test]
fn the_logs_api_has_events_of_its_own() {
    let of = |event: &Event, schema| sent(event, schema, &about());
    let (old, new) = (Schema::Logs20200815, Schema::Logs20210318);
    let end = of(&Event::End { request_id: id() }, old).unwrap();
    assert_eq!(
        (&end["type"], &end["record"]),
        (&json!("platform.end"), &json!({"requestId": "8f5c"}))
    );
    let fault = Event::Fault {
        request_id: id(),
        message: "Runtime exited with error: exit status 1".to_owned(),
        error_type: "Runtime.ExitError".to_owned(),
    };
    let text =
        "RequestId: 8f5c Error: Runtime exited with error: exit status 1\nRuntime.ExitError\n";
    assert_eq!(of(&fault, old).unwrap()["record"], text);
    let done = runtime_done(None, Status::Error);
    assert_eq!(of(&done, old), None, "the first schema has no such event");
    let record = json!({"requestId": "8f5c", "status": "failure"});
    assert_eq!(of(&done, new).unwrap()["record"], record);
    let report = of(&Event::Report(report()), new).unwrap();
    assert!(report["record"].get("status").is_none(), "{report}");
    assert_eq!(of(&Event::InitStart { phase: InitPhase::Init }, new), None);
    for event in [Event::End { request_id: id() }, fault] {
        assert_eq!(of(&event, Schema::Telemetry20250129), None);
    }
}

#[test]
fn lines_are_text_and_objects_where_logs_are_json_and_the_schema_knows_that() {
    let line = |stream, text: &'static [u8]| Event::Log(LogLine { stream, text: text.into() });
    let record = |event: &Event, schema, format| {
        let text = render(event, AT.parse().unwrap(), schema, format, &about()).unwrap();
        let event: Value = serde_json::from_str(&text).unwrap();
        (event["type"].as_str().unwrap().to_owned(), event["record"].clone())
    };
    let (old, new) = (Schema::Telemetry20220701, Schema::Telemetry20221213);
    let object = line(LogStream::Frame, b"{\"level\":\"INFO\"}");
    let as_text = json!("{\"level\":\"INFO\"}\n");
    assert_eq!(record(&object, new, LogFormat::Json).1, json!({"level": "INFO"}));
    assert_eq!(record(&object, old, LogFormat::Json).1, as_text);
    assert_eq!(record(&object, new, LogFormat::Text).1, as_text);
    assert_eq!(record(&object, Schema::Logs20210318, LogFormat::Json).1, as_text);
    let plain = line(LogStream::Output, b"plain \xff");
    let (kind, text) = record(&plain, new, LogFormat::Json);
    assert_eq!((kind.as_str(), text), ("function", json!("plain \u{fffd}\n")));
    let extension = line(LogStream::Extension, b"said");
    assert_eq!(record(&extension, old, LogFormat::Text), ("extension".into(), json!("said\n")));
}

#[test]
fn what_is_missing_is_counted() {
    let text = dropped(Dropped { records: 3, bytes: 700 }, AT.parse().unwrap());
    let event: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(event["type"], "platform.logsDropped");
    assert_eq!(
        (&event["record"]["droppedRecords"], &event["record"]["droppedBytes"]),
        (&json!(3), &json!(700))
    );
    assert!(event["record"]["reason"].is_string());
}

#[test]
fn of_many_at_once_the_events_say_less_and_whose_they_are() {
    let initialization_type = "lambda-managed-instances";
    let about = Described { of_many: Some("arn"), initialization_type, ..about() };
    let record = |event: &Event| sent(event, Schema::Telemetry20250129, &about).unwrap();
    let start = Event::Start { request_id: id(), version: "1".to_owned(), tenant_id: None };
    assert_eq!(record(&start)["record"]["functionArn"], "arn");
    let init = record(&Event::InitStart { phase: InitPhase::Init });
    assert_eq!(init["record"]["initializationType"], "lambda-managed-instances");
    let metrics = &record(&Event::Report(report()))["record"]["metrics"];
    assert_eq!(*metrics, json!({ "durationMs": 5.123 }));
}
