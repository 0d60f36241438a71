//! Ready, draining, ended.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::harness::{Host, Leftovers, alone, wait_until};

/// Status and text of `/ready`; `None` once nobody answers.
fn ready(host: &Host) -> Option<String> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", host.admin)).ok()?;
    let request = b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn sigterm_refuses_what_is_new_and_finishes_what_was_accepted() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    let answer = ready(&host).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\"ready\""), "{answer}");
    let calling = host.python_beside(
        r#"
create(c, "f", "import time\ndef handler(e, c):\n    print('begun', flush=True)\n    time.sleep(3)\n    return 'done'\n")
print(answer(c.invoke(FunctionName="f")))
"#,
    );
    host.wait_for_log("begun");
    host.signal(Signal::SIGTERM);
    host.wait_for_log("ending: what is new is refused");
    let answer = ready(&host).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\"draining\""), "{answer}");
    let refused = wait_until(Duration::from_secs(5), || {
        std::net::TcpStream::connect(("127.0.0.1", host.port)).is_err()
    });
    assert!(refused, "new connections are refused");
    let called = calling.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&called.stdout);
    assert_eq!(said.trim(), "done", "{}", String::from_utf8_lossy(&called.stderr));
    host.wait().expect_code(0);
}

#[test]
fn a_second_sigterm_does_not_wait() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    let mut calling = host.python_beside(
        r#"
create(c, "f", "import time\ndef handler(e, c):\n    print('begun', flush=True)\n    time.sleep(600)\n", Timeout=900)
c.invoke(FunctionName="f")
"#,
    );
    host.wait_for_log("begun");
    host.signal(Signal::SIGTERM);
    host.wait_for_log("ending: ");
    let begun = std::time::Instant::now();
    host.signal(Signal::SIGTERM);
    host.wait().expect_code(0);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert!(!calling.wait().unwrap().success());
}

#[test]
fn a_host_that_ended_leaves_nothing() {
    let _machine = alone();
    let data = tempfile::tempdir().unwrap();
    let script = "create(c, 'f')\nassert answer(c.invoke(FunctionName='f', Payload=b'1')) == 1\n";
    // The first makes what is kept for good.
    let first = Host::start_while_alone(data.path(), &[]);
    first.python(script);
    first.end().expect_code(0);
    let before = Leftovers::now(data.path());
    let host = Host::start_while_alone(data.path(), &[]);
    host.python("assert answer(c.invoke(FunctionName='f', Payload=b'1')) == 1\n");
    let run = host.end().expect_code(0);
    let left = before.since(data.path());
    assert!(left.is_empty(), "left behind: {left:#?}\n{}", run.stderr);
}
