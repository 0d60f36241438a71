//! `lambdabox logs`, `top` and `usage` against a host.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Host, binary, lambdabox, quiet_environment, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);

const TALKER: &str = r#"
def call(*say):
    c.invoke(FunctionName="talker", Payload=json.dumps({"say": say}))
"#;

fn host_with_talker(data: &std::path::Path) -> Host {
    let host = Host::start(data, &[]);
    host.python(&format!(
        "{TALKER}{}",
        r#"
create(c, "talker", '''
def handler(event, context):
    for text in event["say"]:
        print(text)
''')
call("one", "ERROR two")
"#
    ));
    host
}

#[test]
fn logs_are_shown_filtered_stamped_as_json_and_followed() {
    let data = tempfile::tempdir().unwrap();
    let host = host_with_talker(data.path());
    let url = format!("http://127.0.0.1:{}", host.port);
    let logs =
        |arguments: &[&str]| lambdabox(["logs", "talker", "--endpoint-url", &url]).args(arguments);
    let shown = logs(&[]).run().expect_code(0).text();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 5, "{shown}");
    assert!(
        lines[0].starts_with("START RequestId: ") && lines[4].starts_with("REPORT "),
        "{shown}"
    );
    assert_eq!((lines[1], lines[2]), ("one", "ERROR two"));
    assert_eq!(logs(&["--filter", "ERROR"]).run().expect_code(0).text(), "ERROR two\n");
    let stamped = logs(&["-t", "--filter", "one"]).run().expect_code(0).text();
    let (time, text) = stamped.split_once(' ').unwrap();
    assert!(time.ends_with('Z') && time.len() == 24 && text == "one\n", "{stamped}");
    let json = logs(&["--format", "json", "--filter", "one"]).run().expect_code(0).json();
    assert_eq!(json["message"], "one");
    assert!(json["stream"].as_str().unwrap().contains("/[$LATEST]"), "{json}");
    let nothing = logs(&["--filter", "nowhere"]).run().expect_code(0);
    assert!(nothing.stderr.contains("--since 1d looks further back"), "{}", nothing.stderr);
    lambdabox(["logs", "nobody", "--endpoint-url", &url]).run().expect_code(1);
    logs(&["--since", "soon"]).run().expect_code(2);

    let followed = data.path().join("followed");
    let out = std::fs::File::create(&followed).unwrap();
    let mut following = std::process::Command::new(crate::harness::binary())
        .args(["logs", "talker", "-f", "--endpoint-url", &url])
        .stdout(out)
        .spawn()
        .unwrap();
    let so_far = || std::fs::read_to_string(&followed).unwrap();
    let first = wait_until(PATIENCE, || so_far().contains("ERROR two"));
    for round in 0..5 {
        host.python(&format!("{TALKER}call('round {round}')"));
    }
    let last = wait_until(PATIENCE, || so_far().matches("REPORT ").count() == 6);
    following.kill().unwrap();
    following.wait().unwrap();
    assert!(first && last, "{}", so_far());
    for text in ["one\n", "round 0\n", "round 4\n"] {
        assert_eq!(so_far().matches(text).count(), 1, "{text}{}", so_far());
    }
}

#[test]
fn a_followed_log_ends_with_its_reader_though_nothing_more_is_written() {
    let data = tempfile::tempdir().unwrap();
    let host = host_with_talker(data.path());
    let url = format!("http://127.0.0.1:{}", host.port);
    let mut command = Command::new(binary());
    quiet_environment(&mut command);
    command.args(["logs", "talker", "-f", "--endpoint-url", &url]);
    let mut following = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(following.stdout.take().unwrap());
    let mut first = String::new();
    stdout.read_line(&mut first).unwrap();
    assert!(first.starts_with("START RequestId: "), "{first}");
    assert!(following.try_wait().unwrap().is_none(), "it follows while somebody reads");
    drop(stdout);
    let ended = wait_until(PATIENCE, || following.try_wait().unwrap().is_some());
    following.kill().unwrap();
    let output = following.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(ended && said.is_empty(), "{ended}: {said}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn top_and_usage_show_what_runs_and_what_it_costs() {
    let data = tempfile::tempdir().unwrap();
    let host = host_with_talker(data.path());
    let admin = format!("127.0.0.1:{}", host.admin);
    let command =
        |name: &str, arguments: &[&str]| lambdabox([name, "--admin", &admin]).args(arguments).run();
    let top = command("top", &[]).expect_code(0).text();
    assert!(top.starts_with("memory: 136 of "), "{top}");
    let line = top.lines().find(|line| line.starts_with("talker")).expect("it is kept");
    let cells: Vec<&str> = line.split_whitespace().collect();
    assert_eq!((cells[1], cells[2], cells[7]), ("$LATEST", "0", "0"), "{top}");
    // The address may be a URL.
    let url = format!("http://{admin}/");
    lambdabox(["top", "--admin", &url]).run().expect_code(0);
    lambdabox(["top"]).env("LAMBDABOX_ADMIN", &url).run().expect_code(0);
    lambdabox(["top", "--admin", "https://localhost"]).run().expect_code(2);
    let pool = command("top", &["--json"]).expect_code(0).json();
    assert_eq!(pool["functions"][0]["function"], "talker");
    let usage = command("usage", &[]).expect_code(0).text();
    let lines: Vec<&str> = usage.lines().collect();
    assert!(lines[1].starts_with("talker ") && lines[2].starts_with("total "), "{usage}");
    assert!(lines[3].starts_with("idle (1 kept)") && lines[3].ends_with("0.000000000"), "{usage}");
    let days: Value = command("usage", &["--by", "day", "--json"]).expect_code(0).json();
    assert_eq!(days["usage"][0]["invocations"], 1);
    // The other port is another service.
    let front = format!("127.0.0.1:{}", host.port);
    let refused = lambdabox(["usage", "--admin", &front]).run().expect_code(1);
    assert!(refused.stderr.contains("no operation GET /usage"), "{}", refused.stderr);
    host.end();
    let nobody = lambdabox(["top", "--admin", &admin]).run().expect_code(3);
    assert!(nobody.stderr.contains("no host answers at"), "{}", nobody.stderr);
    let nobody = lambdabox(["top"]).env("LAMBDABOX_ADMIN", &admin).run().expect_code(3);
    assert!(nobody.stderr.contains("hint: LAMBDABOX_ADMIN says so"), "{}", nobody.stderr);
}
