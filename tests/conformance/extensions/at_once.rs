//! Extensions where many invocations run at once: they are told of the end alone.

use serde_json::{Value, json};

use super::{echo, extended, extension};
use crate::harness::Function;

const MANY: [&str; 4] = ["--max-concurrency", "2", "--repeat", "4"];

#[test]
fn an_external_extension_may_register_for_the_end_alone() {
    let layer = extension(
        "headers = {'Lambda-Extension-Name': NAME}
body = json.dumps({'events': ['INVOKE', 'SHUTDOWN']})
log(*call('POST', EXTENSIONS + 'register', headers, body)[::2])
for event in Extension(['SHUTDOWN']).events(): pass
",
    );
    let run = extended(&echo(), &layer).args(MANY).event("7").run().answered();
    assert_eq!(run.text(), "7\n7\n7\n7\n");
    let refused = run.stderr.lines().find_map(|line| line.strip_prefix("ext 403 ")).unwrap();
    let refused: Value = serde_json::from_str(refused).unwrap();
    assert_eq!(
        refused,
        json!({
            "errorMessage": "INVOKE: ErrorInvalidEventType",
            "errorType": "Extension.InvalidEventType",
        })
    );
    assert!(!run.stderr.contains("ext INVOKE"), "{}", run.stderr);
    assert!(run.stderr.contains("ext SHUTDOWN spindown\n"), "{}", run.stderr);
}

#[test]
fn an_internal_extension_is_told_of_nothing() {
    let api = super::API.replace("#!/usr/bin/env python3\n", "");
    let function = Function::python(
        "import api
def register(events):
    headers = {'Lambda-Extension-Name': 'inside-%d' % api.os.getpid()}
    body = api.json.dumps({'events': events})
    return api.call('POST', api.EXTENSIONS + 'register', headers, body)[::2]
refused = register(['INVOKE'])
def lambda_handler(event, context):
    return refused[0], api.json.loads(refused[1])['errorMessage']
",
    )
    .file("api.py", api);
    let run = extended(&function, &Function::empty()).args(["--max-concurrency", "1"]).run();
    let said = "No events allowed for internal extensions";
    assert_eq!(run.answered().json(), json!([403, said]));
}

#[test]
fn telemetry_flows_while_invocations_run_and_each_is_told_apart() {
    let layer = extension(
        "sink = HttpSink()
extension = Extension(['SHUTDOWN'])
extension.subscribe(['platform'], sink=sink)
for event in extension.events():
    for told in sink.events(): log('got', json.dumps(told))
",
    );
    let run = extended(&echo(), &layer).args(MANY).run().answered();
    let got = run.stderr.lines().filter_map(|line| line.strip_prefix("ext got "));
    let events: Vec<Value> = got.map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| {
        let all = events.iter().filter(|event| event["type"] == kind);
        all.map(|event| event["record"].clone()).collect::<Vec<_>>()
    };
    let started = of("platform.start");
    assert_eq!(started.len(), 4, "{events:#?}");
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:";
    assert!(started[0]["functionArn"].as_str().unwrap().starts_with(arn), "{started:?}");
    assert_eq!(of("platform.initStart")[0]["initializationType"], "lambda-managed-instances");
    assert!(of("platform.runtimeDone").is_empty(), "{events:#?}");
    let mut ids: Vec<_> = started.iter().map(|start| start["requestId"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    for report in of("platform.report") {
        let metrics: Vec<&String> = report["metrics"].as_object().unwrap().keys().collect();
        assert_eq!(metrics, ["durationMs"], "{report}");
    }
}
