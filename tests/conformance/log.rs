//! What a function writes, and how it stands in the log.

use serde_json::Value;

use crate::harness::{Client, Function, default_minor, invoke};

on_both_loops!(
    prints_to_both_streams_keep_their_order,
    logging_is_configured_as_on_lambda_in_text,
    logging_is_configured_as_on_lambda_in_json,
    the_level_of_json_logs_can_be_set_by_the_function,
    an_extra_field_and_an_exception_are_in_the_json_record,
    a_record_of_many_lines_stays_whole,
);

fn prints_to_both_streams_keep_their_order(client: Client) {
    let function = Function::python(
        "import sys
def lambda_handler(event, context):
    for i in range(50):
        print('out', i, flush=True)
        print('err', i, file=sys.stderr, flush=True)
",
    );
    let log = invoke(&function).client(client).run().answered().function_log();
    let expected: Vec<String> =
        (0..50).flat_map(|i| [format!("out {i}"), format!("err {i}")]).collect();
    let got: Vec<&str> =
        log.lines().filter(|l| l.starts_with("out ") || l.starts_with("err ")).collect();
    assert_eq!(got, expected);
}

fn logging_is_configured_as_on_lambda_in_text(client: Client) {
    let function = Function::python(
        "import logging
def lambda_handler(event, context):
    logging.getLogger().info('too quiet')
    logging.getLogger('shop').warning('low on %s', 'tea')
",
    );
    let run = invoke(&function).client(client).run().answered();
    let log = run.function_log();
    assert!(!log.contains("too quiet"), "the root logger starts at WARNING: {log}");
    let line = log.lines().find(|l| l.contains("low on tea")).expect("the warning is there");
    let fields: Vec<&str> = line.split('\t').collect();
    let id = run.report().request_id;
    assert_eq!((fields[0], fields[2], fields[3]), ("[WARNING]", id.as_str(), "low on tea"));
    assert!(fields[1].ends_with('Z') && fields[1].contains('T'), "a time in UTC: {line}");
}

/// The JSON objects among the lines the function wrote.
fn records(log: &str) -> Vec<Value> {
    log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).collect()
}

fn record(log: &str, message: &str) -> Value {
    let found = records(log).into_iter().find(|record| record["message"] == message);
    found.unwrap_or_else(|| panic!("no record {message:?} in:\n{log}"))
}

fn logging_is_configured_as_on_lambda_in_json(client: Client) {
    let function = Function::python(
        "import logging
def lambda_handler(event, context):
    logging.getLogger('shop').debug('too quiet')
    logging.getLogger('shop').info('sold %d', 3)
",
    );
    let run = invoke(&function).client(client).args(["--log-format", "json"]).run().answered();
    let sold = record(&run.stderr, "sold 3");
    assert_eq!(sold["level"], "INFO");
    assert_eq!(sold["logger"], "shop");
    assert!(sold["requestId"].as_str().is_some_and(|id| id.len() == 36), "{sold}");
    assert!(sold["timestamp"].as_str().unwrap().ends_with('Z'), "{sold}");
    assert!(!run.stderr.contains("too quiet"), "{}", run.stderr);
    let kinds: Vec<String> = records(&run.stderr)
        .iter()
        .filter_map(|record| record["type"].as_str().map(str::to_owned))
        .collect();
    assert!(kinds.contains(&"platform.start".to_owned()), "{kinds:?}");
    assert!(kinds.contains(&"platform.report".to_owned()), "{kinds:?}");
    assert!(!run.stderr.contains("START RequestId"), "no text lines in JSON: {}", run.stderr);
}

fn the_level_of_json_logs_can_be_set_by_the_function(client: Client) {
    let function = Function::python(
        "import logging
logging.getLogger().setLevel(logging.DEBUG)
def lambda_handler(event, context):
    logging.debug('now heard')
",
    );
    let run = invoke(&function).client(client).args(["--log-format", "json"]).run().answered();
    assert_eq!(record(&run.stderr, "now heard")["level"], "DEBUG");
}

fn an_extra_field_and_an_exception_are_in_the_json_record(client: Client) {
    let function = Function::python(
        "import logging
def lambda_handler(event, context):
    try:
        {}['missing']
    except KeyError:
        logging.exception('lookup failed', extra={'order': 17})
",
    );
    let run = invoke(&function).client(client).args(["--log-format", "json"]).run().answered();
    let failed = record(&run.stderr, "lookup failed");
    assert_eq!(failed["errorType"], "KeyError");
    assert_eq!(failed["errorMessage"], "'missing'");
    assert_eq!(failed["order"], 17);
    assert!(failed["stackTrace"].is_array(), "{failed}");
}

fn a_record_of_many_lines_stays_whole(client: Client) {
    let function = Function::python(
        "import logging, threading
def shout(name):
    for i in range(100):
        logging.warning('%s begins\\n%s goes on\\n%s ends', name, name, name)
def lambda_handler(event, context):
    threads = [threading.Thread(target=shout, args=(n,)) for n in ('ada', 'bob')]
    [t.start() for t in threads]
    [t.join() for t in threads]
",
    );
    let log = invoke(&function).client(client).args(["--timeout", "20"]).run().answered().stderr;
    // The official client may fold a record's newlines to carriage returns.
    let log = log.replace('\r', "\n");
    let whole: usize = ["ada", "bob"]
        .iter()
        .map(|n| log.matches(&format!("{n} begins\n{n} goes on\n{n} ends")).count())
        .sum();
    assert_eq!(whole, 200, "no record was torn apart by the other thread");
}

#[test]
fn a_last_line_without_newline_is_not_lost() {
    let function = Function::bootstrap(
        "#!/bin/sh
printf 'no newline at the end'
exit 1
",
    );
    let run = invoke(&function).run().expect_code(1);
    assert!(run.stderr.contains("no newline at the end"), "{}", run.stderr);
}

#[test]
fn output_of_child_processes_is_in_the_log() {
    let function = Function::python(
        "import os
def lambda_handler(event, context):
    os.system('echo from a child; echo and its error >&2; echo by name > /dev/stderr')
",
    );
    let log = invoke(&function).run().answered().function_log();
    for line in ["from a child", "and its error", "by name"] {
        assert!(log.lines().any(|l| l == line), "{line:?} in:\n{log}");
    }
}

#[test]
fn bytes_that_are_no_utf8_do_not_stop_the_log() {
    let function = Function::python(
        "import os
def lambda_handler(event, context):
    os.write(1, b'before \\xff\\xfe after\\n')
    print('and on')
",
    );
    let runtime = format!("python3.{}", default_minor());
    let log = invoke(&function).args(["--runtime", &runtime]).run().answered().function_log();
    assert!(log.contains("before ") && log.contains(" after") && log.contains("and on"), "{log}");
}
