//! `provided.al2023`: an executable `bootstrap` in shell, C or anything, on the Runtime API itself.

use serde_json::json;

use crate::harness::{Function, Run, invoke};

/// A whole runtime in shell: bash's own TCP, so that nothing but bash is needed.
const SHELL: &str = r#"#!/bin/bash
host=${AWS_LAMBDA_RUNTIME_API%:*} port=${AWS_LAMBDA_RUNTIME_API#*:}
base=/2018-06-01/runtime/invocation
while :; do
  exec 3<>"/dev/tcp/$host/$port"
  printf 'GET %s/next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' "$base" >&3
  id= length=0
  while IFS=$'\r' read -r line <&3 && [ -n "$line" ]; do
    case "${line,,}" in
      lambda-runtime-aws-request-id:*) id=${line#*: } ;;
      content-length:*) length=${line#*: } ;;
    esac
  done
  read -r -N "$length" event <&3
  exec 3>&-
  echo "handling $id with $_HANDLER"
  body="{\"echo\":$event}"
  exec 3<>"/dev/tcp/$host/$port"
  printf 'POST %s/%s/response HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %s\r\n\r\n%s' \
    "$base" "$id" "${#body}" "$body" >&3
  cat <&3 >/dev/null
  exec 3>&-
done
"#;

#[test]
fn a_bootstrap_in_shell_serves_invocations() {
    let function = Function::bootstrap(SHELL);
    let run = invoke(&function)
        .args(["--handler", "my.own.text", "--repeat", "2", "--timeout", "10"])
        .event(r#"{"n":1}"#)
        .run()
        .answered();
    let text = run.text();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, [json!({"echo": {"n": 1}}), json!({"echo": {"n": 1}})]);
    assert!(run.stderr.contains("with my.own.text"), "{}", run.stderr);
}

#[test]
fn a_bootstrap_in_c_serves_invocations() {
    let function = Function::empty();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/bootstrap.c");
    let compiler = std::process::Command::new("cc")
        .args(["-O1", "-static", "-o"])
        .arg(function.at("bootstrap"))
        .arg(source)
        .output();
    let Ok(compiled) = compiler else { skip!("no C compiler") };
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let run = invoke(&function).event("[1,2]").args(["--repeat", "2"]).run().answered();
    assert_eq!(run.text(), "[1,2]\n[1,2]\n");
}

#[test]
fn a_bootstrap_in_rust_serves_invocations() {
    let function = Function::empty();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/bootstrap.rs");
    let compiled = std::process::Command::new("rustc")
        .args(["--edition", "2024", "-o"])
        .arg(function.at("bootstrap"))
        .arg(source)
        .output()
        .expect("rustc compiled this test");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let run = invoke(&function).event("[1,2]").args(["--repeat", "2"]).run().answered();
    assert_eq!(run.text(), "[1,2]\n[1,2]\n");
}

#[test]
fn a_bootstrap_may_come_from_a_layer() {
    let layer = Function::bootstrap(SHELL);
    let function = Function::empty().file("data.txt", "no bootstrap here");
    let run = invoke(&function)
        .args(["--runtime", "provided.al2023", "--timeout", "10", "--layer"])
        .args([layer.path()])
        .run()
        .answered();
    assert_eq!(run.json(), json!({"echo": {}}));
}

#[test]
fn the_functions_own_bootstrap_wins_over_a_layers() {
    let layer = Function::bootstrap("#!/bin/sh\nexit 44\n");
    let function = Function::bootstrap(SHELL);
    let run = invoke(&function)
        .args(["--timeout", "10", "--layer"])
        .args([layer.path()])
        .run()
        .answered();
    assert_eq!(run.json(), json!({"echo": {}}));
}

#[test]
fn without_any_bootstrap_the_entry_point_is_invalid() {
    let function = Function::empty().file("data.txt", "");
    let run = invoke(&function).args(["--runtime", "provided.al2023"]).run();
    let run = run.failed_with("Runtime.InvalidEntrypoint");
    let said = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]";
    assert!(run.text().contains(said), "{}", run.text());
}

/// Both hold each event before one of them answers.
const TWO_AT_ONCE: &str = r#"#!/usr/bin/env python3
import http.client, os

def call(method, path, body=None):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, "/2018-06-01/runtime/invocation/" + path, body)
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.headers["Lambda-Runtime-Aws-Request-Id"]

first_has_it, second_has_it = os.pipe(), os.pipe()
is_second = os.fork() == 0
while True:
    if is_second:
        os.read(first_has_it[0], 1)
    status, request_id = call("GET", "next")
    os.write((second_has_it if is_second else first_has_it)[1], b"x")
    if not is_second:
        os.read(second_has_it[0], 1)
    status, _ = call("POST", request_id + "/response", b'"answered"')
    print("told", status, flush=True)
"#;

#[test]
fn of_two_runtimes_with_one_event_one_answers_and_the_next_invocation_is_fine() {
    let function = Function::bootstrap(TWO_AT_ONCE);
    let run = invoke(&function).args(["--repeat", "3", "--timeout", "20"]).run().answered();
    assert_eq!(run.text(), "\"answered\"\n".repeat(3));
    // The last one may be ended before it says so.
    let told = run.stderr.matches("told 202\n").count();
    assert!((2..=3).contains(&told), "{}", run.stderr);
}

#[test]
fn a_directory_called_bootstrap_is_passed_by() {
    let function = Function::empty().file("bootstrap/data.txt", "");
    let alone = invoke(&function).args(["--runtime", "provided.al2023"]).run();
    let alone = alone.failed_with("Runtime.InvalidEntrypoint");
    assert!(alone.text().contains("Couldn't find valid bootstrap(s)"), "{}", alone.text());
    let layer = Function::bootstrap(SHELL);
    let run = invoke(&function)
        .args(["--runtime", "provided.al2023", "--timeout", "10", "--layer"])
        .args([layer.path()])
        .run()
        .answered();
    assert_eq!(run.json(), json!({"echo": {}}));
}

#[test]
fn a_bootstrap_the_kernel_cannot_run_is_told_with_its_reason() {
    for (script, reason) in [
        ("#!/bin/no-such-shell\n", "no such file or directory"),
        ("#!/bin/sh\r\nexit 0\r\n", "no such file or directory"),
        ("neither a script nor a program\n", "exec format error"),
    ] {
        let run = invoke(&Function::bootstrap(script)).run();
        let run = run.failed_with("Runtime.InvalidEntrypoint");
        let said = format!("fork/exec /var/task/bootstrap: {reason}");
        assert!(run.text().contains(&said), "{}", run.text());
    }
}

#[test]
fn a_bootstrap_without_its_execute_bit_is_told() {
    let function = Function::empty().file("bootstrap", SHELL);
    let run = invoke(&function).args(["--runtime", "provided.al2023"]).run();
    assert!([1, 2].contains(&run.code()), "{}", run.stderr);
    let all = format!("{}{}", run.text(), run.stderr).to_lowercase();
    assert!(all.contains("bootstrap") && all.contains("execut"), "{all}");
}

fn environment_of_a_custom_runtime() -> (Run, String) {
    let function = Function::bootstrap("#!/bin/sh\nenv\nexit 1\n");
    let run = invoke(&function)
        .args(["--function-name", "own", "--handler", "h.x", "--env", "COLOUR=red"])
        .run()
        .expect_code(1);
    let log = run.stderr.clone();
    (run, log)
}

#[test]
fn the_environment_of_a_custom_runtime_is_awss() {
    let (_run, log) = environment_of_a_custom_runtime();
    for line in [
        "_HANDLER=h.x",
        "AWS_LAMBDA_FUNCTION_NAME=own",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128",
        "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
        "AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001",
        "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/own",
        "AWS_REGION=us-east-1",
        "AWS_DEFAULT_REGION=us-east-1",
        "LAMBDA_TASK_ROOT=/var/task",
        "LAMBDA_RUNTIME_DIR=/var/runtime",
        "LANG=en_US.UTF-8",
        "TZ=:UTC",
        "PATH=/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "COLOUR=red",
    ] {
        assert!(log.lines().any(|l| l == line), "{line} in:\n{log}");
    }
    for name in ["AWS_EXECUTION_ENV=", "_X_AMZN_TRACE_ID=", "_LAMBDA_TELEMETRY_LOG_FD="] {
        assert!(!log.lines().any(|l| l.starts_with(name)), "{name} is not for provided:\n{log}");
    }
}

#[test]
fn an_error_posted_by_the_runtime_reaches_the_caller_unchanged() {
    let script = SHELL.replace("/response HTTP", "/error HTTP").replace(
        r#"{\"echo\":$event}"#,
        r#"{\"errorType\":\"My.Type\",\"errorMessage\":\"m\",\"more\":1}"#,
    );
    let function = Function::bootstrap(&script);
    let run = invoke(&function).args(["--timeout", "10"]).run().failed_with("My.Type");
    assert_eq!(run.json(), json!({"errorType": "My.Type", "errorMessage": "m", "more": 1}));
}
