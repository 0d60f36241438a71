//! What holds of every sandbox's plan, whatever its configuration: each rule with its reason.
//!
//! The rules are about order and completeness. They look at the list of steps only, so they can be
//! checked on any plan, without privileges: for every configuration by a property test of the host's
//! `sandbox::plan`, and in debug builds at each start.
//!
//! # Not here
//! What each step does to the kernel; whether it did is shown by `tests/security`.
//!
//! # Sources
//! `reference/sandbox.md` sections 1 to 3; design section 4.

use std::path::Path;

use super::{Namespace, Plan, Source, Step, Use};

/// A rule of order.
#[derive(Debug)]
pub struct Invariant {
    /// What holds.
    pub says: &'static str,
    /// What would be possible if it did not.
    pub because: &'static str,
    holds: fn(&Ordered<'_>) -> bool,
}

/// The invariants this plan breaks.
pub fn broken(plan: &Plan) -> Vec<&'static Invariant> {
    let ordered = Ordered::new(plan);
    ALL.iter().filter(|invariant| !(invariant.holds)(&ordered)).collect()
}

/// All steps of a plan, in the order of their application.
struct Ordered<'a> {
    namespaces: &'a [Namespace],
    steps: Vec<&'a Step>,
    descriptors: Vec<usize>,
}

type Kind = fn(&Step) -> bool;

impl<'a> Ordered<'a> {
    fn new(plan: &'a Plan) -> Self {
        let steps = plan.prepare.iter().chain(&plan.launch).collect();
        Self { namespaces: &plan.namespaces, steps, descriptors: plan.descriptors() }
    }

    fn count(&self, kind: Kind) -> usize {
        self.steps.iter().filter(|step| kind(step)).count()
    }

    fn once(&self, kind: Kind) -> bool {
        self.count(kind) == 1
    }

    /// Every step of the one kind comes before every step of the other.
    fn before(&self, earlier: Kind, later: Kind) -> bool {
        let last = self.steps.iter().rposition(|step| earlier(step));
        let first = self.steps.iter().position(|step| later(step));
        last.zip(first).is_none_or(|(last, first)| last < first)
    }

    fn has(&self, namespace: Namespace) -> bool {
        self.namespaces.iter().filter(|own| **own == namespace).count() == 1
    }
}

/// Puts something into the sandbox's tree of files.
fn places(step: &Step) -> bool {
    mounts(step)
        || matches!(step, Step::Directory { .. } | Step::File { .. } | Step::Symlink { .. })
}

fn mounts(step: &Step) -> bool {
    matches!(
        step,
        Step::Bind { .. }
            | Step::TmpDevice { .. }
            | Step::TmpMemory { .. }
            | Step::TmpKept { .. }
            | Step::SharedMemory { .. }
            | Step::Proc
    )
}

fn from_a_path(step: &Step) -> bool {
    matches!(
        step,
        Step::Bind { source: Source::Path(_), .. }
            | Step::TmpDevice { device: Source::Path(_), .. }
            | Step::TmpKept { tree: Source::Path(_), .. }
    )
}

fn tmp(step: &Step) -> bool {
    matches!(step, Step::TmpDevice { .. } | Step::TmpMemory { .. } | Step::TmpKept { .. })
}

/// Changes who the init is or what it may do.
fn changes_credentials(step: &Step) -> bool {
    matches!(step, Step::Identity { .. } | Step::UserNamespace { .. } | Step::DropCapabilities)
}

fn listens(step: &Step) -> bool {
    matches!(step, Step::Listen { .. } | Step::Receive { .. })
}

/// Devices that hold nothing of anybody and change nothing (`null(4)`, `random(4)`, `tty(4)`).
const HARMLESS_DEVICES: [&str; 6] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// Shown as it is meant: trees read-only, nodes only of harmless devices and under their own name.
fn bound_harmlessly(step: &Step) -> bool {
    match step {
        Step::Bind { usage: Use::ReadOnly, .. } => true,
        Step::Bind { source, target, usage: Use::Device } => {
            let harmless = HARMLESS_DEVICES.iter().any(|device| target == Path::new(device));
            harmless && matches!(source, Source::Path(path) if path == target)
        }
        _ => true,
    }
}

/// Every rule; a test breaks each of them.
pub const ALL: [Invariant; 28] = [
    Invariant {
        says: "processes, mounts, queues and names are its own",
        because: "what is shared can be seen, named and changed",
        holds: |plan| {
            [Namespace::Pid, Namespace::Mount, Namespace::Ipc, Namespace::Uts]
                .into_iter()
                .all(|namespace| plan.has(namespace))
        },
    },
    Invariant {
        says: "the control groups are joined before anything else",
        because: "what is made earlier is charged to the host",
        holds: |plan| {
            let join: Kind = |step| matches!(step, Step::JoinCgroups);
            plan.count(join) <= 1 && plan.before(join, |step| !matches!(step, Step::JoinCgroups))
        },
    },
    Invariant {
        says: "the cgroup namespace is entered exactly once: at birth or after joining",
        because: "its root is where the process was then; the host's tree would show",
        holds: |plan| {
            let step = plan.once(|step| matches!(step, Step::CgroupNamespace));
            plan.has(Namespace::Cgroup) != step
        },
    },
    Invariant {
        says: "the host name is set once, in a namespace",
        because: "it would be the host's",
        holds: |plan| {
            plan.has(Namespace::Uts) && plan.once(|step| matches!(step, Step::Hostname(_)))
        },
    },
    Invariant {
        says: "mounts are private before the first one is made",
        because: "it would appear on the host, and pivot_root refuses a shared parent",
        holds: |plan| {
            plan.once(|step| matches!(step, Step::PrivateMounts))
                && plan.before(
                    |step| matches!(step, Step::PrivateMounts),
                    |step| matches!(step, Step::NewRoot) || places(step),
                )
        },
    },
    Invariant {
        says: "an empty root is there before anything is placed in it",
        because: "it would be placed in the host's tree",
        holds: |plan| {
            plan.once(|step| matches!(step, Step::NewRoot))
                && plan.before(|step| matches!(step, Step::NewRoot), places)
        },
    },
    Invariant {
        says: "trees are shown read-only, and only harmless devices as devices",
        because: "code, interpreter and system could be changed, disks and memory read",
        holds: |plan| plan.steps.iter().all(|step| bound_harmlessly(step)),
    },
    Invariant {
        says: "no directory is made that everybody may write to",
        because: "the root has a few megabytes of nobody's memory",
        holds: |plan| {
            plan.steps
                .iter()
                .all(|step| !matches!(step, Step::Directory { mode, .. } if mode & 0o022 != 0))
        },
    },
    Invariant {
        says: "its own /proc is mounted once, before the host's root goes",
        because: "the kernel allows a new one only where a whole one is visible",
        holds: |plan| {
            plan.once(|step| matches!(step, Step::Proc))
                && plan
                    .before(|step| matches!(step, Step::Proc), |step| matches!(step, Step::Pivot))
        },
    },
    Invariant {
        says: "the host's root is detached exactly once",
        because: "every file of the host would be a path away",
        holds: |plan| plan.once(|step| matches!(step, Step::Pivot)),
    },
    Invariant {
        says: "paths of the host are opened before its root is detached, descriptors used after it",
        because: "afterwards the path names a file of the sandbox",
        holds: |plan| plan.before(from_a_path, |step| matches!(step, Step::Pivot)),
    },
    Invariant {
        says: "each descriptor that comes along is used by exactly one step, in order",
        because: "one that nobody uses would be a door that nobody watches",
        holds: |plan| plan.descriptors.iter().copied().eq(0..plan.descriptors.len()),
    },
    Invariant {
        says: "loopback is up before anything listens on it, and all listen before the gate",
        because: "the function could take the Runtime API's port first",
        holds: |plan| {
            plan.before(|step| matches!(step, Step::Loopback), listens)
                && plan.before(listens, |step| matches!(step, Step::Pivot))
        },
    },
    Invariant {
        says: "listeners and loopback are of a network namespace of its own",
        because: "they would be the host's: its other users and functions could connect",
        holds: |plan| {
            let own = plan.has(Namespace::Network);
            let made = plan.count(|step| listens(step) || matches!(step, Step::Loopback)) > 0;
            own == made && (!own || plan.once(|step| matches!(step, Step::Loopback)))
        },
    },
    Invariant {
        says: "a firewall is laid once, in a network namespace of its own, before the gate",
        because: "its rules would be the host's, or the function would be there before them",
        holds: |plan| {
            let lay: Kind = |step| matches!(step, Step::Firewall { .. });
            match plan.count(lay) {
                0 => true,
                1 => {
                    plan.has(Namespace::Network)
                        && plan.before(lay, |step| matches!(step, Step::Pivot))
                }
                _ => false,
            }
        },
    },
    Invariant {
        says: "listeners are on loopback",
        because: "with nat other environments and the host's network could reach them",
        holds: |plan| {
            plan.steps.iter().all(|step| match step {
                Step::Listen { address, .. } | Step::Receive { address, .. } => {
                    address.is_loopback()
                }
                _ => true,
            })
        },
    },
    Invariant {
        says: "/tmp is mounted once, after every tree",
        because: "a tree below /tmp would shrink what is the function's, or be written to",
        holds: |plan| {
            plan.once(tmp)
                && plan.before(
                    |step| matches!(step, Step::Bind { .. }),
                    |step| tmp(step) || matches!(step, Step::SharedMemory { .. }),
                )
        },
    },
    Invariant {
        says: "the root is sealed once, after all is placed and detached",
        because: "mount points would be missing, or the host's root sealed",
        holds: |plan| {
            let seal: Kind = |step| matches!(step, Step::SealRoot);
            plan.once(seal)
                && plan.before(places, seal)
                && plan.before(|step| matches!(step, Step::Pivot), seal)
        },
    },
    Invariant {
        says: "every mount is made and sealed before the first privilege goes",
        because: "what the function's own user namespace had mounted, it could undo",
        holds: |plan| {
            plan.before(|step| mounts(step) || matches!(step, Step::SealRoot), changes_credentials)
        },
    },
    Invariant {
        says: "descriptors and processes are limited once, before the filter",
        because: "the filter refuses limits to be set for another, and none may be left out",
        holds: |plan| {
            let limits: Kind = |step| matches!(step, Step::Limits { .. });
            plan.once(limits) && plan.before(limits, |step| matches!(step, Step::Seccomp))
        },
    },
    Invariant {
        says: "the session keyring is left once, while its owner is still the one outside",
        because: "keys of whoever started the host would be the function's",
        holds: |plan| {
            let keyring: Kind = |step| matches!(step, Step::SessionKeyring);
            plan.once(keyring) && plan.before(keyring, changes_credentials)
        },
    },
    Invariant {
        says: "the id is changed before the user namespace that maps it, and is not root's",
        because: "a user namespace entered by root maps root; files of root would be its own",
        holds: |plan| {
            let ids: Vec<u32> = plan
                .steps
                .iter()
                .filter_map(|step| match step {
                    Step::Identity { id } => Some(*id),
                    _ => None,
                })
                .collect();
            // Without a step an ordinary user stays who it is.
            let outside_is = |outside: (u32, u32)| match ids[..] {
                [] => outside.0 != 0,
                [id] => outside == (id, id) && id != 0,
                _ => false,
            };
            plan.steps.iter().all(|step| match step {
                Step::UserNamespace { outside, uid, gid } => {
                    outside_is(*outside) && *uid != 0 && *gid != 0
                }
                _ => true,
            }) && plan.before(
                |step| matches!(step, Step::Identity { .. }),
                |step| matches!(step, Step::UserNamespace { .. }),
            )
        },
    },
    Invariant {
        says: "there is exactly one user namespace",
        because: "capabilities of the host's would count on what was mounted",
        holds: |plan| plan.once(|step| matches!(step, Step::UserNamespace { .. })),
    },
    Invariant {
        says: "further user namespaces are forbidden in that one, while capabilities allow it",
        because: "earlier it would be the host's own limit, later it is refused",
        holds: |plan| {
            let forbid: Kind = |step| matches!(step, Step::ForbidUserNamespaces);
            plan.once(forbid)
                && plan.before(|step| matches!(step, Step::UserNamespace { .. }), forbid)
                && plan.before(forbid, |step| matches!(step, Step::DropCapabilities))
        },
    },
    Invariant {
        says: "capabilities are dropped after every step that needs one",
        because: "a start would fail half-way, or a step be left out for it",
        holds: |plan| {
            let drop: Kind = |step| matches!(step, Step::DropCapabilities);
            plan.once(drop)
                && plan.before(
                    |step| {
                        !matches!(
                            step,
                            Step::DropCapabilities
                                | Step::NoNewPrivileges
                                | Step::Undumpable
                                | Step::Seccomp
                        )
                    },
                    drop,
                )
        },
    },
    Invariant {
        says: "new privileges are forbidden before the filter",
        because: "without capabilities the kernel takes a filter only then",
        holds: |plan| {
            let forbid: Kind = |step| matches!(step, Step::NoNewPrivileges);
            plan.once(forbid) && plan.before(forbid, |step| matches!(step, Step::Seccomp))
        },
    },
    Invariant {
        says: "the init is closed once, after its last change of credentials",
        because: "each change opens it again, and forgets that it dies with its parent",
        holds: |plan| {
            let close: Kind = |step| matches!(step, Step::Undumpable);
            plan.once(close) && plan.before(changes_credentials, close)
        },
    },
    Invariant {
        says: "the filter is the last step",
        because: "it refuses what the steps are made of",
        holds: |plan| {
            plan.once(|step| matches!(step, Step::Seccomp))
                && matches!(plan.steps.last(), Some(Step::Seccomp))
        },
    },
];

#[cfg(test)]
mod tests;
