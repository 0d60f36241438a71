//! Every CPython from 3.9 to 3.14 that is installed serves its runtime identifier.

use serde_json::json;

use crate::harness::{Function, interpreter, invoke};

const TELL: &str = "import sys, ssl, sqlite3, json, os
def lambda_handler(event, context):
    print('hello from', sys.version_info[1])
    return {'version': list(sys.version_info[:2]), 'event': event,
            'env': os.environ['AWS_EXECUTION_ENV'], 'id': len(context.aws_request_id)}
";

fn serves(minor: u32) {
    if interpreter(minor).is_none() {
        skip!("python3.{minor} is not installed");
    }
    let runtime = format!("python3.{minor}");
    let arguments = ["--runtime", &runtime, "--repeat", "2", "--timeout", "10"];
    let run = invoke(&Function::python(TELL)).args(arguments).event("[1]").run().answered();
    for line in run.text().lines() {
        let got: serde_json::Value = serde_json::from_str(line).unwrap();
        let env = format!("AWS_Lambda_{runtime}");
        assert_eq!(got, json!({"version": [3, minor], "event": [1], "env": env, "id": 36}));
    }
    assert!(run.stderr.contains(&format!("hello from {minor}")), "{}", run.stderr);
    let broken = Function::python("def lambda_handler(event, context):\n    return {}['x']\n");
    let run = invoke(&broken).args(["--runtime", &runtime]).run().failed_with("KeyError");
    assert!(run.json()["stackTrace"][0].as_str().unwrap().contains("/var/task/"));
}

#[test]
fn python_3_9_serves() {
    serves(9);
}

#[test]
fn python_3_10_serves() {
    serves(10);
}

#[test]
fn python_3_11_serves() {
    serves(11);
}

#[test]
fn python_3_12_serves() {
    serves(12);
}

#[test]
fn python_3_13_serves() {
    serves(13);
}

#[test]
fn python_3_14_serves() {
    serves(14);
}

#[test]
fn the_distributions_own_python_serves_where_it_is_the_only_one() {
    let system = std::path::Path::new("/usr/bin/python3");
    if !system.exists() {
        skip!("no /usr/bin/python3");
    }
    let run = invoke(&Function::python(TELL))
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .env("HOME", "/nonexistent")
        .without_env("PYENV_ROOT")
        .args(["--timeout", "10"])
        .run()
        .answered();
    assert_eq!(run.json()["version"][0], 3);
}
