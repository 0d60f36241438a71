//! What can go wrong with a cgroup.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustix::io::Errno;
use thiserror::Error;

/// A cgroup could not be found, made, limited, read, emptied or removed.
///
/// `Display` finishes the sentence "failed to …"; the cause is `source()`.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CgroupError {
    /// The kernel's list of mounts or our own place in it could not be read.
    #[error("read where cgroups are mounted from {}", file.display())]
    Detect {
        /// `mountinfo` or `cgroup` of `/proc/self`.
        file: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// No hierarchy with this controller is mounted.
    #[error("find a mounted cgroup hierarchy with the {controller} controller")]
    NoController {
        /// Its name.
        controller: &'static str,
    },
    /// The v2 group we were given is not ours to divide.
    #[error(
        "enable the memory, cpu and pids controllers below {}: it is not delegated to lambdabox",
        cgroup.display()
    )]
    NotDelegated {
        /// The group.
        cgroup: PathBuf,
        /// The kernel's answer, or what was missing.
        source: io::Error,
    },
    /// The v2 group we were given has not all we need.
    #[error("limit functions below {}: it was not given the {controller} controller", cgroup.display())]
    ControllerNotDelegated {
        /// Its name.
        controller: &'static str,
        /// The group.
        cgroup: PathBuf,
    },
    /// The hierarchies are v1's, which no ordinary user can be given a part of.
    #[error("limit functions as an ordinary user: this machine has cgroup v1, where only root can")]
    OnlyRoots,
    /// systemd manages the groups of this machine and gave us none.
    #[error("get a control group from systemd over {bus}")]
    Scope {
        /// Whose bus.
        bus: String,
        /// The cause.
        source: ScopeError,
    },
    /// A name that would leave `lambdabox/`, or that `sweep` could not tell apart.
    #[error("use {name:?} as the name of a cgroup: letters, digits, '.' and '-' only")]
    BadName {
        /// The name.
        name: String,
    },
    /// A directory could not be made; `AlreadyExists` means the name is taken.
    #[error("make the cgroup {}", dir.display())]
    Make {
        /// The directory.
        dir: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The kernel refused a limit.
    #[error("set {what} to {value} in {}", dir.display())]
    Limit {
        /// What was limited.
        what: &'static str,
        /// What we asked for.
        value: i64,
        /// The group.
        dir: PathBuf,
        /// The cause, in the words of cgroups-rs.
        source: cgroups_rs::fs::error::Error,
    },
    /// The write was accepted, yet the file reads back something else.
    #[error("hold the limit in {}: asked for {asked}, got {got}", file.display())]
    LimitNotHeld {
        /// The file.
        file: PathBuf,
        /// What was written.
        asked: String,
        /// What it says now.
        got: String,
    },
    /// A file of a group could not be written.
    #[error("write {value:?} to {}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What we asked for, verbatim.
        value: String,
        /// The cause.
        source: io::Error,
    },
    /// A file of a group could not be read.
    #[error("read {}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file of a group holds what no kernel is known to write.
    #[error("understand {}: {text:?}", file.display())]
    Unparsable {
        /// The file.
        file: PathBuf,
        /// Its content.
        text: String,
    },
    /// A change could not be waited for.
    #[error("watch {}", file.display())]
    Watch {
        /// The file.
        file: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A group that was killed or sealed must not get another process.
    #[error("let a process into the cgroup {name}: it was killed or sealed")]
    Closed {
        /// Its name.
        name: String,
    },
    /// A process could not be signalled.
    #[error("kill process {pid} of {}", file.display())]
    Kill {
        /// The process.
        pid: i32,
        /// The list it stood in.
        file: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Processes remain after the longest wait: one sleeps in the kernel, or keeps being born.
    #[error("empty the cgroup {} within {waited:?}", dir.display())]
    StillPopulated {
        /// The group.
        dir: PathBuf,
        /// How long we waited.
        waited: Duration,
    },
    /// A directory could not be removed.
    #[error("remove the cgroup {}", dir.display())]
    Remove {
        /// The directory.
        dir: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl CgroupError {
    /// What the operator can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NoController { .. } => {
                "the kernel must have the memory, cpu and pids controllers on, and mounted"
            }
            Self::NotDelegated { source, .. } if is(source, Errno::BUSY) => {
                "other processes live in this control group: start lambdabox in one of its own, in \
                 a container as its only process"
            }
            Self::NotDelegated { source, .. } if is(source, Errno::ROFS) => {
                "/sys/fs/cgroup is read-only: start the container with it writable, such as with \
                 --privileged"
            }
            Self::Scope { .. } => {
                "systemd and its bus must run for this user: log in, or install \
                 dbus-user-session; or start lambdabox as root"
            }
            Self::ControllerNotDelegated { controller: "cpu", .. } => {
                "--cpu unlimited does without; or have systemd hand it on: sudo systemctl edit \
                 user@.service, there [Service] and Delegate=cpu memory pids, then log in again"
            }
            Self::ControllerNotDelegated { .. } => {
                "have systemd hand it on: sudo systemctl edit user@.service, there [Service] and \
                 Delegate=cpu memory pids, then log in again; or start lambdabox as root"
            }
            Self::OnlyRoots => {
                "run as root (sudo), or boot with systemd.unified_cgroup_hierarchy=1 for cgroup v2"
            }
            _ => "run as root (sudo)",
        }
    }

    /// Whether there is no place for limits: what `--isolation no-limits` does without.
    pub fn is_lack_of_groups(&self) -> bool {
        matches!(
            self,
            Self::Detect { .. }
                | Self::NoController { .. }
                | Self::NotDelegated { .. }
                | Self::ControllerNotDelegated { .. }
                | Self::OnlyRoots
                | Self::Scope { .. }
        )
    }
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

/// systemd did not make a scope.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// The bus cannot be reached, or systemd said no.
    #[error(transparent)]
    Bus(Box<zbus::Error>),
    /// The scope was not started.
    #[error("systemd ended the start of the scope as {result:?}")]
    Refused {
        /// In systemd's word, such as `failed`.
        result: String,
    },
    /// The bus went away while we waited.
    #[error("the bus closed the connection")]
    Closed,
    /// The bus is there, and silent.
    #[error("systemd did not answer within {waited:?}")]
    NoAnswer {
        /// How long we waited.
        waited: Duration,
    },
}

impl From<zbus::Error> for ScopeError {
    fn from(error: zbus::Error) -> Self {
        Self::Bus(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_depends_on_what_the_kernel_said() {
        let not_delegated = |errno: Errno| CgroupError::NotDelegated {
            cgroup: "/sys/fs/cgroup".into(),
            source: errno.into(),
        };
        for (errno, word) in
            [(Errno::BUSY, "other processes"), (Errno::ROFS, "read-only"), (Errno::ACCESS, "root")]
        {
            let remedy = not_delegated(errno).remedy();
            assert!(remedy.contains(word), "{errno}: {remedy}");
        }
    }
}
