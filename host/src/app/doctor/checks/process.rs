//! The kernel, and what this process may do with it.

use super::super::facts::Facts;
use super::{About, Check, PRIVILEGED};
use crate::sandbox::lease::IdRange;

/// `mount_setattr` is new in it (sandbox.md 2).
const KERNEL_NEEDED: (u32, u32) = (5, 12);
/// Capabilities a sandbox is made with, by their numbers in `linux/capability.h`.
const CAPABILITIES: [(&str, u32); 5] = [
    ("CAP_SYS_ADMIN", SYS_ADMIN),
    ("CAP_NET_ADMIN", NET_ADMIN),
    ("CAP_SETUID", 7),
    ("CAP_SETGID", 6),
    ("CAP_CHOWN", 0),
];
pub(super) const SYS_ADMIN: u32 = 21;
pub(super) const NET_ADMIN: u32 = 12;
/// `SECCOMP_MODE_FILTER`.
const MODE_FILTER: u8 = 2;
/// The map of a machine's first user namespace: everybody as they are.
const WHOLE_MAP: [&str; 3] = ["0", "0", "4294967295"];

pub(super) fn kernel(facts: &Facts) -> Check {
    let about = About { id: "kernel", read: "/proc/sys/kernel/osrelease" };
    let release = &facts.kernel_release;
    let (major, minor) = KERNEL_NEEDED;
    match version(release) {
        Some(version) if version >= KERNEL_NEEDED => about.ok(format!("Linux {release}")),
        _ => about.missing(
            format!("Linux {release}, and mount_setattr came with {major}.{minor}"),
            "apt-get install linux-image-amd64 && reboot (or the distribution's newest kernel)",
        ),
    }
}

/// `X.Y` of a release such as `6.8.0-31-generic`.
pub(super) fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Not being root, and being root without root's powers, are two cases with two remedies.
pub(super) fn privileges(facts: &Facts) -> Check {
    let about = About { id: "privileges", read: "/proc/self/status" };
    if facts.uid != 0 {
        let fact = format!("uid {}, an ordinary user: functions run with this id too", facts.uid);
        return about.ok(fact);
    }
    let lacking: Vec<&str> = CAPABILITIES
        .iter()
        .filter(|(_, number)| !may(facts, *number))
        .map(|(name, _)| *name)
        .collect();
    if lacking.is_empty() {
        return about.ok("root with every capability that is needed");
    }
    let place = if facts.is_in_container { "root in a container" } else { "root" };
    about.missing(format!("{place} without {}", lacking.join(", ")), PRIVILEGED)
}

pub(super) fn may(facts: &Facts, capability: u32) -> bool {
    facts.capabilities >> capability & 1 == 1
}

/// Environments run under ids of their own, which a container's user namespace may not have.
pub(super) fn ids(facts: &Facts) -> Check {
    let about = About { id: "ids", read: "/proc/self/uid_map" };
    if facts.uid != 0 {
        return about.ok(format!("{} for every environment", facts.uid));
    }
    match IdRange::of_uid_map(&facts.uid_map) {
        Some(IdRange::Wide) => about.ok("an id of its own for each environment"),
        Some(IdRange::Narrow) => about.ok("65,536 ids are mapped: many environments share some"),
        None => about.missing(
            "this user namespace maps no ids for functions",
            "start lambdabox outside of it, or with 65,536 ids mapped into it",
        ),
    }
}

/// The kernel gives a user namespace a new `/proc` only where the old one shows all of itself.
///
/// Root of the machine's first user namespace gets one all the same (`mount_too_revealing`).
pub(super) fn proc(facts: &Facts) -> Check {
    let about = About { id: "proc", read: "/proc/self/mountinfo" };
    let over = facts.mounts.over_proc();
    let Some(first) = over.first() else { return about.ok("/proc shows all of itself") };
    let masked =
        format!("/proc is masked: {} mounts over it, such as {}", over.len(), first.display());
    let remedy = "docker run --security-opt systempaths=unconfined (podman: unmask=ALL)";
    let map: Vec<&str> = facts.uid_map.split_ascii_whitespace().collect();
    if facts.uid == 0 && may(facts, SYS_ADMIN) && map == WHOLE_MAP {
        return about
            .warn(format!("{masked}; root of the machine itself gets one of its own"), remedy);
    }
    about.missing(format!("{masked}; a sandbox can have none of its own"), remedy)
}

pub(super) fn seccomp(facts: &Facts) -> Check {
    let about = About { id: "seccomp", read: "/proc/sys/kernel/seccomp/actions_avail" };
    let actions = facts.seccomp_actions.as_deref().unwrap_or_default();
    if !actions.split_ascii_whitespace().any(|action| action == "errno") {
        return about.missing(
            "this kernel has no seccomp filters",
            "boot a kernel with CONFIG_SECCOMP_FILTER, which every distribution's has",
        );
    }
    match facts.seccomp_mode {
        Some(MODE_FILTER) => about.ok("filters; one of a container is on already"),
        _ => about.ok("filters"),
    }
}
