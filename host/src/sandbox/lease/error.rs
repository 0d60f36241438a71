//! What can go wrong with a lease.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::HookError;
use crate::sandbox::cgroup::CgroupError;

/// A lease could not be taken, kept, given back or swept.
///
/// `Display` finishes the sentence "failed to …"; the cause is `source()`.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// A directory of ours could not be made or read.
    #[error("use the directory {}", path.display())]
    Dir {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The run directory could be written by others.
    #[error(
        "trust the directory {}: it belongs to uid {owner} with mode {mode:o}, \
         it must be ours and writable by us only",
        path.display()
    )]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Its permissions.
        mode: u32,
    },
    /// A lock could not be opened or taken, for another reason than being held.
    #[error("lock {}", file.display())]
    Lock {
        /// The file.
        file: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Every slot is held by a living instance or waits to be swept.
    #[error("find a free lease in {}: all {slots} are in use", dir.display())]
    NoSlot {
        /// Where they are.
        dir: PathBuf,
        /// How many there are.
        slots: u16,
    },
    /// What is about to be made could not be written down.
    #[error("write to the lease {}", file.display())]
    Note {
        /// The file.
        file: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file of a dead lease could not be read or removed.
    #[error("sweep the lease {}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A work directory, or something in it, could not be made or removed.
    #[error("make or remove the work directory {}", path.display())]
    WorkDir {
        /// What.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Something is still mounted in a work directory.
    #[error("unmount {}", path.display())]
    Unmount {
        /// Where.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The groups of a dead lease could not be removed.
    #[error("sweep the cgroups of the dead lease {lease}")]
    Cgroup {
        /// Its name.
        lease: String,
        /// The cause.
        source: Box<CgroupError>,
    },
    /// Another module could not sweep what is its own.
    #[error("sweep what the dead lease {lease} left")]
    Hook {
        /// Its name.
        lease: String,
        /// The cause.
        source: HookError,
    },
}
