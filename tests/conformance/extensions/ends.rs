//! How an environment with extensions ends: reasons, and the time each has.

use super::{QUIET, echo, extended, extension};
use crate::harness::{Function, Serving, boto3_is_there, stretched_ms};

#[test]
fn a_timeout_and_a_failure_are_told_as_the_reason() {
    let function = Function::python("import time\ndef lambda_handler(e, c): time.sleep(60)\n");
    let run = extended(&function, &extension(QUIET)).args(["--timeout", "2"]).run();
    let run = run.failed_with("Sandbox.Timedout");
    assert!(run.stderr.contains("ext SHUTDOWN timeout\n"), "{}", run.stderr);
    let function = Function::python("import os\ndef lambda_handler(e, c): os._exit(3)\n");
    let run = extended(&function, &extension(QUIET)).run().failed_with("Runtime.ExitError");
    assert!(run.stderr.contains("ext SHUTDOWN failure\n"), "{}", run.stderr);
}

#[test]
fn the_runtime_is_asked_to_end_before_extensions_are_told() {
    let function = Function::python(
        "import signal, sys
def end(*_):
    print('the runtime ends', flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
def lambda_handler(event, context): return 1
",
    );
    let run = extended(&function, &extension(QUIET)).run().answered();
    let runtime = run.stderr.find("the runtime ends\n").expect("it was asked");
    assert!(runtime < run.stderr.find("ext SHUTDOWN").unwrap(), "{}", run.stderr);
}

#[test]
fn a_stuck_extension_and_a_stuck_runtime_have_two_seconds_in_all() {
    let function = Function::python(
        "import signal, time
signal.signal(signal.SIGTERM, lambda *_: time.sleep(60))
def lambda_handler(event, context): return 1
",
    );
    let stuck = "began = None
for event in Extension().events():
    if event['eventType'] == 'SHUTDOWN':
        log('has', event['deadlineMs'] - int(time.time() * 1000))
        threading.Event().wait()
";
    let run = extended(&function, &extension(stuck)).run().answered();
    let line = run.stderr.lines().find_map(|line| line.strip_prefix("ext has ")).unwrap();
    let left_ms: f64 = line.parse().unwrap();
    // 2,000 ms less the runtime's 300; a slow machine has used up more when it looks.
    let slow = stretched_ms(1.0);
    assert!((500.0 / slow..=1_700.0).contains(&left_ms), "{left_ms}");
    assert!(run.wall.as_secs_f64() >= 2.0 / slow, "{:?}", run.wall);
}

#[test]
fn without_extensions_nobody_is_asked() {
    let function = Function::python(
        "import signal, sys
signal.signal(signal.SIGTERM, lambda *_: print('asked', flush=True))
def lambda_handler(event, context): return 1
",
    );
    let run = extended(&function, &Function::empty()).run().answered();
    assert!(!run.stderr.contains("asked"), "{}", run.stderr);
}

#[test]
fn a_hosts_frozen_environment_wakes_for_the_next_invocation_and_for_its_end() {
    if let Err(reason) = boto3_is_there() {
        skip!("{reason}");
    }
    let data = tempfile::Builder::new().prefix("e2e-serve-").tempdir().unwrap();
    let serving = Serving::start(data.path(), &["--freeze-after", "0"]);
    let answers = serving.boto3(&format!(
        "{}
json.dump([call('echo', n) for n in range(3)], sys.stdout)",
        deployed_with(QUIET)
    ));
    assert_eq!(answers, serde_json::json!([0, 1, 2]));
    serving.wait_for_pool(|pool| pool["environments"]["frozen"] == 1);
    let run = serving.end().expect_code(0);
    assert_eq!(run.stderr.matches("ext INVOKE ").count(), 3, "{}", run.stderr);
    assert!(run.stderr.contains("ext SHUTDOWN spindown\n"), "{}", run.stderr);
}

#[test]
fn an_extension_that_is_told_of_nothing_ends_with_the_rest() {
    let layer = extension("Extension([]).next()\n");
    let run = extended(&echo(), &layer).args(["--repeat", "2"]).run().answered();
    assert!(!run.stderr.contains("SHUTDOWN"), "{}", run.stderr);
}

/// Deploys `echo` with an extension that does this.
fn deployed_with(source: &str) -> String {
    let source = serde_json::to_string(&format!("{}{source}", super::API)).unwrap();
    format!(
        "
buffer = io.BytesIO()
with zipfile.ZipFile(buffer, 'w') as archive:
    entry = zipfile.ZipInfo('extensions/ext')
    entry.external_attr = 0o755 << 16
    archive.writestr(entry, {source})
layer = client.publish_layer_version(LayerName='ext', Content={{'ZipFile': buffer.getvalue()}})
deploy('echo', 'def handler(event, context): return event',
       Layers=[layer['LayerVersionArn']], MemorySize=256)
"
    )
}

#[test]
fn a_hosts_caller_has_its_answer_while_extensions_still_work_unless_it_wants_the_log() {
    if let Err(reason) = boto3_is_there() {
        skip!("{reason}");
    }
    let data = tempfile::Builder::new().prefix("e2e-serve-").tempdir().unwrap();
    let serving = Serving::start(data.path(), &[]);
    // The extension never finishes: the environment is at work until the function's time is over.
    let answers = serving.boto3(&format!(
        "{}
json.dump([call('echo', 'early'), call('echo', 'second')], sys.stdout)",
        deployed_with("Extension().next()\nthreading.Event().wait()\n")
            .replace("MemorySize", "Timeout=TIMEOUT + 15, MemorySize")
    ));
    assert_eq!(answers, serde_json::json!(["early", "second"]));
    // The second one could not have the first one's environment.
    serving.wait_for_pool(|pool| pool["environments"]["busy"] == 2);
    assert!(!serving.log().contains("REPORT"), "{}", serving.log());
    let log = serving.boto3(
        "
client.update_function_configuration(FunctionName='echo', Timeout=SHORT)
client.get_waiter('function_updated_v2').wait(FunctionName='echo')
answer = client.invoke(FunctionName='echo', Payload='1', LogType='Tail')
import base64
json.dump([json.load(answer['Payload']), base64.b64decode(answer['LogResult']).decode()], sys.stdout)",
    );
    assert_eq!(log[0], 1);
    assert!(log[1].as_str().unwrap().contains("Status: timeout"), "{log}");
}
