//! Traces: X-Ray's header and its SDK, and the host's own spans in a collector.
//!
//! # Sources
//! `reference/runtime-api.md` 1.10; OpenTelemetry protocol specification.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{
    Function, Serving, boto3_is_there, e2e_venv, invoke, lambdabox, vendored, wait_until,
};

const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";
const TRACE_ID: &str = "5759e988bd862e3fe1be46a994272793";
const PARENT: &str = "53995c3f42cd8ad8";
/// How long something that was sent may be on its way.
const PATIENCE: Duration = Duration::from_secs(60);

/// A collector and an X-Ray daemon, ended with the test.
struct Receiver {
    child: Child,
    otlp: u16,
    xray: u16,
    heard: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    /// One whose collector refuses its first batches; `Err` says why there is none.
    fn start(refused: u32) -> Result<Self, String> {
        boto3_is_there()?;
        let python = e2e_venv().join("bin/python");
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tracing/receiver.py");
        let mut child = Command::new(python)
            .arg(script)
            .arg(refused.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let Some(Ok(first)) = lines.next() else {
            return Err("OpenTelemetry's messages for Python are not there".to_owned());
        };
        let ports: Value = serde_json::from_str(&first).unwrap();
        let port = |name: &str| u16::try_from(ports[name].as_u64().unwrap()).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hearing = Arc::clone(&heard);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                hearing.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Ok(Self { child, otlp: port("otlp"), xray: port("xray"), heard })
    }

    /// Waits until this many spans or segments are here.
    #[track_caller]
    fn wait_for(&self, what: &str, count: usize) -> Vec<Value> {
        let found = || -> Vec<Value> {
            let heard = self.heard.lock().unwrap();
            heard.iter().filter(|one| !one[what].is_null()).cloned().collect()
        };
        assert!(wait_until(PATIENCE, || found().len() >= count), "{:?}", self.heard);
        found()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may be gone already.
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

fn span<'a>(spans: &'a [Value], name: &str) -> &'a Value {
    let found = spans.iter().map(|one| &one["span"]).find(|span| span["name"] == name);
    found.unwrap_or_else(|| panic!("no span {name} in {spans:?}"))
}

fn attribute(span: &Value, key: &str) -> Value {
    let all = span["attributes"].as_array().into_iter().flatten();
    let found = all.filter(|one| one["key"] == key).map(|one| one["value"].clone()).next();
    let value = found.unwrap_or_else(|| panic!("no {key} in {span}"));
    value.as_object().unwrap().values().next().unwrap().clone()
}

fn nanos(span: &Value, key: &str) -> u64 {
    span[key].as_str().unwrap().parse().unwrap()
}

/// Adds X-Ray's header to calls of a script.
fn traced(header: &str) -> String {
    format!(
        "
def trace(request, **_):
    request.headers['X-Amzn-Trace-Id'] = '{header}'
client.meta.events.register('before-sign.lambda.Invoke', trace)
"
    )
}

const TELLS_ITS_TRACE: &str =
    "import os\\ndef handler(event, context): return os.environ['_X_AMZN_TRACE_ID']";

#[test]
fn the_header_is_passed_through_and_an_active_function_is_a_segment_of_its_own() {
    if let Err(reason) = boto3_is_there() {
        skip!("{reason}");
    }
    let data = tempfile::tempdir().unwrap();
    let serving = Serving::start(data.path(), &[]);
    let given = format!("Root={ROOT};Parent={PARENT};Sampled=1;Lineage=3:a87bd80c:1");
    let answers = serving.boto3(&format!(
        "
deploy('passive', \"{TELLS_ITS_TRACE}\")
deploy('active', \"{TELLS_ITS_TRACE}\", TracingConfig={{'Mode': 'Active'}})
answers = [call('passive'), call('active')]
{}
answers += [call('passive'), call('active')]
json.dump(answers, sys.stdout)",
        traced(&given)
    ));
    let [passive, active, passed, segment] = answers.as_array().unwrap().as_slice() else {
        panic!("{answers}")
    };
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|digit| digit.is_ascii_hexdigit())
    };
    let parts = |header: &Value| -> Vec<(String, String)> {
        let parts = header.as_str().unwrap().split(';').map(|part| part.split_once('=').unwrap());
        parts.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    for (header, sampled) in [(passive, "0"), (active, "1")] {
        let parts = parts(header);
        let keys: Vec<_> = parts.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["Root", "Parent", "Sampled", "Lineage"], "{header}");
        let root: Vec<_> = parts[0].1.split('-').collect();
        assert!(root[0] == "1" && is_hex(root[1], 8) && is_hex(root[2], 24), "{header}");
        assert!(is_hex(&parts[1].1, 16), "{header}");
        // The first request of a second is sampled where tracing is active.
        assert_eq!(parts[2].1, sampled, "{header}");
    }
    assert_eq!(*passed, given);
    let parts = parts(segment);
    assert_eq!(parts[0].1, ROOT);
    assert!(is_hex(&parts[1].1, 16) && parts[1].1 != PARENT, "{segment}");
    assert_eq!((parts[2].1.as_str(), parts[3].1.as_str()), ("1", "3:a87bd80c:1"));
    let line = format!("XRAY TraceId: {ROOT}\tSegmentId: {}\tSampled: true\t\n", parts[1].1);
    serving.wait_for_log(line.trim_end_matches('\n'));
}

#[test]
fn spans_of_the_host_arrive_in_a_collector() {
    let receiver = match Receiver::start(1) {
        Ok(receiver) => receiver,
        Err(reason) => skip!("{reason}"),
    };
    let data = tempfile::tempdir().unwrap();
    let endpoint = format!("http://127.0.0.1:{}", receiver.otlp);
    let serving = Serving::start(data.path(), &["--otlp-endpoint", &endpoint]);
    let answers = serving.boto3(&format!(
        "
deploy('shop', 'import time\\ndef handler(event, context):\\n    time.sleep(0.05)\\n    return 1 / event')
answers = [call('shop', 1)]
{}
answers.append(call('shop', 0)['errorType'])
json.dump(answers, sys.stdout)",
        traced(&format!("Root={ROOT};Parent={PARENT};Sampled=0"))
    ));
    assert_eq!(answers, serde_json::json!([1.0, "ZeroDivisionError"]));
    let spans = receiver.wait_for("span", 9);
    assert!(spans.iter().all(|one| one["path"] == "/v1/traces"), "{spans:?}");
    assert!(spans.iter().all(|one| one["resource"]["service.name"] == "lambdabox"));
    let (given, own): (Vec<Value>, Vec<Value>) =
        spans.into_iter().partition(|one| one["span"]["traceId"] == TRACE_ID);
    // The first: nobody had a trace, and the environment was new.
    let whole = span(&own, "shop");
    assert_eq!((own.len(), &whole["parentSpanId"]), (5, &"".into()));
    assert_eq!(whole["kind"], "SPAN_KIND_SERVER");
    assert_eq!(attribute(whole, "faas.coldstart"), true);
    assert_eq!(attribute(whole, "faas.name"), "shop");
    for name in ["queue", "init", "invoke", "overhead"] {
        let part = span(&own, name);
        assert_eq!(part["parentSpanId"], whole["spanId"], "{part}");
        assert_eq!(part["traceId"], whole["traceId"], "{part}");
        let (from, to) = ("startTimeUnixNano", "endTimeUnixNano");
        let within = nanos(whole, from) <= nanos(part, from) + 1_000_000
            && nanos(part, to) <= nanos(whole, to) + 1_000_000;
        assert!(within && nanos(part, from) <= nanos(part, to), "{part} in {whole}");
    }
    let invoked = span(&own, "invoke");
    let took = nanos(invoked, "endTimeUnixNano") - nanos(invoked, "startTimeUnixNano");
    assert!(took >= 50_000_000, "{invoked}");
    let release = attribute(span(&own, "init"), "aws.lambda.runtime_release");
    assert!(release.as_str().unwrap().starts_with("lambdabox-python/"), "{release}");
    // The second: a child of the caller's span, and failed.
    let whole = span(&given, "shop");
    assert_eq!((given.len(), &whole["parentSpanId"]), (4, &PARENT.into()));
    assert_eq!(attribute(whole, "faas.coldstart"), false);
    assert_eq!(whole["status"]["code"], "STATUS_CODE_ERROR");
    assert!(!serving.log().contains("spans are lost"), "a refused batch is sent again");
}

#[test]
fn a_collector_that_is_not_there_costs_nobody_anything_and_is_said() {
    if let Err(reason) = boto3_is_there() {
        skip!("{reason}");
    }
    let data = tempfile::tempdir().unwrap();
    // Nobody listens on the discard port.
    let serving = Serving::start(data.path(), &["--otlp-endpoint", "http://127.0.0.1:9"]);
    let answers = serving.boto3(
        "
deploy('f', 'def handler(event, context): return event')
json.dump([call('f', n) for n in range(3)], sys.stdout)",
    );
    assert_eq!(answers, serde_json::json!([0, 1, 2]));
    serving.wait_for_log("spans are lost: http://127.0.0.1:9/v1/traces did not take them: ");
}

#[test]
fn one_invocation_sends_its_spans_too() {
    let receiver = match Receiver::start(0) {
        Ok(receiver) => receiver,
        Err(reason) => skip!("{reason}"),
    };
    let function = Function::python("def lambda_handler(event, context): return 7\n");
    let endpoint = format!("http://127.0.0.1:{}/", receiver.otlp);
    let run = invoke(&function)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20key")
        .run()
        .answered();
    assert_eq!(run.json(), 7);
    let spans = receiver.wait_for("span", 5);
    assert_eq!(spans[0]["key"], "a key");
    span(&spans, "init");
}

#[test]
fn awss_xray_sdk_reaches_the_daemon_the_operator_names() {
    let receiver = match Receiver::start(0) {
        Ok(receiver) => receiver,
        Err(reason) => skip!("{reason}"),
    };
    let package = match vendored("package-xray", "package", &["aws-xray-sdk==2.15.0"]) {
        Ok(root) => root.join("package"),
        Err(reason) => skip!("{reason}"),
    };
    let handler = "import os
from aws_xray_sdk.core import xray_recorder
def lambda_handler(event, context):
    with xray_recorder.in_subsegment('work') as work:
        work.put_annotation('who', event)
    return [os.environ['AWS_XRAY_DAEMON_ADDRESS'], os.environ['_X_AMZN_TRACE_ID']]
";
    std::fs::write(package.join("lambda_function.py"), handler).unwrap();
    let data = tempfile::tempdir().unwrap();
    let daemon = format!("127.0.0.1:{}", receiver.xray);
    let directory = package.to_str().unwrap();
    let serving =
        Serving::start(data.path(), &["--xray-daemon", &daemon, "--allow-code", directory]);
    let answers = serving.boto3(&format!(
        "
client.create_function(FunctionName='f', Runtime='python' + RUNTIME,
    Handler='lambda_function.lambda_handler', Role='arn:aws:iam::000000000000:role/any',
    Code={{'S3Bucket': 'hot-reload', 'S3Key': {directory:?}}}, Timeout=60, MemorySize=256,
    TracingConfig={{'Mode': 'Active'}})
client.get_waiter('function_active_v2').wait(FunctionName='f')
{}
json.dump(call('f', 'Ada'), sys.stdout)",
        traced(&format!("Root={ROOT};Parent={PARENT};Sampled=1"))
    ));
    assert_eq!(answers[0], "127.0.0.1:2000");
    let heard = receiver.wait_for("segment", 2);
    assert!(heard.iter().all(|one| one["header"]["format"] == "json"), "{heard:?}");
    let (own, work): (Vec<&Value>, Vec<&Value>) =
        heard.iter().map(|one| &one["segment"]).partition(|one| one["origin"].is_string());
    let (own, work) = (own[0], work[0]);
    assert_eq!((&work["name"], &work["trace_id"]), (&"work".into(), &ROOT.into()));
    assert_eq!(work["annotations"]["who"], "Ada");
    let header = answers[1].as_str().unwrap();
    assert!(header.contains(&format!("Parent={}", work["parent_id"].as_str().unwrap())));
    // What it belongs to is Lambda's own segment, a child of the caller's.
    assert_eq!((&own["id"], &own["trace_id"]), (&work["parent_id"], &ROOT.into()));
    assert_eq!((&own["parent_id"], &own["name"]), (&PARENT.into(), &"f".into()));
    assert_eq!((&own["origin"], &own["fault"]), (&"AWS::Lambda::Function".into(), &false.into()));
    let parts = own["subsegments"].as_array().unwrap();
    let names: Vec<_> = parts.iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Initialization", "Invocation", "Overhead"], "{own}");
    let seconds = |segment: &Value, key: &str| segment[key].as_f64().unwrap();
    let within = seconds(&parts[1], "start_time") <= seconds(work, "start_time") + 0.001
        && seconds(work, "end_time") <= seconds(&parts[1], "end_time") + 0.001;
    assert!(within, "{work} in {own}");
}

#[test]
fn an_address_that_is_none_is_refused_with_the_reason() {
    let function = Function::python("def lambda_handler(event, context): return 7\n");
    let run = invoke(&function)
        .args(["--xray-daemon", "2000", "--otlp-endpoint", "https://otel.example"])
        .run()
        .expect_code(2);
    assert!(run.stderr.contains("--xray-daemon is `2000`"), "{}", run.stderr);
    assert!(run.stderr.contains("http://127.0.0.1:4318"), "{}", run.stderr);
    let help = lambdabox(["serve", "--help"]).run().expect_code(0);
    assert!(help.text().contains("--otlp-endpoint"));
}
