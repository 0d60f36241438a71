//! The sandbox as an ordered list of steps, before it is any system call.
//!
//! A [`Plan`] can be printed, compared and tested without privileges. It has two parts with a gate
//! between them, so that a sandbox can be made before anyone knows which process will live in it:
//! `prepare` runs at birth, `launch` when the function is known. What the launch part mounts from
//! the host comes as descriptors of detached mount trees, because the host's root is gone by then.
//!
//! # Invariants
//! - The order is the order of application; nothing is added by the code that applies it.
//! - A step that fails ends the start: nothing runs in a sandbox that is less than its plan.
//! - Credentials, capabilities and seccomp come last, in this order; [`invariants`] has every rule.
//!
//! # Sources
//! `reference/sandbox.md` section 1 (the two orders) and 2 (mounts).

pub mod invariants;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::firewall::Network;

/// A kernel namespace a sandbox is born into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Namespace {
    /// Its own process ids; our init is 1.
    Pid,
    /// Its own mounts.
    Mount,
    /// Its own interfaces, ports and abstract sockets.
    Network,
    /// Its own System V and POSIX queues.
    Ipc,
    /// Its own host name.
    Uts,
    /// Its own view of the cgroup tree; at birth only on version 2.
    Cgroup,
}

impl Namespace {
    /// The `CLONE_NEW*` bit.
    pub(crate) fn flag(self) -> u64 {
        let flag = match self {
            Self::Pid => libc::CLONE_NEWPID,
            Self::Mount => libc::CLONE_NEWNS,
            Self::Network => libc::CLONE_NEWNET,
            Self::Ipc => libc::CLONE_NEWIPC,
            Self::Uts => libc::CLONE_NEWUTS,
            Self::Cgroup => libc::CLONE_NEWCGROUP,
        };
        flag as u64
    }
}

/// Where a bound tree comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// A path of the host, opened before the host's root is detached.
    Path(PathBuf),
    /// A detached tree, already read-only, sent with the message that carries this step.
    Tree {
        /// Position among the descriptors of that message.
        index: usize,
        /// What it shows, for people.
        shows: PathBuf,
    },
}

/// What a bound tree may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Use {
    /// Read and execute: `ro,nosuid,nodev`, everything mounted below it too.
    ReadOnly,
    /// One device node: `nosuid,noexec`.
    Device,
}

/// One step of making a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Write `0` to each version 1 `tasks` file that came along.
    JoinCgroups,
    /// Leave the host's view of the cgroup tree (version 1: only after joining).
    CgroupNamespace,
    /// The host name inside.
    Hostname(String),
    /// No mount made here is seen by the host.
    PrivateMounts,
    /// An empty tmpfs that becomes `/`.
    NewRoot,
    /// A directory of the new root.
    Directory {
        /// Path inside.
        path: PathBuf,
        /// Permission bits.
        mode: u32,
    },
    /// A small file of the new root.
    File {
        /// Path inside.
        path: PathBuf,
        /// Whole content.
        text: String,
    },
    /// A symbolic link of the new root.
    Symlink {
        /// Path inside.
        path: PathBuf,
        /// What it says.
        target: PathBuf,
    },
    /// A tree or file of the host, shown inside.
    Bind {
        /// Where from.
        source: Source,
        /// Path inside.
        target: PathBuf,
        /// What for.
        usage: Use,
    },
    /// `/tmp` on a loop device: sized, and not the function's memory.
    TmpDevice {
        /// Block device, such as `/dev/loop3`, or a descriptor of it.
        device: Source,
        /// File system options.
        options: String,
    },
    /// `/tmp` in memory: sized, and charged to the function.
    TmpMemory {
        /// Size in bytes.
        bytes: u64,
    },
    /// `/tmp` in memory that was made before and is kept when the sandbox ends.
    TmpKept {
        /// Its mount.
        tree: Source,
        /// Size in bytes.
        bytes: u64,
    },
    /// `/dev/shm`, only when asked for: AWS has none.
    SharedMemory {
        /// Size in bytes.
        bytes: u64,
    },
    /// The new pid namespace's own `/proc`.
    Proc,
    /// The loopback interface.
    Loopback,
    /// Rules of the sandbox's own network namespace, for what its way out would let through.
    Firewall {
        /// Where DNS is answered, and nothing else.
        dns: Ipv4Addr,
        /// What is never reached.
        blocked: Vec<Network>,
    },
    /// A listening socket on the sandbox's loopback, handed out to the host.
    Listen {
        /// What it is for.
        name: String,
        /// One of the sandbox's own loopback addresses.
        address: IpAddr,
        /// Port; 0 takes a free one.
        port: u16,
    },
    /// A socket for datagrams on the sandbox's loopback, handed out as listeners are.
    Receive {
        /// What it is for.
        name: String,
        /// One of the sandbox's own loopback addresses.
        address: IpAddr,
        /// Port; 0 takes a free one.
        port: u16,
    },
    /// Make the new root `/` and detach the host's.
    Pivot,
    /// Make the new root itself read-only.
    SealRoot,
    /// Resource limits that are not the cgroup's.
    Limits {
        /// Open descriptors.
        descriptors: u64,
        /// Processes of this user in this user namespace.
        processes: u64,
    },
    /// An empty session keyring.
    SessionKeyring,
    /// The environment's own unprivileged id, without supplementary groups.
    Identity {
        /// User and group id on the host.
        id: u32,
    },
    /// A user namespace with a single id in it.
    UserNamespace {
        /// User id inside.
        uid: u32,
        /// Group id inside.
        gid: u32,
        /// User and group id outside that they stand for.
        outside: (u32, u32),
    },
    /// No user namespace can be made below this one.
    ForbidUserNamespaces,
    /// Every capability, from every set.
    DropCapabilities,
    /// No privileges by `exec`.
    NoNewPrivileges,
    /// The init dies with the spawner, and nobody of its id may read or write its memory.
    Undumpable,
    /// The system call filter.
    Seccomp,
}

impl Step {
    /// What the operator can do when this step fails, where there is something to do.
    pub fn remedy(&self) -> Option<&'static str> {
        Some(match self {
            Self::UserNamespace { .. } | Self::ForbidUserNamespaces => {
                "allow user namespaces: sysctl user.max_user_namespaces=15000 (on Ubuntu 24.04 \
                 also kernel.apparmor_restrict_unprivileged_userns=0)"
            }
            Self::PrivateMounts | Self::NewRoot | Self::Pivot | Self::CgroupNamespace => {
                "run as root, or in a container with CAP_SYS_ADMIN"
            }
            Self::Proc => {
                "a masked /proc forbids a new one: start the container with systempaths=unconfined"
            }
            Self::Firewall { .. } => {
                "without these rules the host would be open to the function: modprobe nf_tables, or \
                 --network none"
            }
            Self::JoinCgroups => "the control groups must be writable: run as root",
            Self::Bind { .. } => "the path must be readable, and the kernel 5.12 or newer",
            Self::TmpDevice { .. } => "loop devices with ext4 are needed: modprobe loop ext4",
            Self::Seccomp => "the kernel needs CONFIG_SECCOMP_FILTER",
            _ => return None,
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path: &Path = match self {
            Self::Path(path) => path,
            Self::Tree { shows, .. } => shows,
        };
        write!(f, "{}", path.display())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::JoinCgroups => write!(f, "join the control groups"),
            Self::CgroupNamespace => write!(f, "enter a cgroup namespace"),
            Self::Hostname(name) => write!(f, "set the host name to {name}"),
            Self::PrivateMounts => write!(f, "make all mounts private"),
            Self::NewRoot => write!(f, "mount an empty root"),
            Self::Directory { path, mode } => {
                write!(f, "make directory {} (mode {mode:o})", path.display())
            }
            Self::File { path, .. } => write!(f, "write {}", path.display()),
            Self::Symlink { path, target } => {
                write!(f, "link {} to {}", path.display(), target.display())
            }
            Self::Bind { source, target, usage } => {
                let how = match usage {
                    Use::ReadOnly => "read-only",
                    Use::Device => "as a device",
                };
                write!(f, "show {source} at {} {how}", target.display())
            }
            Self::TmpDevice { device, options } => {
                write!(f, "mount {device} at /tmp ({options})")
            }
            Self::TmpMemory { bytes } => write!(f, "mount {bytes} bytes of memory at /tmp"),
            Self::TmpKept { tree, bytes } => write!(f, "show {tree} at /tmp ({bytes} bytes)"),
            Self::SharedMemory { bytes } => write!(f, "mount {bytes} bytes of memory at /dev/shm"),
            Self::Proc => write!(f, "mount a new /proc"),
            Self::Loopback => write!(f, "set the loopback interface up"),
            Self::Firewall { blocked, .. } => {
                let names: Vec<_> = blocked.iter().map(ToString::to_string).collect();
                write!(f, "let nothing out to {}", names.join(", "))
            }
            Self::Listen { name, address, port } => {
                write!(f, "listen on {} for {name}", SocketAddr::new(*address, *port))
            }
            Self::Receive { name, address, port } => {
                write!(f, "receive on {} for {name}", SocketAddr::new(*address, *port))
            }
            Self::Pivot => write!(f, "change into the new root and detach the host's"),
            Self::SealRoot => write!(f, "make the root read-only"),
            Self::Limits { descriptors, processes } => {
                write!(f, "limit descriptors to {descriptors}, processes to {processes}")
            }
            Self::SessionKeyring => write!(f, "take an empty session keyring"),
            Self::Identity { id } => write!(f, "become user and group {id}, no other groups"),
            Self::UserNamespace { uid, gid, outside } => {
                let (outer_uid, outer_gid) = outside;
                write!(
                    f,
                    "enter a user namespace ({uid}:{gid} inside, {outer_uid}:{outer_gid} outside)"
                )
            }
            Self::ForbidUserNamespaces => write!(f, "forbid further user namespaces"),
            Self::DropCapabilities => write!(f, "drop all capabilities"),
            Self::NoNewPrivileges => write!(f, "forbid new privileges"),
            Self::Undumpable => write!(f, "close the init's memory to the function"),
            Self::Seccomp => write!(f, "install the system call filter"),
        }
    }
}

/// A whole sandbox: what it is born into and every step until a process may run in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Namespaces of the first process.
    pub namespaces: Vec<Namespace>,
    /// Applied at birth.
    pub prepare: Vec<Step>,
    /// Applied when the function is known.
    pub launch: Vec<Step>,
}

impl Plan {
    /// Positions of the descriptors that come along with the launch, as its steps name them.
    pub fn descriptors(&self) -> Vec<usize> {
        let index = |step: &Step| match step {
            Step::Bind { source: Source::Tree { index, .. }, .. }
            | Step::TmpDevice { device: Source::Tree { index, .. }, .. }
            | Step::TmpKept { tree: Source::Tree { index, .. }, .. } => Some(*index),
            _ => None,
        };
        self.launch.iter().filter_map(index).collect()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> =
            self.namespaces.iter().map(|n| format!("{n:?}").to_lowercase()).collect();
        writeln!(f, " 0. new namespaces: {}", names.join(", "))?;
        let gate = self.prepare.len();
        for (i, step) in self.prepare.iter().chain(&self.launch).enumerate() {
            if i == gate {
                writeln!(f, "    -- ready; the function is known from here --")?;
            }
            writeln!(f, "{:2}. {step}", i + 1)?;
        }
        Ok(())
    }
}
