//! The host dies by `kill -9`; the next start cleans up after it, and after nobody else.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{hello, one_start, repetitions};
use crate::harness::{Function, Leftovers, Running, Server};
use crate::harness::{alone, children_of, invoke, stretched, wait_until_gone};

/// The longest a victim lives; a cold start and its invocation fit in.
const LONGEST_LIFE: Duration = Duration::from_millis(400);

#[test]
fn a_host_killed_at_random_moments_leaves_nothing_after_the_next_start() {
    let _machine = alone();
    let data = tempfile::tempdir().unwrap();
    one_start(data.path());
    let before = Leftovers::now(data.path());
    let function = Function::python(
        "import subprocess, time
def lambda_handler(event, context):
    subprocess.Popen(['setsid', 'sleep', '1000'])
    open('/tmp/x', 'w').write('x' * 100000)
    time.sleep(600)
",
    );
    let kills = repetitions("LAMBDABOX_SOAK_KILLS", 5);
    for round in 0..kills {
        let command = invoke(&function).args(["--timeout", "900"]).data(data.path());
        let running = command.while_alone().start();
        // The moment is the point here, so this is the one test that waits for a duration.
        let life = stretched(LONGEST_LIFE) * (golden(round)) / 1_000;
        std::thread::sleep(life);
        running.signal(Signal::SIGKILL);
        running.wait();
    }
    eprintln!("before:               {}", before.counts());
    eprintln!("after {kills:>4} kills:     {}", Leftovers::now(data.path()).counts());
    one_start(data.path());
    let left = before.since(data.path());
    eprintln!("after one more start: {}", Leftovers::now(data.path()).counts());
    assert!(left.is_empty(), "{kills} kills left: {left:#?}");
}

/// Thousandths spread evenly over 0 to 999: multiples of the golden ratio, the same in every run.
fn golden(round: u32) -> u32 {
    (round * 618) % 1_000
}

/// An invocation whose handler has begun and would go on for ten minutes.
fn in_the_handler(data: &Path) -> Running {
    let function = Function::python(
        "import time
def lambda_handler(event, context):
    print('in the handler', flush=True)
    time.sleep(600)
",
    );
    let command = invoke(&function).args(["--timeout", "900"]).data(data);
    let running = command.while_alone().start();
    running.wait_for_log("in the handler");
    running
}

#[test]
fn a_host_killed_in_the_handler_leaves_nothing_after_the_next_start() {
    let _machine = alone();
    let data = tempfile::tempdir().unwrap();
    one_start(data.path());
    let before = Leftovers::now(data.path());
    let running = in_the_handler(data.path());
    running.signal(Signal::SIGKILL);
    running.wait();
    one_start(data.path());
    let left = before.since(data.path());
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn the_functions_processes_die_with_the_host_at_once() {
    let _machine = alone();
    let function = Function::python(
        "import subprocess, time
def lambda_handler(event, context):
    subprocess.Popen(['setsid', 'sleep', '86407.5'])
    print('in the handler', flush=True)
    time.sleep(600)
",
    );
    let running = invoke(&function).args(["--timeout", "900"]).while_alone().start();
    running.wait_for_log("in the handler");
    running.signal(Signal::SIGKILL);
    running.wait();
    // No start was needed for that.
    wait_until_gone("86407.5");
    one_start(tempfile::tempdir().unwrap().path());
}

#[test]
fn a_start_does_not_sweep_a_living_neighbour() {
    let _machine = alone();
    let data = tempfile::tempdir().unwrap();
    let port = Server::free_port();
    let function = Function::python(
        "import os, subprocess, time, urllib.request
def lambda_handler(event, context):
    open('/tmp/kept', 'w').close()
    print('in the handler', flush=True)
    while True:
        try:
            word = urllib.request.urlopen('http://127.0.0.1:%d/' % event, timeout=1).read()
            return [word.decode(), os.path.exists('/tmp/kept'), subprocess.call(['true'])]
        except OSError:
            time.sleep(0.02)
",
    );
    let forward = port.to_string();
    let living = invoke(&function)
        .event(&forward)
        .args(["--timeout", "60", "--network", "none", "--forward", &forward])
        .data(data.path())
        .while_alone()
        .start();
    living.wait_for_log("in the handler");
    // One neighbour dies, others come and go; each start sweeps.
    let victim = Function::python(
        "import time
print('victim', flush=True)
time.sleep(600)
def lambda_handler(event, context):
    return 1
",
    );
    let dying = invoke(&victim).data(data.path()).while_alone().start();
    dying.wait_for_log("victim");
    dying.signal(Signal::SIGKILL);
    dying.wait();
    for _ in 0..3 {
        one_start(data.path());
    }
    let _server = Server::http(&format!("127.0.0.1:{port}"), "go on");
    let run = living.wait().answered();
    assert_eq!(run.json(), serde_json::json!(["go on", true, 0]));
}

#[test]
fn a_helper_process_that_is_killed_ends_the_invocation_with_an_error() {
    let _machine = alone();
    let data = tempfile::tempdir().unwrap();
    one_start(data.path());
    let before = Leftovers::now(data.path());
    let running = in_the_handler(data.path());
    let children = children_of(running.pid());
    assert!(!children.is_empty(), "the host has its spawner");
    for child in children {
        nix::sys::signal::kill(child, Signal::SIGKILL).expect("our own grandchild");
    }
    let run = running.wait();
    assert!([1, 3].contains(&run.code()), "{:?}: {}", run.status, run.stderr);
    one_start(data.path());
    let left = before.since(data.path());
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn a_lease_that_nobody_holds_is_no_obstacle() {
    let _machine = alone();
    let data = tempfile::tempdir().unwrap();
    one_start(data.path());
    let running = invoke(&hello()).data(data.path()).while_alone().start();
    running.signal(Signal::SIGKILL);
    running.wait();
    one_start(data.path());
}
