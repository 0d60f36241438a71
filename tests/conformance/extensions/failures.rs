//! Extensions that fail: who is told what, and that the next invocation is fine.

use super::{QUIET, and_extension, echo, extended, extension};
use crate::harness::{Function, Run};

/// Does not answer before its extension fails.
fn slow() -> Function {
    Function::python("import time\ndef lambda_handler(event, context): time.sleep(60)\n")
}

/// The payload says which extension it was and in which of AWS's words.
#[track_caller]
fn says(run: &Run, words: &str) {
    let message = run.json()["errorMessage"].as_str().unwrap().to_owned();
    assert!(message.starts_with("RequestId: "), "{message}");
    assert!(message.contains(words) && message.ends_with("(extension ext)"), "{message}");
    assert!(run.stderr.contains(words), "the operator is told, too: {}", run.stderr);
}

#[test]
fn an_extension_whose_process_ends_has_crashed_whatever_its_code() {
    for (end, words) in [
        ("os._exit(0)", "exit code 0"),
        ("os._exit(3)", "exit status 3"),
        ("os.kill(os.getpid(), 9)", "signal: killed"),
    ] {
        let layer = extension(&format!("for event in Extension().events(): {end}\n"));
        let run = extended(&slow(), &layer).run().failed_with("Extension.Crash");
        says(&run, words);
        let line = "EXTENSION\tName: ext\tState: Exited\tEvents: [INVOKE, SHUTDOWN]\tError Type: \
                    Extension.Crash\n";
        assert!(run.stderr.contains(line), "{}", run.stderr);
    }
}

#[test]
fn after_a_crash_the_next_invocation_has_a_new_init_and_is_fine() {
    let layer = extension(
        "first = not os.path.exists('/tmp/crashed')
for event in Extension().events():
    if first:
        open('/tmp/crashed', 'w').close()
        os._exit(1)
",
    );
    let function = Function::python(
        "import os, time
def lambda_handler(event, context):
    if not os.path.exists('/tmp/second'):
        open('/tmp/second', 'w').close()
        time.sleep(60)
    return event
",
    );
    let run = extended(&function, &layer).args(["--repeat", "2"]).event("7").run().expect_code(1);
    let answers: Vec<_> = run.stdout.split(|byte| *byte == b'\n').collect();
    assert!(String::from_utf8_lossy(answers[0]).contains("Extension.Crash"));
    assert_eq!(answers[1], b"7");
    assert_eq!(run.reports()[0].text("Error Type"), Some("Extension.Crash"));
    assert_eq!(run.reports()[1].text("Status"), None);
}

#[test]
fn an_extension_that_ends_before_it_has_registered_fails_both_inits() {
    let layer = extension("sys.exit(2)\n");
    let run = extended(&echo(), &layer).run().failed_with("Extension.Crash");
    says(&run, "exit status 2");
    for phase in ["init", "invoke"] {
        let line = format!("Phase: {phase}\tStatus: error\tError Type: Extension.Crash\n");
        assert!(run.stderr.contains(&line), "{}", run.stderr);
    }
}

#[test]
fn errors_that_an_extension_reports_have_types_of_their_own() {
    let reports = "extension = Extension()
log('status', extension.report('init', 'Extension.NoConfig', 'no key in the environment'))
time.sleep(60)
";
    let run = extended(&echo(), &extension(reports)).run().failed_with("Extension.InitError");
    says(&run, "Extension.NoConfig: no key in the environment");
    assert!(run.stderr.contains("ext status 202\n"), "{}", run.stderr);
    let reports = "extension = Extension()
for event in extension.events():
    if event['eventType'] == 'INVOKE':
        extension.report('exit', 'Extension.Lost', 'the backend is gone')
        sys.exit(1)
";
    let run = extended(&slow(), &extension(reports)).run().failed_with("Extension.ExitError");
    says(&run, "Extension.Lost: the backend is gone");
}

#[test]
fn a_file_that_cannot_be_started_is_a_launch_error_with_its_reason() {
    let layer = Function::empty().file("extensions/ext", "#!/bin/sh\n");
    let run = extended(&echo(), &layer).run().failed_with("Extension.LaunchError");
    says(&run, "PermissionDenied: fork/exec /opt/extensions/ext: permission denied");
    let line =
        "EXTENSION\tName: ext\tState: LaunchError\tEvents: []\tError Type: PermissionDenied\n";
    assert!(run.stderr.contains(line), "{}", run.stderr);
    let layer = Function::empty().executable("extensions/ext", "#!/bin/no-such-shell\n");
    let run = extended(&echo(), &layer).run().failed_with("Extension.LaunchError");
    says(&run, "UnknownError: fork/exec /opt/extensions/ext: no such file or directory");
}

#[test]
fn ten_extensions_run_and_eleven_are_refused() {
    let layer = |count: usize| {
        (0..count)
            .fold(Function::empty(), |layer, n| and_extension(layer, &format!("e{n:02}"), QUIET))
    };
    let args = ["--memory-size", "1024", "--timeout", "60"];
    let run = extended(&echo(), &layer(10)).args(args).run().answered();
    assert_eq!(run.stderr.matches("SHUTDOWN spindown\n").count(), 10, "{}", run.stderr);
    let run = extended(&echo(), &layer(11)).args(args).run().failed_with("Extension.LaunchError");
    let message = run.json()["errorMessage"].as_str().unwrap().to_owned();
    assert!(message.contains("TooManyExtensions: /opt/extensions has 11 files"), "{message}");
    assert!(message.ends_with("(extension e10)"), "{message}");
}

#[test]
fn an_extension_that_never_registers_takes_the_time_of_init_and_is_named() {
    let layer = extension("time.sleep(600)\n");
    let run = extended(&echo(), &layer)
        .env("LAMBDABOX_INIT_LIMIT_MS", "500")
        .args(["--timeout", "2"])
        .run()
        .failed_with("Sandbox.Timedout");
    assert!(run.stderr.contains("Phase: init\tStatus: timeout\n"), "{}", run.stderr);
    assert!(run.stderr.contains("EXTENSION\tName: ext\tState: Started\tEvents: []\n"));
}

#[test]
fn an_extension_that_never_comes_back_ends_the_environment_and_not_the_next_invocation() {
    let layer = extension(
        "first = not os.path.exists('/tmp/stuck')
for event in Extension().events():
    if first and event['eventType'] == 'INVOKE':
        open('/tmp/stuck', 'w').close()
        threading.Event().wait()
",
    );
    let run = extended(&echo(), &layer)
        .args(["--timeout", "12", "--repeat", "2"])
        .event("7")
        .run()
        .answered();
    assert_eq!(run.text(), "7\n7\n", "the function had answered");
    assert_eq!(run.reports()[0].text("Status"), Some("timeout"));
    assert_eq!(run.reports()[1].text("Status"), None);
}

#[test]
fn calls_out_of_turn_and_bad_requests_disturb_nobody() {
    let layer = extension(
        "extension = Extension()
status = lambda *request: call(*request)[0]
unknown = {'Lambda-Extension-Identifier': '8f5c1c1e-0000-4000-8000-000000000009'}
log('bad', status('POST', EXTENSIONS + 'register', {'Lambda-Extension-Name': NAME}, '{}'),
    status('POST', EXTENSIONS + 'register', {}, '{}'),
    status('POST', EXTENSIONS + 'register', {'Lambda-Extension-Name': 'x'}, '[['),
    status('GET', EXTENSIONS + 'event/next', unknown),
    status('POST', EXTENSIONS + 'exit/error', extension.id),
    status('PUT', EXTENSIONS + 'event/next', extension.id),
    status('GET', '/2020-01-01/extension/'))
for event in extension.events(): pass
",
    );
    let run = extended(&echo(), &layer).args(["--repeat", "2"]).run().answered();
    assert!(run.stderr.contains("ext bad 403 403 403 403 403 405 404\n"), "{}", run.stderr);
}
