//! Which steps a sandbox takes: Lambda's environment in terms of Linux.
//!
//! Pure: looks at no file except through [`HostRoot`], which is read once per process.
//!
//! # Sources
//! Design section 4; `reference/sandbox.md` sections 1 and 2; `reference/runtime-api.md` 6.6, 6.7.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use lambdabox_bootstrap::plan::{Namespace, Source, Step, Use};

use super::cgroup::PIDS_MAX;
use crate::model::Network;

/// User id inside, as on AWS (runtime-api.md 6.6).
const UID_INSIDE: u32 = 993;
/// Group id inside.
const GID_INSIDE: u32 = 990;
/// Open descriptors of a function (Lambda quotas).
const MAX_DESCRIPTORS: u64 = 1_024;
/// Where the Runtime API listens inside.
const RUNTIME_API_PORT: u16 = 9_001;

/// Top-level directories of a Linux root that programs need; links are kept as links.
const ROOT_DIRECTORIES: [&str; 7] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store"];
/// Parts of `/etc` that programs need to start and to speak TLS; none holds a secret.
const ETC: [&str; 12] = [
    "/etc/alternatives",
    "/etc/ssl",
    "/etc/ca-certificates",
    "/etc/pki/tls",
    "/etc/pki/ca-trust",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/protocols",
    "/etc/services",
    "/etc/os-release",
    "/etc/mime.types",
];
/// Prefix of JDK configuration directories in `/etc`.
const ETC_JAVA: &str = "java-";
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// The loopback addresses of a new network namespace: the second only where the kernel has IPv6.
pub(crate) fn loopback_addresses() -> Vec<IpAddr> {
    let mut all = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    // Lists the interfaces' addresses; ours has a loopback too if there is the file and it has one.
    let known = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    if known.lines().any(|line| line.ends_with(" lo")) {
        all.push(IpAddr::V6(Ipv6Addr::LOCALHOST));
    }
    all
}

/// What of the host's root every sandbox shows.
#[derive(Debug, Clone)]
pub(crate) struct HostRoot {
    steps: Vec<Step>,
}

impl HostRoot {
    /// Looks at the host's root once.
    pub(crate) fn look() -> Self {
        let mut steps = Vec::new();
        let java = std::fs::read_dir("/etc").into_iter().flatten().flatten();
        let java = java.filter(|e| e.file_name().to_string_lossy().starts_with(ETC_JAVA));
        let paths =
            ROOT_DIRECTORIES.iter().chain(&ETC).map(PathBuf::from).chain(java.map(|e| e.path()));
        for path in paths {
            match std::fs::symlink_metadata(&path) {
                // A link to somewhere else in the same root, such as /bin or /etc/os-release.
                Ok(data) if data.is_symlink() => {
                    if let Ok(target) = std::fs::read_link(&path) {
                        steps.push(Step::Symlink { path, target });
                    }
                }
                Ok(_) => steps.push(read_only(Source::Path(path.clone()), path)),
                Err(_absent) => {}
            }
        }
        Self { steps }
    }
}

fn read_only(source: Source, target: PathBuf) -> Step {
    Step::Bind { source, target, usage: Use::ReadOnly }
}

/// Where X-Ray's SDKs send segments inside: AWS's port.
pub(crate) const XRAY_PORT: u16 = 2_000;

/// Whether somebody takes X-Ray segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Xray {
    /// A daemon of the operator's.
    Taken,
    /// Nobody.
    Nobody,
}

/// What a sandbox is, before the function is known.
#[derive(Debug, Clone)]
pub(crate) struct Shell {
    /// Its place in the network.
    pub(crate) network: Network,
    /// Ports of the host's loopback to offer inside.
    pub(crate) forwards: Vec<u16>,
    /// Loopback addresses to offer them at, in this order.
    pub(crate) forward_addresses: Vec<IpAddr>,
    /// Whether functions' X-Ray segments are taken, by the last of all sockets.
    pub(crate) xray: Xray,
    /// Content of `/etc/resolv.conf`.
    pub(crate) resolv_conf: String,
    /// What confines the network from inside, where nothing outside does.
    pub(crate) firewall: Option<Step>,
    /// Whether version 1 `tasks` files come along.
    pub(crate) joins_v1: bool,
    /// Whether the cgroup namespace can be entered at birth (version 2).
    pub(crate) born_in_cgroup_namespace: bool,
}

impl Shell {
    /// Namespaces of the first process.
    pub(crate) fn namespaces(&self) -> Vec<Namespace> {
        let mut all = vec![Namespace::Pid, Namespace::Mount, Namespace::Ipc, Namespace::Uts];
        if self.network != Network::Host {
            all.push(Namespace::Network);
        }
        if self.born_in_cgroup_namespace {
            all.push(Namespace::Cgroup);
        }
        all
    }

    /// Steps before the gate.
    pub(crate) fn steps(&self, host: &HostRoot) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.joins_v1 {
            steps.push(Step::JoinCgroups);
        }
        if !self.born_in_cgroup_namespace {
            steps.push(Step::CgroupNamespace);
        }
        steps.extend([Step::Hostname("lambdabox".to_owned()), Step::PrivateMounts, Step::NewRoot]);
        steps.extend(host.steps.iter().cloned());
        steps.extend(self.files());
        for device in DEVICES {
            let path = Path::new("/dev").join(device);
            steps.push(Step::Bind {
                source: Source::Path(path.clone()),
                target: path,
                usage: Use::Device,
            });
        }
        for (name, target) in
            [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")]
        {
            steps.push(Step::Symlink { path: Path::new("/dev").join(name), target: target.into() });
        }
        steps.push(Step::Proc);
        if self.network != Network::Host {
            steps.push(Step::Loopback);
            steps.extend(self.firewall.clone());
        }
        // In the host's own network the listeners are the host's to make.
        if self.network != Network::Host {
            let listen =
                |name: &str, address, port| Step::Listen { name: name.to_owned(), address, port };
            steps.push(listen(
                "the Runtime API",
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                RUNTIME_API_PORT,
            ));
            for &port in &self.forwards {
                let addresses = self.forward_addresses.iter();
                steps.extend(addresses.map(|&address| listen("a forwarded port", address, port)));
            }
            if self.xray == Xray::Taken {
                let (address, port) = (IpAddr::V4(Ipv4Addr::LOCALHOST), XRAY_PORT);
                steps.push(Step::Receive { name: "X-Ray".to_owned(), address, port });
            }
        }
        steps.push(Step::Pivot);
        steps
    }

    fn files(&self) -> Vec<Step> {
        let passwd = format!(
            "root:x:0:0:root:/root:/sbin/nologin\n\
             sbx_user1051:x:{UID_INSIDE}:{GID_INSIDE}::/home/sbx_user1051:/sbin/nologin\n\
             nobody:x:65534:65534:nobody:/:/sbin/nologin\n"
        );
        let group = format!("root:x:0:\nsbx_user1051:x:{GID_INSIDE}:\nnogroup:x:65534:\n");
        // `localhost` on 127.0.0.1 only: a client that tries ::1 first would miss the listeners.
        let hosts =
            "127.0.0.1 localhost lambdabox sandbox sandbox.localdomain host.docker.internal\n";
        [
            ("/etc/passwd", passwd.as_str()),
            ("/etc/group", &group),
            ("/etc/hosts", hosts),
            ("/etc/resolv.conf", &self.resolv_conf),
        ]
        .map(|(path, text)| Step::File { path: path.into(), text: text.to_owned() })
        .to_vec()
    }
}

/// How `/tmp` is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TmpPlan {
    /// An image on a loop device; the descriptor comes with the launch message.
    Device {
        /// Position among the descriptors.
        index: usize,
        /// What it is, for people.
        shows: PathBuf,
        /// File system options.
        options: String,
    },
    /// Memory that an ordinary user's spawner keeps; the mount comes with the launch message.
    Kept {
        /// Position among the descriptors.
        index: usize,
        /// Size.
        bytes: u64,
    },
    /// Memory, where no image can be had.
    Memory {
        /// Size.
        bytes: u64,
    },
}

/// Whose id on the host an environment's processes have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// One of ours that nobody else has; only root can give it.
    Own {
        /// User and group.
        id: u32,
    },
    /// The caller's, who is an ordinary user and has no other to give.
    Callers {
        /// User.
        uid: u32,
        /// Group.
        gid: u32,
    },
}

impl Identity {
    /// The user id on the host.
    pub(crate) fn uid(self) -> u32 {
        match self {
            Self::Own { id: uid } | Self::Callers { uid, .. } => uid,
        }
    }
}

/// What the launch part says besides the trees.
#[derive(Debug, Clone)]
pub(crate) struct Confinement {
    /// The environment's id on the host.
    pub(crate) identity: Identity,
    /// Size of `/dev/shm`, if one is wanted.
    pub(crate) shared_memory_bytes: Option<u64>,
}

/// Steps after the gate: the function's own trees, then everything that takes privileges away.
pub(crate) fn launch_steps(trees: Vec<Step>, tmp: TmpPlan, confinement: &Confinement) -> Vec<Step> {
    let mut steps = trees;
    steps.push(match tmp {
        TmpPlan::Device { index, shows, options } => {
            Step::TmpDevice { device: Source::Tree { index, shows }, options }
        }
        TmpPlan::Kept { index, bytes } => {
            Step::TmpKept { tree: Source::Tree { index, shows: "memory".into() }, bytes }
        }
        TmpPlan::Memory { bytes } => Step::TmpMemory { bytes },
    });
    steps.extend(confinement.shared_memory_bytes.map(|bytes| Step::SharedMemory { bytes }));
    let limits = Step::Limits { descriptors: MAX_DESCRIPTORS, processes: u64::from(PIDS_MAX) };
    let namespace = |outside| Step::UserNamespace { uid: UID_INSIDE, gid: GID_INSIDE, outside };
    steps.push(Step::SealRoot);
    steps.extend(match confinement.identity {
        Identity::Own { id } => {
            vec![limits, Step::SessionKeyring, Step::Identity { id }, namespace((id, id))]
        }
        // The limit on processes counts those of one user in one namespace: before it were entered,
        // all of the caller's.
        Identity::Callers { uid, gid } => {
            vec![Step::SessionKeyring, namespace((uid, gid)), limits]
        }
    });
    steps.extend([
        Step::ForbidUserNamespaces,
        Step::DropCapabilities,
        Step::NoNewPrivileges,
        Step::Undumpable,
        Step::Seccomp,
    ]);
    steps
}

#[cfg(test)]
mod tests;
