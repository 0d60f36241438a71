//! `lambdabox invoke` of functions that stream.

use nix::sys::signal::Signal;

use crate::harness::{Function, invoke};

const RUNTIME: &str = include_str!("../fixtures/service/streaming.py");

fn function() -> Function {
    Function::bootstrap(RUNTIME)
}

#[test]
fn chunks_are_written_as_they_come_and_the_prelude_to_standard_error() {
    let function = function();
    let prelude = r#"{\"statusCode\":201}"#;
    let integration = r#"{"Content-Type":"application/vnd.awslambda.http-integration-response"}"#;
    let nuls = r"\u0000".repeat(8);
    let event = format!(
        r#"[["begin",{integration}],["data","{prelude}{nuls}one"],["pause",600],["data","two"],["end"]]"#
    );
    // The rest of it comes in ten minutes.
    let running = invoke(&function).event(&event).args(["--timeout", "900"]).start();
    running.wait_for_log("{\"statusCode\":201}\n");
    running.signal(Signal::SIGINT);
    let run = running.wait().expect_code(130);
    assert_eq!(run.text(), "one");
}

#[test]
fn a_whole_stream_is_the_answer_and_one_that_breaks_off_exits_1() {
    let function = function();
    let whole = r#"[["begin"],["data","one\n"],["data","two"],["end"]]"#;
    let run = invoke(&function).event(whole).run().answered();
    assert_eq!(run.text(), "one\ntwo");
    for (rest, said) in [
        (r#"["cut"]"#, "Runtime.TruncatedResponse"),
        (r#"["die"]"#, "Runtime.ExitError"),
        (
            r#"["end",{"Lambda-Runtime-Function-Error-Type":"Function.Oops","Lambda-Runtime-Function-Error-Body":"eyJlIjoxfQ=="}]"#,
            r#"{"e":1}"#,
        ),
    ] {
        let event = format!(r#"[["begin"],["data","half"],{rest}]"#);
        let run = invoke(&function).event(&event).run().expect_code(1);
        assert_eq!(run.text(), "half", "{rest}");
        assert!(run.stderr.contains(said), "{rest}: {}", run.stderr);
    }
}

#[test]
fn a_stream_goes_to_the_file_that_was_asked_for() {
    let function = function();
    let out = function.at("out");
    let event = r#"[["begin"],["data","x",3000000],["data","y",7000000],["end"]]"#;
    let run = invoke(&function).event(event).args(["--output"]).args([&out]).run();
    run.expect_code(0);
    let written = std::fs::read(out).unwrap();
    assert_eq!(written.len(), 10_000_000);
    assert!(written[..3_000_000].iter().all(|byte| *byte == b'x'));
}
