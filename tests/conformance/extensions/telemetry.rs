//! Telemetry and logs: who is sent what, when, and that a bad sink is its own trouble.

use std::time::Duration;

use serde_json::{Value, json};

use super::{echo, extended, extension};
use crate::harness::{Function, Run, Serving, boto3_is_there};

/// Subscribes, and at the end prints all that came.
fn listening(subscribe: &str) -> Function {
    extension(&format!(
        "{subscribe}
for event in extension.events():
    if event['eventType'] == 'SHUTDOWN':
        until(lambda: any(e['type'] == 'platform.report' for e in sink.events()))
        tell(sink)
"
    ))
}

const BY_HTTP: &str = "sink = HttpSink()
extension = Extension()
log('subscribed', *extension.subscribe(['platform', 'function'], sink=sink))";

/// What came, in order.
fn events(run: &Run) -> Vec<Value> {
    let got = run.stderr.lines().filter_map(|line| line.strip_prefix("ext got "));
    got.map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

fn of<'a>(events: &'a [Value], kind: &str) -> &'a Value {
    let found = events.iter().find(|event| event["type"] == kind);
    &found.unwrap_or_else(|| panic!("no {kind} in {events:#?}"))["record"]
}

fn printing() -> Function {
    Function::python(
        "print('loading')
def lambda_handler(event, context):
    print('handling')
    return event
",
    )
}

#[test]
fn every_event_comes_in_order_with_its_fields_and_the_report_at_the_end() {
    let run = extended(&printing(), &listening(BY_HTTP)).run().answered();
    assert!(run.stderr.contains("ext subscribed 200 \"OK\"\n"), "{}", run.stderr);
    let line = "TELEMETRY\tName: ext\tState: Subscribed\tTypes: [Platform, Function]\n";
    assert!(run.stderr.contains(line), "{}", run.stderr);
    let events = events(&run);
    let expected = [
        "platform.initStart",
        "function",
        "platform.initRuntimeDone",
        "platform.initReport",
        "platform.start",
        "function",
        "platform.runtimeDone",
        "platform.report",
    ];
    let mut seen = kinds(&events);
    // The extension and the runtime become ready at the same time.
    for kind in ["platform.telemetrySubscription", "platform.extension"] {
        let place = seen.iter().position(|seen| *seen == kind).expect("it is told");
        assert!(place < seen.len() - 4, "{seen:?}");
        seen.remove(place);
    }
    assert_eq!(seen, expected);
    let id = run.report().request_id;
    let start = of(&events, "platform.initStart");
    assert_eq!(start["initializationType"], "on-demand");
    assert_eq!(start["phase"], "init");
    assert_eq!(start["functionVersion"], "$LATEST");
    assert_eq!(start["instanceMaxMemory"], 256 << 20);
    let record = json!({"name": "ext", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]});
    assert_eq!(of(&events, "platform.extension"), &record);
    assert_eq!(of(&events, "platform.start"), &json!({"requestId": id, "version": "$LATEST"}));
    let done = of(&events, "platform.runtimeDone");
    assert_eq!((&done["requestId"], &done["status"]), (&json!(id), &json!("success")));
    assert_eq!(done["metrics"]["producedBytes"], 2);
    let names: Vec<&str> =
        done["spans"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["responseLatency", "responseDuration", "runtimeOverhead"]);
    let report = of(&events, "platform.report");
    assert_eq!(report["metrics"]["memorySizeMB"], 256);
    assert!(report["metrics"]["initDurationMs"].is_f64(), "{report}");
    let lines: Vec<&Value> =
        events.iter().filter(|e| e["type"] == "function").map(|e| &e["record"]).collect();
    assert_eq!(lines, ["loading\n", "handling\n"]);
}

#[test]
fn what_is_made_after_the_end_of_an_invocation_comes_with_the_next() {
    let layer = extension(&format!(
        "{BY_HTTP}
reports = lambda: sum(e['type'] == 'platform.report' for e in sink.events())
count = 0
for event in extension.events():
    if event['eventType'] == 'INVOKE':
        log('invocation', count, 'reports', until(lambda: reports() >= count) and reports())
        count += 1
"
    ));
    let run = extended(&echo(), &layer).args(["--repeat", "3"]).run().answered();
    for n in 0..3 {
        let line = format!("ext invocation {n} reports {n}\n");
        assert!(run.stderr.contains(&line), "{}", run.stderr);
    }
}

#[test]
fn a_tcp_sink_gets_lines_and_must_be_there_when_subscribing() {
    let layer = listening(
        "extension = Extension()
class Nobody: destination = {'protocol': 'TCP', 'port': 8082}
log('refused', *extension.subscribe(sink=Nobody))
sink = TcpSink()
log('subscribed', *extension.subscribe(sink=sink))",
    );
    let run = extended(&printing(), &layer).run().answered();
    assert!(run.stderr.contains("ext refused 400 "), "{}", run.stderr);
    assert!(run.stderr.contains("port 8082 does not accept connections"), "{}", run.stderr);
    assert!(run.stderr.contains("ext subscribed 200 \"OK\"\n"), "{}", run.stderr);
    let events = events(&run);
    assert_eq!(of(&events, "platform.report")["status"], "success");
    assert_eq!(kinds(&events)[0], "platform.initStart", "what was before it came is there");
}

#[test]
fn the_logs_api_has_its_own_events() {
    let layer = listening(
        "sink = HttpSink()
extension = Extension()
log('subscribed', *extension.subscribe(['platform', 'function'], '2021-03-18', sink))",
    );
    let run = extended(&printing(), &layer).run().answered();
    assert!(run.stderr.contains("LOGS\tName: ext\tState: Subscribed\t"), "{}", run.stderr);
    let events = events(&run);
    let seen = kinds(&events);
    for kind in
        ["platform.start", "platform.end", "platform.runtimeDone", "platform.logsSubscription"]
    {
        assert!(seen.contains(&kind), "{kind} in {seen:?}");
    }
    assert!(!seen.contains(&"platform.initStart"), "{seen:?}");
    assert!(of(&events, "platform.report").get("status").is_none());
}

#[test]
fn json_logs_are_objects_and_an_extensions_lines_are_its_own_stream() {
    let layer = listening(
        "sink = HttpSink()
extension = Extension()
extension.subscribe(['platform', 'function', 'extension'], '2022-12-13', sink)
print('from the extension', flush=True)",
    );
    let function = Function::python(
        "import logging
def lambda_handler(event, context): logging.getLogger().warning('low on tea')
",
    );
    let run = extended(&function, &layer).args(["--log-format", "json"]).run().answered();
    let events = events(&run);
    let function = events.iter().find(|e| e["type"] == "function").expect("its record");
    assert_eq!(function["record"]["message"], "low on tea");
    let extension = events.iter().find(|e| e["type"] == "extension").expect("its line");
    assert_eq!(extension["record"], "from the extension\n");
}

#[test]
fn subscriptions_are_checked_closed_after_init_and_the_last_one_counts() {
    let layer = listening(
        "sink = HttpSink()
extension = Extension()
class Elsewhere: destination = {'protocol': 'HTTP', 'URI': 'http://example.com/'}
log('one', *extension.subscribe([], sink=Elsewhere))
log('two', call('PUT', '/2022-07-01/telemetry', {}, '{}')[2])
log('three', call('PUT', '/2020-08-15/logs', extension.id, '[')[2])
log('four', *extension.subscribe(sink=HttpSink(8083)))
log('five', *extension.subscribe(schema='2020-08-15', sink=sink))
log('six', *extension.subscribe(sink=sink))
def late():
    time.sleep(1)
    log('late', *extension.subscribe(sink=sink))
threading.Thread(target=late).start()",
    );
    let function = Function::python("import time\ndef lambda_handler(e, c): time.sleep(2)\n");
    let run = extended(&function, &layer).run().answered();
    for line in [
        "ext one 400 {\"errorMessage\":\"URI host should be sandbox.localdomain; URI port is not \
         provided; types should not be empty\",\"errorType\":\"ValidationError\"}\n",
        "\"errorType\":\"Extension.MissingExtensionIdentifier\"}\n",
        "\"errorType\":\"Logs.ValidationError\"}\n",
        "ext four 200 \"OK\"\n",
        "ext five 400 {\"errorMessage\":\"an extension may not use both",
        "ext six 200 \"OK\"\n",
        "ext late 403 {\"errorMessage\":\"Telemetry API subscription is closed\",\"errorType\":\
         \"Telemetry.SubscriptionClosed\"}\n",
        "TELEMETRY\tName: ext\tState: Already subscribed\t",
    ] {
        assert!(run.stderr.contains(line), "{line:?} in {}", run.stderr);
    }
    assert!(!events(&run).is_empty());
}

#[test]
fn a_sink_that_fails_is_tried_again_and_one_that_never_reads_costs_nobody_else() {
    let layer = listening(
        "sink = HttpSink(status=lambda n: 500 if n == 1 else 200)
extension = Extension()
extension.subscribe(sink=sink)",
    );
    let run = extended(&printing(), &layer).run().answered();
    let events = events(&run);
    assert!(kinds(&events).iter().filter(|kind| **kind == "platform.initStart").count() >= 2);
    let layer = extension(
        "listener = socket.create_server(('0.0.0.0', 8080))
extension = Extension()
class Deaf: destination = {'protocol': 'TCP', 'port': 8080}
log('subscribed', *extension.subscribe(sink=Deaf))
for event in extension.events(): pass
",
    );
    let noisy = Function::python(
        "def lambda_handler(event, context):
    for _ in range(40): print('x' * 100_000)
    return 1
",
    );
    let run = extended(&noisy, &layer).args(["--repeat", "3", "-q"]).run().answered();
    assert_eq!(run.text(), "1\n1\n1\n");
    assert!(run.wall < Duration::from_secs(60), "{:?}", run.wall);
}

#[test]
fn what_a_slow_sink_missed_is_counted_for_it() {
    let layer = listening(
        "def slowly(n):
    if n >= 2: until(lambda: os.path.exists('/tmp/flooded'), 30)
    return 200
sink = HttpSink(status=slowly)
extension = Extension(['SHUTDOWN'])
extension.subscribe(sink=sink)",
    );
    let noisy = Function::python(
        "import time
def lambda_handler(event, context):
    print('first')
    time.sleep(0.5)
    for _ in range(60): print('x' * 100_000, flush=True)
    time.sleep(1)
    open('/tmp/flooded', 'w').close()
    time.sleep(3)
",
    );
    let run = extended(&noisy, &layer).run().answered();
    let events = events(&run);
    let record = of(&events, "platform.logsDropped");
    let (records, bytes) = (&record["droppedRecords"], &record["droppedBytes"]);
    assert!(records.as_u64().unwrap() > 0 && bytes.as_u64().unwrap() >= 100_000, "{record}");
}

#[test]
fn a_frozen_environment_is_not_woken_for_telemetry_and_hears_of_all_at_its_end() {
    if let Err(reason) = boto3_is_there() {
        skip!("{reason}");
    }
    let data = tempfile::Builder::new().prefix("e2e-serve-").tempdir().unwrap();
    let serving = Serving::start(data.path(), &["--freeze-after", "0"]);
    let source = format!(
        "{}{BY_HTTP}
for event in extension.events():
    if event['eventType'] == 'SHUTDOWN':
        until(lambda: sum(e['type'] == 'platform.report' for e in sink.events()) == 2)
        log('reports', sum(e['type'] == 'platform.report' for e in sink.events()))
",
        super::API
    );
    let source = serde_json::to_string(&source).unwrap();
    let answers = serving.boto3(&format!(
        "
buffer = io.BytesIO()
with zipfile.ZipFile(buffer, 'w') as archive:
    entry = zipfile.ZipInfo('extensions/ext')
    entry.external_attr = 0o755 << 16
    archive.writestr(entry, {source})
layer = client.publish_layer_version(LayerName='ext', Content={{'ZipFile': buffer.getvalue()}})
deploy('echo', 'def handler(event, context): return event',
       Layers=[layer['LayerVersionArn']], MemorySize=256)
json.dump([call('echo', n) for n in range(2)], sys.stdout)"
    ));
    assert_eq!(answers, json!([0, 1]));
    serving.wait_for_pool(|pool| pool["environments"]["frozen"] == 1);
    let run = serving.end().expect_code(0);
    assert!(run.stderr.contains("ext reports 2\n"), "{}", run.stderr);
}
