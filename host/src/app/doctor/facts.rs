//! What the kernel and the file system say, unjudged. Reads files below one root and nothing else.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use lambdabox_runtimes::discover::{self, Search};

use super::mounts::Mounts;
use super::network_facts::NetworkFacts;
use crate::sandbox::cgroup::scope::{holds_only, systemd_runs};
use crate::sandbox::cgroup::{CgroupError, Layout};
use crate::sandbox::network::KernelModules;

/// Namespaces a sandbox has of its own: their file below `/proc/self/ns`, and what their limit is
/// called below `/proc/sys/user`.
pub(super) const NAMESPACES: [(&str, &str); 7] = [
    ("pid", "max_pid_namespaces"),
    ("mnt", "max_mnt_namespaces"),
    ("net", "max_net_namespaces"),
    ("ipc", "max_ipc_namespaces"),
    ("uts", "max_uts_namespaces"),
    ("cgroup", "max_cgroup_namespaces"),
    ("user", USER_LIMIT),
];
/// The one that is often turned off.
pub(super) const USER_LIMIT: &str = "max_user_namespaces";
/// Where programs of the system are besides `PATH`, which an ordinary user's lacks.
const SYSTEM_DIRECTORIES: [&str; 2] = ["/usr/sbin", "/sbin"];
/// Files that tell of a container's engine: Docker's and podman's.
const CONTAINER_MARKS: [&str; 2] = [".dockerenv", "run/.containerenv"];

/// A number below `/proc/sys`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Switch {
    /// This kernel has no such switch.
    Absent,
    /// It is there, and not for this user to read.
    Unreadable,
    /// What it says.
    Is(u64),
}

/// A namespace of ours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Namespace {
    pub(super) name: &'static str,
    pub(super) limit_name: &'static str,
    pub(super) exists: bool,
    pub(super) limit: Switch,
}

/// The group of cgroup v2 this process is in.
#[derive(Debug)]
pub(super) struct OwnGroup {
    /// Its path on the machine (not below the root it was read from).
    pub(super) dir: PathBuf,
    /// Controllers it could hand on.
    pub(super) controllers: String,
    /// Controllers it hands on to groups below it.
    pub(super) handed_on: String,
    /// The real top of the tree: the only group that may have processes and hand controllers on.
    pub(super) is_top: bool,
    /// Not the top, and no other process is in it: one that would move on to a place below.
    pub(super) is_ours_alone: bool,
    /// Who owns it.
    pub(super) owner: u32,
}

/// Everything that is judged.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) kernel_release: String,
    /// Effective user id.
    pub(super) uid: u32,
    /// Effective capabilities, one bit each.
    pub(super) capabilities: u64,
    /// `Seccomp:` of `/proc/self/status`: 2 is a filter.
    pub(super) seccomp_mode: Option<u8>,
    /// What a seccomp filter may answer.
    pub(super) seccomp_actions: Option<String>,
    /// AppArmor's name for this process.
    pub(super) apparmor_label: Option<String>,
    pub(super) uid_map: String,
    pub(super) is_in_container: bool,
    /// Whether systemd can be asked for a scope of our own, by root.
    pub(super) systemd_runs: bool,
    /// Whether the user's own systemd can be asked: its bus is there.
    pub(super) has_user_bus: bool,
    /// Controllers the user's own systemd has to hand on; v2 only.
    pub(super) users_controllers: Option<String>,
    pub(super) namespaces: Vec<Namespace>,
    /// Debian's switch: 0 leaves user namespaces to who has `CAP_SYS_ADMIN`.
    pub(super) unprivileged_userns_clone: Switch,
    /// Ubuntu's switch: 1 takes the capabilities from user namespaces of who has none itself.
    pub(super) apparmor_restrict: Switch,
    pub(super) mounts: Mounts,
    pub(super) layout: Result<Layout, CgroupError>,
    /// v1: controllers the kernel has and was told not to use.
    pub(super) disabled_controllers: Vec<String>,
    /// v2 only.
    pub(super) own_group: Option<io::Result<OwnGroup>>,
    pub(super) has_loop_control: bool,
    pub(super) has_ext4: bool,
    pub(super) mkfs: Option<PathBuf>,
    pub(super) nft: Option<PathBuf>,
    pub(super) network: NetworkFacts,
    pub(super) modules: KernelModules,
    pub(super) ip_forward: Switch,
    /// Identifier, version and program of each Python, the newest first.
    pub(super) pythons: Vec<(String, String, PathBuf)>,
}

/// What no judgement can do without could not be read.
#[derive(Debug, thiserror::Error)]
#[error("failed to read {}", path.display())]
pub(super) struct FactsError {
    pub(super) path: PathBuf,
    source: io::Error,
}

impl Facts {
    /// Reads them below `root`. Interpreters are searched as `search` says, programs on its path.
    pub(super) fn gather(root: &Path, search: Search) -> Result<Self, FactsError> {
        let machine = Machine { root };
        let status = machine.need("proc/self/status")?;
        let mountinfo = machine.need("proc/self/mountinfo")?;
        let layout = Layout::detect(&root.join("proc"));
        let pid = field(&status, "Pid:").and_then(|mut ids| ids.next()?.parse().ok());
        let own_group = match &layout {
            Ok(Layout::V2 { parent }) => Some(machine.own_group(parent, pid)),
            _ => None,
        };
        let uid = field(&status, "Uid:").and_then(|mut ids| ids.nth(1)?.parse().ok());
        let uid: u32 = uid.unwrap_or(u32::MAX);
        let users = format!("user.slice/user-{uid}.slice/user@{uid}.service/cgroup.controllers");
        let search = machine.below_root(search);
        let kernel_release = machine.need("proc/sys/kernel/osrelease")?.trim().to_owned();
        let has_ext4 = machine.has_ext4(&kernel_release);
        Ok(Self {
            uid,
            has_user_bus: root.join(format!("run/user/{uid}/bus")).exists(),
            users_controllers: machine.read(&format!("sys/fs/cgroup/{users}")),
            capabilities: field(&status, "CapEff:")
                .and_then(|mut set| u64::from_str_radix(set.next()?, 16).ok())
                .unwrap_or(0),
            seccomp_mode: field(&status, "Seccomp:").and_then(|mut m| m.next()?.parse().ok()),
            seccomp_actions: machine.read("proc/sys/kernel/seccomp/actions_avail"),
            apparmor_label: machine.read("proc/self/attr/apparmor/current"),
            uid_map: machine.need("proc/self/uid_map")?,
            systemd_runs: systemd_runs(root),
            is_in_container: CONTAINER_MARKS.iter().any(|mark| root.join(mark).exists()),
            namespaces: NAMESPACES.map(|names| machine.namespace(names)).to_vec(),
            unprivileged_userns_clone: machine.switch("kernel/unprivileged_userns_clone"),
            apparmor_restrict: machine.switch("kernel/apparmor_restrict_unprivileged_userns"),
            mounts: Mounts::parse(&mountinfo),
            layout,
            disabled_controllers: disabled(&machine.read("proc/cgroups").unwrap_or_default()),
            own_group,
            has_loop_control: root.join("dev/loop-control").exists(),
            has_ext4,
            mkfs: machine.program("mkfs.ext4", &search),
            nft: machine.program("nft", &search),
            network: NetworkFacts::gather(&machine, &search, &status, uid),
            modules: KernelModules::of(root, &kernel_release),
            kernel_release,
            ip_forward: machine.switch("net/ipv4/ip_forward"),
            pythons: discover::all_pythons(&search)
                .into_iter()
                .map(|python| (python.identifier, python.version, python.executable))
                .collect(),
        })
    }
}

/// A root directory to read below.
pub(super) struct Machine<'a> {
    pub(super) root: &'a Path,
}

impl Machine<'_> {
    fn need(&self, path: &str) -> Result<String, FactsError> {
        let path = self.root.join(path);
        fs::read_to_string(&path).map_err(|source| FactsError { path, source })
    }

    /// What may be absent, or be there and hold nothing for us (a kernel without the feature).
    pub(super) fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok().map(|text| text.trim().to_owned())
    }

    fn switch(&self, name: &str) -> Switch {
        match fs::read_to_string(self.root.join("proc/sys").join(name)) {
            Ok(text) => text.trim().parse().map_or(Switch::Unreadable, Switch::Is),
            Err(error) if error.kind() == ErrorKind::NotFound => Switch::Absent,
            Err(_) => Switch::Unreadable,
        }
    }

    fn namespace(&self, (name, limit_name): (&'static str, &'static str)) -> Namespace {
        // A link that leads nowhere in the file system.
        let exists = fs::symlink_metadata(self.root.join("proc/self/ns").join(name)).is_ok();
        let limit = self.switch(&format!("user/{limit_name}"));
        Namespace { name, limit_name, exists, limit }
    }

    /// The group `dir`, which the process `pid` is in.
    fn own_group(&self, dir: &Path, pid: Option<i32>) -> io::Result<OwnGroup> {
        use std::os::unix::fs::MetadataExt;
        let here = self.here(dir);
        Ok(OwnGroup {
            dir: dir.to_owned(),
            controllers: fs::read_to_string(here.join("cgroup.controllers"))?,
            handed_on: fs::read_to_string(here.join("cgroup.subtree_control"))?,
            // Every group but the top has this file, the top of a container's view included.
            is_top: !here.join("cgroup.events").exists(),
            // One whose processes are not told is not ours alone for `invoke` either.
            is_ours_alone: holds_only(&here, pid.as_slice()).unwrap_or(false),
            owner: fs::metadata(&here)?.uid(),
        })
    }

    /// Loaded, built in, or a module the kernel loads when it is asked for.
    fn has_ext4(&self, release: &str) -> bool {
        let loaded = self.read("proc/filesystems").unwrap_or_default();
        loaded.lines().any(|line| line.trim() == "ext4")
            || self.root.join("lib/modules").join(release).join("kernel/fs/ext4").exists()
    }

    pub(super) fn program(&self, name: &str, search: &Search) -> Option<PathBuf> {
        let system = SYSTEM_DIRECTORIES.map(|directory| self.here(Path::new(directory)));
        search.path.iter().chain(&system).map(|dir| dir.join(name)).find(|file| file.is_file())
    }

    /// A path of the machine as a path of ours.
    fn here(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Of another root only its own search path counts, not this caller's home and shims.
    fn below_root(&self, search: Search) -> Search {
        if self.root == Path::new("/") {
            return search;
        }
        let path = search.path.iter().map(|directory| self.here(directory)).collect();
        Search { path, ..Search::default() }
    }
}

/// The words of a field of `/proc/self/status`.
pub(super) fn field<'a>(status: &'a str, name: &str) -> Option<std::str::SplitAsciiWhitespace<'a>> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::split_ascii_whitespace)
}

/// Controllers whose last column in `/proc/cgroups` is 0.
fn disabled(cgroups: &str) -> Vec<String> {
    let rows = cgroups.lines().filter(|line| !line.starts_with('#'));
    rows.filter_map(|row| {
        let mut columns = row.split_ascii_whitespace();
        let name = columns.next()?;
        (columns.nth(2)? == "0").then(|| name.to_owned())
    })
    .collect()
}
