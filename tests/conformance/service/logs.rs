//! Functions' logs through CloudWatch Logs' own clients, and on the host's standard error.

use std::process::Command;
use std::time::Duration;

use super::on_a_host;
use crate::harness::{Host, wait_until};

/// Says what it was told, line by line, and waits between two of them if told to.
const TALKER: &str = r#"
TALKER = '''
import sys, time
def handler(event, context):
    for text in event.get("say", []):
        print(text)
    time.sleep(event.get("sleep", 0))
    if event.get("fail"):
        raise ValueError("it failed")
    return context.aws_request_id
'''
logs = logs_client()
GROUP = "/aws/lambda/talker"
def call(**event):
    return c.invoke(FunctionName="talker", Payload=json.dumps(event))
def everything(group=GROUP, **more):
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, **more)
    return [event for page in pages for event in page["events"]]
"#;

fn script(rest: &str) -> String {
    format!("{TALKER}create(c, \"talker\", TALKER)\n{rest}")
}

#[test]
fn what_an_invocation_wrote_is_read_whole_and_in_order_right_after_it() {
    on_a_host(&script(
        r#"
request_id = answer(call(say=["one", "two ü", "three"]))
messages = [event["message"] for event in everything()]
assert messages[0] == f"START RequestId: {request_id} Version: $LATEST\n", messages
assert messages[1:4] == ["one\n", "two ü\n", "three\n"], messages
assert messages[4] == f"END RequestId: {request_id}\n", messages
assert messages[5].startswith(f"REPORT RequestId: {request_id}\tDuration: "), messages
assert "Init Duration: " in messages[5] and len(messages) == 6, messages
events = everything()
assert len({event["eventId"] for event in events}) == 6
now = time.time() * 1000
assert all(now - 120_000 < event["timestamp"] <= now + 1 for event in events), events
[stream] = logs.describe_log_streams(logGroupName=GROUP)["logStreams"]
name = stream["logStreamName"]
assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", name), name
assert {event["logStreamName"] for event in events} == {name}
assert stream["firstEventTimestamp"] == events[0]["timestamp"]
assert stream["lastEventTimestamp"] == events[-1]["timestamp"]
call(fail=True)
failed = everything(filterPattern="ValueError")
assert failed and failed[0]["message"].startswith("[ERROR] ValueError: it failed"), failed
"#,
    ));
}

#[test]
fn paginators_filters_and_ranges_find_what_they_should() {
    on_a_host(&script(
        r#"
for round in range(3):
    call(say=[f"{round}-{line}" for line in range(40)])
lines = [event["message"].strip() for event in everything(PaginationConfig={"PageSize": 7})]
said = [line for line in lines if re.fullmatch(r"\d-\d+", line)]
assert said == [f"{round}-{line}" for round in range(3) for line in range(40)], said
assert len(everything(filterPattern='"START RequestId"')) == 3
assert len(everything(filterPattern="?START ?REPORT")) == 6
assert len(everything(filterPattern="-START -END -REPORT")) == 120
assert len(everything(filterPattern="%^2-[0-9]\n$%")) == 10
[stream] = logs.describe_log_streams(logGroupName=GROUP)["logStreams"]
name = stream["logStreamName"]
starts = everything(filterPattern="START", logStreamNames=[name])
assert len(everything(startTime=starts[1]["timestamp"], filterPattern="START")) == 2
assert len(everything(endTime=starts[0]["timestamp"], filterPattern="START")) == 1
assert everything(logStreamNamePrefix=name[:12]) and not everything(logStreamNamePrefix="1999")

def get(**more):
    return logs.get_log_events(logGroupName=GROUP, logStreamName=name, **more)
forward, pages, token = [], 0, None
while True:
    page = get(startFromHead=True, limit=50, **({"nextToken": token} if token else {}))
    forward += [event["message"] for event in page["events"]]
    if page["nextForwardToken"] == token:
        break
    token, pages = page["nextForwardToken"], pages + 1
assert [line.strip() for line in forward] == lines and pages > 2, forward
call(say=["later"])
later = [event["message"] for event in get(nextToken=token)["events"]]
assert "later\n" in later and len(later) == 4, later
last = get(limit=2)
assert last["events"][1]["message"].startswith("REPORT"), last
before = get(limit=1, nextToken=last["nextBackwardToken"])
assert before["events"][0]["message"] == "later\n", before
arn = "arn:aws:logs:us-east-1:000000000000:log-group:" + GROUP
assert logs.get_log_events(logGroupIdentifier=arn, logStreamName=name, limit=1)["events"]
"#,
    ));
}

#[test]
fn groups_and_streams_are_listed_page_by_page() {
    on_a_host(&script(
        r#"
for name in ["alpha", "beta"]:
    create(c, name, TALKER)
    c.invoke(FunctionName=name, Payload="{}")
assert everything() == []
call()
pages = list(logs.get_paginator("describe_log_groups").paginate(
    logGroupNamePrefix="/aws/lambda/", PaginationConfig={"PageSize": 2}))
groups = [group for page in pages for group in page["logGroups"]]
assert [group["logGroupName"] for group in groups] == [
    "/aws/lambda/alpha", "/aws/lambda/beta", GROUP], groups
assert len(pages) == 2 and groups[0]["storedBytes"] > 0, pages
assert groups[0]["arn"] == "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/alpha:*"
found = logs.describe_log_groups(logGroupNamePattern="ET")["logGroups"]
assert [group["logGroupName"] for group in found] == ["/aws/lambda/beta"], found
threads = [threading.Thread(target=call, kwargs={"sleep": 2}) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
for order in ["LogStreamName", "LastEventTime"]:
    for descending in [False, True]:
        pages = list(logs.get_paginator("describe_log_streams").paginate(logGroupName=GROUP,
            orderBy=order, descending=descending, PaginationConfig={"PageSize": 2}))
        streams = [stream for page in pages for stream in page["logStreams"]]
        key = {"LogStreamName": "logStreamName", "LastEventTime": "lastEventTimestamp"}[order]
        assert len({stream["logStreamName"] for stream in streams}) == len(streams) >= 3
        values = [stream[key] for stream in streams]
        assert values == sorted(values, reverse=descending), values
"#,
    ));
}

#[test]
fn what_cannot_be_read_is_refused_as_by_aws() {
    on_a_host(&script(
        r#"
call()
missing = "The specified log group does not exist."
refused(logs.filter_log_events, "ResourceNotFoundException", missing, 400, logGroupName="/none")
refused(logs.describe_log_streams, "ResourceNotFoundException", missing, 400, logGroupName="/none")
refused(logs.get_log_events, "ResourceNotFoundException", "The specified log stream does not exist.",
    400, logGroupName=GROUP, logStreamName="none")
both = dict(logGroupName=GROUP, logStreamNames=["a"], logStreamNamePrefix="a")
refused(logs.filter_log_events, "InvalidParameterException", **both)
for pattern in ['"open', "%(%", "{ $.a }", "[a, b]"]:
    refused(logs.filter_log_events, "InvalidParameterException", logGroupName=GROUP,
        filterPattern=pattern)
refused(logs.filter_log_events, "InvalidParameterException", logGroupName=GROUP, nextToken="mine")
refused(logs.get_log_events, "InvalidParameterException", logGroupName=GROUP, logStreamName="x",
    nextToken="f/1/s")
refused(logs.describe_log_streams, "InvalidParameterException", logGroupName=GROUP,
    orderBy="LastEventTime", logStreamNamePrefix="2")
error = refused(logs.create_log_group, "UnknownOperationException", logGroupName="/mine")
assert "CreateLogGroup" in str(error), error
def target(operation, body=b"{}"):
    headers = {"X-Amz-Target": "Logs_20140328." + operation,
        "Content-Type": "application/x-amz-json-1.1"}
    status, _, answer = http("POST", "/", body, headers)
    return status, json.loads(answer)
status, said = target("StartLiveTail")
assert status == 400 and said["__type"] == "UnknownOperationException", said
assert "StartLiveTail" in said["message"] and "--follow" in said["message"], said
status, said = target("FilterLogEvents", b"{")
assert status == 400 and said["__type"] == "SerializationException", said
status, said = target("FilterLogEvents", b'{"logGroupName": "/aws/lambda/talker", "limit": 10001}')
assert status == 400 and said["__type"] == "InvalidParameterException", said
assert "less than or equal to 10000" in said["message"], said
"#,
    ));
}

#[test]
fn logs_in_json_and_in_a_group_of_their_own_are_kept_too() {
    on_a_host(&script(
        r#"
create(c, "json", TALKER, LoggingConfig={"LogFormat": "JSON", "LogGroup": "/my/own"})
c.invoke(FunctionName="json", Payload=json.dumps({"say": ["plain"]}))
records = [event["message"] for event in everything("/my/own")]
kinds = [json.loads(record)["type"] for record in records if record.startswith("{\"time")]
assert kinds[0] == "platform.start" and kinds[-1] == "platform.report", records
assert any("plain" in record for record in records), records
reports = everything("/my/own", filterPattern='{ $.type = "platform.report" && $.record.status = success }')
assert len(reports) == 1, reports
assert everything("/aws/lambda/json") == []
"#,
    ));
}

#[test]
fn logs_survive_the_end_and_the_kill_of_the_host() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    host.python(&script("call(say=['before the end'])"));
    host.end();
    let host = Host::start(data.path(), &[]);
    let after = "assert everything(filterPattern='\"before the end\"'), everything()\n";
    // What was read is on disk.
    host.python(&format!("{TALKER}{after}call(say=['before the kill'])\nassert everything()\n"));
    host.signal(nix::sys::signal::Signal::SIGKILL);
    host.wait();
    let host = Host::start(data.path(), &[]);
    host.python(&format!(
        "{TALKER}{after}assert everything(filterPattern='\"before the kill\"'), everything()\n"
    ));
}

#[test]
fn on_standard_error_every_line_names_its_function() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    host.python(&script("call(say=['hello there'])"));
    host.wait_for_log("talker | REPORT RequestId: ");
    let log = host.log();
    assert!(
        log.contains("\ntalker | START RequestId: ") && log.contains("\ntalker | hello there\n")
    );
}

/// AWS's command line of the second generation, which alone has `logs tail`; Debian's package.
const AWS_V2: &str = "/usr/bin/aws";

#[test]
fn aws_logs_tail_shows_and_follows_a_log() {
    let version = Command::new(AWS_V2).arg("--version").output();
    let version = version.map(|out| String::from_utf8_lossy(&out.stdout).into_owned());
    if !version.as_ref().is_ok_and(|version| version.starts_with("aws-cli/2.")) {
        skip!("no aws command line of version 2 at {AWS_V2} (Debian's package awscli)");
    }
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    host.python(&script("call(say=['first line'])"));
    let tail = |arguments: &[&str]| {
        let mut command = Command::new(AWS_V2);
        // Its first releases know no AWS_ENDPOINT_URL_CLOUDWATCH_LOGS.
        let url = format!("http://127.0.0.1:{}", host.port);
        command
            .args(["logs", "tail", "/aws/lambda/talker", "--format", "short", "--endpoint-url"])
            .args([url.as_str()])
            .args(arguments)
            .envs([("AWS_ACCESS_KEY_ID", "any"), ("AWS_SECRET_ACCESS_KEY", "any")])
            .envs([("AWS_DEFAULT_REGION", "us-east-1"), ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", &url)])
            .env("PYTHONUNBUFFERED", "1");
        command
    };
    let shown = tail(&[]).output().expect("aws runs");
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains(" START RequestId: ") && lines[1].ends_with(" first line"), "{text}");
    let filtered = tail(&["--filter-pattern", "REPORT"]).output().expect("aws runs");
    assert_eq!(String::from_utf8_lossy(&filtered.stdout).lines().count(), 1);
    let file = data.path().join("followed");
    let out = std::fs::File::create(&file).unwrap();
    let mut following = tail(&["--follow"]).stdout(out).spawn().expect("aws runs");
    let so_far = || std::fs::read_to_string(&file).unwrap();
    let saw_first = wait_until(Duration::from_secs(60), || so_far().contains("first line"));
    host.python(&format!("{TALKER}call(say=['second line'])"));
    let saw_second = wait_until(Duration::from_secs(60), || so_far().contains("second line"));
    following.kill().expect("it follows for ever");
    following.wait().expect("it was killed");
    assert!(saw_first && saw_second, "{}", so_far());
    assert_eq!(so_far().matches("first line").count(), 1, "{}", so_far());
}
