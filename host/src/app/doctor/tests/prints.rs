//! What is printed, and what is said of the machine the tests run on.

use lambdabox_runtimes::discover::Search;
use serde_json::Value;

use super::super::checks::{self, Status};
use super::super::facts::Facts;
use super::super::render::{self, Paint};
use super::machine::Machine;
use crate::config::{Isolation, Verbosity};
use crate::sandbox::TmpImages;
use crate::sandbox::network::OutboundMeans;

fn text(machine: &Machine, verbosity: Verbosity) -> String {
    render::text(&machine.checks(), Paint::Plain, verbosity)
}

fn old_kernel() -> Machine {
    Machine::good().with("proc/sys/kernel/osrelease", "5.4.0\n")
}

#[test]
fn text_is_aligned_with_the_remedy_beneath_and_the_verdict_last() {
    let printed = text(&old_kernel(), Verbosity::Normal);
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].starts_with("missing  kernel: Linux 5.4.0"), "{printed}");
    assert!(lines[1].starts_with("         fix: apt-get install"), "{printed}");
    assert!(lines[2].starts_with("ok       privileges: root"), "{printed}");
    assert!(printed.contains("\nwarn     python: "), "{printed}");
    assert_eq!(*lines.last().unwrap(), "functions cannot run here: 1 missing");
    let good = text(&Machine::good(), Verbosity::Normal);
    assert!(good.ends_with("\nfunctions can run here\n"), "{good}");
}

#[test]
fn quiet_leaves_out_what_is_in_order_and_verbose_says_where_it_was_read() {
    let quiet = text(&Machine::good(), Verbosity::Quiet);
    assert_eq!(quiet.lines().count(), 2, "one warning and its remedy: {quiet}");
    let broken = text(&old_kernel(), Verbosity::Quiet);
    assert!(broken.contains("missing  kernel") && broken.contains("cannot run"), "{broken}");
    let verbose = text(&Machine::good(), Verbosity::Verbose);
    assert!(verbose.contains("\n         from: /proc/self/status\n"), "{verbose}");
}

#[test]
fn only_coloured_text_has_colours() {
    let checks = old_kernel().checks();
    assert!(!render::text(&checks, Paint::Plain, Verbosity::Normal).contains('\u{1b}'));
    let colored = render::text(&checks, Paint::Colored, Verbosity::Normal);
    assert!(colored.contains("\u{1b}[0m  kernel: Linux"), "{colored:?}");
}

#[test]
fn json_has_the_same_keys_for_every_check() {
    for (machine, can_run) in [(Machine::good(), true), (old_kernel(), false)] {
        let whole: Value = serde_json::from_str(&render::json(&machine.checks())).unwrap();
        assert_eq!(whole["can_run"], can_run);
        let checks = whole["checks"].as_array().unwrap();
        for check in checks {
            let keys: Vec<&String> = check.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["id", "status", "fact", "remedy"], "{check}");
            assert!(["ok", "warn", "missing"].contains(&check["status"].as_str().unwrap()));
            assert_eq!(check["remedy"].is_null(), check["status"] == "ok", "{check}");
        }
        assert_eq!(checks.len(), machine.checks().len());
    }
}

#[test]
fn ids_are_the_ones_programs_know() {
    let ids: Vec<&str> = Machine::good().checks().iter().map(|check| check.id).collect();
    assert_eq!(
        ids,
        [
            "kernel",
            "privileges",
            "ids",
            "namespaces",
            "user-namespaces",
            "proc",
            "seccomp",
            "cgroup-layout",
            "cgroup-controllers",
            "cgroup-delegation",
            "cgroup-kill",
            "tmp",
            "nat",
            "nat-firewall",
            "dns",
            "python",
        ]
    );
}

/// What `invoke` tries when it starts is asked the same question here.
#[test]
fn on_this_machine_tmp_and_nat_are_what_invoke_itself_finds() {
    let facts = Facts::gather(std::path::Path::new("/"), Search::from_environment()).unwrap();
    let checks = checks::all(&facts, Isolation::Full);
    let is_ok = |id| checks.iter().any(|check| check.id == id && check.status == Status::Ok);
    assert_eq!(is_ok("tmp"), TmpImages::probe().is_ok(), "{checks:#?}");
    assert_eq!(is_ok("nat"), OutboundMeans::probe().is_ok(), "{checks:#?}");
}
