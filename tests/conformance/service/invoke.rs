//! Invoke: what goes in, what comes out, and what is said about it.

use super::on_a_host;
use crate::harness::Host;

#[test]
fn an_answer_has_its_version_id_trace_and_the_tail_of_its_log() {
    on_a_host(
        r#"
create(c, "f", "import os\ndef handler(e, c):\n    print('héllo from', c.aws_request_id)\n    return {'id': c.aws_request_id, 'trace': os.environ['_X_AMZN_TRACE_ID'], 'arn': c.invoked_function_arn}\n")
got = c.invoke(FunctionName="f", LogType="Tail")
said = answer(got)
request_id = got["ResponseMetadata"]["RequestId"]
assert got["StatusCode"] == 200 and got["ExecutedVersion"] == "$LATEST" and "FunctionError" not in got
assert said["id"] == request_id and said["arn"] == ARN + "f"
headers = got["ResponseMetadata"]["HTTPHeaders"]
assert headers["x-amzn-trace-id"].startswith("Root=1-") and said["trace"].startswith(headers["x-amzn-trace-id"][:40])
log = base64.b64decode(got["LogResult"]).decode()
lines = log.splitlines()
assert lines[0] == f"START RequestId: {request_id} Version: $LATEST", log
assert f"héllo from {request_id}" in lines and f"END RequestId: {request_id}" in lines
assert lines[-1].startswith(f"REPORT RequestId: {request_id}\tDuration: "), log
assert "LogResult" not in c.invoke(FunctionName="f")
trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
def add(request, **_):
    request.headers["X-Amzn-Trace-Id"] = trace
c.meta.events.register("before-sign.lambda.Invoke", add)
got = c.invoke(FunctionName="f")
assert got["ResponseMetadata"]["HTTPHeaders"]["x-amzn-trace-id"] == trace
assert answer(got)["trace"].startswith("Root=1-5759e988-bd862e3fe1be46a994272793")
"#,
    );
}

#[test]
fn the_tail_is_the_last_4096_bytes() {
    on_a_host(
        r#"
create(c, "f", "def handler(e, c):\n    for n in range(1000):\n        print('line', n)\n")
log = base64.b64decode(c.invoke(FunctionName="f", LogType="Tail")["LogResult"])
assert len(log) == 4096 and b"line 999\n" in log and b"line 0\n" not in log and log.endswith(b"\n")
"#,
    );
}

#[test]
fn every_form_of_the_name_invokes_and_function_is_the_only_one() {
    on_a_host(
        r#"
create(c, "f", "def handler(e, c):\n    return c.invoked_function_arn\n")
for name in "f", "function:f", "000000000000:function:f", ARN + "f", "function":
    assert answer(c.invoke(FunctionName=name)) == ARN + "f", name
for name, more in (("f:$LATEST", {}), (ARN + "f:$LATEST", {}), ("f", {"Qualifier": "$LATEST"}), ("f:$LATEST", {"Qualifier": "$LATEST"})):
    assert answer(c.invoke(FunctionName=name, **more)) == ARN + "f:$LATEST", name
refused(c.invoke, "InvalidParameterValueException",
        "The derived qualifier from the function name does not match the specified qualifier.", 400,
        FunctionName="f:$LATEST", Qualifier="other")
refused(c.invoke, "ResourceNotFoundException", f"Function not found: {ARN}f:1", 404, FunctionName="f", Qualifier="1")
refused(c.invoke, "ResourceNotFoundException", f"Function not found: {ARN}f:live", FunctionName="f:live")
refused(c.invoke, "ResourceNotFoundException",
        "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
        FunctionName=(ARN + "f").replace("us-east-1", "eu-west-1"))
create(c, "g")
refused(c.invoke, "ResourceNotFoundException", f"Function not found: {ARN}function:$LATEST", FunctionName="function")
"#,
    );
}

#[test]
fn a_failed_function_is_a_200_with_its_error() {
    on_a_host(
        r#"
create(c, "f", "import os, time\ndef handler(e, c):\n    if e == 'exit': os._exit(3)\n    if e == 'sleep': time.sleep(600)\n    raise ValueError('no')\n", Timeout=SHORT)
got = c.invoke(FunctionName="f", Payload=b'"raise"')
error = answer(got)
assert got["StatusCode"] == 200 and got["FunctionError"] == "Unhandled" and got["ExecutedVersion"] == "$LATEST"
assert error["errorType"] == "ValueError" and error["errorMessage"] == "no" and error["stackTrace"]
got = c.invoke(FunctionName="f", Payload=b'"exit"')
request_id = got["ResponseMetadata"]["RequestId"]
assert got["FunctionError"] == "Unhandled"
assert answer(got) == {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {request_id} Error: Runtime exited with error: exit status 3"}
got = c.invoke(FunctionName="f", Payload=b'"sleep"', LogType="Tail")
request_id = got["ResponseMetadata"]["RequestId"]
assert answer(got) == {"errorType": "Sandbox.Timedout", "errorMessage": f"RequestId: {request_id} Error: Task timed out after {SHORT}.00 seconds"}
assert f"Task timed out after {SHORT}.00 seconds" in base64.b64decode(got["LogResult"]).decode()
assert answer(c.invoke(FunctionName="f", Payload=b'"raise"'))["errorType"] == "ValueError"
"#,
    );
}

#[test]
fn the_client_context_reaches_the_function_and_only_an_object_will_do() {
    on_a_host(
        r#"
create(c, "f", "def handler(e, c):\n    return c.client_context and c.client_context.custom\n")
def context(text):
    return base64.b64encode(text).decode()
assert answer(c.invoke(FunctionName="f", ClientContext=context(b'{"custom": {"k": "v"}}'))) == {"k": "v"}
# JSON may have it in a text; a header may not.
assert answer(c.invoke(FunctionName="f", ClientContext=context(b'{"custom":\n{"k": "\x7f"}}'))) == {"k": "\x7f"}
assert answer(c.invoke(FunctionName="f")) is None
for wrong in "%%%", context(b"[1]"), context(b"{"):
    refused(c.invoke, "InvalidRequestContentException", status=400, FunctionName="f", ClientContext=wrong)
"#,
    );
}

#[test]
fn payloads_are_json_up_to_their_limits() {
    on_a_host(
        r#"
create(c, "f", "def handler(e, c):\n    return len(e)\n", MemorySize=512)
assert answer(c.invoke(FunctionName="f")) == 0
largest = b'"' + b"x" * (6_291_456 - 2) + b'"'
assert answer(c.invoke(FunctionName="f", Payload=largest)) == 6_291_454
refused(c.invoke, "RequestEntityTooLargeException",
        "Request must be smaller than 6291456 bytes for the InvokeFunction operation", 413,
        FunctionName="f", Payload=largest + b" ")
refused(c.invoke, "RequestEntityTooLargeException",
        "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)", 413,
        FunctionName="f", Payload=b'"' + b"x" * 1_048_575 + b'"', InvocationType="Event")
for wrong in b"{", b"'a'", b"\xff", b"1 2":
    error = refused(c.invoke, "InvalidRequestContentException", status=400, FunctionName="f", Payload=wrong)
    assert "Could not parse request body into json: Could not parse payload into json: " in str(error)
create(c, "big", "def handler(e, c):\n    return 'x' * e\n", MemorySize=512)
assert len(answer(c.invoke(FunctionName="big", Payload=b"6000000"))) == 6_000_000
got = c.invoke(FunctionName="big", Payload=b"7000000")
assert got["FunctionError"] == "Unhandled" and answer(got)["errorType"] == "Function.ResponseSizeTooLarge"
"#,
    );
}

#[test]
fn a_dry_run_is_204_and_runs_nothing() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    host.python(
        r#"
create(c, "f")
got = c.invoke(FunctionName="f", InvocationType="DryRun")
assert got["StatusCode"] == 204 and got["Payload"].read() == b"" and "ExecutedVersion" not in got
refused(c.invoke, "ResourceNotFoundException", FunctionName="g", InvocationType="DryRun")
refused(c.invoke, "ValidationException",
        "1 validation error detected: Value 'Later' at 'invocationType' failed to satisfy constraint: "
        "Member must satisfy enum value set: [Event, RequestResponse, DryRun]",
        FunctionName="f", InvocationType="Later")
"#,
    );
    let log = host.end().expect_code(0).stderr;
    assert!(!log.contains("START RequestId"), "{log}");
}

#[test]
fn an_event_is_accepted_at_once_and_run_under_its_id() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    let printed = host.python(
        r#"
create(c, "f", "def handler(e, c):\n    print('ran', c.aws_request_id, e, c.client_context)\n")
got = c.invoke(FunctionName="f", InvocationType="Event", Payload=b'{"n": 1}', ClientContext="not even base64")
assert got["StatusCode"] == 202 and got["Payload"].read() == b"" and "ExecutedVersion" not in got
print(got["ResponseMetadata"]["RequestId"])
got = c.invoke_async(FunctionName="f", InvokeArgs=b'{"n": 2}')
assert got["Status"] == 202
print(got["ResponseMetadata"]["RequestId"])
refused(c.invoke_async, "RequestEntityTooLargeException",
        "262145 byte payload is too large for the Event invocation type (limit 262144 bytes)", 413,
        FunctionName="f", InvokeArgs=b'"' + b"x" * 262_143 + b'"')
refused(c.invoke_async, "ResourceNotFoundException", f"Function not found: {ARN}g:$LATEST", FunctionName="g", InvokeArgs=b"1")
status, headers, body = http("POST", "/2015-03-31/functions/f/versions", b"{}")
assert (status, headers["x-amzn-errortype"]) == (404, "UnknownOperationException"), headers
assert json.loads(body)["Message"] == "lambdabox does not have PublishVersion yet.", body
"#,
    );
    for (number, id) in (1..).zip(printed.lines()) {
        host.wait_for_log(&format!("ran {id} {{'n': {number}}} None"));
        host.wait_for_log(&format!("REPORT RequestId: {id}"));
    }
}

#[test]
fn a_caller_that_hangs_up_does_not_stop_its_invocation() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    host.python(
        r#"
create(c, "f", "import time\ndef handler(e, c):\n    print('begun', flush=True)\n    time.sleep(2)\n    print('finished', flush=True)\n")
import socket
raw = socket.create_connection(("127.0.0.1", PORT))
raw.sendall(b"POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
# The environment may still have to be made: nothing is waited for but what was sent.
raw.close()
"#,
    );
    host.wait_for_log("begun");
    host.wait_for_log("finished");
}

#[test]
fn the_time_that_is_left_begins_when_the_function_has_the_event() {
    on_a_host(
        r#"
create(c, "f", "import time\ntime.sleep(2)\ndef handler(e, c):\n    return c.get_remaining_time_in_millis()\n", Timeout=10)
left = answer(c.invoke(FunctionName="f"))
assert 9_000 < left <= 10_000, left
"#,
    );
}
