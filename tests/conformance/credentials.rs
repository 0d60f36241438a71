//! Region and keys: placeholders unless asked for, and said when not.

use std::collections::BTreeMap;

use serde_json::json;

use crate::harness::{Function, Run, invoke};

const SHOW: &str = "import os
def lambda_handler(event, context):
    names = ('AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY',
             'AWS_SESSION_TOKEN', 'AWS_PROFILE', 'AWS_SHARED_CREDENTIALS_FILE')
    return {n: os.environ[n] for n in names if n in os.environ}
";

fn shown(run: &Run) -> BTreeMap<String, String> {
    serde_json::from_slice(&run.stdout).unwrap()
}

#[test]
fn the_region_is_the_flags_then_the_callers_then_us_east_1() {
    let function = Function::python(SHOW);
    let region = |run: Run| shown(&run.answered())["AWS_REGION"].clone();
    assert_eq!(region(invoke(&function).run()), "us-east-1");
    let default = || invoke(&function).env("AWS_DEFAULT_REGION", "eu-north-1");
    assert_eq!(region(default().run()), "eu-north-1");
    let both = || default().env("AWS_REGION", "eu-west-1");
    assert_eq!(region(both().run()), "eu-west-1");
    assert_eq!(region(both().args(["--region", "ap-south-1"]).run()), "ap-south-1");
}

#[test]
fn keys_are_placeholders_unless_asked_for() {
    let run = invoke(&Function::python(SHOW))
        .env("AWS_ACCESS_KEY_ID", "AKIAREAL")
        .env("AWS_SECRET_ACCESS_KEY", "real")
        .run()
        .answered();
    let got = shown(&run);
    assert_eq!(
        (got["AWS_ACCESS_KEY_ID"].as_str(), got["AWS_SECRET_ACCESS_KEY"].as_str()),
        ("test", "test")
    );
}

#[test]
fn the_callers_keys_are_passed_when_asked_and_it_is_said() {
    let run = invoke(&Function::python(SHOW))
        .args(["--credentials", "env"])
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
        .env("AWS_SESSION_TOKEN", "token-of-the-test")
        .run()
        .answered();
    let got = shown(&run);
    assert_eq!(got["AWS_ACCESS_KEY_ID"], "AKIAEXAMPLE");
    assert_eq!(got["AWS_SECRET_ACCESS_KEY"], "secret-of-the-test");
    assert_eq!(got["AWS_SESSION_TOKEN"], "token-of-the-test");
    assert!(!run.stderr.contains("secret-of-the-test"), "a secret is never logged: {}", run.stderr);
    run.said(&["AWS_ACCESS_KEY_ID"]);
}

#[test]
fn a_profile_is_resolved_on_the_host_and_passes_only_three_variables() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(
        home.path().join(".aws/credentials"),
        "[default]\naws_access_key_id = WRONG\naws_secret_access_key = wrong\n\n\
         [shop]\naws_access_key_id = AKIASHOP\naws_secret_access_key = shop-secret\n\
         aws_session_token = shop-token\n",
    )
    .unwrap();
    let credentials = home.path().join(".aws/credentials");
    let function = Function::python(SHOW);
    let run = invoke(&function)
        .args(["--profile", "shop"])
        .env("AWS_SHARED_CREDENTIALS_FILE", &credentials)
        .run()
        .answered();
    let got = shown(&run);
    assert_eq!(got["AWS_ACCESS_KEY_ID"], "AKIASHOP");
    assert_eq!(got["AWS_SECRET_ACCESS_KEY"], "shop-secret");
    assert_eq!(got["AWS_SESSION_TOKEN"], "shop-token");
    assert!(!got.contains_key("AWS_PROFILE") && !got.contains_key("AWS_SHARED_CREDENTIALS_FILE"));
    run.said(&["shop"]);
    let absent = invoke(&function)
        .args(["--profile", "absent"])
        .env("AWS_SHARED_CREDENTIALS_FILE", &credentials)
        .run();
    absent.refused(&["absent"]);
}

#[test]
fn asked_for_keys_that_are_not_there_are_refused() {
    let run = invoke(&Function::python(SHOW)).args(["--credentials", "env"]).run();
    run.refused(&["AWS_ACCESS_KEY_ID"]);
}

#[test]
fn key_and_region_variables_are_accepted_among_the_functions_own() {
    let run = invoke(&Function::python(SHOW))
        .args(["--env", "AWS_REGION=eu-central-1", "--env", "AWS_ACCESS_KEY_ID=local"])
        .args(["--env", "AWS_SECRET_ACCESS_KEY=dynamo"])
        .run()
        .answered();
    let got = shown(&run);
    assert_eq!(got["AWS_REGION"], "eu-central-1");
    assert_eq!(got["AWS_ACCESS_KEY_ID"], "local");
    assert_eq!(got["AWS_SECRET_ACCESS_KEY"], "dynamo");
}

#[test]
fn the_home_of_the_caller_and_its_aws_files_are_not_there() {
    let function = Function::python(
        "import os
def lambda_handler(event, context):
    return [os.path.exists(event['home'] + '/.aws'), os.path.exists('/root/.aws'),
            sorted(os.listdir('/home')) if os.path.isdir('/home') else []]
",
    );
    let home = std::env::var("HOME").unwrap_or_default();
    let run = invoke(&function).event(json!({"home": home}).to_string()).run().answered();
    assert_eq!(run.json(), json!([false, false, []]));
}
