//! What was answered is there after any end of the host.

use nix::sys::signal::Signal;

use crate::harness::{Host, lambdabox};

#[test]
fn everything_is_there_after_a_kill_and_a_new_start() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    let before = host.python(
        r#"
layer = c.publish_layer_version(LayerName="l", Content={"ZipFile": zipped("WORD = 'x'\n", "python/word.py")})
create(c, "f", "from word import WORD\ndef handler(e, c):\n    return [WORD, e]\n", Layers=[layer["LayerVersionArn"]],
       Tags={"a": "b"})
c.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=3)
got = c.get_function(FunctionName="f")
print(json.dumps([got["Configuration"], got["Tags"], got["Concurrency"]], sort_keys=True))
"#,
    );
    host.signal(Signal::SIGKILL);
    assert!(!host.wait().status.success());
    let host = Host::start(data.path(), &[]);
    let after = host.python(
        r#"
assert answer(c.invoke(FunctionName="f", Payload=b"1")) == ["x", 1]
got = c.get_function(FunctionName="f")
print(json.dumps([got["Configuration"], got["Tags"], got["Concurrency"]], sort_keys=True))
"#,
    );
    assert_eq!(before, after);
}

#[test]
fn an_accepted_event_is_run_after_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    // Killed while some are in hand, and none is finished.
    let ids = host.python(
        r#"
create(c, "f", "import time\ndef handler(e, c):\n    print('ran', c.aws_request_id, flush=True)\n    time.sleep(e)\n")
for number in range(10):
    got = c.invoke(FunctionName="f", InvocationType="Event", Payload=b"3")
    print(got["ResponseMetadata"]["RequestId"])
"#,
    );
    host.wait_for_log("ran ");
    host.signal(Signal::SIGKILL);
    host.wait();
    let host = Host::start(data.path(), &[]);
    for id in ids.lines() {
        host.wait_for_log(&format!("REPORT RequestId: {id}"));
    }
}

#[test]
fn a_second_host_is_told_who_has_the_directory() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    let second = lambdabox(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let run = second.data(data.path()).run().expect_code(3);
    run.said(&[&format!("another lambdabox serve (process {}) has it", host.pid())]);
    host.python("create(c, 'f')\nassert answer(c.invoke(FunctionName='f', Payload=b'1')) == 1");
}

#[test]
fn an_address_that_is_taken_is_said_with_what_to_do() {
    let (data, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let host = Host::start(data.path(), &[]);
    for (flag, port, free) in
        [("--listen", host.port, "--admin"), ("--admin", host.admin, "--listen")]
    {
        let taken = format!("127.0.0.1:{port}");
        let second = lambdabox(["serve", flag, &taken, free, "127.0.0.1:0"]).data(other.path());
        let run = second.run().expect_code(3);
        run.said(&[&format!("failed to listen on {taken}"), "hint: another program listens there"]);
    }
}

#[test]
fn settings_come_from_flag_variable_and_file_and_are_shown() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("host.toml");
    std::fs::write(&file, "idle_timeout = 7\nlisten = '127.0.0.1:1'\n").unwrap();
    let run = lambdabox(["serve", "--print-config", "--listen", "127.0.0.1:2", "--config"])
        .args([&file])
        .env("LAMBDABOX_DRAIN_TIMEOUT", "9")
        .run()
        .answered();
    for line in [
        "listen = \"127.0.0.1:2\"  # --listen".to_owned(),
        "drain_timeout = 9  # LAMBDABOX_DRAIN_TIMEOUT".to_owned(),
        format!("idle_timeout = 7  # {}:1", file.display()),
        "concurrency = 1000  # default".to_owned(),
    ] {
        assert!(run.text().contains(&line), "{line} is not in\n{}", run.text());
    }
    std::fs::write(&file, "listen_on = 1\n").unwrap();
    let wrong = lambdabox(["serve", "--config"]).args([&file]).run();
    wrong.refused(&["unknown key `listen_on`"]);
}
