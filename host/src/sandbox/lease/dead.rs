//! Finding leases whose holder died, and cleaning up after them.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::facts::{self, Facts, Made};
use super::slot::{self, Leases};
use super::{LeaseError, lock, work_dir};
use crate::sandbox::cgroup::{Cgroups, SweepCount};

/// What another module's sweeping failed of.
pub type HookError = Box<dyn std::error::Error + Send + Sync>;

/// A lease whose holder is dead. Its lock is ours while this lives, so nobody else sweeps it or takes
/// its slot; dropped, it stays as it was found.
#[derive(Debug)]
pub struct DeadLease {
    slot: u16,
    name: String,
    path: PathBuf,
    _lock: File,
    facts: Option<Facts>,
    made: Vec<Made>,
}

impl DeadLease {
    /// Its number.
    pub fn slot(&self) -> u16 {
        self.slot
    }

    /// What its things are named by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who held it; `None` if it died before it could say, and so before it made anything.
    pub fn facts(&self) -> Option<&Facts> {
        self.facts.as_ref()
    }

    /// What it wrote down under this kind with [`super::Lease::note`], oldest first.
    pub fn made(&self, kind: &str) -> impl Iterator<Item = &str> {
        self.made.iter().filter(move |made| made.kind == kind).map(|made| made.name.as_str())
    }

    /// Sweeps its groups first (whatever still lives dies there), then what `also` knows of, then its
    /// work directory, then the lease itself. The first failure ends it, and the lease stays.
    fn sweep(
        self,
        cgroups: Option<&Cgroups>,
        also: &mut dyn FnMut(&Self) -> Result<(), HookError>,
    ) -> Result<SweepCount, LeaseError> {
        let count = match cgroups {
            Some(cgroups) => cgroups
                .sweep(&self.name)
                .map_err(|e| LeaseError::Cgroup { lease: self.name.clone(), source: e.into() })?,
            None => SweepCount::default(),
        };
        also(&self).map_err(|source| LeaseError::Hook { lease: self.name.clone(), source })?;
        // A path is believed only if it is one we would have made.
        let work_dir = self.facts.as_ref().map(|facts| facts.work_dir.as_path());
        if let Some(work_dir) = work_dir.filter(|dir| {
            let data_dir = dir.parent().and_then(Path::parent);
            data_dir.is_some_and(|data| work_dir::path_of(data, &self.name) == **dir)
        }) {
            work_dir::sweep_one(work_dir)?;
        }
        slot::remove_file(&self.path)?;
        Ok(count)
    }
}

/// Every dead lease, each held until it is dropped.
///
/// # Errors
/// If the directory or a lock file cannot be read.
pub fn dead(run_dir: &Path) -> Result<Vec<DeadLease>, LeaseError> {
    let leases = Leases::open(run_dir)?;
    let mut found = Vec::new();
    for slot in leases.slots()? {
        let path = leases.file(slot);
        let file = match lock::try_lock(&path, OFlags::RDWR) {
            Ok(Some(file)) => file,
            Ok(None) => continue,
            // Given back since the directory was read.
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(source) => return Err(LeaseError::Lock { file: path, source }),
        };
        let mut file = File::from(file);
        let mut text = Vec::new();
        file.read_to_end(&mut text)
            .map_err(|source| LeaseError::File { file: path.clone(), source })?;
        let (facts, made) = facts::parse(&text);
        found.push(DeadLease { slot, name: leases.name(slot), path, _lock: file, facts, made });
    }
    Ok(found)
}

/// What a sweep did.
#[derive(Debug, Default)]
pub struct Swept {
    /// Dead leases cleaned up.
    pub leases: usize,
    /// Their groups, and processes that still lived in them.
    pub cgroups: SweepCount,
    /// Work directories without a lease, as after a reboot.
    pub work_dirs: usize,
    /// What could not be; a later start tries again.
    pub failed: Vec<LeaseError>,
}

/// Cleans up after every dead instance, and touches no living one. Called at each start before
/// [`super::Lease::take`]; costs some 50 µs when there is nothing to do. Waits, at most ten seconds a
/// group, for processes that are being killed.
///
/// `also` undoes what other modules own, by [`DeadLease::name`] and [`DeadLease::made`]. It may be
/// called again for the same lease after a failure or a kill.
///
/// # Errors
/// If leases cannot be read at all. What fails for one lease is in [`Swept::failed`].
pub fn sweep(
    run_dir: &Path,
    data_dir: &Path,
    cgroups: Option<&Cgroups>,
    also: &mut dyn FnMut(&DeadLease) -> Result<(), HookError>,
) -> Result<Swept, LeaseError> {
    let mut swept = Swept::default();
    for lease in dead(run_dir)? {
        match lease.sweep(cgroups, also) {
            Ok(count) => {
                swept.leases += 1;
                swept.cgroups.groups += count.groups;
                swept.cgroups.processes += count.processes;
            }
            Err(e) => swept.failed.push(e),
        }
    }
    swept.work_dirs = work_dir::sweep(data_dir, &mut swept.failed);
    Ok(swept)
}
