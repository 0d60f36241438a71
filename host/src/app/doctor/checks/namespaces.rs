//! Namespaces: whether the kernel has them, and whether it lets us make some.

use super::super::facts::{Facts, Switch, USER_LIMIT};
use super::process::{SYS_ADMIN, may};
use super::{About, Check, as_root};

/// What a limit is raised to; the kernel's own default is a share of memory, mostly more than that.
const ENOUGH: u32 = 15_000;

pub(super) fn namespaces(facts: &Facts) -> Check {
    let about = About { id: "namespaces", read: "/proc/self/ns and /proc/sys/user" };
    let names = |all: &[&str]| all.join(", ");
    let absent: Vec<&str> =
        facts.namespaces.iter().filter(|ns| !ns.exists).map(|ns| ns.name).collect();
    if !absent.is_empty() {
        return about.missing(
            format!("this kernel has no {} namespaces", names(&absent)),
            "boot a kernel with CONFIG_NAMESPACES in full, which every distribution's has",
        );
    }
    // The limit of user namespaces is the next check's.
    let others = facts.namespaces.iter().filter(|ns| ns.limit_name != USER_LIMIT);
    let mut off = others.filter(|ns| ns.limit == Switch::Is(0));
    if let Some(ns) = off.next() {
        let command = format!("sysctl -w user.{}={ENOUGH}", ns.limit_name);
        let fact = format!("{} namespaces are turned off ({} is 0)", ns.name, ns.limit_name);
        return about.missing(fact, as_root(facts, &command));
    }
    about.ok(names(&facts.namespaces.iter().map(|ns| ns.name).collect::<Vec<_>>()))
}

/// Being root does not help: the function's namespace is made last, after root was given up
/// (sandbox.md 1), so limits on ordinary users are limits on it.
pub(super) fn user_namespaces(facts: &Facts) -> Check {
    let about =
        About { id: "user-namespaces", read: "/proc/sys/user, /proc/sys/kernel, /proc/self/attr" };
    let switched = |name: &str, to: u32| as_root(facts, &format!("sysctl -w {name}={to}"));
    let limit = facts.namespaces.iter().find(|ns| ns.limit_name == USER_LIMIT).map(|ns| ns.limit);
    if limit == Some(Switch::Is(0)) {
        let fact = format!("user namespaces are turned off ({USER_LIMIT} is 0)");
        return about.missing(fact, switched(&format!("user.{USER_LIMIT}"), ENOUGH));
    }
    // As root the init still has CAP_SYS_ADMIN when it makes the function's namespace, which both
    // switches ask for.
    if may(facts, SYS_ADMIN) {
        return match limit {
            Some(Switch::Is(limit)) => about.ok(format!("up to {limit}")),
            _ => about.ok("allowed"),
        };
    }
    if facts.unprivileged_userns_clone == Switch::Is(0) {
        let fact = "user namespaces are kept from ordinary users (unprivileged_userns_clone is 0)";
        return about.missing(fact, switched("kernel.unprivileged_userns_clone", 1));
    }
    // A profile of ours, which may allow them, has a name of its own.
    let is_unconfined = facts.apparmor_label.as_deref().is_none_or(|label| label == "unconfined");
    let unrestrict = || switched("kernel.apparmor_restrict_unprivileged_userns", 0);
    match (facts.apparmor_restrict, limit) {
        (Switch::Is(1..), _) if is_unconfined => about.missing(
            "AppArmor takes the capabilities from user namespaces of ordinary users (Ubuntu 23.10 \
             and newer)",
            unrestrict(),
        ),
        (Switch::Unreadable, _) if is_unconfined => about.warn(
            "AppArmor may restrict user namespaces of ordinary users; only root can read whether",
            unrestrict(),
        ),
        (_, Some(Switch::Is(limit))) => about.ok(format!("up to {limit}")),
        _ => about.ok("allowed"),
    }
}
