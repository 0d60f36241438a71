//! Extensions on libraries of others: AWS's Rust crate with telemetry, and Go.

use super::{echo, extended};
use crate::harness::{Function, go_extension, go_graceful, invoke, rust_program};

#[test]
fn an_extension_on_awss_rust_library_understands_every_event() {
    let program = match rust_program("extension") {
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

/// AWS's libraries hear of the end by an extension of their own, without any event.
#[test]
fn functions_on_awss_libraries_hear_of_their_end_by_an_internal_extension() {
    for (language, program) in [("rust", rust_program("graceful")), ("go", go_graceful())] {
        let program = match program {
            Ok(program) => std::fs::read(program).unwrap(),
            Err(reason) => skip!("{reason}"),
        };
        let function = Function::empty().executable("bootstrap", program);
        let run = invoke(&function).args(["--repeat", "2"]).event("7").run().answered();
        assert_eq!(run.text(), "7\n7\n");
        let line = format!("{language} tidied up\n");
        assert_eq!(run.stderr.matches(&line).count(), 1, "{}", run.stderr);
        let after = run.stderr.rfind("REPORT RequestId").unwrap();
        assert!(run.stderr.rfind(&line).unwrap() > after, "{}", run.stderr);
    }
}
