//! Bad input: each refused with a clear error that names field and limit, and nothing left behind.

use std::path::Path;

use crate::harness::{Function, Invoke, Leftovers, Run, alone, invoke, lambdabox, zip_bytes};

const HELLO: &str = "def lambda_handler(event, context):\n    return 1\n";

/// Quota of a package and its layers, unpacked: 250 MB (Lambda quotas; 1 MB = 1,048,576 bytes).
const UNPACKED_LIMIT_BYTES: usize = 250 << 20;

/// Runs a command that must be refused, and proves that it left nothing.
fn refused(command: Invoke, explanation: &[&str]) -> Run {
    let _machine = alone();
    let data = tempfile::tempdir().unwrap();
    let before = Leftovers::now(data.path());
    let run = command.data(data.path()).while_alone().run().refused(explanation);
    let left = before.since_but_for(data.path(), is_empty_directory);
    assert!(left.is_empty(), "left behind: {left:#?}");
    run
}

/// A store's own directories may be made by any command; what counts is what is in them.
fn is_empty_directory(what: &str) -> bool {
    let path = what.strip_prefix("file ").map(Path::new);
    path.is_some_and(|path| path.is_dir() && std::fs::read_dir(path).is_ok_and(|d| d.count() == 0))
}

fn with(arguments: &[&str]) -> (Function, Invoke) {
    let function = Function::python(HELLO);
    let command = invoke(&function).args(arguments);
    (function, command)
}

fn refuses(arguments: &[&str], explanation: &[&str]) {
    let (_function, command) = with(arguments);
    refused(command, explanation);
}

#[test]
fn a_path_that_does_not_exist() {
    let run = refused(lambdabox(["invoke", "/no/such/function.py"]), &["/no/such/function.py"]);
    assert!(run.stderr.to_lowercase().contains("no such file"), "{}", run.stderr);
}

#[test]
fn a_file_that_is_no_zip() {
    let function = Function::empty().file("package.zip", "this is text");
    let path = function.at("package.zip");
    refused(lambdabox(["invoke"]).args([path]), &["package.zip", "zip"]);
}

#[test]
fn a_zip_cut_short() {
    let whole = zip_bytes(&[("lambda_function.py", HELLO.as_bytes(), 0o644)]);
    let function = Function::empty().file("cut.zip", &whole[..whole.len() / 2]);
    refused(lambdabox(["invoke"]).args([function.at("cut.zip")]), &["cut.zip"]);
}

#[test]
fn a_zip_whose_members_leave_it() {
    let outside = Path::new("/tmp/e2e-escaped-member");
    let members: [&[(&str, &[u8], u32)]; 5] = [
        &[("../e2e-escaped-member", b"x", 0o644)],
        &[("a/../../../../../../tmp/e2e-escaped-member", b"x", 0o644)],
        &[("/tmp/e2e-escaped-member", b"x", 0o644)],
        &[("link", b"/tmp", 0o120_777), ("link/e2e-escaped-member", b"x", 0o644)],
        &[("link", b"../../../../../../etc/passwd", 0o120_777)],
    ];
    for hostile in members {
        let name = hostile[0].0;
        let mut all = vec![("lambda_function.py", HELLO.as_bytes(), 0o644)];
        all.extend_from_slice(hostile);
        let function = Function::empty().file("hostile.zip", zip_bytes(&all));
        refused(lambdabox(["invoke"]).args([function.at("hostile.zip")]), &[name]);
        assert!(!outside.exists(), "{name} was written outside");
    }
}

/// Adds a zip that unpacks to this many zeros and is small on disk. Made by Python, whose deflate is
/// fast whatever the profile these tests were built with.
fn with_zeros(function: Function, zip: &str, member: &str, bytes: usize) -> Function {
    let script = "import sys, zipfile
path, member, size, code = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
    archive.writestr('lambda_function.py', code)
    with archive.open(member, 'w') as file:
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
        file.write(bytes(size & (1 << 20) - 1))
";
    let status = std::process::Command::new("python3")
        .args(["-c", script])
        .arg(function.at(zip))
        .args([member, &bytes.to_string(), HELLO])
        .status()
        .expect("python3 runs");
    assert!(status.success());
    function
}

#[test]
fn a_zip_over_the_unpacked_limit() {
    let function = with_zeros(Function::empty(), "big.zip", "big.bin", UNPACKED_LIMIT_BYTES + 1);
    refused(lambdabox(["invoke"]).args([function.at("big.zip")]), &["250 MB", "unpacked"]);
}

#[test]
fn a_layer_over_the_unpacked_limit() {
    let layers = with_zeros(Function::empty(), "big.zip", "big.bin", UNPACKED_LIMIT_BYTES + 1);
    let function = Function::python(HELLO);
    let command = invoke(&function).args(["--layer"]).args([layers.at("big.zip")]);
    refused(command, &["250 MB", "layer"]);
}

#[test]
fn a_zip_and_a_layer_that_are_too_large_only_together() {
    let half = UNPACKED_LIMIT_BYTES / 2 + 1;
    let function = with_zeros(Function::empty(), "package.zip", "half.bin", half);
    let function = with_zeros(function, "layer.zip", "other-half.bin", half);
    let command = lambdabox(["invoke"]).args([function.at("package.zip")]);
    refused(command.args(["--layer"]).args([function.at("layer.zip")]), &["250 MB"]);
}

#[test]
fn a_directory_over_the_unpacked_limit_is_only_a_warning() {
    let function = Function::python(HELLO);
    let file = std::fs::File::create(function.at("big.bin")).unwrap();
    file.set_len(UNPACKED_LIMIT_BYTES as u64 + 1).unwrap();
    drop(file);
    let run = invoke(&function).run().answered();
    run.said(&["250 MB"]);
}

#[test]
fn a_sixth_layer() {
    let function = Function::python(HELLO);
    let layers: Vec<Function> = (0..6).map(|_| Function::empty().file("python/x.py", "")).collect();
    let mut command = invoke(&function);
    for layer in &layers {
        command = command.args(["--layer"]).args([layer.path()]);
    }
    refused(command, &["layer", "5"]);
}

#[test]
fn a_layer_that_does_not_exist() {
    refuses(&["--layer", "/no/such/layer"], &["/no/such/layer", "layer"]);
}

#[test]
fn a_directory_without_any_handler() {
    let function = Function::empty().file("readme.txt", "nothing to run");
    refused(invoke(&function), &["handler", "--handler"]);
}

#[test]
fn a_handler_that_does_not_exist() {
    let function = Function::python(HELLO);
    let run = invoke(&function).args(["--handler", "lambda_function.absent"]).run();
    let run = run.expect_code(1);
    let all = format!("{}{}", run.text(), run.stderr);
    assert!(all.contains("absent") && all.contains("lambda_function"), "{all}");
}

#[test]
fn an_unknown_runtime_lists_what_is_there() {
    let here = format!("python3.{}", crate::harness::default_minor());
    refuses(&["--runtime", "cobol85"], &["cobol85", &here, "provided.al2023"]);
}

#[test]
fn a_runtime_whose_interpreter_is_missing_says_how_to_get_it() {
    let Some(minor) = (9..=14).rev().find(|m| crate::harness::interpreter(*m).is_none()) else {
        skip!("every supported Python is installed");
    };
    let name = format!("python3.{minor}");
    let run = {
        let (_function, command) = with(&["--runtime", &name]);
        refused(command, &[&name])
    };
    let log = run.stderr.to_lowercase();
    assert!(log.contains("install"), "it says how to get it: {log}");
}

#[test]
fn an_event_that_is_not_json_names_line_and_column() {
    refuses(&["--event", "{\n  \"a\": oops\n}"], &["line 2", "column 8"]);
    let function = Function::python(HELLO).file("event.json", "{\"a\": 1,\n \"b\" 2}");
    let command = invoke(&function).args(["--event"]).args([function.at("event.json")]);
    refused(command, &["event.json", "line 2"]);
}

#[test]
fn an_event_over_six_mebibytes() {
    let function = Function::python(HELLO);
    let event = format!("\"{}\"", "x".repeat(6_291_556 - 1));
    refused(invoke(&function).event("-").stdin(event), &["event", "6291556"]);
}

#[test]
fn a_client_context_over_the_limit() {
    let context = format!(r#"{{"custom":{{"k":"{}"}}}}"#, "x".repeat(3_583));
    refuses(&["--client-context", &context], &["--client-context", "3583"]);
    refuses(&["--client-context", "{not json"], &["--client-context"]);
}

#[test]
fn memory_out_of_range() {
    refuses(&["--memory-size", "64"], &["--memory-size", "64", "128", "10240"]);
    refuses(&["--memory-size", "99999"], &["--memory-size", "99999", "128", "10240"]);
    refuses(&["--memory-size", "lots"], &["--memory-size", "lots"]);
    refuses(&["--memory-size", "-1"], &["--memory-size"]);
}

#[test]
fn timeout_out_of_range() {
    refuses(&["--timeout", "0"], &["--timeout", "0", "900"]);
    refuses(&["--timeout", "901"], &["--timeout", "901", "900"]);
    refuses(&["--timeout", "1.5"], &["--timeout", "1.5"]);
}

#[test]
fn ephemeral_storage_out_of_range() {
    refuses(&["--ephemeral-storage", "511"], &["--ephemeral-storage", "511", "512", "10240"]);
    refuses(&["--ephemeral-storage", "10241"], &["--ephemeral-storage", "10241", "10240"]);
}

#[test]
fn reserved_variable_names_are_refused_by_name() {
    for name in [
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_LAMBDA_FUNCTION_NAME",
        "LAMBDA_TASK_ROOT",
        "_HANDLER",
        "AWS_EXECUTION_ENV",
        "LAMBDA_RUNTIME_DIR",
        "_X_AMZN_TRACE_ID",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_LOG_STREAM_NAME",
    ] {
        let pair = format!("{name}=x");
        refuses(&["--env", &pair], &[name, "reserved"]);
    }
}

#[test]
fn all_reserved_names_are_told_at_once() {
    refuses(
        &["--env", "_HANDLER=x", "--env", "LAMBDA_TASK_ROOT=x"],
        &["_HANDLER", "LAMBDA_TASK_ROOT"],
    );
}

#[test]
fn a_variable_name_that_lambda_would_not_take() {
    for name in ["1st", "with-dash", "x y", "a"] {
        refuses(&["--env", &format!("{name}=x")], &[name]);
    }
}

#[test]
fn variables_over_four_kilobytes() {
    let big = format!("BIG={}", "x".repeat(4_096));
    refuses(&["--env", &big], &["4096", "environment"]);
    // Measured as AWS does, as one JSON object: {"BIG":"…"} with ten characters around the value.
    let exact = format!("BIG={}", "x".repeat(4_096 - 10));
    let (_function, command) = with(&["--env", &exact]);
    command.run().answered();
}

#[test]
fn files_of_variables_that_cannot_be_read() {
    refuses(&["--env-file", "/no/such/file.env"], &["/no/such/file.env"]);
    refuses(&["--env-vars", "/no/such/vars.json"], &["/no/such/vars.json"]);
    let function =
        Function::python(HELLO).file("bad.json", "[1]").file("bad.env", "no equals sign\n");
    refused(invoke(&function).args(["--env-vars"]).args([function.at("bad.json")]), &["bad.json"]);
    refused(invoke(&function).args(["--env-file"]).args([function.at("bad.env")]), &["bad.env"]);
}

#[test]
fn choices_that_do_not_exist() {
    refuses(&["--network", "bridge"], &["--network", "bridge", "nat"]);
    refuses(&["--log-format", "xml"], &["--log-format", "xml"]);
    refuses(&["--cpu", "all"], &["--cpu", "all"]);
    refuses(&["--sdk", "maybe"], &["--sdk", "maybe"]);
    refuses(&["--repeat", "0"], &["--repeat"]);
}

#[test]
fn forwards_that_cannot_be() {
    refuses(&["--forward", "9001"], &["9001", "Runtime API"]);
    refuses(&["--forward", "0"], &["--forward"]);
    refuses(&["--forward", "70000"], &["--forward", "70000"]);
    refuses(&["--forward", "eighty"], &["--forward", "eighty"]);
}

#[test]
fn an_output_file_that_cannot_be_written_is_told_before_anything_runs() {
    refuses(&["-o", "/no/such/directory/out.json"], &["/no/such/directory"]);
}

#[test]
fn no_permission_for_namespaces_is_exit_three_and_names_the_step() {
    let function = Function::python(HELLO);
    let data = tempfile::tempdir().unwrap();
    // A user namespace of the test's own in which no further namespace of any kind may be made:
    // what a locked-down container or a hardened kernel looks like.
    let script = "for kind in user mnt pid net ipc uts cgroup; do
  echo 0 > /proc/sys/user/max_${kind}_namespaces || exit 77
done
exec \"$@\"";
    let output = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", script, "sh"])
        .arg(crate::harness::binary())
        .arg("invoke")
        .arg(function.path())
        .args(["--network", "none"])
        .env("LAMBDABOX_DATA_DIR", data.path())
        .output()
        .expect("unshare runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) || stderr.contains("unshare: ") {
        skip!("no user namespace with limits of its own can be made here: {stderr}");
    }
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(output.stdout.is_empty());
    assert!(stderr.contains("namespace"), "it names the step: {stderr}");
}
