//! A runtime that ends by itself, by a signal or for want of memory.

use crate::harness::{Function, full_cpu_if_slow, invoke, stretched_ms};

/// Runs a handler body that ends the process; the error message after the request id.
fn ended_by(body: &str, error_type: &str) -> String {
    let source = format!(
        "import ctypes, os, signal, sys
def lambda_handler(event, context):
    print('before the end', flush=True)
    {body}
"
    );
    let run = invoke(&Function::python(&source)).args(["--timeout", "10"]).run();
    let run = run.failed_with(error_type);
    assert!(run.function_log().contains("before the end"), "{}", run.stderr);
    let report = run.report();
    assert_eq!(report.text("Status"), Some("error"), "{report:?}");
    assert_eq!(report.text("Error Type"), Some(error_type), "{report:?}");
    let body = run.json();
    let message = body["errorMessage"].as_str().unwrap();
    let prefix = format!("RequestId: {} Error: ", report.request_id);
    message.strip_prefix(&prefix).unwrap_or_else(|| panic!("{message}")).to_owned()
}

#[test]
fn an_exit_status_is_told() {
    let message = ended_by("os._exit(42)", "Runtime.ExitError");
    assert_eq!(message, "Runtime exited with error: exit status 42");
}

#[test]
fn an_exit_with_zero_is_without_a_reason() {
    let message = ended_by("os._exit(0)", "Runtime.ExitError");
    assert_eq!(message, "Runtime exited without providing a reason");
}

#[test]
fn a_deadly_signal_is_named() {
    for (signal, words) in [
        ("SIGKILL", "signal: killed"),
        ("SIGSEGV", "signal: segmentation fault"),
        ("SIGABRT", "signal: aborted"),
        ("SIGTERM", "signal: terminated"),
    ] {
        let body = format!("os.kill(os.getpid(), signal.{signal}); signal.pause()");
        let message = ended_by(&body, "Runtime.ExitError");
        // The kernel may add that a core would have been dumped; none is.
        assert!(message.starts_with(&format!("Runtime exited with error: {words}")), "{message}");
    }
}

#[test]
fn a_real_crash_in_native_code_is_told() {
    let message = ended_by("ctypes.string_at(0)", "Runtime.ExitError");
    assert!(message.contains("segmentation fault"), "{message}");
}

#[test]
fn out_of_memory_is_told_as_such_and_names_the_flag() {
    let function =
        Function::python("def lambda_handler(e, c):\n    return len(bytearray(1 << 30))\n");
    let run = invoke(&function).args(["--timeout", "20"]).args(full_cpu_if_slow()).run();
    let run = run.failed_with("Runtime.OutOfMemory");
    let report = run.report();
    let message = format!(
        "RequestId: {} Error: Runtime exited with error: signal: killed",
        report.request_id
    );
    assert_eq!(run.json()["errorMessage"], message.as_str());
    assert_eq!(report.text("Error Type"), Some("Runtime.OutOfMemory"));
    let used = report.number("Max Memory Used");
    assert!((100.0..=128.0).contains(&used), "it used what it had: {used}");
    run.said(&["--memory-size"]);
}

#[test]
fn memory_within_the_limit_can_be_used() {
    let function =
        Function::python("def lambda_handler(e, c):\n    return len(b'x' * (300 << 20))\n");
    let arguments = ["--memory-size", "512", "--timeout", "20"];
    let run = invoke(&function).args(arguments).args(full_cpu_if_slow()).run();
    assert_eq!(run.answered().json(), 300 << 20);
}

#[test]
fn after_a_crash_the_next_invocation_gets_a_fresh_process() {
    let function = Function::python(
        "import os
n = 0
def lambda_handler(event, context):
    global n
    n += 1
    if n == 2:
        os._exit(1)
    return n
",
    );
    let run = invoke(&function).args(["--repeat", "4"]).run().expect_code(1);
    let text = run.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert_eq!((lines[0], lines[2]), ("1", "1"), "{text}");
    assert!(
        lines[1].contains("Runtime.ExitError") && lines[3].contains("Runtime.ExitError"),
        "{text}"
    );
}

#[test]
fn a_runtime_that_exits_after_its_response_spoils_nothing() {
    let soon = stretched_ms(50.0) / 1000.0;
    let function = Function::python(&format!(
        "import os, threading, time
def lambda_handler(event, context):
    threading.Timer({soon}, os._exit, (0,)).start()
    return 'answered'
",
    ));
    let run = invoke(&function).run().answered();
    assert_eq!(run.json(), "answered");
}
