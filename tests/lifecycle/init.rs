//! Init: its ten seconds, and its second chance inside the invoke.
//!
//! `LAMBDABOX_INIT_LIMIT_MS` shortens the ten seconds; it is there for these tests.

use crate::harness::{Function, Run, invoke, stretched_ms};

const LIMIT: &str = "LAMBDABOX_INIT_LIMIT_MS";

/// A handler that init never reaches, so that there is one to be found.
const HANDLER: &str = "def lambda_handler(event, context):\n    return 1\n";

/// A module whose first load in an environment does something, and whose second load is fine.
/// `/tmp` tells them apart: it is kept when an environment is reset.
fn first_load(does: &str) -> Function {
    Function::python(&format!(
        "import os, sys, time
if not os.path.exists('/tmp/loaded'):
    open('/tmp/loaded', 'w').close()
    {does}
def lambda_handler(event, context):
    return 'second chance'
"
    ))
}

/// The `INIT_REPORT` lines: (phase, status, error type).
fn init_reports(run: &Run) -> Vec<(String, String, Option<String>)> {
    let field = |line: &str, name: &str| {
        line.split('\t').find_map(|part| part.strip_prefix(name)).map(str::to_owned)
    };
    run.stderr
        .lines()
        .filter(|line| line.starts_with("INIT_REPORT Init Duration: "))
        .map(|line| {
            let phase = field(line, "Phase: ").expect("a phase");
            (phase, field(line, "Status: ").expect("a status"), field(line, "Error Type: "))
        })
        .collect()
}

fn report(phase: &str, status: &str, error: Option<&str>) -> (String, String, Option<String>) {
    (phase.to_owned(), status.to_owned(), error.map(str::to_owned))
}

#[test]
fn an_init_that_overran_is_run_again_inside_the_invoke() {
    let function = first_load("time.sleep(60)");
    let run = invoke(&function).env(LIMIT, "700").args(["--timeout", "10"]).run().answered();
    assert_eq!(run.json(), "second chance");
    assert_eq!(init_reports(&run)[0], report("init", "timeout", None), "{}", run.stderr);
    let report = run.report();
    assert!(report.text("Init Duration").is_none(), "init ran inside the invoke: {report:?}");
}

#[test]
fn an_init_that_exited_is_run_again_inside_the_invoke() {
    let run = invoke(&first_load("os._exit(9)")).args(["--timeout", "10"]).run().answered();
    assert_eq!(run.json(), "second chance");
    let first = &init_reports(&run)[0];
    assert_eq!(first, &report("init", "error", Some("Runtime.ExitError")), "{}", run.stderr);
}

#[test]
fn an_init_that_posted_its_error_is_run_again_inside_the_invoke() {
    let function = first_load("raise ValueError('only once')");
    let run = invoke(&function).args(["--timeout", "10"]).run().answered();
    assert_eq!(run.json(), "second chance");
    assert_eq!(init_reports(&run)[0].1, "error", "{}", run.stderr);
}

#[test]
fn an_init_that_fails_twice_has_both_reports_and_the_second_outcome() {
    let function = Function::python(&format!(
        "import os
again = os.path.exists('/tmp/loaded')
open('/tmp/loaded', 'w').close()
raise ValueError('the second' if again else 'the first')
{HANDLER}"
    ));
    let run = invoke(&function).args(["--timeout", "10"]).run().failed_with("ValueError");
    assert_eq!(run.json()["errorMessage"], "the second");
    let reports = init_reports(&run);
    assert_eq!(reports.len(), 2, "{}", run.stderr);
    assert_eq!((reports[0].0.as_str(), reports[1].0.as_str()), ("init", "invoke"));
    assert!(reports.iter().all(|r| r.1 == "error"), "{reports:?}");
    let second = run.stderr.rfind("INIT_REPORT").unwrap();
    assert!(run.stderr.find("START RequestId").unwrap() > second, "{}", run.stderr);
}

#[test]
fn an_init_that_exits_twice_is_a_runtime_exit_error() {
    let run = invoke(&Function::python(&format!("import os\nos._exit(9)\n{HANDLER}"))).run();
    let run = run.failed_with("Runtime.ExitError");
    assert!(run.text().contains("exit status 9"), "{}", run.text());
    let error = Some("Runtime.ExitError");
    let both = [report("init", "error", error), report("invoke", "error", error)];
    assert_eq!(init_reports(&run), both);
}

#[test]
fn the_second_init_runs_under_the_functions_timeout() {
    let function = Function::python(&format!("import time\ntime.sleep(60)\n{HANDLER}"));
    let run = invoke(&function).env(LIMIT, "700").args(["--timeout=1"]).run();
    let run = run.failed_with("Sandbox.Timedout");
    assert!(run.text().contains("after 1.00 seconds"), "{}", run.text());
    let both = [report("init", "timeout", None), report("invoke", "timeout", None)];
    assert_eq!(init_reports(&run), both, "{}", run.stderr);
}

#[test]
fn an_init_longer_than_the_timeout_but_within_its_limit_is_fine() {
    let function =
        Function::python("import time\ntime.sleep(1.5)\ndef lambda_handler(e, c):\n    return 1\n");
    let run = invoke(&function).args(["--timeout", "1"]).run().answered();
    assert!(run.report().number("Init Duration") >= 1_500.0);
    assert!(init_reports(&run).is_empty(), "a good init has no line: {}", run.stderr);
}

#[test]
fn the_ten_seconds_are_the_default() {
    let function = first_load("time.sleep(60)");
    // The limit itself is looked at, so it is not to be stretched.
    let run = invoke(&function).env("LAMBDABOX_TIME_SCALE", "1").args(["--timeout", "5"]);
    let run = run.run().answered();
    let line = run.stderr.lines().find(|line| line.starts_with("INIT_REPORT")).unwrap();
    let text = line.strip_prefix("INIT_REPORT Init Duration: ").unwrap();
    let duration: f64 = text.split(' ').next().unwrap().parse().unwrap();
    assert!((9_900.0..stretched_ms(11_000.0)).contains(&duration), "{line}");
}

#[test]
fn the_hidden_time_scale_stretches_the_ten_seconds() {
    let function =
        Function::python("import time\ntime.sleep(11)\ndef lambda_handler(e, c):\n    return 1\n");
    let run = invoke(&function).args(["--time-scale", "3"]).run().answered();
    assert!(init_reports(&run).is_empty(), "no init was ended: {}", run.stderr);
}
