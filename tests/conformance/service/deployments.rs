//! `lambdabox deploy`, `list`, `rm` and `invoke NAME`: the built binary as a client of a host.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::harness::{
    Function, Host, Invoke, Run, Server, binary, default_minor, lambdabox, quiet_environment,
    wait_until, zip_bytes,
};

/// Tells what it was given, what it is made of, and every event it has seen.
const TELLS: &str = "
import os
seen = []
def lambda_handler(event, context):
    seen.append(event)
    if event == 'fail':
        raise ValueError('as asked')
    print('heard', event)
    return {'event': event, 'seen': seen, 'stage': os.environ.get('STAGE'),
            'memory': context.memory_limit_in_mb, 'files': sorted(os.listdir('/var/task')),
            'layer': open('/opt/word').read() if os.path.exists('/opt/word') else None}
";

fn on(host: &Host, arguments: &[&str]) -> Invoke {
    let url = format!("http://127.0.0.1:{}", host.port);
    lambdabox(arguments).env("LAMBDABOX_ENDPOINT_URL", url)
}

/// Deploys a function's directory as `hello`, with a timeout that a busy machine keeps.
fn deployed(host: &Host, path: &Path, more: &[&str]) -> Run {
    let path = path.display().to_string();
    let runtime = format!("python3.{}", default_minor());
    let always = ["deploy", &path, "--name", "hello", "--runtime", &runtime, "--timeout", "30"];
    on(host, &[&always, more].concat()).run()
}

#[test]
fn a_directory_is_deployed_once_changed_where_it_changed_and_invoked_by_its_name() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    let function = Function::python(TELLS)
        .file(".git/HEAD", "x")
        .file(".env", "KEY=x")
        .file("__pycache__/a.pyc", "x")
        .file("debug.log", "x")
        .file("keep.log", "x")
        .file(".lambdaboxignore", "*.log\n!keep.log\n");
    let made = deployed(&host, function.path(), &[]).answered();
    assert_eq!(made.text(), "arn:aws:lambda:us-east-1:000000000000:function:hello\n");
    let made = made.said(&["hello: created (python3.", "lambda_function.lambda_handler, "]);
    for left_out in ["not in the package: ", ".git/", ".env", "__pycache__/", "debug.log"] {
        assert!(made.stderr.contains(left_out), "{left_out}: {}", made.stderr);
    }
    let first = on(&host, &["invoke", "hello", "-e", "\"a\""]).run().answered();
    let told = first.json();
    assert_eq!(told["files"], json!(["keep.log", "lambda_function.py"]));
    assert_eq!((&told["event"], &told["stage"]), (&json!("a"), &json!(null)));
    assert_eq!(first.function_log(), "heard a");
    assert_eq!(first.reports().len(), 1, "{}", first.stderr);

    deployed(&host, function.path(), &[]).answered().said(&["hello: unchanged"]);
    let settings = ["--memory-size", "256", "--env", "STAGE=dev"];
    let changed = deployed(&host, function.path(), &settings).answered();
    changed.said(&["hello: updated (configuration)"]);
    // What is not said stays.
    deployed(&host, function.path(), &[]).answered().said(&["hello: unchanged"]);
    let function = function.file("more.txt", "x");
    deployed(&host, function.path(), &[]).answered().said(&["hello: updated (code)"]);
    let told = on(&host, &["invoke", "hello:$LATEST"]).run().answered().json();
    assert_eq!((&told["stage"], &told["memory"]), (&json!("dev"), &json!("256")));
    assert_eq!(told["files"], json!(["keep.log", "lambda_function.py", "more.txt"]));
}

#[test]
fn a_link_that_leads_out_is_refused_before_anything_is_sent_and_can_be_left_out() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    let function = Function::python(TELLS).file("real.txt", "x");
    symlink("../elsewhere", function.at("away")).unwrap();
    symlink("real.txt", function.at("here")).unwrap();
    let refused = deployed(&host, function.path(), &[]).expect_code(2);
    refused.said(&[
        "away is a symbolic link to ../elsewhere, which is not there once it is deployed",
        "hint: ",
        "/away in .lambdaboxignore",
    ]);
    let listed = on(&host, &["list", "--json"]).run().answered().json();
    assert_eq!(listed, json!({ "functions": [] }));
    let function = function.file(".lambdaboxignore", "/away\n");
    let made = deployed(&host, function.path(), &[]).answered();
    made.said(&["the function will not find it", "not in the package: ", "hello: created"]);
    let files = on(&host, &["invoke", "hello"]).run().answered().json()["files"].clone();
    assert_eq!(files, json!(["here", "lambda_function.py", "real.txt"]));
}

#[test]
fn what_is_wrong_with_a_package_is_said_to_the_operator_and_awss_words_to_the_caller() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    host.python(
        r#"
import io, zipfile
buffer = io.BytesIO()
with zipfile.ZipFile(buffer, "w") as archive:
    archive.writestr("app.py", ECHO)
    link = zipfile.ZipInfo("away")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    archive.writestr(link, "../elsewhere")
words = "Could not unzip uploaded file. Please check your file, then try to upload again."
refused(create, "InvalidParameterValueException", words, 400, c=c, name="linked", wait=False,
        Code={"ZipFile": buffer.getvalue()})
"#,
    );
    host.wait_for_log("warning: the package of linked is refused");
    host.wait_for_log(
        "its member `away` is a symbolic link to `../elsewhere`, outside the package",
    );
}

#[test]
fn many_invocations_end_when_nobody_reads_their_answers_any_more() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    deployed(&host, Function::python(TELLS).path(), &[]).answered();
    let url = format!("http://127.0.0.1:{}", host.port);
    let mut command = Command::new(binary());
    quiet_environment(&mut command);
    command.args(["invoke", "hello", "-q", "--repeat", "1000000", "--endpoint-url", &url]);
    let mut calling = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(calling.stdout.take().unwrap());
    let mut first = String::new();
    stdout.read_line(&mut first).unwrap();
    drop(stdout);
    let ended = wait_until(Duration::from_secs(60), || calling.try_wait().unwrap().is_some());
    calling.kill().unwrap();
    let output = calling.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(ended && said.is_empty(), "{ended}: {said}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_layer_is_published_when_its_content_is_new_and_a_zip_is_deployed_as_it_is() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    let place = Function::empty()
        .file("deps/word", "one")
        .file("fn.zip", zip_bytes(&[("lambda_function.py", TELLS.as_bytes(), 0o644)]));
    let (zip, layer) = (place.at("fn.zip"), place.at("deps").display().to_string());
    let with_layer = ["--layer", layer.as_str()];
    let made = deployed(&host, &zip, &with_layer).answered();
    made.said(&["layer deps: published version 1", "hello: created"]);
    let word = || on(&host, &["invoke", "hello"]).run().answered().json()["layer"].clone();
    assert_eq!(word(), "one");
    let again = deployed(&host, &zip, &with_layer).answered().said(&["hello: unchanged"]);
    assert!(!again.stderr.contains("published"), "{}", again.stderr);
    std::fs::write(place.at("deps/word"), "two").unwrap();
    let changed = deployed(&host, &zip, &with_layer).answered();
    changed.said(&["layer deps: published version 2", "hello: updated (configuration)"]);
    assert_eq!(word(), "two");
    let arn = "arn:aws:lambda:us-east-1:000000000000:layer:deps:1";
    deployed(&host, &zip, &["--layer", arn]).answered().said(&["updated (configuration)"]);
    assert_eq!(word(), "one");
}

#[test]
fn a_project_is_built_first_and_nothing_is_deployed_of_one_that_does_not_build() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    let project = Function::python(TELLS).file("notes.txt", "x").file(".venv/x", "x");
    let files = || on(&host, &["invoke", "hello"]).run().answered().json()["files"].clone();

    let broken = deployed(&host, project.path(), &["--build-cmd", "exit 7"]).expect_code(2);
    broken.said(&["failed to build ", "ended with exit status: 7"]);
    let listed = on(&host, &["list", "--json"]).run().answered().json();
    assert_eq!(listed, json!({ "functions": [] }));

    let by_hand = "cp lambda_function.py \"$ARTIFACTS_DIR\" && echo y >\"$ARTIFACTS_DIR/made\"";
    let made = deployed(&host, project.path(), &["--build-cmd", by_hand]).answered();
    made.said(&["by its own command", "built ", "hello: created"]);
    assert_eq!(files(), json!(["lambda_function.py", "made"]));

    let again = deployed(&host, project.path(), &["--build"]).answered();
    again.said(&["building ", "hello: updated (code)"]);
    assert_eq!(files(), json!(["lambda_function.py", "notes.txt"]));
    deployed(&host, project.path(), &["--build"]).answered().said(&["hello: unchanged"]);
    // What was built stays with the project, and is no part of the project's own package.
    let plain = deployed(&host, project.path(), &[]).answered();
    plain.said(&["not in the package: ", ".lambdabox/", "hello: unchanged"]);

    // Without a name it has the project's, not that of the directory it was built into.
    let name = project.path().file_name().unwrap().to_string_lossy().into_owned();
    let path = project.path().display().to_string();
    let unnamed = on(&host, &["deploy", &path, "--build"]).run().answered().text();
    assert!(unnamed.ends_with(&format!(":function:{name}\n")), "{unnamed} {name}");
}

#[test]
fn a_deployed_function_fails_is_queued_listed_and_removed() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    let function = Function::python(TELLS);
    let reserved = ["--reserved-concurrency", "1", "--description", "tells"];
    deployed(&host, function.path(), &reserved).answered();
    let failed = on(&host, &["invoke", "hello", "-e", "\"fail\""]).run();
    failed.failed_with("ValueError").said(&["REPORT RequestId"]);
    let queued = on(&host, &["invoke", "hello", "--async", "-e", "\"later\""]).run().answered();
    assert_eq!(queued.text(), "", "what is accepted has no answer");
    queued.said(&["hello: accepted, request id "]);
    // One environment serves all: it has seen the event once that was run.
    let ran = wait_until(Duration::from_secs(60), || {
        let run = on(&host, &["invoke", "hello", "-q"]).run();
        run.code() == 0 && run.json()["seen"].as_array().unwrap().contains(&json!("later"))
    });
    assert!(ran, "the event never ran: {}", host.log());

    let listed = on(&host, &["list"]).run().answered().text();
    let rows: Vec<Vec<&str>> =
        listed.lines().map(|line| line.split("  ").map(str::trim).collect()).collect();
    assert_eq!(rows.len(), 2, "{listed}");
    assert!(rows[0][0] == "NAME" && rows[1][0] == "hello", "{listed}");
    let whole = on(&host, &["ls", "--json"]).run().answered().json();
    assert_eq!(whole["functions"][0]["Description"], "tells");

    on(&host, &["rm", "hello"]).run().answered().said(&["hello: removed"]);
    let gone = on(&host, &["rm", "hello"]).run().expect_code(1);
    gone.said(&["the host refused to remove hello: ResourceNotFoundException: Function not found"]);
    let listed = on(&host, &["list", "--json"]).run().answered().json();
    assert_eq!(listed, json!({ "functions": [] }));
    let neither = on(&host, &["invoke", "hello"]).run().expect_code(2);
    neither.said(&[
        "no such file or directory: ",
        "has no function hello",
        "hint: `lambdabox list`",
    ]);
}

#[test]
fn who_is_not_there_or_is_no_host_or_refuses_is_said() {
    let nobody = format!("http://127.0.0.1:{}", Server::free_port());
    let function = Function::python(TELLS);
    let path = function.path().display().to_string();
    let to =
        |url: &str, arguments: &[&str]| lambdabox(arguments).args(["--endpoint-url", url]).run();
    for arguments in [&["list"][..], &["rm", "f"], &["deploy", &path], &["invoke", "f", "--async"]]
    {
        let said = format!("no host answers at {nobody}");
        to(&nobody, arguments).expect_code(3).said(&[&said, "hint: --endpoint-url says so"]);
    }
    let neither = to(&nobody, &["invoke", "hello"]).expect_code(2);
    neither.said(&["no such file or directory: ", "and no host answers at", "lambdabox serve"]);
    let other = Server::http("127.0.0.1:0", "<html>");
    let url = format!("http://127.0.0.1:{}", other.port());
    to(&url, &["list"]).expect_code(3).said(&["is no Lambda service (status 200)"]);
    to("https://127.0.0.1", &["list"]).refused(&["it must be an http:// address"]);
    let settings = ["invoke", "hello", "--memory-size", "512", "--env", "A=b"];
    to(&nobody, &settings).refused(&["--memory-size is of a function that runs", "--env is of"]);
    to(&nobody, &["invoke", &path, "--async"]).refused(&["--async is of a deployed function"]);
    let shown = ["invoke", "hello", "--print-config", "--trust-config"];
    to(&nobody, &shown).refused(&["--print-config is of a function", "--trust-config is of a"]);

    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    let refused = deployed(&host, function.path(), &["--env", "AWS_REGION=x"]).expect_code(1);
    refused.said(&["the host refused to create hello: InvalidParameterValueException: "]);
    let bad = function.file(".lambdaboxignore", "[z-a]\n");
    deployed(&host, bad.path(), &[]).expect_code(2).said(&[".lambdaboxignore"]);
}
