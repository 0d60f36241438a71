//! `lambdabox runtimes`: what there is, and what would run it.

use serde_json::Value;

use crate::harness::{Function, default_minor, invoke, lambdabox};

fn listed() -> Vec<Value> {
    let json = lambdabox(["runtimes", "--json"]).run().answered().json();
    json["runtimes"].as_array().unwrap().clone()
}

#[test]
fn every_identifier_is_listed_with_path_version_and_status() {
    let all = listed();
    let own = format!("python3.{}", default_minor());
    let python = all.iter().find(|row| row["identifier"] == own.as_str()).unwrap();
    assert_eq!(python["status"], "installed");
    assert!(python["path"].as_str().is_some_and(|path| path.starts_with('/')), "{python}");
    assert!(python["version"].as_str().is_some_and(|v| v.starts_with("3.")), "{python}");
    let custom = all.iter().find(|row| row["identifier"] == "provided.al2023").unwrap();
    assert_eq!(custom["status"], "custom");
    for row in &all {
        let missing = row["status"] == "missing" || row["status"] == "custom";
        assert_eq!(row["path"].is_null(), missing, "{row}");
    }
    let text = lambdabox(["runtimes"]).run().answered().text();
    for row in &all {
        let name = row["identifier"].as_str().unwrap();
        assert!(text.lines().any(|line| line.split(' ').next() == Some(name)), "{name}:\n{text}");
    }
}

#[test]
fn what_is_listed_as_installed_is_what_invoke_takes() {
    let function =
        Function::python("import sys\ndef lambda_handler(e, c):\n    return sys.executable\n");
    for row in listed().iter().filter(|row| row["status"] == "installed") {
        let name = row["identifier"].as_str().unwrap();
        if !name.starts_with("python") {
            continue;
        }
        let run = invoke(&function).args(["--runtime", name]).run().answered();
        assert_eq!(run.json(), row["path"], "{name}");
    }
}
