//! Network placement `nat` of an ordinary user.
//!
//! # Not here
//! What slirp4netns reaches, between network namespaces of a test's own (`sandbox::network::proof`).

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::harness::{Function, Invoke, Server, invoke, processes_with, wait_until};

/// Tries each address of its event, plainly and on a socket bound to the interface.
const TRY: &str = "import socket
def reached(host, port, bound):
    with socket.socket() as tried:
        tried.settimeout(1)
        try:
            if bound:
                tried.setsockopt(socket.SOL_SOCKET, 25, b'eth0')
            tried.connect((host, port))
            return True
        except OSError:
            return False
def lambda_handler(event, context):
    interfaces = [name for _, name in socket.if_nameindex()]
    routes = [line.split() for line in open('/proc/net/route')][1:]
    return {
        'eth0': 'eth0' in interfaces,
        'default': any(r[0] == 'eth0' and r[1] == '00000000' for r in routes),
        'resolver': open('/etc/resolv.conf').read().split()[:2],
        'reached': [h for h in event['hosts'] for b in (0, 1) if reached(h, event['port'], b)],
    }
";

fn as_user(function: &Function) -> Invoke {
    invoke(function).as_user().args(["--isolation", "no-limits", "--timeout", "60"])
}

/// Why this machine cannot show it.
fn missing() -> Option<String> {
    let found = std::process::Command::new("slirp4netns").arg("--version").output();
    if found.is_err() {
        return Some("slirp4netns is not installed".to_owned());
    }
    match std::fs::metadata("/dev/net/tun") {
        Ok(tun) if tun.permissions().mode() & 0o006 == 0o006 => None,
        Ok(_) => Some("/dev/net/tun is closed to ordinary users".to_owned()),
        Err(error) => Some(format!("/dev/net/tun: {error}")),
    }
}

#[test]
fn it_has_nat_by_itself_and_the_host_is_out_of_reach() {
    if let Some(missing) = missing() {
        skip!("{missing}");
    }
    // A host service on every address: what a careless database does.
    let server = Server::http("0.0.0.0:0", "leak");
    let addresses = std::process::Command::new("hostname").arg("-I").output().unwrap();
    let addresses = String::from_utf8_lossy(&addresses.stdout).into_owned();
    let own = addresses.split_whitespace().filter(|a| a.contains('.'));
    let hosts: Vec<&str> =
        ["169.254.169.254", "127.0.0.1", "247.0.0.2"].into_iter().chain(own).collect();
    let event = json!({"hosts": hosts, "port": server.port()}).to_string();
    let run = as_user(&Function::python(TRY)).event(event).run().answered();
    let got = run.json();
    assert_eq!((&got["eth0"], &got["default"]), (&json!(true), &json!(true)), "{got}");
    assert_eq!(got["resolver"][0], "nameserver", "{got}");
    assert_eq!(got["reached"], json!([]), "{got}");
    assert!(!run.stderr.contains("no network inside"), "{}", run.stderr);
}

#[test]
fn the_rules_inside_are_a_step_of_its_plan_and_of_no_other() {
    if let Some(missing) = missing() {
        skip!("{missing}");
    }
    let function = Function::python("def lambda_handler(event, context): return 1\n");
    let plan = |network: &str| as_user(&function).args(["--network", network, "--explain"]).run();
    let nat = plan("nat").answered().text();
    let rules = nat.find("let nothing out to").unwrap_or_else(|| panic!("{nat}"));
    assert!(nat[rules..].lines().next().unwrap().contains("169.254.0.0/16"), "{nat}");
    assert!(rules < nat.find("drop all capabilities").unwrap(), "{nat}");
    assert!(!plan("none").answered().text().contains("let nothing out"));
}

#[test]
fn its_slirp4netns_ends_with_the_host_however_that_ends() {
    if let Some(missing) = missing() {
        skip!("{missing}");
    }
    let function = Function::python(
        "import time
def lambda_handler(event, context):
    print('IN', flush=True)
    time.sleep(event)
",
    );
    for (seconds, signal) in
        [("0", None), ("50", Some(Signal::SIGINT)), ("50", Some(Signal::SIGKILL))]
    {
        let running = as_user(&function).args(["--network", "nat"]).event(seconds).start();
        running.wait_for_log("IN");
        let ours = format!("--userns-path=/proc/{}/fd", running.pid());
        if let Some(signal) = signal {
            assert_eq!(processes_with(&ours).len(), 1, "it is there while the function runs");
            running.signal(signal);
        }
        running.wait();
        // Nobody is left to wait for after a kill: it sees that its pipe is closed, and goes.
        let patience = if signal == Some(Signal::SIGKILL) { 30 } else { 0 };
        let gone = wait_until(Duration::from_secs(patience), || processes_with(&ours).is_empty());
        assert!(gone, "{signal:?}: {:?}", processes_with(&ours));
    }
}
