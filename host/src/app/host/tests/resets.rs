//! What becomes of an environment whose function failed it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::lab::{self, with_host};
use crate::model::Status;
use crate::pool::Freeze;

/// Does what its event says, and tells what it found.
const TRIED: &str = "
import os, time, ctypes
loaded = 0
def handler(event, context):
    global loaded
    loaded += 1
    open('/tmp/mark', 'a').write('x')
    found = {'loaded': loaded, 'marks': len(open('/tmp/mark').read()), 'pid': os.getpid(),
             'stream': os.environ['AWS_LAMBDA_LOG_STREAM_NAME'], 'user': os.getuid()}
    do = event.get('do')
    if do == 'sleep': time.sleep(30)
    if do == 'exit': os._exit(7)
    if do == 'crash': ctypes.string_at(0)
    if do == 'fill': x = b'x' * (400 << 20)
    return found
";

#[test]
fn after_a_timeout_a_crash_and_an_oom_it_is_reset_with_the_same_tmp_stream_and_identity() {
    with_host(
        "reset",
        |_| {},
        async |lab| {
            let mut version = lab.version("tried", TRIED);
            version.function.timeout = Duration::from_secs(2);
            let version = Arc::new(version);
            let first = lab.invoke(&version, json!({})).await;
            assert!(first.report.as_ref().unwrap().init_duration.is_some());
            let first = lab::json(&first);
            let mut marks = 1;
            for (does, error_type) in [
                ("sleep", "Sandbox.Timedout"),
                ("exit", "Runtime.ExitError"),
                ("crash", "Runtime.ExitError"),
                ("fill", "Runtime.OutOfMemory"),
            ] {
                let failed = lab.invoke(&version, json!({ "do": does })).await;
                assert_eq!(lab::json(&failed)["errorType"], error_type, "{does}");
                // Nothing lives while it waits to be used again.
                assert_eq!(lab.groups(), 0, "{does}");
                let again = lab.invoke(&version, json!({})).await;
                assert_eq!(again.report.as_ref().unwrap().status, Status::Success);
                // The init is inside the invocation, and counted there.
                assert_eq!(again.report.as_ref().unwrap().init_duration, None, "{does}");
                assert!(
                    again.report.as_ref().unwrap().duration > Duration::from_millis(5),
                    "{:?}",
                    again.report
                );
                let again = lab::json(&again);
                marks += 2;
                assert_eq!(
                    (&again["loaded"], &again["marks"]),
                    (&json!(1), &json!(marks)),
                    "{does}"
                );
                assert_eq!(again["stream"], first["stream"]);
                assert_eq!(lab.groups(), 1, "{does}");
            }
            // All of it in one log stream, with one environment.
            let log = lab.log.of(first["stream"].as_str().unwrap());
            assert_eq!(log.matches("REPORT RequestId: ").count(), 9, "{log}");
            assert_eq!(log.matches("Init Duration: ").count(), 1, "{log}");
            assert_eq!(lab.pool().snapshot().await.functions[0].environments.ending, 0);
        },
    );
}

#[test]
fn one_that_dies_while_it_is_idle_serves_the_next_after_a_new_init() {
    with_host(
        "idle death",
        |settings| settings.freeze = Freeze::Off,
        async |lab| {
            let code = "import os, threading, time
def die():
    time.sleep(0.05)
    os._exit(3)
def handler(event, context):
    if event: threading.Thread(target=die).start()
    return os.environ['AWS_LAMBDA_LOG_STREAM_NAME']
";
            let version = Arc::new(lab.version("dies", code));
            let stream = lab.ask(&version, json!(1)).await;
            lab.until_groups(0).await;
            assert_eq!(lab.ask(&version, json!(0)).await, stream);
        },
    );
}

#[test]
fn a_neighbour_that_runs_out_of_memory_disturbs_nobody() {
    with_host(
        "neighbour",
        |_| {},
        async |lab| {
            let fills = Arc::new(lab.version("fills", TRIED));
            let calm = Arc::new(lab.version("calm", TRIED));
            let pid = lab.ask(&calm, json!({})).await["pid"].clone();
            let filling: Vec<_> = (0..3)
                .map(|_| {
                    let event = json!({ "do": "fill" });
                    tokio::spawn(lab::call(lab.pool().clone(), Arc::clone(&fills), event))
                })
                .collect();
            let mut calls = 1;
            while filling.iter().any(|call| !call.is_finished()) || calls < 20 {
                calls += 1;
                let answer: Value = lab.ask(&calm, json!({})).await;
                assert_eq!((&answer["loaded"], &answer["pid"]), (&json!(calls), &pid));
            }
            for call in filling {
                let answer = lab::json(&call.await.unwrap().unwrap());
                assert_eq!(answer["errorType"], "Runtime.OutOfMemory");
            }
        },
    );
}

#[test]
fn an_init_that_fails_runs_again_inside_the_invocation_with_one_answer() {
    with_host(
        "failed init",
        |_| {},
        async |lab| {
            let version = Arc::new(lab.version("broken", "raise RuntimeError('no')"));
            for _ in 0..2 {
                let failed = lab.invoke(&version, json!({})).await;
                assert_eq!(lab::json(&failed)["errorMessage"], "no");
                assert_eq!(failed.report.as_ref().unwrap().init_duration, None);
            }
        },
    );
}
