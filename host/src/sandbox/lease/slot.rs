//! Taking, keeping and giving back a lease.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process;

use rustix::fs::OFlags;
use rustix::process::geteuid;

use super::facts::{self, Facts, Made};
use super::work_dir::{self, WorkDir};
use super::{LeaseError, lock};

/// Instances that can live, or wait to be swept, at once.
const SLOTS_MAX: u16 = 1_024;
/// Where lock files are, below the run directory.
const LEASES: &str = "leases";
/// Permissions of others to write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Our own lease. Dropping it without [`Lease::release`] leaves it to the next start, as dying does.
#[derive(Debug)]
pub struct Lease {
    slot: u16,
    name: String,
    path: PathBuf,
    /// `flock`ed and opened for appending.
    file: File,
    work_dir: WorkDir,
}

impl Lease {
    /// Takes the first free slot and makes a fresh work directory. Sweep before, so that slots of the
    /// dead are free again; call it after the spawner was forked.
    ///
    /// # Errors
    /// If a directory cannot be made or trusted, or all slots are taken; nothing is left then.
    pub fn take(run_dir: &Path, data_dir: &Path) -> Result<Self, LeaseError> {
        let leases = Leases::open(run_dir)?;
        for slot in 0..SLOTS_MAX {
            let path = leases.file(slot);
            if let Some(file) = take_clean(&path)? {
                return Self::begin(slot, leases.name(slot), path, file, data_dir);
            }
        }
        Err(LeaseError::NoSlot { dir: leases.dir, slots: SLOTS_MAX })
    }

    fn begin(
        slot: u16,
        name: String,
        path: PathBuf,
        file: File,
        data_dir: &Path,
    ) -> Result<Self, LeaseError> {
        let facts = Facts { pid: process::id(), work_dir: work_dir::path_of(data_dir, &name) };
        let made = append(&path, &file, facts::facts_line(&facts))
            .and_then(|()| WorkDir::make(&facts.work_dir));
        match made {
            Ok(work_dir) => Ok(Self { slot, name, path, file, work_dir }),
            Err(e) => {
                // Nothing was made. If this fails too, the next sweep finds a dead lease.
                let _ = fs::remove_file(&path);
                Err(e)
            }
        }
    }

    /// Its number, for [`super::IdRange::environment_uid`].
    pub fn slot(&self) -> u16 {
        self.slot
    }

    /// What everything it makes is named by: letters, digits and a dot.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A directory of its own on the data disk, empty at first, removed with the lease.
    pub fn work_dir(&self) -> &Path {
        self.work_dir.path()
    }

    /// Writes down what is about to be made, *before* it is made, for a sweep that could not know it
    /// otherwise. Undoing must bear that the thing was never made, or is already gone.
    ///
    /// # Errors
    /// If it cannot be written; then do not make it.
    pub fn note(&self, kind: &str, name: &str) -> Result<(), LeaseError> {
        let made = Made { kind: kind.to_owned(), name: name.to_owned() };
        append(&self.path, &self.file, facts::made_line(&made))
    }

    /// Gives it back: removes the work directory, then the lock file. Everything else must be gone.
    ///
    /// # Errors
    /// If something cannot be removed; the lease then stays to be swept.
    pub fn release(self) -> Result<(), LeaseError> {
        let Self { path, file, work_dir, .. } = self;
        work_dir.remove()?;
        remove_file(&path)?;
        drop(file);
        Ok(())
    }
}

/// Whether a lease can be called so; see [`Leases::name`].
pub(super) fn is_name(name: &str) -> bool {
    let hex = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
    let parts = name.split_once('.').and_then(|(tag, slot)| Some((tag.split_once('x')?, slot)));
    parts.is_some_and(|((device, inode), slot)| {
        hex(device) && hex(inode) && slot.parse::<u16>().is_ok()
    })
}

/// The directory of lock files, checked, and the part of names that tells it from others.
pub(super) struct Leases {
    dir: PathBuf,
    tag: String,
}

impl Leases {
    /// Makes the directories if they are missing.
    pub(super) fn open(run_dir: &Path) -> Result<Self, LeaseError> {
        let dir = run_dir.join(LEASES);
        // One after the other: nothing is made in a place that somebody else has prepared.
        make(run_dir)?;
        check_ours(run_dir)?;
        make(&dir)?;
        let (device, inode) = check_ours(&dir)?;
        // Both are unique among the file systems a running kernel has mounted.
        Ok(Self { dir, tag: format!("{device:x}x{inode:x}") })
    }

    pub(super) fn name(&self, slot: u16) -> String {
        format!("{}.{slot}", self.tag)
    }

    pub(super) fn file(&self, slot: u16) -> PathBuf {
        self.dir.join(format!("{slot}.lock"))
    }

    /// Every slot that has a file.
    pub(super) fn slots(&self) -> Result<Vec<u16>, LeaseError> {
        let failed = |source| LeaseError::Dir { path: self.dir.clone(), source };
        let mut slots = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let slot = name.to_str().and_then(|n| n.strip_suffix(".lock")?.parse::<u16>().ok());
            slots.extend(slot);
        }
        Ok(slots)
    }
}

fn make(dir: &Path) -> Result<(), LeaseError> {
    let made = DirBuilder::new().recursive(true).mode(0o755).create(dir);
    made.map_err(|source| LeaseError::Dir { path: dir.to_owned(), source })
}

/// Takes the lock of a slot that says nothing. `None` if it is held, or is to be swept.
fn take_clean(path: &Path) -> Result<Option<File>, LeaseError> {
    let failed = |source| LeaseError::Lock { file: path.to_owned(), source };
    // Looked at before locking: a sweeper must not find a dead lease held by one that passes by.
    match fs::symlink_metadata(path) {
        Ok(there) if there.len() > 0 => return Ok(None),
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(failed(e)),
        _ => {}
    }
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::APPEND;
    let Some(file) = lock::try_lock(path, flags).map_err(failed)? else { return Ok(None) };
    let file = File::from(file);
    // Its last holder may have come and died in between.
    let empty = file.metadata().map_err(failed)?.len() == 0;
    Ok(empty.then_some(file))
}

/// Ours and writable by nobody else, or another user could plant leases to be swept.
fn check_ours(path: &Path) -> Result<(u64, u64), LeaseError> {
    let at = fs::symlink_metadata(path)
        .map_err(|source| LeaseError::Dir { path: path.to_owned(), source })?;
    let (owner, mode) = (at.uid(), at.mode() & 0o7777);
    if !at.is_dir() || owner != geteuid().as_raw() || mode & WRITABLE_BY_OTHERS != 0 {
        return Err(LeaseError::NotOurs { path: path.to_owned(), owner, mode });
    }
    Ok((at.dev(), at.ino()))
}

/// One line in one write, so that a reader finds it whole or cut at its end.
fn append(
    path: &Path,
    mut file: &File,
    line: serde_json::Result<Vec<u8>>,
) -> Result<(), LeaseError> {
    let line = line.map_err(io::Error::from);
    line.and_then(|line| file.write_all(&line))
        .map_err(|source| LeaseError::Note { file: path.to_owned(), source })
}

/// Removes a lock file whose lock we hold.
pub(super) fn remove_file(path: &Path) -> Result<(), LeaseError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(LeaseError::File { file: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}
