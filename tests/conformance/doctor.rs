//! `lambdabox doctor` on this machine, and whether `invoke` agrees with it.
//!
//! # Not here
//! Machines of other kinds: they are trees of files, beside the checks (`app::doctor::tests`).

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nix::unistd::geteuid;
use serde_json::Value;

use crate::harness::{
    Function, Invoke, binary, invoke, lambdabox, no_nat, quiet_environment, settings, shared,
    stretched,
};

const HELLO: &str = "def lambda_handler(event, context):\n    return 1\n";

/// The program, started through others that take something from it.
fn through(wrapper: &[&str], arguments: &[&str]) -> Output {
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(wrapper[0]);
    quiet_environment(&mut command);
    command.args(&wrapper[1..]).arg(binary()).args(arguments);
    command.envs(settings()).env("LAMBDABOX_DATA_DIR", data.path()).output().unwrap()
}

fn status_of<'a>(whole: &'a Value, id: &str) -> &'a str {
    let checks = whole["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["id"] == id);
    check.unwrap_or_else(|| panic!("{id} is not among {whole:#}"))["status"].as_str().unwrap()
}

fn remedy_of<'a>(whole: &'a Value, id: &str) -> &'a str {
    let checks = whole["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["id"] == id);
    check.unwrap_or_else(|| panic!("{id} is not among {whole:#}"))["remedy"].as_str().unwrap()
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

/// What a container takes away, and whether `doctor` and `invoke` say the same about it.
struct Likeness {
    /// Root's shell script, in a mount namespace of its own.
    script: &'static str,
    wrapper: &'static [&'static str],
    /// The check that is missing, and words one of which its remedy has: a machine's, a container's.
    missing: (&'static str, [&'static str; 2]),
    /// What `invoke` says.
    said: &'static str,
}

#[test]
fn in_a_containers_likeness_doctor_names_what_stops_invoke_and_both_name_the_remedy() {
    if !geteuid().is_root() {
        skip!("only root can take something away");
    }
    let function = Function::python(HELLO);
    const NO_SYS_ADMIN: [&str; 5] =
        ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"];
    for likeness in [
        // Docker's default: no CAP_SYS_ADMIN, parts of /proc hidden.
        Likeness {
            script: "mount -t tmpfs none /proc/scsi 2>/dev/null || mount -t tmpfs none /proc/fs",
            wrapper: &NO_SYS_ADMIN,
            missing: ("privileges", ["--privileged", "--privileged"]),
            said: "hint: ",
        },
        Likeness {
            script: "for t in /sys/fs/cgroup /sys/fs/cgroup/*; do
                if mountpoint -q $t; then mount -o remount,bind,ro $t; fi
            done",
            wrapper: &[],
            missing: ("cgroup-delegation", ["remount,rw", "--privileged"]),
            said: "ead-only",
        },
    ] {
        let doctor = lambdabox(["doctor", "--json"]).inside(likeness.script, likeness.wrapper);
        let whole = doctor.run().expect_code(3).json();
        let (id, remedies) = likeness.missing;
        assert_eq!(status_of(&whole, id), "missing", "{whole:#}");
        let remedy = remedy_of(&whole, id);
        assert!(remedies.iter().any(|word| remedy.contains(word)), "{whole:#}");
        let invoked = invoke(&function).inside(likeness.script, likeness.wrapper).run();
        let invoked = invoked.expect_code(3).said(&["error: failed to ", likeness.said]);
        assert!(invoked.stdout.is_empty(), "{}", invoked.text());
    }
}

#[test]
fn an_ordinary_users_masked_proc_stops_both_and_the_flag_does_not_help() {
    if !geteuid().is_root() {
        skip!("only root can take something away");
    }
    let function = Function::python(HELLO);
    let masked = "mount -t tmpfs none /proc/fs";
    let flag = ["--isolation", "no-limits"];
    let doctor = lambdabox(["doctor", "--json"]).args(flag).as_user();
    let whole = doctor.inside(masked, &[]).run().expect_code(3).json();
    assert_eq!(status_of(&whole, "proc"), "missing", "{whole:#}");
    assert!(remedy_of(&whole, "proc").contains("systempaths=unconfined"), "{whole:#}");
    let invoked = invoke(&function).args(flag).as_user().inside(masked, &[]).run();
    invoked.expect_code(3).said(&["mount a new /proc", "systempaths=unconfined"]);
}

#[test]
fn what_runs_for_an_ordinary_user_runs_as_doctor_says_and_the_flag_is_repeated() {
    let function = Function::python(HELLO);
    let flag = ["--isolation", "no-limits"];
    let whole = lambdabox(["doctor", "--json"]).args(flag).as_user().run().json();
    let can_run = whole["can_run"] == true;
    let invoked = invoke(&function).args(flag).as_user().run();
    assert_eq!(can_run, invoked.code() == 0, "{whole:#}\n{}", invoked.stderr);
    let groups =
        whole["checks"].as_array().unwrap().iter().find(|c| c["id"] == "cgroup-delegation");
    if groups.is_some_and(|check| check["status"] == "warn") {
        let fact = groups.unwrap()["fact"].as_str().unwrap();
        assert!(fact.contains("isolation is reduced"), "{whole:#}");
        let full = lambdabox(["doctor", "--json"]).as_user().run().expect_code(3).json();
        assert_eq!(status_of(&full, "cgroup-delegation"), "missing", "{full:#}");
        invoke(&function).as_user().run().expect_code(3).said(&["--isolation no-limits"]);
    }
    lambdabox(["doctor", "--isolation", "none"]).run().refused(&["--isolation", "no-limits"]);
}

#[test]
fn without_its_means_an_ordinary_user_has_no_network_and_both_name_the_remedy() {
    if !geteuid().is_root() {
        skip!("only root can take something away");
    }
    if let Some(reason) = no_nat() {
        skip!("{reason}");
    }
    if !std::path::Path::new("/dev/net").is_dir() {
        skip!("this machine has no /dev/net to cover");
    }
    if Command::new("slirp4netns").arg("--version").output().is_err() {
        skip!("slirp4netns is not installed");
    }
    let function = Function::python(HELLO);
    let without = "mount -t tmpfs none /dev/net";
    let flag = ["--isolation", "no-limits"];
    let doctor = lambdabox(["doctor", "--json"]).args(flag).as_user().inside(without, &[]);
    let whole = doctor.run().json();
    assert_eq!(status_of(&whole, "nat"), "warn", "{whole:#}");
    let remedy = remedy_of(&whole, "nat");
    let remedies = ["sudo modprobe tun", "docker run --device /dev/net/tun"];
    assert!(remedies.contains(&remedy), "for a machine or for a container: {whole:#}");
    let user = || invoke(&function).args(flag).as_user().inside(without, &[]);
    let run = user().run().answered();
    run.said(&["no network inside: ", "/dev/net/tun, which is not there", "modprobe tun"]);
    let asked = user().args(["--network", "nat"]).run().expect_code(3);
    asked.said(&["--network nat: ", "/dev/net/tun", "hint: ", "modprobe tun"]);
}

/// Also where the kernel has the modules and takes no rules of theirs, as in `scripts/test-v2`.
#[test]
fn of_nat_doctor_says_what_invoke_finds_as_root_and_as_an_ordinary_user() {
    let function = Function::python(HELLO);
    for as_user in [false, true] {
        let flag = ["--isolation", if as_user { "no-limits" } else { "full" }];
        let who = |command: Invoke| if as_user { command.as_user() } else { command };
        let whole = who(lambdabox(["doctor", "--json"]).args(flag)).run().answered().json();
        let run = who(invoke(&function).args(flag).args(["--network", "nat"])).run();
        match status_of(&whole, "nat") {
            "ok" => run.answered(),
            _ => run.expect_code(3).said(&["hint: "]),
        };
    }
}

/// A container that sees its own group as the top, as Docker's do on cgroup v2. One that `invoke` has divided
/// cannot be entered any more.
#[test]
fn a_containers_own_group_is_divided_as_doctor_says_while_nobody_else_is_in_it() {
    let top = Path::new("/sys/fs/cgroup");
    let is_the_top =
        top.join("cgroup.subtree_control").exists() && !top.join("cgroup.type").exists();
    if !geteuid().is_root() || !is_the_top || Path::new("/run/systemd/system").is_dir() {
        skip!("needs root, the top of cgroup v2 and no systemd, as in scripts/test-v2");
    }
    const ENTER: &str = r#"echo $$ >"$0/cgroup.procs" && exec unshare -m -C sh -c "$@""#;
    const MOUNT: &str = "umount /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup &&";
    let _shared = shared();
    let function = Function::python(HELLO);
    let invoke = ["invoke", function.path().to_str().unwrap()];
    let group = top.join(format!("box-{}", std::process::id()));
    std::fs::write(top.join("cgroup.subtree_control"), "+cpu +memory +pids").unwrap();
    std::fs::create_dir(&group).unwrap();
    let ran = [r#""$0" "$@"; exit $?"#, r#"exec "$0" "$@""#].map(|start| {
        let inner = format!("{MOUNT} {start}");
        let wrapper = ["sh", "-c", ENTER, group.to_str().unwrap(), inner.as_str()];
        (through(&wrapper, &["doctor", "--json"]), through(&wrapper, &invoke))
    });
    // The spawner ends with the host, a moment later.
    let deadline = Instant::now() + stretched(Duration::from_secs(10));
    while group.exists() && Instant::now() < deadline {
        for dir in [group.join("host"), group.clone()] {
            let _in_use_or_gone = std::fs::remove_dir(dir);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!group.exists(), "something lives in it: {ran:?}");
    let [(shared_doctor, shared_invoke), (doctor, invoked)] = ran;
    assert_eq!(shared_doctor.status.code(), Some(3), "{shared_doctor:?}");
    let whole: Value = serde_json::from_slice(&shared_doctor.stdout).unwrap();
    assert_eq!(status_of(&whole, "cgroup-delegation"), "missing", "{whole:#}");
    assert!(remedy_of(&whole, "cgroup-delegation").contains("only process"), "{whole:#}");
    let said = String::from_utf8_lossy(&shared_invoke.stderr);
    assert_eq!(shared_invoke.status.code(), Some(3), "{said}");
    assert!(said.contains("other processes live in this control group"), "{said}");
    assert_eq!((doctor.status.code(), invoked.status.code()), (Some(0), Some(0)), "{invoked:?}");
}
