//! Many invocations at once in one environment, as on Managed Instances: a host and its clients.
//!
//! # Sources
//! `reference/runtime-api.md` section 7; `reference/lambda-service.md` section 17.

use super::on_a_host;

/// `capacity(n)` is what CreateFunction is told; `together(calls)` runs them at once; `MEET` waits until
/// as many as its event says are in one environment.
const PRELUDE: &str = r#"
from concurrent.futures import ThreadPoolExecutor
PROVIDER = "arn:aws:lambda:us-east-1:000000000000:capacity-provider:mine"
def capacity(n, **more):
    return {"LambdaManagedInstancesCapacityProviderConfig":
            {"CapacityProviderArn": PROVIDER, "PerExecutionEnvironmentMaxConcurrency": n, **more}}
c = client(max_pool_connections=32)
def call(name, event, **more):
    return c.invoke(FunctionName=name, Payload=json.dumps(event).encode(), **more)
def together(calls):
    with ThreadPoolExecutor(len(calls)) as pool:
        return [one.result() for one in [pool.submit(*one) for one in calls]]
MEET = """
import json, os, time, signal
def room(name): return sorted(os.listdir('/tmp/' + name)) if os.path.isdir('/tmp/' + name) else []
def enter(name, c):
    os.makedirs('/tmp/' + name, exist_ok=True)
    open('/tmp/' + name + '/' + c.aws_request_id, 'w').close()
def handler(e, c):
    name = e.get('room', 'a')
    enter(name, c)
    print(json.dumps({'requestId': c.aws_request_id, 'said': e.get('say')}))
    while len(room(name)) < e.get('many', 1): time.sleep(0.01)
    if e.get('do') == 'end': os.kill(os.getppid(), signal.SIGKILL)
    if e.get('do') in ('end', 'sleep'): time.sleep(600)
    if e.get('do') == 'raise': raise ValueError(e.get('say'))
    return {'met': len(room(name)), 'stream': c.log_stream_name}
"""
"#;

fn on_a_host_of_many(script: &str) {
    on_a_host(&format!("{PRELUDE}{script}"));
}

#[test]
fn what_is_configured_is_shown_changed_and_in_the_environment_and_logs_are_json() {
    on_a_host_of_many(
        r#"
source = "import os\ndef handler(e, c):\n    return {k: os.environ.get(k) for k in ('AWS_LAMBDA_MAX_CONCURRENCY', 'AWS_LAMBDA_INITIALIZATION_TYPE', 'AWS_LAMBDA_LOG_FORMAT')}\n"
made = create(c, "f", source, CapacityProviderConfig=capacity(3))
assert made["CapacityProviderConfig"] == capacity(3, ExecutionEnvironmentMemoryGiBPerVCpu=2.0), made
assert made["LoggingConfig"]["LogFormat"] == "JSON" and made["LoggingConfig"]["SystemLogLevel"] == "INFO"
assert answer(call("f", {})) == {"AWS_LAMBDA_MAX_CONCURRENCY": "3", "AWS_LAMBDA_LOG_FORMAT": "JSON",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances"}
c.update_function_configuration(FunctionName="f", CapacityProviderConfig=capacity(5))
updated(c, "f")
assert answer(call("f", {}))["AWS_LAMBDA_MAX_CONCURRENCY"] == "5"
default = {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": PROVIDER}}
c.update_function_configuration(FunctionName="f", CapacityProviderConfig=default)
updated(c, "f")
assert answer(call("f", {}))["AWS_LAMBDA_MAX_CONCURRENCY"] == "16"
create(c, "g", source)
assert answer(call("g", {}))["AWS_LAMBDA_MAX_CONCURRENCY"] is None
raw = client(parameter_validation=False)
path = "capacityProviderConfig.lambdaManagedInstancesCapacityProviderConfig"
for config, said in (
    (capacity(0), f"Value '0' at '{path}.perExecutionEnvironmentMaxConcurrency' failed to satisfy constraint: Member must have value greater than or equal to 1"),
    (capacity(1601), f"Value '1601' at '{path}.perExecutionEnvironmentMaxConcurrency' failed to satisfy constraint: Member must have value less than or equal to 1600"),
    (capacity(1, ExecutionEnvironmentMemoryGiBPerVCpu=8.5), f"Value '8.5' at '{path}.executionEnvironmentMemoryGiBPerVCpu' failed to satisfy constraint: Member must have value less than or equal to 8"),
    (capacity(1, ExecutionEnvironmentMemoryGiBPerVCpu=-1), f"Value '-1' at '{path}.executionEnvironmentMemoryGiBPerVCpu' failed to satisfy constraint: Member must have value greater than or equal to 2"),
    ({}, f"Value null at '{path}' failed to satisfy constraint: Member must not be null"),
):
    refused(raw.update_function_configuration, "ValidationException", "1 validation error detected: " + said, 400,
            FunctionName="f", CapacityProviderConfig=config)
wrong = capacity(1)
wrong["LambdaManagedInstancesCapacityProviderConfig"]["CapacityProviderArn"] = "mine"
error = refused(raw.update_function_configuration, "ValidationException", FunctionName="f", CapacityProviderConfig=wrong)
assert f"Value 'mine' at '{path}.capacityProviderArn'" in str(error), error
assert c.delete_function(FunctionName="f")["ResponseMetadata"]["HTTPStatusCode"] == 202
assert c.delete_function(FunctionName="g")["ResponseMetadata"]["HTTPStatusCode"] == 204
"#,
    );
}

#[test]
fn as_many_as_may_meet_in_one_environment_and_the_next_get_another() {
    on_a_host_of_many(
        r#"
create(c, "f", MEET, Timeout=3 * SHORT, CapacityProviderConfig=capacity(2))
logs = logs_client()
def inside():
    try:
        told = logs.filter_log_events(logGroupName="/aws/lambda/f")["events"]
    except ClientError:
        return []
    return [event["logStreamName"] for event in told if '"said": "in"' in event["message"]]
with ThreadPoolExecutor(2) as pool:
    slow = [pool.submit(call, "f", {"many": 2, "do": "sleep", "say": "in"}) for _ in range(2)]
    until(lambda: len(inside()) == 2)
    first = set(inside())
    assert len(first) == 1, first
    # There is no room in it while they run, nor when they have timed out.
    met = [answer(got) for got in together([(call, "f", {"many": 2, "room": "b"})] * 2)]
    assert [one["met"] for one in met] == [2, 2], met
    assert len({one["stream"] for one in met}) == 1 and met[0]["stream"] not in first, met
    for one in slow:
        assert answer(one.result())["errorType"] == "Sandbox.Timedout"
"#,
    );
}

#[test]
fn each_has_its_own_answer_error_and_tail_of_the_log() {
    on_a_host_of_many(
        r#"
create(c, "f", MEET, CapacityProviderConfig=capacity(3))
def tailed(event):
    return call("f", {"many": 3, **event}, LogType="Tail")
good, bad, other = together([(tailed, {"say": "one"}), (tailed, {"say": "two", "do": "raise"}), (tailed, {"say": "three"})])
assert answer(good)["met"] == answer(other)["met"] == 3 and "FunctionError" not in good
assert bad["FunctionError"] == "Unhandled" and answer(bad)["errorMessage"] == "two"
for got, said in (good, "one"), (bad, "two"), (other, "three"):
    lines = [json.loads(line) for line in base64.b64decode(got["LogResult"]).decode().splitlines()]
    request_id = got["ResponseMetadata"]["RequestId"]
    assert [line["said"] for line in lines if "said" in line] == [said], lines
    kinds = [line["type"] for line in lines if "type" in line]
    assert kinds[0] == "platform.start" and kinds[-1] == "platform.report", kinds
    assert {line.get("requestId") or line["record"]["requestId"] for line in lines} == {request_id}, lines
"#,
    );
}

#[test]
fn who_takes_too_long_is_told_so_alone_and_keeps_a_slot() {
    on_a_host_of_many(
        r#"
create(c, "f", MEET, Timeout=SHORT, CapacityProviderConfig=capacity(2))
slow, quick = together([(call, "f", {"many": 2, "do": "sleep"}), (call, "f", {"many": 2})])
first = answer(quick)
assert "FunctionError" not in quick, first
assert slow["FunctionError"] == "Unhandled" and answer(slow)["errorType"] == "Sandbox.Timedout", slow
# The environment lives on, with one slot.
assert answer(call("f", {}))["stream"] == first["stream"]
b, d = together([(call, "f", {"many": 1, "room": "b"}), (call, "f", {"many": 1, "room": "d"})])
assert first["stream"] in (answer(b)["stream"], answer(d)["stream"])
"#,
    );
}

#[test]
fn the_end_of_the_runtime_ends_all_that_run_and_another_environment_serves_on() {
    on_a_host_of_many(
        r#"
create(c, "f", MEET, CapacityProviderConfig=capacity(3))
before = answer(call("f", {"room": "x"}))["stream"]
ended = together([(call, "f", {"many": 3, "do": do}) for do in ("end", "sleep", "sleep")])
for got in ended:
    error = answer(got)
    assert got["FunctionError"] == "Unhandled" and error["errorType"] == "Runtime.ExitError", error
    assert error["errorMessage"] == f"RequestId: {got['ResponseMetadata']['RequestId']} Error: Runtime exited with error: signal: killed", error
after = answer(call("f", {"room": "x"}))
assert after["stream"] != before, after
"#,
    );
}

#[test]
fn a_failed_init_is_everybodys_error_and_tried_again_by_who_comes_later() {
    on_a_host_of_many(
        r#"
create(c, "f", "raise ValueError('not today')\ndef handler(e, c): pass\n", CapacityProviderConfig=capacity(2))
for got in together([(call, "f", {})] * 4) + [call("f", {})]:
    error = answer(got)
    assert got["FunctionError"] == "Unhandled" and error["errorMessage"] == "not today", error
"#,
    );
}
