//! Where an event comes from, and where the response goes.

use serde_json::json;

use crate::harness::{Function, invoke, on_a_terminal};

const ECHO: &str = "def lambda_handler(event, context):\n    return event\n";

#[test]
fn no_event_means_an_empty_object() {
    assert_eq!(invoke(&Function::python(ECHO)).run().answered().text(), "{}");
}

#[test]
fn a_dash_reads_the_event_from_standard_input() {
    let run = invoke(&Function::python(ECHO)).event("-").stdin("[1, 2]").run().answered();
    assert_eq!(run.json(), json!([1, 2]));
}

#[test]
fn an_existing_file_wins_over_json() {
    let function = Function::python(ECHO).file("event.json", r#"{"from":"file"}"#).file("7", "8");
    let file = function.at("event.json");
    let run = invoke(&function).args(["-e".as_ref(), file.as_os_str()]).run().answered();
    assert_eq!(run.json(), json!({"from": "file"}));
    let run = invoke(&function).cwd(function.path()).event("7").run().answered();
    assert_eq!(run.text(), "8", "a file named 7 wins over the number 7");
}

#[test]
fn standard_output_is_the_response_and_nothing_else() {
    let function = Function::python(
        "def lambda_handler(event, context):\n    print('to the log')\n    return 'answer'\n",
    );
    let run = invoke(&function).run().answered();
    assert_eq!(run.stdout, b"\"answer\"", "bytes unchanged, no newline added");
    assert!(run.stderr.contains("to the log"));
}

#[test]
fn a_failed_functions_error_goes_to_standard_output_too() {
    let function =
        Function::python("def lambda_handler(event, context):\n    raise OSError('x')\n");
    let run = invoke(&function).run().failed_with("OSError");
    assert!(!run.stdout.ends_with(b"\n"));
}

#[test]
fn a_newline_is_added_on_a_terminal_and_with_repeat() {
    let function = Function::python("def lambda_handler(event, context):\n    return 1\n");
    let run = invoke(&function).args(["--repeat", "2"]).run().answered();
    assert_eq!(run.text(), "1\n1\n");
    let path = function.path().to_str().unwrap();
    let (shown, code) = on_a_terminal(["invoke", path, "-q"], &[]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.ends_with("1\r\n"), "{shown:?}");
}

#[test]
fn dash_o_writes_the_response_to_a_file_instead() {
    let function = Function::python(ECHO);
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("response.json");
    let run =
        invoke(&function).event("[1]").args(["-o".as_ref(), file.as_os_str()]).run().answered();
    assert!(run.stdout.is_empty(), "{}", run.text());
    assert_eq!(std::fs::read(file).unwrap(), b"[1]");
}

#[test]
fn repeat_answers_one_line_each_and_fails_if_one_failed() {
    let function = Function::python(
        "n = 0
def lambda_handler(event, context):
    global n
    n += 1
    if n == 2:
        raise ValueError('the second')
    return n
",
    );
    let run = invoke(&function).args(["--repeat", "3"]).run().expect_code(1);
    let text = run.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines[2]), ("1", "3"));
    assert!(lines[1].contains("the second"));
    assert_eq!(run.reports().len(), 3);
}

#[test]
fn a_response_with_newlines_is_still_one_line_with_repeat() {
    let function = Function::bootstrap(
        r#"#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
exec python3 -c '
import os, urllib.request as u
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation"
while True:
    r = u.urlopen(api + "/next")
    id = r.headers["Lambda-Runtime-Aws-Request-Id"]
    u.urlopen(api + "/" + id + "/response", data=b"{\n  \"a\": 1\n}")
'
"#,
    );
    let run = invoke(&function).args(["--timeout", "10", "--repeat", "2"]).run().answered();
    let text = run.text();
    let values: Vec<serde_json::Value> = serde_json::Deserializer::from_str(&text)
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap_or_else(|e| panic!("{e}: {text:?}"));
    assert_eq!(values, [json!({"a": 1}), json!({"a": 1})]);
}
