//! What can go wrong with a cgroup.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

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
