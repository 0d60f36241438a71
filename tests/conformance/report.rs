//! START, END and REPORT: the figures are real.

use crate::harness::{Function, full_cpu_if_slow, invoke};

const HELLO: &str = "def lambda_handler(event, context):\n    return 1\n";

#[test]
fn the_lines_of_an_invocation_are_there_in_order_with_one_id() {
    let run = invoke(&Function::python(HELLO)).run().answered();
    let id = run.report().request_id;
    let at = |line: &str| run.stderr.find(line).unwrap_or_else(|| panic!("{line}: {}", run.stderr));
    let start = at(&format!("START RequestId: {id} Version: $LATEST\n"));
    let end = at(&format!("END RequestId: {id}\n"));
    let report = at(&format!("REPORT RequestId: {id}\t"));
    assert!(start < end && end < report);
}

#[test]
fn the_duration_is_the_handlers_and_billed_includes_init() {
    let function = Function::python(
        "import time
time.sleep(0.2)
def lambda_handler(event, context):
    time.sleep(0.1)
",
    );
    let run = invoke(&function).args(["--memory-size", "1769"]).run().answered();
    let report = run.report();
    let duration = report.number("Duration");
    let init = report.number("Init Duration");
    let billed = report.number("Billed Duration");
    assert!((100.0..1_500.0).contains(&duration), "{report:?}");
    assert!((200.0..3_000.0).contains(&init), "{report:?}");
    assert!((billed - (duration + init).ceil()).abs() <= 1.0, "{report:?}");
    assert!(billed.fract() == 0.0, "whole milliseconds: {report:?}");
}

#[test]
fn the_init_duration_stands_only_on_the_first_invocation() {
    let run = invoke(&Function::python(HELLO)).args(["--repeat", "3"]).run().answered();
    let reports = run.reports();
    assert_eq!(reports.len(), 3);
    assert!(reports[0].text("Init Duration").is_some());
    assert!(reports[1..].iter().all(|report| report.text("Init Duration").is_none()));
    for warm in &reports[1..] {
        let (duration, billed) = (warm.number("Duration"), warm.number("Billed Duration"));
        assert!((billed - duration.ceil()).abs() < 0.5, "{warm:?}");
    }
}

#[test]
fn a_status_stands_only_on_a_failure() {
    let fine = invoke(&Function::python(HELLO)).run().answered();
    assert!(fine.report().text("Status").is_none() && fine.report().text("Error Type").is_none());
    let line = fine.stderr.lines().find(|line| line.starts_with("REPORT")).unwrap().to_owned();
    assert!(line.ends_with('\t'), "a successful REPORT ends with a tab, as on Lambda: {line:?}");
    let function = Function::python("import os\ndef lambda_handler(e, c):\n    os._exit(1)\n");
    let failed = invoke(&function).run().failed_with("Runtime.ExitError").report();
    assert_eq!(failed.text("Status"), Some("error"));
    assert_eq!(failed.text("Error Type"), Some("Runtime.ExitError"));
}

#[test]
fn the_memory_used_is_the_working_set() {
    let hold = "def lambda_handler(event, context):
    held = bytearray(event * 1024 * 1024)
    for i in range(0, len(held), 4096):
        held[i] = 1
";
    let function = Function::python(hold);
    let used = |event: &str| {
        let run = invoke(&function)
            .args(["--memory-size", "512", "--timeout", "20"])
            .args(full_cpu_if_slow())
            .event(event)
            .run()
            .answered();
        let report = run.report();
        assert_eq!(report.text("Memory Size"), Some("512 MB"));
        report.number("Max Memory Used")
    };
    let small = used("0");
    assert!((3.0..100.0).contains(&small), "a hello uses some, not all: {small}");
    let large = used("200");
    assert!((190.0..300.0).contains(&(large)), "200 MB were held: {large}");
}

#[test]
fn file_cache_does_not_count_as_memory_used() {
    let function = Function::python(
        "def lambda_handler(event, context):
    block = b'x' * 1048576
    with open('/tmp/data', 'wb') as f:
        for _ in range(300):
            f.write(block)
    with open('/tmp/data', 'rb') as f:
        while f.read(1048576):
            pass
",
    );
    let run = invoke(&function).args(["--timeout", "60"]).run().answered();
    let used = run.report().number("Max Memory Used");
    assert!(used < 100.0, "300 MB of files are no memory of the function: {used}");
}

#[test]
fn the_lifted_cpu_limit_is_said_in_the_report() {
    let run = invoke(&Function::python(HELLO)).args(["--cpu", "unlimited"]).run().answered();
    let line = run.stderr.lines().find(|line| line.starts_with("REPORT")).unwrap();
    assert!(line.to_lowercase().contains("cpu"), "{line}");
}

#[test]
fn cpu_is_in_proportion_to_memory() {
    // The same work, in wall time: 128 MB have a fourteenth of a CPU, unlimited all of it.
    let function = Function::python(
        "import time
def lambda_handler(event, context):
    start = time.perf_counter()
    cpu = time.process_time()
    while time.process_time() - cpu < 0.15:
        pass
    return time.perf_counter() - start
",
    );
    let seconds = |arguments: &[&str]| {
        let run = invoke(&function).args(["--timeout", "60"]).args(arguments).run().answered();
        run.json().as_f64().unwrap()
    };
    let small = seconds(&["--memory-size", "128"]);
    assert!(small > 0.15 * 1769.0 / 128.0 * 0.6, "a fourteenth of a CPU: {small} s");
    let free = seconds(&["--memory-size", "128", "--cpu", "unlimited"]);
    assert!(free < small / 3.0, "lifted: {free} s, not {small} s");
}
