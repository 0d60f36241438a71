//! SnapStart: an init that ends in a snapshot, hooks around it, and keys that are asked for.
//!
//! The snapshot itself is the process, which goes on at once.
//!
//! # Sources
//! `reference/runtime-api.md` 1.7, 3.4, 4.1.

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{
    Client, Serving, boto3_is_there, has_jdk, interpreter, java_with_hooks, official_java_client,
    vendored_for,
};

/// Tells in which order its hooks ran, and what it sees.
const HOOKED: &str = "import json, os, urllib.request
from snapshot_restore_py import register_before_snapshot, register_after_restore
order = []
@register_before_snapshot
def first(): order.append('before 1')
register_before_snapshot(order.append, 'before 2')
@register_after_restore
def second(): order.append('after 1')
register_after_restore(order.append, 'after 2')
print('loading')
def handler(event, context):
    address = os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI']
    def ask(token):
        request = urllib.request.Request(address, headers={'Authorization': token} if token else {})
        try:
            with urllib.request.urlopen(request) as answer: return json.load(answer)
        except urllib.error.HTTPError as error:
            return [error.code, error.read().decode()]
    names = 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_LAMBDA_LOG_STREAM_NAME'
    return {
        'order': order,
        'type': os.environ['AWS_LAMBDA_INITIALIZATION_TYPE'],
        'absent': [name for name in names if name in os.environ],
        'keys': ask(os.environ['AWS_CONTAINER_AUTHORIZATION_TOKEN']),
        'wrong': ask('wrong'),
        'none': ask(None),
    }
";

/// A host with a directory that holds this function, served by one of the two clients.
struct Place {
    code: TempDir,
    _data: TempDir,
    serving: Serving,
}

impl Place {
    fn start(client: Client, source: &str, variables: &[(&str, &str)]) -> Result<Self, String> {
        boto3_is_there()?;
        minor()?;
        let code = tempfile::tempdir().unwrap();
        if client == Client::Official {
            let client = &["awslambdaric==4.2.2"];
            let layer = vendored_for(minor()?, "awslambdaric-layer", "python", client)?;
            let copied = Command::new("cp")
                .args(["-r", "--"])
                .args([layer.join("python/."), code.path().to_owned()])
                .status();
            assert!(copied.is_ok_and(|status| status.success()), "cp copies");
        }
        std::fs::write(code.path().join("app.py"), source).unwrap();
        let data = tempfile::tempdir().unwrap();
        let allowed = code.path().to_str().unwrap();
        let serving = Serving::start_with(data.path(), &["--allow-code", allowed], variables);
        Ok(Self { code, _data: data, serving })
    }

    /// Deploys it as `f`, with a snapshot, and runs a script.
    #[track_caller]
    fn boto3(&self, script: &str) -> Value {
        let (directory, minor) = (self.code.path(), minor().expect("it was looked for"));
        self.serving.boto3(&format!(
            "
client.create_function(FunctionName='f', Runtime='python3.{minor}', Handler='app.handler',
    Role='arn:aws:iam::000000000000:role/any', Timeout=TIMEOUT, MemorySize=256,
    Code={{'S3Bucket': 'hot-reload', 'S3Key': {directory:?}}},
    SnapStart={{'ApplyOn': 'PublishedVersions'}})
client.get_waiter('function_active_v2').wait(FunctionName='f')
{script}"
        ))
    }
}

/// A CPython of this machine that SnapStart is for: 3.12 and newer.
fn minor() -> Result<u32, String> {
    let found = (12..=14).find(|minor| interpreter(*minor).is_some());
    found.ok_or_else(|| "no python3.12 or newer on this machine".to_owned())
}

macro_rules! place {
    ($client:expr, $source:expr, $variables:expr) => {
        match Place::start($client, $source, $variables) {
            Ok(place) => place,
            Err(reason) => skip!("{reason}"),
        }
    };
}

on_both_loops! {
    hooks_run_around_the_snapshot_and_keys_are_asked_for,
    a_hook_that_fails_is_the_callers_error_and_has_its_type,
}

fn hooks_run_around_the_snapshot_and_keys_are_asked_for(client: Client) {
    let place = place!(client, HOOKED, &[]);
    let answers = place.boto3("json.dump([call('f'), call('f')], sys.stdout)");
    let first = &answers[0];
    // What was registered last runs first before the snapshot, as in AWS's client.
    assert_eq!(first["order"], json!(["before 2", "before 1", "after 1", "after 2"]), "{answers}");
    assert_eq!(first["order"], answers[1]["order"], "once, and not for each invocation");
    assert_eq!((&first["type"], &first["absent"]), (&"snap-start".into(), &json!([])));
    assert_eq!(first["keys"]["AccessKeyId"], "test");
    assert!(first["keys"]["SecretAccessKey"].is_string() && first["keys"]["Token"].is_string());
    let until = first["keys"]["Expiration"].as_str().unwrap();
    assert!(until.ends_with('Z') && until.parse::<jiff::Timestamp>().is_ok(), "{until}");
    let refused = json!([404, "cannot get credentials for the provided token\n"]);
    assert_eq!((&first["wrong"], &first["none"]), (&refused, &refused));
    let log = place.serving.log();
    assert_eq!(log.matches("loading").count(), 1, "{log}");
    let positions: Vec<_> =
        ["INIT_REPORT Init Duration: ", "RESTORE_REPORT Restore Duration: ", "START "]
            .iter()
            .map(|line| log.find(line).unwrap_or_else(|| panic!("no {line} in {log}")))
            .collect();
    assert!(positions.is_sorted(), "{log}");
    assert!(log.contains("Phase: snap-start"), "{log}");
    let reports: Vec<_> = log.lines().filter(|line| line.contains("REPORT RequestId")).collect();
    assert!(reports[0].contains("\tRestore Duration: "), "{reports:?}");
    assert!(reports[0].contains("\tBilled Restore Duration: "), "{reports:?}");
    assert!(!reports[0].contains("Init Duration"), "{reports:?}");
    assert!(!reports[1].contains("Restore Duration"), "{reports:?}");
}

fn a_hook_that_fails_is_the_callers_error_and_has_its_type(client: Client) {
    for (hook, error_type, line) in [
        ("register_before_snapshot", "Runtime.BeforeSnapshotError", "INIT_REPORT"),
        ("register_after_restore", "Runtime.AfterRestoreError", "RESTORE_REPORT"),
    ] {
        let source = format!(
            "import snapshot_restore_py
@snapshot_restore_py.{hook}
def hook(): raise ValueError('no connection')
def handler(event, context): return 1
"
        );
        let place = place!(client, &source, &[]);
        let error = place.boto3(
            "
answer = client.invoke(FunctionName='f')
json.dump([answer.get('FunctionError'), json.load(answer['Payload'])], sys.stdout)",
        );
        assert_eq!(error[0], "Unhandled", "{hook}");
        assert_eq!(error[1]["errorType"], "ValueError", "{hook}: {error}");
        assert_eq!(error[1]["errorMessage"], "no connection", "{hook}");
        let log = place.serving.log();
        let failed: Vec<_> = log
            .lines()
            .filter(|l| l.contains(line) && l.ends_with(&format!("Error Type: {error_type}")))
            .collect();
        // Ahead of the invocation, and once more as a part of it.
        assert_eq!(failed.len(), 2, "{hook}: {log}");
        let report = log.lines().find(|line| line.contains("REPORT RequestId")).unwrap();
        assert!(report.ends_with(&format!("Status: error\tError Type: {error_type}")), "{report}");
    }
}

#[test]
fn hooks_after_a_restore_have_their_own_limit() {
    let source = "import snapshot_restore_py, time
snapshot_restore_py.register_after_restore(time.sleep, 600)
def handler(event, context): return 1
";
    let place = place!(Client::Managed, source, &[("LAMBDABOX_RESTORE_LIMIT_MS", "700")]);
    let answer = place.boto3("json.dump(call('f'), sys.stdout)");
    assert_eq!(answer["errorType"], "Runtime.RestoreHookUserTimeout", "{answer}");
    let log = place.serving.log();
    let line = "RESTORE_REPORT Restore Duration: 700.00 ms\tStatus: timeout";
    assert_eq!(log.matches(line).count(), 2, "{log}");
}

#[test]
fn each_event_of_a_snapshot_comes_in_order_with_its_fields() {
    let source = "def handler(event, context): return 1\n";
    let place = place!(Client::Managed, source, &[]);
    place.boto3(
        "
client.update_function_configuration(FunctionName='f',
    LoggingConfig={'LogFormat': 'JSON', 'SystemLogLevel': 'DEBUG'})
client.get_waiter('function_updated_v2').wait(FunctionName='f')
json.dump(call('f'), sys.stdout)",
    );
    place.serving.wait_for_log("platform.report");
    let log = place.serving.log();
    let events: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("f | ")?).ok())
        .filter(|event: &Value| event["type"].is_string())
        .collect();
    let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let expected = [
        "platform.initStart",
        "platform.initRuntimeDone",
        "platform.initReport",
        "platform.restoreStart",
        "platform.restoreRuntimeDone",
        "platform.restoreReport",
        "platform.start",
        "platform.runtimeDone",
        "platform.report",
    ];
    assert_eq!(types, expected, "{log}");
    for event in &events[..3] {
        assert_eq!(event["record"]["initializationType"], "snap-start", "{event}");
        assert_eq!(event["record"]["phase"], "snap-start", "{event}");
    }
    assert_eq!(events[3]["record"], json!({"functionName": "f", "functionVersion": "$LATEST"}));
    assert_eq!(events[4]["record"], json!({"status": "success"}));
    assert!(events[5]["record"]["metrics"]["durationMs"].is_number(), "{}", events[5]);
    let figures = &events[8]["record"]["metrics"];
    assert!(figures["restoreDurationMs"].is_number(), "{figures}");
    assert!(figures["billedRestoreDurationMs"].is_u64(), "{figures}");
    assert!(figures.get("initDurationMs").is_none(), "{figures}");
}

/// A Java function with two resources of `org.crac`, on the loop or, beside it, AWS's client.
fn java(client: Client, script: &str) -> Result<(Value, String), String> {
    boto3_is_there()?;
    if !has_jdk("17") {
        return Err("no JDK for java17 on this machine".to_owned());
    }
    let mut parts = vec![java_with_hooks()?];
    if client == Client::Official {
        parts.push(official_java_client()?.join("java"));
    }
    let code = tempfile::tempdir().unwrap();
    for part in parts {
        let copied = Command::new("cp")
            .args(["-r", "--"])
            .args([part.join("."), code.path().to_owned()])
            .status();
        assert!(copied.is_ok_and(|status| status.success()), "cp copies");
    }
    let data = tempfile::tempdir().unwrap();
    let allowed = code.path().to_str().unwrap();
    let serving = Serving::start_with(data.path(), &["--allow-code", allowed], &[]);
    let answer = serving.boto3(&format!(
        "
def create(**variables):
    client.create_function(FunctionName='f', Runtime='java17', Handler='Snap::order',
        Role='arn:aws:iam::000000000000:role/any', Timeout=60, MemorySize=512,
        Code={{'S3Bucket': 'hot-reload', 'S3Key': {allowed:?}}},
        SnapStart={{'ApplyOn': 'PublishedVersions'}}, Environment={{'Variables': variables}})
    client.get_waiter('function_active_v2').wait(FunctionName='f')
{script}"
    ));
    Ok((answer, serving.log()))
}

#[test]
fn javas_hooks_run_on_the_loop_and_on_awss_client() {
    for client in [Client::Managed, Client::Official] {
        let (order, log) = match java(client, "create()\njson.dump(call('f'), sys.stdout)") {
            Ok(ran) => ran,
            Err(reason) => skip!("{reason}"),
        };
        let whole = ["before 2", "before 1", "after 1", "after 2"];
        assert_eq!(order, json!(whole), "{client:?}: {log}");
        assert!(log.contains("RESTORE_REPORT Restore Duration: "), "{client:?}: {log}");
    }
}

#[test]
fn a_hook_of_javas_that_fails_has_awss_type() {
    for client in [Client::Managed, Client::Official] {
        for (hook, kind, line) in [
            ("before 1", "Runtime.BeforeCheckpointError", "INIT_REPORT"),
            ("after 1", "Runtime.AfterRestoreError", "RESTORE_REPORT"),
        ] {
            let script = format!(
                "create(FAILS={hook:?})
answer = client.invoke(FunctionName='f')
json.dump([answer.get('FunctionError'), json.load(answer['Payload'])], sys.stdout)"
            );
            let (error, log) = match java(client, &script) {
                Ok(ran) => ran,
                Err(reason) => skip!("{reason}"),
            };
            assert_eq!(error[0], "Unhandled", "{client:?}, {hook}: {log}");
            let typed = format!("Error Type: {kind}");
            let told = log.lines().any(|l| l.contains(line) && l.ends_with(&typed));
            assert!(told, "{client:?}, {hook}: {log}");
        }
    }
}
