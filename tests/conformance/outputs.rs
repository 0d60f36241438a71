//! A standard output that nobody reads any more, or that takes nothing.

use std::fs::File;
use std::process::{Command, Stdio};

use crate::harness::{Function, binary, lambdabox, quiet_environment, settings, shared};

const FAILS_IF_TOLD: &str = "def lambda_handler(event, context):
    if event:
        raise ValueError('as asked')
    return 'x' * 100_000
";

/// Exit code and standard error of a run whose standard output goes there.
fn run_into(stdout: impl Into<Stdio>, arguments: &[&str]) -> (i32, String) {
    let _shared = shared();
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary());
    quiet_environment(&mut command);
    command.args(arguments).envs(settings()).env("LAMBDABOX_DATA_DIR", data.path());
    command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped());
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The same where the reader has gone before anything was written.
fn unread(arguments: &[&str]) -> (i32, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    run_into(writer, arguments)
}

#[test]
fn an_answer_that_nobody_reads_any_more_leaves_the_status_to_the_function() {
    let function = Function::python(FAILS_IF_TOLD);
    let path = function.path().display().to_string();
    for (event, code) in [("0", 0), ("1", 1)] {
        let (got, said) = unread(&["invoke", &path, "-e", event]);
        assert!(got == code && !said.contains("error: "), "{event}: {got}\n{said}");
        assert!(said.contains("REPORT RequestId"), "{said}");
        // Of several, the rest is not asked for.
        for more in [&["--repeat", "5"][..], &["--repeat", "5", "--max-concurrency", "1"]] {
            let arguments = [&["invoke", &path, "-e", event], more].concat();
            let (got, said) = unread(&arguments);
            assert!(got == code && !said.contains("error: "), "{more:?}: {got}\n{said}");
            assert!(said.matches("REPORT RequestId").count() < 5, "{more:?}\n{said}");
        }
    }
    let (got, said) = unread(&["invoke", &path, "--explain"]);
    assert!(got == 0 && !said.contains("error: "), "{got}\n{said}");
    let streams = Function::bootstrap(include_str!("../fixtures/service/streaming.py"));
    let path = streams.path().display().to_string();
    let event = r#"[["begin"],["data","x",3000000],["end"]]"#;
    let (got, said) = unread(&["invoke", &path, "-e", event, "--timeout", "60"]);
    assert!(got == 0 && !said.contains("error: "), "{got}\n{said}");
}

#[test]
fn an_answer_that_cannot_be_written_is_exit_2() {
    let function = Function::python(FAILS_IF_TOLD);
    let path = function.path().display().to_string();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (got, said) = run_into(full, &["invoke", &path, "-e", "0"]);
    assert!(got == 2 && said.contains("error: failed to write standard output"), "{got}\n{said}");
}

#[test]
fn a_doctor_who_cannot_be_heard_does_not_say_that_functions_cannot_run() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (got, said) = run_into(full, &["doctor"]);
    assert!(got == 2 && said.contains("cannot write to standard output"), "{got}\n{said}");
    // One who is not listened to says it by the status.
    let heard = lambdabox(["doctor"]).run().code();
    assert_eq!(unread(&["doctor"]).0, heard);
}
