//! The function's environment variables: AWS's own, the user's, and none of the caller's.

use std::collections::BTreeMap;

use crate::harness::{Client, Function, Run, default_minor, invoke};

/// Answers its environment.
const SHOW: &str = "import os
def lambda_handler(event, context):
    return dict(os.environ)
";

fn variables(run: &Run) -> BTreeMap<String, String> {
    serde_json::from_slice(&run.stdout).unwrap()
}

on_both_loops!(every_variable_of_the_reference_is_set, the_function_sees_nothing_of_the_caller);

fn every_variable_of_the_reference_is_set(client: Client) {
    let arguments = ["--function-name", "orders", "--memory-size", "256", "--region", "eu-west-1"];
    let run = invoke(&Function::python(SHOW)).client(client).args(arguments).run().answered();
    let got = variables(&run);
    let minor = default_minor();
    let expected = [
        ("_HANDLER", "lambda_function.lambda_handler".to_owned()),
        ("AWS_REGION", "eu-west-1".to_owned()),
        ("AWS_DEFAULT_REGION", "eu-west-1".to_owned()),
        ("AWS_EXECUTION_ENV", format!("AWS_Lambda_python3.{minor}")),
        ("AWS_LAMBDA_FUNCTION_NAME", "orders".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/orders".to_owned()),
        ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001".to_owned()),
        ("LAMBDA_TASK_ROOT", "/var/task".to_owned()),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime".to_owned()),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("TZ", ":UTC".to_owned()),
        ("PATH", "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin".to_owned()),
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR".to_owned()),
        ("AWS_XRAY_DAEMON_ADDRESS", "169.254.79.129:2000".to_owned()),
        ("_AWS_XRAY_DAEMON_ADDRESS", "169.254.79.129".to_owned()),
        ("_AWS_XRAY_DAEMON_PORT", "2000".to_owned()),
    ];
    for (name, value) in expected {
        assert_eq!(got.get(name), Some(&value), "{name}");
    }
    let stream = &got["AWS_LAMBDA_LOG_STREAM_NAME"];
    assert!(stream.contains("[$LATEST]"), "{stream}");
    let libraries = &got["LD_LIBRARY_PATH"];
    let tail = "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib";
    assert_eq!(libraries, &format!("/var/lang/lib:{tail}"));
    for (name, value) in [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")] {
        assert_eq!(got.get(name).map(String::as_str), Some(value), "{name}");
    }
}

fn the_function_sees_nothing_of_the_caller(client: Client) {
    let function = Function::python(SHOW).file(".env", "FROM_DOTENV=leak\n");
    let run = invoke(&function)
        .client(client)
        .cwd(function.path())
        .env("MY_SECRET", "leak")
        .env("AWS_SECRET_ACCESS_KEY", "leak")
        .env("AWS_SESSION_TOKEN", "leak")
        .env("SSH_AUTH_SOCK", "leak")
        .run()
        .answered();
    assert!(!run.text().contains("leak"), "{}", run.text());
    let home = std::env::var("HOME").unwrap_or_default();
    assert_ne!(variables(&run).get("HOME"), Some(&home));
}

#[test]
fn the_log_format_is_a_variable_too() {
    let run = invoke(&Function::python(SHOW)).args(["--log-format", "json"]).run().answered();
    assert_eq!(variables(&run)["AWS_LAMBDA_LOG_FORMAT"], "JSON");
}

#[test]
fn a_variable_is_set_or_copied_by_name() {
    let run = invoke(&Function::python(SHOW))
        .args(["--env", "COLOUR=blue=green", "--env", "EMPTY=", "--env", "COPIED"])
        .env("COPIED", "from the caller")
        .run()
        .answered();
    let got = variables(&run);
    assert_eq!(got["COLOUR"], "blue=green");
    assert_eq!(got["EMPTY"], "");
    assert_eq!(got["COPIED"], "from the caller");
}

#[test]
fn copying_a_variable_that_is_not_there_is_refused() {
    let run = invoke(&Function::python(SHOW))
        .args(["--env", "NOT_THERE_AT_ALL"])
        .without_env("NOT_THERE_AT_ALL")
        .run();
    run.refused(&["NOT_THERE_AT_ALL"]);
}

#[test]
fn variables_come_from_a_file_in_env_form() {
    let text = "# a comment\n\nCOLOUR=red\nexport SHAPE=\"round one\"\nRAW='a $b'\n";
    let function = Function::python(SHOW).file("settings.env", text);
    let file = function.at("settings.env");
    let run = invoke(&function).args(["--env-file".as_ref(), file.as_os_str()]).run().answered();
    let got = variables(&run);
    assert_eq!((got["COLOUR"].as_str(), got["SHAPE"].as_str()), ("red", "round one"));
    assert_eq!(got["RAW"], "a $b");
}

#[test]
fn variables_come_from_sams_file_in_both_its_shapes() {
    let both = r#"{"Parameters": {"COLOUR": "all", "SHAPE": "all"}, "orders": {"COLOUR": "own"},
                   "another": {"COLOUR": "wrong"}}"#;
    let function = Function::python(SHOW).file("vars.json", both);
    let file = function.at("vars.json");
    let run = invoke(&function)
        .args(["--function-name", "orders", "--env-vars"])
        .args([file])
        .run()
        .answered();
    let got = variables(&run);
    assert_eq!((got["COLOUR"].as_str(), got["SHAPE"].as_str()), ("own", "all"));
}

#[test]
fn a_later_source_of_variables_wins() {
    let function = Function::python(SHOW)
        .file("settings.env", "AA=file\nBB=file\n")
        .file("lambdabox.toml", "[env]\nAA = \"toml\"\nBB = \"toml\"\nCC = \"toml\"\n");
    let file = function.at("settings.env");
    let run = invoke(&function)
        .args(["--env-file".as_ref(), file.as_os_str()])
        .args(["--env", "AA=flag"])
        .run()
        .answered();
    let got = variables(&run);
    assert_eq!(
        (got["AA"].as_str(), got["BB"].as_str(), got["CC"].as_str()),
        ("flag", "file", "toml")
    );
}

#[test]
fn the_function_may_change_what_aws_lets_it_change() {
    let run = invoke(&Function::python(SHOW)).args(["--env", "LANG=C.UTF-8"]).run().answered();
    assert_eq!(variables(&run)["LANG"], "C.UTF-8");
}
