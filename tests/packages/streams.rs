//! Streams of AWS's own libraries, unmodified: the Node.js client, `lambda_runtime` and `lambda_http`.
//!
//! # Not here
//! A raw runtime's streams and what breaks them (`conformance::service::streams`).

use std::path::Path;

use crate::harness::{Function, Host, node_tree, official_node_client, rust_program};

/// What every script begins with. `deploy` deploys a directory that holds a function.
const PRELUDE: &str = "
from http.client import IncompleteRead
from streamed import *
def deploy(c, directory, runtime='provided.al2023', name='f', **more):
    code = {'S3Bucket': 'hot-reload', 'S3Key': directory}
    create(c, name, Runtime=runtime, Handler='index.handler', Code=code, MemorySize=512, **more)
c = client(read_timeout=120)
";

/// Runs a script on a host that takes code from this directory, which the script knows as `CODE`.
fn streams(code: &Path, path: Option<&Path>, script: &str) {
    let data = tempfile::tempdir().unwrap();
    let mut places: Vec<_> = path.into_iter().map(Path::to_owned).collect();
    places.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let path = std::env::join_paths(places).unwrap().into_string().unwrap();
    let code = code.to_str().unwrap();
    let host = Host::start_with(data.path(), &["--allow-code", code], &[("PATH", &path)]);
    host.python(&format!("{PRELUDE}CODE = {code:?}\n{script}"));
}

const NODE: &str = r#"
import { setTimeout } from "node:timers/promises";
export const handler = awslambda.streamifyResponse(async (event, stream, context) => {
  const asked = event.body ? JSON.parse(event.body) : event;
  if (asked.fails === "early") throw new RangeError("before");
  const meta = { statusCode: 201, headers: { "Content-Type": "text/plain", "X-Id": context.awsRequestId }, cookies: ["a=1"] };
  if (!asked.plain) stream = awslambda.HttpResponseStream.from(stream, meta);
  stream.write("one");
  await setTimeout(2000);
  if (asked.fails) throw new RangeError("no");
  stream.write("two");
  stream.end();
});
"#;

#[test]
fn awss_node_client_streams() {
    let (tree, client) = match (node_tree("nodejs22.x"), official_node_client("nodejs22.x")) {
        (Ok(tree), Ok(client)) => (tree, client),
        (Err(reason), _) | (_, Err(reason)) => skip!("{reason}"),
    };
    // The client in the package is the one that runs.
    let package = Function::empty().file("index.mjs", NODE);
    let modules = "node_modules/aws-lambda-ric";
    copy(&client.join("nodejs").join(modules), &package.at(modules));
    streams(
        package.path(),
        tree.as_deref(),
        r#"
deploy(c, CODE, "nodejs22.x")
chunks, complete, first, end = read(c, {"plain": True}, LogType="Tail")
assert "".join(chunks) == "onetwo" and end - first > 0.5, (chunks, end - first)
assert "REPORT RequestId" in base64.b64decode(complete["LogResult"]).decode(), complete
chunks, complete, _, _ = read(c, {})
head, text = "".join(chunks).split("\0" * 8)
assert text == "onetwo" and json.loads(head)["statusCode"] == 201 and complete == {}, (chunks, complete)
chunks, complete, _, _ = read(c, {"fails": "late", "plain": True})
assert "".join(chunks) == "one" and complete["ErrorCode"] == "Unhandled", (chunks, complete)
assert json.loads(complete["ErrorDetails"]).items() >= {"errorType": "RangeError", "errorMessage": "no"}.items(), complete
chunks, complete, _, _ = read(c, {"fails": "early"})
assert chunks == [] and json.loads(complete["ErrorDetails"])["errorType"] == "RangeError", (chunks, complete)
# Asked for whole, and after all that in the same environment.
whole = c.invoke(FunctionName="f", Payload=b'{"plain": true}')
assert whole["Payload"].read() == b"onetwo" and "FunctionError" not in whole, whole
url = url_of(c, InvokeMode="RESPONSE_STREAM")
def asked(**what):
    return connected(url, "/", "POST", json.dumps(what), {"Content-Type": "application/json"})
answer = asked()
assert answer.status == 201 and answer.headers["content-type"] == "text/plain", answer.headers.items()
assert answer.headers["x-id"] == answer.headers["x-amzn-requestid"]
assert answer.headers.get_all("set-cookie") == ["a=1"]
assert answer.read(3) == b"one"
first = time.monotonic()
assert answer.read() == b"two" and time.monotonic() - first > 0.5
try:
    answer = asked(fails="late")
    raise AssertionError(answer.read())
except IncompleteRead as cut:
    assert cut.partial == b"one", cut.partial
assert asked(fails="early").status == 502
"#,
    );
}

/// Copies a tree of plain files.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn lambda_runtime_streams() {
    let program = match rust_program("streaming") {
        Ok(program) => program,
        Err(reason) => skip!("{reason}"),
    };
    streams(
        program.parent().unwrap(),
        None,
        r#"
deploy(c, CODE)
# The library writes a prelude before every stream.
def parted(chunks):
    head, text = "".join(chunks).split("\0" * 8, 1)
    return json.loads(head), text
chunks, complete, first, end = read(c, {"parts": ["one", "two"], "pause_ms": 800})
head, text = parted(chunks)
assert head["statusCode"] == 201 and text == "onetwo" and complete == {}, (chunks, complete)
assert end - first > 0.5, "all of it came at once"
# Its own word for an error that comes late, which it sends as a piece of the stream.
chunks, complete, _, _ = read(c, {"parts": ["half"], "fails": "late"})
text = parted(chunks)[1]
assert text.startswith("half") and complete == {}, (chunks, complete)
assert text[4:].startswith("Lambda-Runtime-Function-Error-Type: Runtime.StreamError"), text
chunks, complete, _, _ = read(c, {"parts": ["half"], "pause_ms": 200, "fails": "dead"})
assert parted(chunks)[1] == "half" and complete["ErrorCode"] == "Runtime.ExitError", (chunks, complete)
chunks, complete, _, _ = read(c, {"fails": "early"})
assert chunks == [] and json.loads(complete["ErrorDetails"])["errorMessage"] == "no stream", (chunks, complete)
assert "".join(read(c, {"whole": True})[0]) == '{"whole":{"whole":true}}'
whole = c.invoke(FunctionName="f", Payload=json.dumps({"parts": ["x" * 100_000] * 20}))
assert parted([whole["Payload"].read().decode()])[1] == "x" * 2_000_000
"#,
    );
}

#[test]
fn lambda_http_serves_urls_streamed_and_whole() {
    let program = match rust_program("web") {
        Ok(program) => program,
        Err(reason) => skip!("{reason}"),
    };
    streams(
        program.parent().unwrap(),
        None,
        r#"
deploy(c, CODE)
deploy(c, CODE, name="g", Environment={"Variables": {"WEB_MODE": "whole"}})
url = url_of(c, InvokeMode="RESPONSE_STREAM")
answer = connected(url, "/a/b?q=1&q=2", "PUT", "text")
assert (answer.status, answer.headers["x-told"]) == (203, "yes"), answer.headers.items()
assert answer.headers["content-type"] == "application/octet-stream", answer.headers.items()
assert answer.headers.get_all("set-cookie") == ["a=1", "b=2; Path=/"], answer.headers.items()
assert answer.read(6) == b"told: "
first = time.monotonic()
assert answer.read() == b'PUT /a/b q=Some(["1", "2"]) text\nend\n' and time.monotonic() - first > 0.5
status, headers, body = visit(url_of(c, "g"), "/a/b?q=1", "POST", b"\xff\xfe")
assert (status, headers["content-type"]) == (202, "text/plain"), (status, headers.items())
assert headers.get_all("set-cookie") == ["a=1", "b=2; Path=/"], headers.items()
assert body.decode() == 'POST /a/b q=Some(["1"]) \ufffd\ufffd', body
"#,
    );
}
