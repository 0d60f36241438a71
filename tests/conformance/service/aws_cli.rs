//! The aws command line, unmodified.

use crate::harness::{Host, default_minor, zip_bytes};

#[test]
fn the_command_line_creates_waits_invokes_lists_and_deletes() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    let at = |name: &str| data.path().join(name).display().to_string();
    let source = b"def handler(event, context):\n    return {'got': event}\n";
    std::fs::write(at("fn.zip"), zip_bytes(&[("app.py", source, 0o644)])).unwrap();
    let runtime = format!("python3.{}", default_minor());
    let zip = format!("fileb://{}", at("fn.zip"));
    for name in ["one", "two", "three"] {
        let made = host.aws(&[
            "lambda",
            "create-function",
            "--function-name",
            name,
            "--runtime",
            &runtime,
            "--handler",
            "app.handler",
            "--timeout",
            "30",
            "--role",
            "arn:aws:iam::000000000000:role/r",
            "--zip-file",
            &zip,
        ]);
        assert!(made.contains("\"State\": \"Pending\""), "{made}");
    }
    for waiter in
        ["function-exists", "function-active", "function-active-v2", "function-updated-v2"]
    {
        host.aws(&["lambda", "wait", waiter, "--function-name", "one"]);
    }
    let (answer, payload) = (at("answer.json"), "{\"a\": 1}");
    let shown = host.aws(&[
        "lambda",
        "invoke",
        "--function-name",
        "one",
        "--payload",
        payload,
        "--log-type",
        "Tail",
        &answer,
    ]);
    assert!(shown.contains("\"StatusCode\": 200") && shown.contains("LogResult"), "{shown}");
    assert_eq!(std::fs::read_to_string(&answer).unwrap(), "{\"got\": {\"a\": 1}}");
    let listed = host.aws(&[
        "lambda",
        "list-functions",
        "--page-size",
        "2",
        "--query",
        "Functions[].FunctionName",
        "--output",
        "text",
    ]);
    assert_eq!(listed.split_whitespace().collect::<Vec<_>>(), ["one", "three", "two"]);
    host.aws(&["lambda", "delete-function", "--function-name", "one"]);
    let listed = host.aws(&["lambda", "list-functions", "--query", "length(Functions)"]);
    assert_eq!(listed.trim(), "2");
}
