//! What holds an environment's processes together: its control group, or without one its pid
//! namespace alone.
//!
//! Without a group nothing limits memory, processes' CPU or I/O, running out of memory is not told
//! from any other kill, and memory is what `/proc` says of the processes. What stays sure is the end:
//! the kernel kills a pid namespace whole when its first process dies.
//!
//! # Invariants
//! - Dropped, it kills what it holds.
//!
//! # Not here
//! Whether there is a group (`app`, from what was asked for and what the machine gives).
//!
//! # Sources
//! `pid_namespaces(7)`, `proc_pid_ns(5)`, `pidfd_send_signal(2)`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::process::{Signal, pidfd_send_signal};

use super::cgroup::{CgroupError, Group, MemoryUse};
use super::error::SandboxError;

/// See the module's header.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one a sandbox, and mostly the large one")]
pub(crate) enum Hold {
    /// With limits.
    Group(Group),
    /// Without any.
    PidNamespace(PidNamespace),
}

/// A pid namespace by its first process.
#[derive(Debug)]
pub(crate) struct PidNamespace {
    /// Its first process on the host.
    pid: i32,
    /// The same, never another's.
    init: OwnedFd,
}

impl Hold {
    /// The pid namespace that begins with this process.
    pub(super) fn pid_namespace(pid: i32, pidfd: &OwnedFd) -> io::Result<Self> {
        Ok(Self::PidNamespace(PidNamespace { pid, init: pidfd.try_clone()? }))
    }

    /// Its control groups' directories, for `--keep` and messages; none without a group.
    pub(crate) fn dirs(&self) -> &[PathBuf] {
        match self {
            Self::Group(group) => group.dirs(),
            Self::PidNamespace(_) => &[],
        }
    }

    /// One sample of its memory.
    ///
    /// # Errors
    /// If the group's files cannot be read.
    pub(crate) fn memory(&self) -> Result<MemoryUse, CgroupError> {
        match self {
            Self::Group(group) => group.memory(),
            Self::PidNamespace(namespace) => {
                let proc_root = Path::new("/proc");
                Ok(MemoryUse::of_processes(proc_root, &members(proc_root, namespace.pid)))
            }
        }
    }

    /// Holds it to the CPU share of a function with this much memory, where something can.
    ///
    /// # Errors
    /// If the kernel refuses the quota or does not keep it.
    pub(crate) fn throttle(&self, memory_mb: u32) -> Result<(), CgroupError> {
        match self {
            Self::Group(group) => group.throttle(memory_mb),
            Self::PidNamespace(_) => Ok(()),
        }
    }

    /// Processes of it the OOM killer has killed, as far as that can be known.
    ///
    /// # Errors
    /// If the counter cannot be read.
    pub(super) fn oom_kills(&self) -> Result<u64, CgroupError> {
        match self {
            Self::Group(group) => group.oom_kills(),
            Self::PidNamespace(_) => Ok(0),
        }
    }

    /// Ends when the OOM killer has killed a process of it; never, where that cannot be known.
    ///
    /// # Errors
    /// If the group cannot be watched.
    pub(super) async fn out_of_memory(&self) -> Result<(), CgroupError> {
        match self {
            Self::Group(group) => group.out_of_memory().await,
            Self::PidNamespace(_) => std::future::pending().await,
        }
    }

    /// Closes the ways in, once its first process is placed.
    pub(super) fn seal(&mut self) {
        if let Self::Group(group) = self {
            group.seal();
        }
    }

    /// Stops every process of it from running. Without a group nothing can, and they run on.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(super) fn freeze(&self) -> Result<(), CgroupError> {
        match self {
            Self::Group(group) => group.freeze(),
            Self::PidNamespace(_) => Ok(()),
        }
    }

    /// Lets them run again.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(super) fn thaw(&self) -> Result<(), CgroupError> {
        match self {
            Self::Group(group) => group.thaw(),
            Self::PidNamespace(_) => Ok(()),
        }
    }

    /// Kills every process of it. Does not wait.
    ///
    /// # Errors
    /// If that cannot be done.
    pub(super) fn kill(&self) -> Result<(), SandboxError> {
        match self {
            Self::Group(group) => Ok(group.kill()?),
            Self::PidNamespace(namespace) => namespace.kill().map_err(SandboxError::Init),
        }
    }

    /// Takes away what is left when its processes are gone.
    ///
    /// # Errors
    /// If a group does not become empty, or the kernel refuses.
    pub(super) async fn remove(self) -> Result<(), SandboxError> {
        match self {
            Self::Group(group) => Ok(group.remove().await?),
            Self::PidNamespace(_) => Ok(()),
        }
    }
}

impl PidNamespace {
    fn kill(&self) -> io::Result<()> {
        match pidfd_send_signal(self.init.as_fd(), Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Drop for PidNamespace {
    fn drop(&mut self) {
        // Nobody is left to hear of a failure; its init also ends with the socket that closes now.
        let _ = self.kill();
    }
}

/// Every process of the pid namespace that `init` is in, by the host's numbers; none if it has ended.
/// What we may not look at is not in it: all of it is our own.
fn members(proc_root: &Path, init: i32) -> Vec<i32> {
    let namespace = |pid: i32| std::fs::read_link(proc_root.join(format!("{pid}/ns/pid"))).ok();
    let Some(own) = namespace(init) else { return Vec::new() };
    let Ok(entries) = std::fs::read_dir(proc_root) else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| namespace(*pid).as_ref() == Some(&own)).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_members_of_a_pid_namespace_are_those_with_the_same_link() {
        let proc_root = tempfile::tempdir().unwrap();
        for (pid, namespace) in [("7", "pid:[1]"), ("8", "pid:[2]"), ("9", "pid:[1]")] {
            let dir = proc_root.path().join(pid).join("ns");
            std::fs::create_dir_all(&dir).unwrap();
            symlink(namespace, dir.join("pid")).unwrap();
        }
        std::fs::create_dir(proc_root.path().join("10")).unwrap();
        std::fs::create_dir(proc_root.path().join("self")).unwrap();
        let mut found = members(proc_root.path(), 7);
        found.sort_unstable();
        assert_eq!(found, [7, 9]);
        assert!(members(proc_root.path(), 10).is_empty(), "it has ended");
    }

    #[test]
    fn dropped_it_kills_the_first_process() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let raw = rustix::process::Pid::from_raw(pid).unwrap();
        let pidfd = rustix::process::pidfd_open(raw, rustix::process::PidfdFlags::empty()).unwrap();
        drop(Hold::pid_namespace(pid, &pidfd).unwrap());
        use std::os::unix::process::ExitStatusExt as _;
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }
}
