//! Events go in and come out unchanged.

use serde_json::{Value, json};

use crate::conformance::languages::guest::Host;
use crate::conformance::languages::words::BigIntegers;

/// The largest event there is (`reference/runtime-api.md` 0.3), quotes included.
const SIX_MEBIBYTES: usize = 6 * 1024 * 1024;

pub(crate) fn every_json_value_comes_back_as_it_went(host: &Host) {
    let mut event = json!({
        "null": null, "true": true, "false": false,
        "numbers": [0, 1, -1, 12.5, -0.001, 1e21, 9_007_199_254_740_991_i64, -9_007_199_254_740_991_i64],
        "texts": ["", "plain", "\"quoted\" \\ / \n \t \u{1}", "é ü ß", "日本語", "😀 \u{1f468}\u{200d}\u{1f469}", "\u{2028}\u{7f}"],
        "": "empty key", "ключ": {"nested": {"deeper": [[], {}, [{}]]}},
    });
    let run = host.invoke("echo").event(event.to_string()).run().answered();
    if host.words.drops_null_members {
        event.as_object_mut().unwrap().remove("null");
    }
    assert_eq!(run.json(), event);
}

pub(crate) fn null_and_empty_events_come_back(host: &Host) {
    for event in ["null", "\"\"", "[]"] {
        let run = host.invoke("echo").event(event).run().answered();
        assert_eq!(run.json(), serde_json::from_str::<Value>(event).unwrap(), "{event}");
    }
}

pub(crate) fn an_event_of_six_mebibytes_comes_back(host: &Host) {
    let event = format!("\"{}\"", "x".repeat(SIX_MEBIBYTES - 2));
    let run =
        host.invoke("echo").args(["--memory-size", "1024", "--event", "-"]).stdin(event.clone());
    let run = run.run().answered();
    assert!(run.stdout == event.as_bytes(), "{} bytes came back", run.stdout.len());
}

pub(crate) fn big_integers_come_back_as_the_language_has_them(host: &Host) {
    let run =
        host.invoke("echo").event("[9007199254740993, 12345678901234567890]").run().answered();
    let text: String = run.text().split_whitespace().collect();
    match host.words.big_integers {
        BigIntegers::Exact => assert_eq!(text, "[9007199254740993,12345678901234567890]"),
        BigIntegers::Doubles => assert_eq!(text, "[9007199254740992,12345678901234567000]"),
    }
}
