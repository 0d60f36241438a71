//! Logs, and what lasts from one invocation to the next.

use serde_json::{Value, json};

use crate::conformance::languages::guest::Host;

pub(crate) fn what_is_printed_keeps_its_order(host: &Host) {
    let run = host.invoke("print_order").run().answered();
    let log = run.function_log();
    let words = ["one", "two", "three", "four", "five", "six"];
    let seen: Vec<&str> =
        log.lines().filter_map(|line| words.into_iter().find(|w| line.ends_with(w))).collect();
    assert_eq!(seen, words, "{log}");
}

pub(crate) fn a_log_record_has_level_and_request(host: &Host) {
    let run = host.invoke("log").run().answered();
    let request = run.report().request_id;
    let log = run.function_log();
    let line = log.lines().find(|line| line.contains("a record")).expect("the record is logged");
    assert!(line.contains(&host.words.log_level_text), "{line}");
    assert_eq!(line.contains(&request), host.words.log_text_has_request, "{line}");

    let run = host.invoke("log").args(["--log-format", "json"]).run().answered();
    let mut records =
        run.stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let record = records.rfind(|record| record["message"] == "a record");
    let record = record.unwrap_or_else(|| panic!("no record of JSON:\n{}", run.stderr));
    assert_eq!(record["level"], host.words.log_level_json.as_str());
    let request = &record[&host.words.log_request_member];
    assert!(request.as_str().is_some_and(|id| !id.is_empty()), "{record}");
    assert!(record["timestamp"].is_string(), "{record}");
}

pub(crate) fn a_warm_environment_keeps_its_state(host: &Host) {
    assert_eq!(repeated(host, "count"), json!([1, 2, 3]));
}

pub(crate) fn the_tmp_directory_is_kept_while_warm(host: &Host) {
    assert_eq!(repeated(host, "tmp"), json!([1, 2, 3]));
}

fn repeated(host: &Host, function: &str) -> Value {
    let run = host.invoke(function).args(["--repeat", "3"]).run().answered();
    run.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect()
}
