//! The timeout: told to the caller, final for every process of the environment.

use std::time::Duration;

use crate::harness::{Function, invoke, processes_with, stretched_ms, wait_until_gone};

#[test]
fn a_function_past_its_timeout_is_told_as_awss_error_and_ended() {
    let function = Function::python("import time\ndef lambda_handler(e, c):\n    time.sleep(60)\n");
    let run = invoke(&function).args(["--timeout=1"]).run().failed_with("Sandbox.Timedout");
    let report = run.report();
    let id = &report.request_id;
    let message = format!("RequestId: {id} Error: Task timed out after 1.00 seconds");
    assert_eq!(run.json()["errorMessage"], message.as_str());
    assert_eq!(report.text("Status"), Some("timeout"));
    let duration = report.number("Duration");
    assert!((1_000.0..stretched_ms(1_900.0)).contains(&duration), "{report:?}");
    assert!(run.wall < Duration::from_secs(10), "ended soon after: {:?}", run.wall);
    run.said(&["--timeout"]);
}

#[test]
fn the_default_timeout_is_three_seconds() {
    let function = Function::python("import time\ndef lambda_handler(e, c):\n    time.sleep(60)\n");
    // Not what slow machines are given instead.
    let run = invoke(&function).env("LAMBDABOX_TIMEOUT", "").run();
    let run = run.failed_with("Sandbox.Timedout");
    assert!(run.text().contains("after 3.00 seconds"), "{}", run.text());
}

#[test]
fn a_busy_loop_is_ended_too() {
    let function = Function::python("def lambda_handler(e, c):\n    while True: pass\n");
    let run = invoke(&function).args(["--timeout", "1"]).run().failed_with("Sandbox.Timedout");
    assert!(run.wall < Duration::from_secs(10), "{:?}", run.wall);
}

#[test]
fn a_timeout_kills_every_process_of_the_environment() {
    let function = Function::python(
        "import subprocess, time
def lambda_handler(event, context):
    subprocess.Popen(['setsid', 'sleep', '86401.25'])
    subprocess.Popen(['sh', '-c', 'trap \"\" TERM HUP INT; sleep 86401.25 & wait'])
    print('children are there', flush=True)
    time.sleep(60)
",
    );
    let running = invoke(&function).args(["--timeout", "2"]).start();
    running.wait_for_log("children are there");
    assert!(!processes_with("86401.25").is_empty(), "the test sees them while they live");
    running.wait().failed_with("Sandbox.Timedout");
    wait_until_gone("86401.25");
}

#[test]
fn after_a_timeout_the_next_invocation_gets_a_fresh_process() {
    let function = Function::python(
        "import time
n = 0
def lambda_handler(event, context):
    global n
    n += 1
    if n == 2:
        time.sleep(60)
    return n
",
    );
    let run = invoke(&function).args(["--timeout", "1", "--repeat", "3"]).run().expect_code(1);
    let text = run.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[2]), (3, "1", "1"), "{text}\n{}", run.stderr);
    assert!(lines[1].contains("Sandbox.Timedout"), "{text}");
}

#[test]
fn what_was_written_before_the_timeout_is_in_the_log() {
    let function = Function::python(
        "import time
def lambda_handler(event, context):
    print('last words', flush=True)
    time.sleep(60)
",
    );
    let run = invoke(&function).args(["--timeout", "1"]).run().failed_with("Sandbox.Timedout");
    let log = run.function_log();
    assert!(log.contains("last words"), "{}", run.stderr);
}

#[test]
fn a_function_that_never_stops_writing_still_times_out() {
    for source in [
        "def lambda_handler(e, c):\n    while True:\n        print('again and again')\n",
        "import os\ndef lambda_handler(e, c):\n    while True:\n        os.write(1, b'x' * 65536)\n",
    ] {
        let run = invoke(&Function::python(source)).args(["--timeout", "1"]).run();
        run.failed_with("Sandbox.Timedout");
    }
}
