//! Levels of JSON logs: what the log leaves out, and telemetry does not.

use serde_json::json;

use super::{extended, extension};
use crate::harness::{Function, Serving, boto3_is_there, invoke};

/// Writes past Python's own logging, which filters by itself.
const TALKING: &str = "import os
def lambda_handler(event, context):
    os.write(1, b'{\"level\": \"debug\", \"message\": \"quiet\"}\\n')
    os.write(1, b'{\"level\": \"error\", \"message\": \"loud\"}\\n')
";

#[test]
fn a_functions_own_level_filters_its_log_and_not_its_telemetry() {
    let layer = extension(
        "sink = HttpSink()
extension = Extension()
extension.subscribe(['function'], sink=sink)
for event in extension.events():
    if event['eventType'] == 'SHUTDOWN':
        until(lambda: len(sink.events()) >= 2)
        log('heard', len(sink.events()))
",
    );
    let run = extended(&Function::python(TALKING), &layer)
        .args(["--log-format", "json", "--env", "AWS_LAMBDA_LOG_LEVEL=WARN"])
        .run()
        .answered();
    assert!(!run.stderr.contains("quiet"), "{}", run.stderr);
    assert!(run.stderr.contains("loud"), "{}", run.stderr);
    assert!(run.stderr.contains("ext heard 2\n"), "{}", run.stderr);
}

#[test]
fn a_deployed_functions_levels_are_its_logging_configurations() {
    if let Err(reason) = boto3_is_there() {
        skip!("{reason}");
    }
    let data = tempfile::Builder::new().prefix("e2e-serve-").tempdir().unwrap();
    let serving = Serving::start(data.path(), &[]);
    let source = TALKING.replace("lambda_handler", "handler")
        + "    return os.environ['AWS_LAMBDA_LOG_LEVEL']\n";
    let source = serde_json::to_string(&source).unwrap();
    let answers = serving.boto3(&format!(
        "
levels = {{'LogFormat': 'JSON', 'ApplicationLogLevel': 'ERROR', 'SystemLogLevel': 'WARN'}}
deploy('talking', {source}, LoggingConfig=levels)
json.dump(call('talking'), sys.stdout)"
    ));
    assert_eq!(answers, json!("ERROR"));
    let run = serving.end().expect_code(0);
    assert!(!run.stderr.contains("quiet") && run.stderr.contains("loud"), "{}", run.stderr);
    assert!(!run.stderr.contains("platform.report"), "{}", run.stderr);
}

#[test]
fn flags_set_both_levels_of_a_run_and_need_a_log_in_json() {
    let flags = ["--application-log-level", "error", "--system-log-level", "warn"];
    let talking =
        Function::python(&format!("{TALKING}    return os.environ['AWS_LAMBDA_LOG_LEVEL']\n"));
    let run = invoke(&talking).args(["--log-format", "json"]).args(flags).run().answered();
    assert_eq!(run.json(), json!("ERROR"));
    assert!(!run.stderr.contains("quiet") && run.stderr.contains("loud"), "{}", run.stderr);
    assert!(!run.stderr.contains("platform.report"), "{}", run.stderr);
    let run = invoke(&talking).args(flags).run();
    run.refused(&["--application-log-level", "--log-format json"]);
}
