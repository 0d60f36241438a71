//! What a warm environment keeps, and what it never shares.

use serde_json::{Value, json};

use crate::harness::{Function, Run, invoke};

fn lines(run: &Run) -> Vec<Value> {
    run.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn tmp_is_kept_between_invocations_of_one_environment_only() {
    let function = Function::python(
        "import os
def lambda_handler(event, context):
    with open('/tmp/log', 'a') as f:
        f.write('x')
    return [os.path.getsize('/tmp/log'), sorted(os.listdir('/tmp'))]
",
    );
    let run = || lines(&invoke(&function).args(["--repeat", "2"]).run().answered());
    let expected = [json!([1, ["log"]]), json!([2, ["log"]])];
    assert_eq!(run(), expected);
    assert_eq!(run(), expected, "a new environment starts with an empty /tmp");
}

#[test]
fn each_invocation_has_its_own_id() {
    let function = Function::python("def lambda_handler(e, c):\n    return c.aws_request_id\n");
    let run = invoke(&function).args(["--repeat", "5"]).run().answered();
    let mut ids = lines(&run);
    let told: Vec<String> = run.reports().into_iter().map(|report| report.request_id).collect();
    assert_eq!(ids, told.iter().map(|id| json!(id)).collect::<Vec<_>>());
    ids.sort_by_key(Value::to_string);
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[test]
fn each_invocation_has_the_whole_timeout() {
    let function = Function::python(
        "import time
def lambda_handler(event, context):
    time.sleep(0.6)
    return context.get_remaining_time_in_millis()
",
    );
    let run = invoke(&function).args(["--repeat", "3", "--timeout", "1"]).run().answered();
    assert_eq!(lines(&run).len(), 3);
}

#[test]
fn two_environments_share_nothing() {
    let function = Function::python(
        "import os, time
def lambda_handler(event, context):
    open('/tmp/' + event, 'w').close()
    print('wrote', event, flush=True)
    end = time.monotonic() + 1
    while time.monotonic() < end:
        if len(os.listdir('/tmp')) > 1:
            return 'saw the other'
        time.sleep(0.01)
    return sorted(p for p in os.listdir('/proc') if p.isdigit())
",
    );
    let start = |name: &str| invoke(&function).event(json!(name).to_string()).start();
    let (one, two) = (start("one"), start("two"));
    for running in [one, two] {
        let run = running.wait().answered();
        let got = run.json();
        assert!(got.as_array().is_some_and(|pids| pids.len() <= 4), "own processes only: {got}");
    }
}
