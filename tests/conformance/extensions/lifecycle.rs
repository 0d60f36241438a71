//! What an extension is told, and who waits for whom.

use serde_json::{Value, json};

use super::{QUIET, and_extension, echo, extended, extension};
use crate::harness::Function;

#[test]
fn an_external_extension_hears_each_invocation_and_the_end() {
    let layer = extension(QUIET);
    let run = extended(&echo(), &layer).args(["--repeat", "2"]).event("7").run().answered();
    assert_eq!(run.text(), "7\n7\n");
    let ids: Vec<String> = run.reports().into_iter().map(|report| report.request_id).collect();
    for id in &ids {
        assert!(run.stderr.contains(&format!("ext INVOKE {id}\n")), "{}", run.stderr);
    }
    assert!(run.stderr.contains("ext SHUTDOWN spindown\n"), "{}", run.stderr);
    let line = "EXTENSION\tName: ext\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n";
    assert_eq!(run.stderr.matches(line).count(), 1, "{}", run.stderr);
}

#[test]
fn the_runtime_starts_after_every_external_extension_has_registered() {
    let layer = extension(&format!("open('/tmp/first', 'w').close()\n{QUIET}"));
    let layer =
        and_extension(layer, "second", &format!("open('/tmp/second', 'w').close()\n{QUIET}"));
    let function = Function::python(
        "import os
seen = sorted(os.listdir('/tmp'))
def lambda_handler(event, context): return seen
",
    );
    let run = extended(&function, &layer).run().answered();
    assert_eq!(run.json(), json!(["first", "second"]));
}

#[test]
fn registration_tells_the_functions_name_version_handler_and_account() {
    let layer = extension(
        "extension = Extension()
log('facts', json.dumps(extension.facts, sort_keys=True))
for event in extension.events(): pass
",
    );
    let run = extended(&echo(), &layer).args(["--function-name", "shop"]).run().answered();
    let line = run.stderr.lines().find_map(|line| line.strip_prefix("ext facts ")).unwrap();
    let expected = json!({
        "functionName": "shop", "functionVersion": "$LATEST",
        "handler": "lambda_function.lambda_handler", "accountId": "000000000000",
    });
    assert_eq!(serde_json::from_str::<Value>(line).unwrap(), expected);
}

#[test]
fn the_environment_of_an_extension_is_awss() {
    let layer = extension(
        "import getpass
log('environment', json.dumps(dict(os.environ)))
log('ids', os.getuid(), os.getgid())
for event in Extension().events(): pass
",
    );
    let run = extended(&echo(), &layer).args(["--env", "COLOUR=red"]).run().answered();
    let line = run.stderr.lines().find_map(|line| line.strip_prefix("ext environment ")).unwrap();
    let variables: Value = serde_json::from_str(line).unwrap();
    assert_eq!(variables["COLOUR"], "red");
    assert_eq!(variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], "256");
    for name in ["AWS_ACCESS_KEY_ID", "AWS_REGION", "AWS_LAMBDA_RUNTIME_API", "PATH", "TZ"] {
        assert!(variables.get(name).is_some(), "{name} in {variables}");
    }
    for name in [
        "_HANDLER",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_XRAY_CONTEXT_MISSING",
        "AWS_XRAY_DAEMON_ADDRESS",
        "_AWS_XRAY_DAEMON_ADDRESS",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
        "PYTHONPATH",
    ] {
        assert!(variables.get(name).is_none(), "{name} in {variables}");
    }
    assert!(run.stderr.contains("ext ids 993 990\n"), "{}", run.stderr);
}

#[test]
fn the_time_of_an_extension_is_the_invocations() {
    let layer = extension(
        "for event in Extension().events():
    if event['eventType'] == 'INVOKE': time.sleep(0.4)
",
    );
    let run = extended(&echo(), &layer).run().answered();
    assert!(run.report().number("Duration") >= 400.0, "{:?}", run.report());
}

#[test]
fn an_extension_that_did_not_ask_for_invocations_holds_none_up() {
    let layer = extension("for event in Extension(['SHUTDOWN']).events(): pass\n");
    let run = extended(&echo(), &layer).args(["--repeat", "3"]).run().answered();
    assert!(!run.stderr.contains("ext INVOKE"), "{}", run.stderr);
    assert!(run.stderr.contains("ext SHUTDOWN spindown\n"), "{}", run.stderr);
}

#[test]
fn an_internal_extension_is_told_of_invocations_and_the_runtime_of_the_end_by_a_signal() {
    let api = super::API.replace("#!/usr/bin/env python3\n", "");
    let function = Function::python(
        "import signal, sys, threading, api
extension = api.Extension(['INVOKE'], 'inside')
def end(*_):
    print('SIGTERM came', flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
def listen():
    while True: print('inside', extension.next()['eventType'], flush=True)
threading.Thread(target=listen, daemon=True).start()
def lambda_handler(event, context): return 1
",
    )
    .file("api.py", api);
    let run = extended(&function, &Function::empty()).args(["--repeat", "2"]).run().answered();
    assert_eq!(run.stderr.matches("inside INVOKE\n").count(), 2, "{}", run.stderr);
    assert!(run.stderr.contains("SIGTERM came\n"), "{}", run.stderr);
    assert!(run.stderr.contains("EXTENSION\tName: inside\tState: Ready\tEvents: [INVOKE]\n"));
}

#[test]
fn what_extensions_directory_holds_besides_files_is_passed_by_and_a_file_turns_all_off() {
    let layer = extension(QUIET).file("extensions/lib/helper", "not started");
    extended(&echo(), &layer).run().answered();
    let layer = extension(QUIET).file("disable-extensions-jwigqn8j", "");
    let run = extended(&echo(), &layer).run().answered();
    assert!(!run.stderr.contains("EXTENSION"), "{}", run.stderr);
    let layer = Function::empty().file("extensions", "a file");
    extended(&echo(), &layer).run().answered();
}
