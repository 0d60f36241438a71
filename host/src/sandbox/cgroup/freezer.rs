//! Kill, freeze and emptiness on pure v1, through the freezer hierarchy.
//!
//! A process frozen here does not die of SIGKILL before it is thawed, so a kill is always: freeze
//! (nothing forks or ends while the list is read), SIGKILL, thaw.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::group::{Control, Freeze};
use super::watch::Watch;
use super::{CgroupError, file, kill};

/// One group's directory in the freezer hierarchy.
#[derive(Debug)]
pub(super) struct Freezer {
    dir: PathBuf,
}

impl Freezer {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    fn procs(&self) -> PathBuf {
        self.dir.join("cgroup.procs")
    }
}

impl Control for Freezer {
    fn dir(&self) -> &Path {
        &self.dir
    }

    /// v1 has no such thing: a child writes `0` to `tasks`.
    fn birth(&self) -> Result<Option<OwnedFd>, CgroupError> {
        Ok(None)
    }

    fn kill(&self) -> Result<(), CgroupError> {
        let stopped = self.set(Freeze::Frozen);
        let killed = kill::kill_listed(&self.procs());
        // First of all they must be able to die; what went wrong before is said after.
        self.set(Freeze::Thawed)?;
        stopped?;
        killed.map(drop)
    }

    fn set(&self, freeze: Freeze) -> Result<(), CgroupError> {
        let value = match freeze {
            Freeze::Frozen => "FROZEN",
            Freeze::Thawed => "THAWED",
        };
        file::write(&self.dir.join("freezer.state"), value)
    }

    /// `FREEZING` becomes `FROZEN` when it is read, so reading is also what drives it.
    fn frozen(&self) -> Result<bool, CgroupError> {
        Ok(file::read(&self.dir.join("freezer.state"))?.trim() == "FROZEN")
    }

    /// v1 has no event for emptiness but a program started by the kernel; the end of one member
    /// after the other is one.
    fn watch_populated(&self) -> Result<Option<Watch>, CgroupError> {
        kill::watch_listed(&self.procs())
    }
}
