//! `lambdabox doctor` on this machine, and whether `invoke` agrees with it.
//!
//! # Not here
//! Machines of other kinds: they are trees of files, beside the checks (`app::doctor::tests`).

use std::process::{Command, Output};

use nix::unistd::geteuid;
use serde_json::Value;

use crate::harness::{Function, binary, lambdabox, quiet_environment, shared};

const HELLO: &str = "def lambda_handler(event, context):\n    return 1\n";

/// The program, started through others that take something from it.
fn through(wrapper: &[&str], arguments: &[&str]) -> Output {
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(wrapper[0]);
    quiet_environment(&mut command);
    command.args(&wrapper[1..]).arg(binary()).args(arguments);
    command.env("LAMBDABOX_DATA_DIR", data.path()).output().unwrap()
}

fn status_of<'a>(whole: &'a Value, id: &str) -> &'a str {
    let checks = whole["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["id"] == id);
    check.unwrap_or_else(|| panic!("{id} is not among {whole:#}"))["status"].as_str().unwrap()
}

#[test]
fn where_functions_run_the_status_is_0_and_the_interpreters_are_named() {
    if !geteuid().is_root() {
        skip!("this release runs functions as root only");
    }
    let whole = lambdabox(["doctor", "--json"]).run().answered().json();
    assert_eq!(whole["can_run"], true, "{whole:#}");
    assert_eq!(status_of(&whole, "python"), "ok");
    let run = lambdabox(["doctor"]).run().answered();
    assert!(run.text().ends_with("functions can run here\n"), "{}", run.text());
    assert!(run.stderr.is_empty(), "{}", run.stderr);
    assert!(run.text().contains("python3."), "{}", run.text());
}

#[test]
fn the_verdict_is_that_of_invoke() {
    if !geteuid().is_root() {
        skip!("only root can give something away to be missed");
    }
    let _shared = shared();
    let function = Function::python(HELLO);
    let invoke = ["invoke", function.path().to_str().unwrap()];
    let without = |capability: &str| {
        ["--bounding-set", "--inh-caps"].map(|set| format!("{set}=-{capability}"))
    };
    let (sys_admin, set_uid) = (without("sys_admin"), without("setuid"));
    let good = through(&["env"], &["doctor", "--json"]).status.code();
    assert_eq!((good, through(&["env"], &invoke).status.code()), (Some(0), Some(0)));
    for (wrapper, id) in [
        (&["setpriv", &sys_admin[0], &sys_admin[1]][..], "privileges"),
        (&["setpriv", &set_uid[0], &set_uid[1]], "privileges"),
        (&["setpriv", "--reuid", "65534", "--clear-groups"], "cgroup-delegation"),
        (&["unshare", "--user", "--map-root-user"], "ids"),
    ] {
        let doctor = through(wrapper, &["doctor", "--json"]);
        assert_eq!(doctor.status.code(), Some(3), "{wrapper:?}: {doctor:?}");
        let whole: Value = serde_json::from_slice(&doctor.stdout).unwrap();
        assert_eq!(whole["can_run"], false, "{wrapper:?}: {whole:#}");
        assert_eq!(status_of(&whole, id), "missing", "{wrapper:?}: {whole:#}");
        let invoked = through(wrapper, &invoke);
        let said = String::from_utf8_lossy(&invoked.stderr);
        assert!(!invoked.status.success() && invoked.stdout.is_empty(), "{wrapper:?}: {said}");
        assert!(!said.contains("END RequestId"), "{wrapper:?}: {said}");
    }
}

#[test]
fn what_cannot_be_read_is_an_error_and_status_3() {
    let empty = tempfile::tempdir().unwrap();
    let run = lambdabox(["doctor", "--root", empty.path().to_str().unwrap()]).run();
    let run = run.expect_code(3).said(&["failed to read", "proc/self/status"]);
    assert!(run.stdout.is_empty(), "{}", run.text());
}

#[test]
fn quiet_prints_only_what_is_not_as_it_should_be() {
    let all = lambdabox(["doctor"]).run().text();
    let quiet = lambdabox(["doctor", "--quiet"]).run().text();
    assert!(all.lines().any(|line| line.starts_with("ok ")), "{all}");
    assert!(!quiet.lines().any(|line| line.starts_with("ok ")), "{quiet}");
    assert!(quiet.lines().count() < all.lines().count(), "{quiet}");
}
