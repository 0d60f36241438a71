//! A machine made of files: a good one to begin with, then with one thing changed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use lambdabox_runtimes::discover::Search;
use tempfile::TempDir;

use super::super::checks::{self, Check, Status};
use super::super::facts::{Facts, NAMESPACES};
use crate::config::Isolation;

/// All capabilities of Linux 6.8.
pub(super) const EVERY: &str = "000001ffffffffff";
/// Docker's default set: no `CAP_SYS_ADMIN`, no `CAP_NET_ADMIN`.
pub(super) const OF_DOCKER: &str = "00000000a80425fb";
pub(super) const NOBODYS: &str = "0000000000000000";
pub(super) const HYBRID: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
pub(super) const V2: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
24 22 0:40 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw
30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate
";
/// Our own process, and the shell it was started from.
pub(super) const OWN: &str = "7\n";
const SHELL_AND_OWN: &str = "1\n7\n";
const SESSION: &str = "user.slice/user-1000.slice/session-2.scope";

/// Lists of the kernel's modules: these can be loaded, and no other is built in.
pub(super) fn lists(machine: Machine, loadable: &str) -> Machine {
    let dir = "lib/modules/6.8.0-31-generic";
    machine
        .with(&format!("{dir}/modules.dep"), loadable)
        .with(&format!("{dir}/modules.builtin"), "kernel/net/ipv4/tcp_cubic.ko\n")
}

pub(super) struct Machine {
    root: TempDir,
}

impl Machine {
    /// Root on a bare hybrid machine where nothing is missing but an interpreter.
    pub(super) fn good() -> Self {
        let machine = Self { root: tempfile::tempdir().unwrap() };
        for (name, limit) in NAMESPACES {
            machine.file(&format!("proc/self/ns/{name}"), "");
            machine.file(&format!("proc/sys/user/{limit}"), "96365\n");
        }
        for (name, text) in [
            ("proc/self/mountinfo", HYBRID),
            ("proc/self/cgroup", "4:memory:/\n0::/\n"),
            ("proc/self/uid_map", "         0          0 4294967295\n"),
            ("proc/sys/kernel/osrelease", "6.8.0-31-generic\n"),
            ("proc/sys/kernel/seccomp/actions_avail", "kill_process trap errno log allow\n"),
            ("proc/sys/net/ipv4/ip_forward", "0\n"),
            ("proc/cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t4\t36\t1\n"),
            ("proc/filesystems", "nodev\tproc\n\text3\n\text4\n"),
            ("dev/loop-control", ""),
            ("usr/sbin/mkfs.ext4", ""),
            ("usr/sbin/nft", ""),
            ("etc/resolv.conf", "nameserver 192.0.2.53\n"),
        ] {
            machine.file(name, text);
        }
        machine.user(0, EVERY)
    }

    /// Ubuntu or Debian of today: cgroup v2 with systemd, seen from a login's session.
    pub(super) fn with_systemd() -> Self {
        Self::good().mounts(V2).group(&format!("/{SESSION}"), "cpu memory pids", "")
    }

    /// An ordinary user's process, or root's, with these capabilities.
    pub(super) fn user(self, uid: u32, capabilities: &str) -> Self {
        let pid = OWN.trim();
        let status = format!(
            "Name:\tlambdabox\nPid:\t{pid}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nCapEff:\t{capabilities}\nSeccomp:\t0\n"
        );
        self.with("proc/self/status", &status)
    }

    pub(super) fn mounts(self, mountinfo: &str) -> Self {
        self.with("proc/self/mountinfo", mountinfo)
    }

    /// More lines of the mount table.
    pub(super) fn also_mounted(self, lines: &str) -> Self {
        let table = self.path().join("proc/self/mountinfo");
        let before = fs::read_to_string(&table).unwrap();
        self.mounts(&format!("{before}{lines}"))
    }

    /// Our own group on v2, below the top, with the shell we were started from.
    pub(super) fn group(self, own: &str, controllers: &str, handed_on: &str) -> Self {
        let file = |name: &str| format!("sys/fs/cgroup{own}/{name}");
        self.with("proc/self/cgroup", &format!("0::{own}\n"))
            .with(&file("cgroup.controllers"), controllers)
            .with(&file("cgroup.subtree_control"), handed_on)
            .with(&file("cgroup.events"), "populated 1\nfrozen 0\n")
            .with(&file("cgroup.type"), "domain\n")
            .with(&file("cgroup.procs"), SHELL_AND_OWN)
    }

    /// A container of Docker's on v2, in the cgroup namespace of its own that it has unless told otherwise,
    /// and these are its processes.
    pub(super) fn container(processes: &str) -> Self {
        let machine = Self::with_systemd().group("/", "cpu memory pids", "");
        machine.with(".dockerenv", "").with("sys/fs/cgroup/cgroup.procs", processes)
    }

    /// Our own group on v2 is the very top.
    pub(super) fn at_the_top(self) -> Self {
        let machine = self.group("/", "cpu memory pids", "");
        machine.without("sys/fs/cgroup/cgroup.events").without("sys/fs/cgroup/cgroup.type")
    }

    pub(super) fn with(self, name: &str, text: &str) -> Self {
        self.file(name, text);
        self
    }

    pub(super) fn without(self, name: &str) -> Self {
        fs::remove_file(self.path().join(name)).unwrap();
        self
    }

    /// An executable script on the search path.
    pub(super) fn program(self, name: &str, text: &str) -> Self {
        self.file(name, text);
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.path().join(name), executable).unwrap();
        self
    }

    fn file(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(super) fn path(&self) -> &Path {
        self.root.path()
    }

    pub(super) fn facts(&self) -> Facts {
        let search = Search { path: vec![PathBuf::from("/usr/bin")], ..Search::default() };
        Facts::gather(self.path(), search).unwrap()
    }

    pub(super) fn checks(&self) -> Vec<Check> {
        checks::all(&self.facts(), Isolation::Full)
    }

    /// The check of an id, which must be there once.
    pub(super) fn check(&self, id: &str) -> Check {
        let mut found: Vec<_> = self.checks().into_iter().filter(|c| c.id == id).collect();
        assert_eq!(found.len(), 1, "{id}: {found:?}");
        found.remove(0)
    }

    /// Ids that are missing, in order.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        self.of(Status::Missing)
    }

    /// Ids of one status, in order.
    pub(super) fn of(&self, status: Status) -> Vec<&'static str> {
        self.checks().iter().filter(|c| c.status == status).map(|c| c.id).collect()
    }

    /// Asserts that one thing alone is missing, what is said of it and how it is mended.
    #[track_caller]
    pub(super) fn lacks_only(&self, id: &str, fact: &str, remedy: &str) {
        assert_eq!(self.missing(), [id], "{:#?}", self.checks());
        self.says(id, Status::Missing, fact, remedy);
    }

    #[track_caller]
    pub(super) fn says(&self, id: &str, status: Status, fact: &str, remedy: &str) {
        let check = self.check(id);
        assert_eq!(check.status, status, "{check:?}");
        assert!(check.fact.contains(fact), "{check:?}");
        assert!(check.remedy.as_deref().unwrap_or_default().contains(remedy), "{check:?}");
    }
}
