//! Errors of the function's own, by AWS's names.

use crate::conformance::languages::guest::Host;
use crate::harness::Run;

pub(crate) fn a_raised_error_reaches_the_caller(host: &Host) {
    let run = host.invoke("fail").run().failed_with(&host.words.errors.raised);
    let body = run.json();
    assert_eq!(body["errorMessage"], "it is broken: é");
    if let Some(member) = &host.words.trace {
        let trace = body[member].as_array().expect("a trace").iter();
        let trace: Vec<&str> = trace.map(|line| line.as_str().unwrap()).collect();
        let seen = trace.iter().any(|line| line.contains(&host.words.shows_itself_in_trace));
        assert!(seen, "{trace:#?}");
    }
    run.said(&[&host.words.errors.raised, "it is broken: é"]);
}

pub(crate) fn an_error_does_not_end_the_environment(host: &Host) {
    let run = host.invoke("fail_once").args(["--repeat", "2"]).run().expect_code(1);
    // An error may take several lines.
    let text = run.text();
    let answers = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
    let answers: Vec<serde_json::Value> = answers.map(|answer| answer.unwrap()).collect();
    assert_eq!(answers[0]["errorType"], host.words.errors.raised.as_str());
    assert_eq!(answers[1], "recovered");
}

pub(crate) fn too_few_parameters_are_what_the_language_makes_of_them(host: &Host) {
    let run = host.invoke("too_few_parameters").run();
    match &host.words.errors.signature {
        Some(kind) => drop(run.failed_with(kind)),
        None => assert_eq!(run.answered().json(), "called"),
    }
}

pub(crate) fn a_failing_init_is_the_functions_error(host: &Host) {
    let run = init_fails(host, "init_fails", &host.words.errors.init);
    assert!(told(&run).contains("init is broken"));
}

pub(crate) fn a_missing_module_is_named(host: &Host) {
    let run = init_fails(host, "missing_module", &host.words.errors.missing_module);
    let message = told(&run).replace('-', "_");
    assert!(message.contains("no_such_package"), "{message}");
}

pub(crate) fn a_missing_file_is_told(host: &Host) {
    let run = init_fails(host, "no_such_file", &host.words.errors.missing_file);
    assert!(run.json()["errorMessage"].as_str().unwrap().contains("no_such_file"));
}

pub(crate) fn a_missing_handler_is_told(host: &Host) {
    let run = host.invoke("no_such_function").run();
    let run = match &host.words.errors.missing_handler {
        Some(kind) => run.failed_with(kind),
        None => run.expect_code(1),
    };
    assert!(run.json()["errorMessage"].as_str().unwrap().contains("no_such_function"));
}

pub(crate) fn a_malformed_handler_is_told(host: &Host) {
    host.invoke_text("nodot").run().failed_with(&host.words.errors.malformed_handler);
}

pub(crate) fn a_syntax_error_is_told(host: &Host) {
    init_fails(host, "syntax_error", &host.words.errors.syntax);
}

/// The message, and that of its cause where a language has one.
fn told(run: &Run) -> String {
    let body = run.json();
    let cause = body["cause"]["errorMessage"].as_str().unwrap_or_default();
    format!("{} {cause}", body["errorMessage"].as_str().unwrap())
}

fn init_fails(host: &Host, module: &str, kind: &str) -> Run {
    host.invoke_in(module, "handler").run().failed_with(kind)
}
