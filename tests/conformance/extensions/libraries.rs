//! Extensions on libraries of others: AWS's Rust crate with telemetry, and Go.

use super::{echo, extended};
use crate::harness::{Function, go_extension, rust_extension};

#[test]
fn an_extension_on_awss_rust_library_understands_every_event() {
    let program = match rust_extension() {
        Ok(program) => program,
        Err(reason) => skip!("{reason}"),
    };
    let layer = Function::empty().executable("extensions/ext", std::fs::read(program).unwrap());
    let run = extended(&echo(), &layer).args(["--repeat", "2"]).run().answered();
    assert_eq!(run.stderr.matches("rust INVOKE ").count(), 2, "{}", run.stderr);
    assert!(run.stderr.contains("rust SHUTDOWN spindown\n"), "{}", run.stderr);
    for kind in ["InitStart", "InitReport", "PlatformStart", "RuntimeDone", "PlatformReport"] {
        let seen = run.stderr.lines().any(|l| l.starts_with("rust got ") && l.contains(kind));
        assert!(seen, "{kind} in {}", run.stderr);
    }
}

#[test]
fn an_extension_in_go_hears_of_invocations_and_the_end() {
    let program = match go_extension() {
        Ok(program) => program,
        Err(reason) => skip!("{reason}"),
    };
    let layer = Function::empty().executable("extensions/ext", std::fs::read(program).unwrap());
    let run = extended(&echo(), &layer).args(["--repeat", "2"]).run().answered();
    for report in run.reports() {
        let line = format!("go INVOKE {}\n", report.request_id);
        assert!(run.stderr.contains(&line), "{}", run.stderr);
    }
    assert!(run.stderr.contains("go SHUTDOWN spindown\n"), "{}", run.stderr);
}
