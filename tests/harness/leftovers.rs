//! What a run may leave on a machine, listed before and after.
//!
//! A leftover is anything on one of these lists after that was not there before: processes in foreign
//! pid namespaces or of the program, mounts, cgroups, loop devices (nodes too), network namespaces,
//! links, firewall rules, the forwarding switch, files of the run and data directories.
//!
//! # Invariants
//! - The lists hold names with what makes them unique (a process its start time), so a replaced thing
//!   counts as left.
//! - Lists are taken whole, not searched for our names: a thing left under an unexpected name counts.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::rc::{Rc, Weak};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use nix::unistd::Pid;

use super::wait_until;

/// How long the kernel and detached helpers may take to finish what was begun.
const SETTLE: Duration = Duration::from_secs(20);
/// What was killed may take this long to go on a busy machine.
const DEATH: Duration = Duration::from_secs(10);

static MACHINE: RwLock<()> = RwLock::new(());

/// Held by every run that does not count.
pub(crate) type Shared = Rc<RwLockReadGuard<'static, ()>>;

/// Waits for the machine to be free of counting tests, and keeps them away.
///
/// One hold per test, however many programs it starts: a second one would queue behind a waiting
/// counting test, which waits for the first.
pub(crate) fn shared() -> Shared {
    thread_local! {
        static HELD: RefCell<Weak<RwLockReadGuard<'static, ()>>> = const { RefCell::new(Weak::new()) };
    }
    HELD.with_borrow_mut(|held| {
        held.upgrade().unwrap_or_else(|| {
            let fresh = Rc::new(MACHINE.read().unwrap_or_else(PoisonError::into_inner));
            *held = Rc::downgrade(&fresh);
            fresh
        })
    })
}

/// Waits until no other test runs the program, and keeps it so: for tests that count what is left.
pub(crate) fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// The lists, taken at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leftovers(BTreeSet<String>);

impl Leftovers {
    /// Takes the lists. `data` is the data directory whose files count.
    pub(crate) fn now(data: &Path) -> Self {
        let mut all = BTreeSet::new();
        processes(&mut all);
        mounts(&mut all);
        directories(Path::new("/sys/fs/cgroup"), "cgroup", &mut all);
        loops(&mut all);
        for link in names("/sys/class/net") {
            all.insert(format!("link {link}"));
        }
        for netns in names("/run/netns") {
            all.insert(format!("network namespace {netns}"));
        }
        firewall(&mut all);
        let forwarding = fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap_or_default();
        all.insert(format!("ip_forward {}", forwarding.trim()));
        files(data, &mut all);
        files(Path::new("/run/lambdabox"), &mut all);
        for name in
            names("/tmp").into_iter().filter(|n| n.contains("lambdabox") || n.contains("lbx"))
        {
            all.insert(format!("file /tmp/{name}"));
        }
        Self(all)
    }

    /// How many of each kind there are, for a person to read.
    pub(crate) fn counts(&self) -> String {
        let mut kinds = std::collections::BTreeMap::<&str, usize>::new();
        for what in &self.0 {
            *kinds.entry(what.split(' ').next().unwrap_or("")).or_default() += 1;
        }
        kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>().join(", ")
    }

    /// What came up since this moment and stayed. Things on their way out are waited for, and what
    /// comes up while waiting is somebody else's: a leftover was there from the first look on.
    pub(crate) fn since(&self, data: &Path) -> Vec<String> {
        self.since_but_for(data, |_| false)
    }

    /// The same, without what may stay: nothing is waited for on its account.
    pub(crate) fn since_but_for(
        &self,
        data: &Path,
        may_stay: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let mut left: BTreeSet<String> = Self::now(data).0.difference(&self.0).cloned().collect();
        wait_until(SETTLE, || {
            let now = Self::now(data).0;
            left.retain(|what| now.contains(what) && !may_stay(what));
            left.is_empty()
        });
        left.into_iter().collect()
    }
}

fn names(dir: impl AsRef<Path>) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Processes of another pid namespace than ours, and every process that runs the program.
fn processes(all: &mut BTreeSet<String>) {
    let own = fs::read_link("/proc/self/ns/pid").ok();
    let program = super::binary().file_name().unwrap().to_string_lossy().into_owned();
    for pid in names("/proc").into_iter().filter(|name| name.bytes().all(|b| b.is_ascii_digit())) {
        let proc = Path::new("/proc").join(&pid);
        let Ok(stat) = fs::read_to_string(proc.join("stat")) else { continue };
        let Some((head, tail)) = stat.rsplit_once(')') else { continue };
        let name = head.split_once('(').map_or("", |(_, name)| name);
        let foreign = fs::read_link(proc.join("ns/pid")).is_ok_and(|ns| Some(ns) != own);
        if foreign || name == program {
            // Field 22 of proc(5) `stat`, the start time, is the 20th after the name.
            let start = tail.split_whitespace().nth(19).unwrap_or("");
            all.insert(format!("process {pid} {name} started {start}"));
        }
    }
}

/// Waits until no process of the machine has this text in its command line.
pub(crate) fn wait_until_gone(text: &str) {
    let gone = wait_until(DEATH, || processes_with(text).is_empty());
    assert!(gone, "still alive: {:?}", processes_with(text));
}

/// Processes of the whole machine whose command line holds this text, but not ours.
pub(crate) fn processes_with(text: &str) -> Vec<String> {
    let own = std::process::id().to_string();
    let pids = names("/proc").into_iter().filter(|name| name.bytes().all(|b| b.is_ascii_digit()));
    pids.filter(|pid| *pid != own)
        .filter_map(|pid| Some((fs::read(format!("/proc/{pid}/cmdline")).ok()?, pid)))
        .map(|(line, pid)| (String::from_utf8_lossy(&line).replace('\0', " "), pid))
        .filter(|(line, _)| line.contains(text))
        .map(|(line, pid)| format!("{pid}: {line}"))
        .collect()
}

/// Processes that this one has begun, and that live.
pub(crate) fn children_of(pid: Pid) -> Vec<Pid> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace()
                .map(|pid| Pid::from_raw(pid.parse().unwrap()))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn mounts(all: &mut BTreeSet<String>) {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    for line in table.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        all.insert(format!("mount {} on {}", fields[0], fields[4]));
    }
}

fn directories(root: &Path, what: &str, all: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir())) {
        let path = entry.path();
        // A service manager's own comings and goings are not ours.
        let unit = [".service", ".scope", ".slice", ".mount", ".socket"];
        if !unit.iter().any(|suffix| path.to_string_lossy().ends_with(suffix)) {
            all.insert(format!("{what} {}", path.display()));
        }
        directories(&path, what, all);
    }
}

fn loops(all: &mut BTreeSet<String>) {
    for name in names("/dev").into_iter().filter(|n| n.starts_with("loop") && n != "loop-control") {
        all.insert(format!("loop node /dev/{name}"));
        let backing = Path::new("/sys/block").join(&name).join("loop/backing_file");
        if let Ok(file) = fs::read_to_string(backing) {
            all.insert(format!("loop device {name} of {}", file.trim()));
        }
    }
}

/// Rules as `nft` prints them, without counters, which change by themselves.
fn firewall(all: &mut BTreeSet<String>) {
    let Ok(output) = Command::new("nft").args(["-a", "-s", "list", "ruleset"]).output() else {
        return;
    };
    for (number, line) in String::from_utf8_lossy(&output.stdout).lines().enumerate() {
        all.insert(format!("firewall line {number}: {}", line.trim()));
    }
}

fn files(root: &Path, all: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        all.insert(format!("file {}", entry.path().display()));
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            files(&entry.path(), all);
        }
    }
}
