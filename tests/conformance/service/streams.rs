//! InvokeWithResponseStream, read by botocore's own event-stream parser, and streams asked for whole.

use super::on_a_host;
use crate::harness::Host;

/// `deploy` makes a function that answers as its event says.
const PRELUDE: &str = r#"
import checked
from streamed import *
SOURCE = open(os.path.join(os.path.dirname(checked.__file__), "streaming.py")).read()
def deploy(c, name="f", **more):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("bootstrap")
        info.external_attr = 0o755 << 16
        archive.writestr(info, SOURCE)
    create(c, name, Runtime="provided.al2023", Code={"ZipFile": out.getvalue()}, **more)
c = client(read_timeout=120)
"#;

#[track_caller]
fn streams(script: &str) {
    on_a_host(&format!("{PRELUDE}{script}"));
}

#[test]
fn chunks_come_while_the_function_makes_them_and_its_log_with_the_end() {
    streams(
        r#"
deploy(c)
chunks, complete, first, end = read(c, [["begin"], ["data", "one"], ["pause", 2], ["data", "two"], ["end"]])
assert "".join(chunks) == "onetwo" and complete == {}, (chunks, complete)
assert end - first > 0.2, "all of it came at once"
chunks, complete, _, _ = read(c, [["begin"], ["data", "x"], ["end"]], LogType="Tail")
log = base64.b64decode(complete["LogResult"]).decode()
assert "the host says 202" in log and log.splitlines()[-1].startswith("REPORT"), log
assert read(c, [["begin"], ["end"]])[:2] == ([], {})
"#,
    );
}

#[test]
fn a_function_that_does_not_stream_is_one_chunk() {
    streams(
        r#"
create(c, "g", "def handler(e, c):\n    if e == 1: raise ValueError('no')\n    return {'e': e}\n")
assert read(c, 7, "g")[:2] == (['{"e": 7}'], {})
chunks, complete, _, _ = read(c, 1, "g")
assert chunks == [] and complete["ErrorCode"] == "Unhandled", complete
assert json.loads(complete["ErrorDetails"])["errorType"] == "ValueError", complete
"#,
    );
}

#[test]
fn whatever_breaks_a_stream_off_is_told_after_its_chunks_and_the_next_is_fine() {
    streams(
        r#"
deploy(c, Timeout=8)
error = base64.b64encode(b'{"errorType":"Oops","errorMessage":"no"}').decode()
trailers = {"Lambda-Runtime-Function-Error-Type": "Function.Oops", "Lambda-Runtime-Function-Error-Body": error}
for steps, code, details in (
    ([["end", trailers]], "Unhandled", {"errorType": "Oops", "errorMessage": "no"}),
    ([["cut"]], "Unhandled", {"errorType": "Runtime.TruncatedResponse"}),
    ([["die"]], "Runtime.ExitError", {"errorType": "Runtime.ExitError"}),
    ([["pause", 600]], "Sandbox.Timedout", {"errorType": "Sandbox.Timedout"}),
):
    chunks, complete, _, _ = read(c, [["begin"], ["data", "half"], *steps])
    assert chunks == ["half"] and complete["ErrorCode"] == code, (steps, chunks, complete)
    assert json.loads(complete["ErrorDetails"]).items() >= details.items(), (steps, complete)
    assert read(c, [["begin"], ["data", "fine"], ["end"]])[:2] == (["fine"], {}), steps
# An error that comes instead of a stream.
chunks, complete, _, _ = read(c, [["error", '{"errorType":"Early"}']])
assert chunks == [] and complete["ErrorDetails"] == '{"errorType":"Early"}', complete
"#,
    );
}

#[test]
fn a_stream_that_is_asked_for_whole_is_collected() {
    streams(
        r#"
deploy(c, MemorySize=512)
def whole(steps):
    got = c.invoke(FunctionName="f", Payload=json.dumps(steps))
    return got["Payload"].read().decode(), got.get("FunctionError")
assert whole([["begin"], ["data", "one"], ["data", "two"], ["end"]]) == ("onetwo", None)
error = base64.b64encode(b'{"errorType":"Oops"}').decode()
trailers = {"Lambda-Runtime-Function-Error-Type": "Function.Oops", "Lambda-Runtime-Function-Error-Body": error}
assert whole([["begin"], ["data", "one"], ["end", trailers]]) == ('{"errorType":"Oops"}', "Unhandled")
text, failed = whole([["begin"], ["data", "x", 6291557], ["end"]])
assert failed == "Unhandled" and json.loads(text)["errorType"] == "Function.ResponseSizeTooLarge", text
assert whole([["begin"], ["data", "x", 6291556], ["end"]]) == ("x" * 6291556, None)
# As a stream it may be longer.
chunks, complete, _, _ = read(c, [["begin"], *[["data", "y", 1 << 20]] * 20, ["end"]])
assert sum(map(len, chunks)) == 20 << 20 and complete == {}, complete
"#,
    );
}

#[test]
fn a_reader_that_left_or_does_not_read_stops_nobody_but_its_own_function() {
    streams(
        r#"
deploy(c, MemorySize=512)
c.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=1)
def count():
    '''In the only environment there may be, once that is free.'''
    while True:
        try:
            return read(c, [["begin"], ["count"], ["end"]])[0]
        except ClientError as error:
            assert error.response["Error"]["Code"] == "TooManyRequestsException", error
            time.sleep(0.05)
stream = begun(c, [["begin"], ["data", "x", 1 << 20], *[["data", "x", 1 << 20]] * 30, ["end"]])
next(iter(stream))
stream.close()
assert count() == ["2"], "its environment did not go on"
deploy(c, "slow", MemorySize=512)
slow = begun(c, [["begin"], *[["data", "x", 1 << 20]] * 60, ["end"]], "slow")
# Meanwhile others are answered, and nothing of it is lost.
assert count() == ["3"]
got = [event for event in slow]
assert sum(len(event["PayloadChunk"]["Payload"]) for event in got[:-1]) == 60 << 20
assert got[-1] == {"InvokeComplete": {}}, got[-1]
"#,
    );
}

#[test]
fn what_cannot_be_streamed_is_refused_as_the_model_says() {
    streams(
        r#"
deploy(c)
call = c.invoke_with_response_stream
refused(call, "ResourceNotFoundException", f"Function not found: {ARN}g:$LATEST", 404, FunctionName="g")
refused(call, "ResourceNotFoundException", f"Function not found: {ARN}f:1", 404, FunctionName="f", Qualifier="1")
refused(call, "InvalidRequestContentException", status=400, FunctionName="f", Payload=b"{")
refused(call, "RequestEntityTooLargeException", status=413, FunctionName="f", Payload=b'"' + b"x" * 6_291_456 + b'"')
refused(call, "ValidationException",
        "1 validation error detected: Value 'Event' at 'invocationType' failed to satisfy constraint: "
        "Member must satisfy enum value set: [RequestResponse, DryRun]", 400, FunctionName="f", InvocationType="Event")
c.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
refused(call, "TooManyRequestsException", "Rate Exceeded.", 429, FunctionName="f")
c.delete_function_concurrency(FunctionName="f")
assert call(FunctionName="f", InvocationType="DryRun")["StatusCode"] == 204
"#,
    );
}

#[test]
fn streams_flow_as_on_aws_when_that_is_asked_for() {
    let data = tempfile::tempdir().unwrap();
    let script = r#"
deploy(c, MemorySize=512)
took = []
for megabytes in 1, 9:
    start = time.monotonic()
    chunks, _, _, end = read(c, [["begin"], *[["data", "x", 1 << 20]] * megabytes, ["end"]])
    assert sum(map(len, chunks)) == megabytes << 20
    took.append(end - start)
assert took[1] > 1.4, took  # three of nine at two a second
"#;
    let host = Host::start(data.path(), &["--stream-bandwidth", "aws"]);
    host.python(&format!("{PRELUDE}{script}"));
}

#[test]
fn a_node_handler_streams() {
    let node = std::process::Command::new("node").arg("--version").output();
    if !node.is_ok_and(|output| output.status.success()) {
        skip!("no node on this machine");
    }
    let data = tempfile::tempdir().unwrap();
    // Whatever version there is: the loop is the same.
    let host = Host::start(data.path(), &["--runtime-compat", "near"]);
    let script = r#"
source = '''
const { setTimeout } = require("node:timers/promises");
exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
  const meta = { statusCode: 201, headers: { "Content-Type": "text/plain" } };
  stream = awslambda.HttpResponseStream.from(stream, meta);
  stream.write("one");
  await setTimeout(2000);
  if (event.fails) throw new RangeError("no");
  stream.end("two");
});
'''
create(c, "n", Runtime="nodejs22.x", Handler="index.handler", Code={"ZipFile": zipped(source, "index.js")})
chunks, complete, first, end = read(c, {}, "n")
head = '{"statusCode":201,"headers":{"Content-Type":"text/plain"}}' + "\0" * 8
assert "".join(chunks) == head + "onetwo" and complete == {}, (chunks, complete)
assert end - first > 0.2, "all of it came at once"
chunks, complete, _, _ = read(c, {"fails": True}, "n")
assert "".join(chunks) == head + "one" and complete["ErrorCode"] == "Unhandled", complete
assert json.loads(complete["ErrorDetails"])["errorType"] == "RangeError", complete
"#;
    host.python(&format!("{PRELUDE}{script}"));
}
