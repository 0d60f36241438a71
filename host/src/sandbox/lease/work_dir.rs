//! A lease's directory on the data disk, locked by itself, and its sure removal.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, ResolveFlags, openat2, unlinkat};
use rustix::io::Errno;

use super::{LeaseError, lock, mounts, slot};
use crate::store::private;

/// Where work directories are, below the data directory.
const RUN: &str = "run";
/// Attempts to make a directory that sweepers of other instances see before it is locked.
const MAKE_ATTEMPTS_MAX: usize = 32;
/// Deepest tree removed. What lambdabox puts there is three levels deep, and what functions write is
/// on mounts of their own.
const DEPTH_MAX: usize = 64;

/// Whatever the caller's umask: copies of code are there, and what functions are shown.
const MODE: u32 = 0o700;

/// A work directory and its lock. Dropping it gives up the lock only.
#[derive(Debug)]
pub(super) struct WorkDir {
    path: PathBuf,
    /// `flock`ed; see the module's header.
    _lock: OwnedFd,
}

/// Where the directory of a lease will be.
pub(super) fn path_of(data_dir: &Path, name: &str) -> PathBuf {
    data_dir.join(RUN).join(name)
}

impl WorkDir {
    /// Makes `path` anew: what a dead instance of the same name left (before a reboot) is removed.
    pub(super) fn make(path: &Path) -> Result<Self, LeaseError> {
        let failed = |source| LeaseError::WorkDir { path: path.to_owned(), source };
        if let Some(run) = path.parent() {
            private::directory(run).map_err(failed)?;
        }
        for _ in 0..MAKE_ATTEMPTS_MAX {
            match DirBuilder::new().mode(MODE).create(path) {
                Ok(()) => {
                    // A sweeper may take it for a dead one before we lock it: then once more.
                    if let Some(lock) = lock_dir(path).map_err(failed)? {
                        return Ok(Self { path: path.to_owned(), _lock: lock });
                    }
                }
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                    sweep_one(path)?;
                }
                Err(e) => return Err(failed(e)),
            }
        }
        Err(failed(ErrorKind::ResourceBusy.into()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it with all it holds.
    pub(super) fn remove(self) -> Result<(), LeaseError> {
        remove(&self.path)
    }
}

/// Removes every work directory nobody holds the lock of, and nothing else that may lie beside them: the
/// data directory is whatever it was said to be.
pub(super) fn sweep(data_dir: &Path, failed: &mut Vec<LeaseError>) -> usize {
    let run = data_dir.join(RUN);
    let entries = match fs::read_dir(&run) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return 0,
        Err(source) => {
            failed.push(LeaseError::Dir { path: run, source });
            return 0;
        }
    };
    let mut removed = 0;
    for entry in entries.flatten() {
        let ours = entry.file_name().to_str().is_some_and(slot::is_name);
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        match sweep_one(&entry.path()) {
            Ok(swept) => removed += usize::from(swept),
            Err(e) => failed.push(e),
        }
    }
    removed
}

/// Removes one directory if nobody holds its lock; says whether it did.
pub(super) fn sweep_one(path: &Path) -> Result<bool, LeaseError> {
    match lock_dir(path) {
        Ok(Some(_lock)) => remove(path).map(|()| true),
        Ok(None) => Ok(false),
        Err(source) => Err(LeaseError::WorkDir { path: path.to_owned(), source }),
    }
}

/// `None` if it is locked by somebody else, or gone.
fn lock_dir(path: &Path) -> io::Result<Option<OwnedFd>> {
    match lock::try_lock(path, OFlags::RDONLY | OFlags::DIRECTORY) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        taken => taken,
    }
}

/// Removes a tree without following a link or entering a mount. What is mounted in it is detached,
/// which is looked for only when it is met: reading the table of mounts costs more than all the rest.
fn remove(path: &Path) -> Result<(), LeaseError> {
    match try_remove(path) {
        Err(Errno::XDEV | Errno::BUSY) => {
            mounts::detach_below(path)?;
            try_remove(path)
        }
        ended => ended,
    }
    .map_err(|errno| LeaseError::WorkDir { path: path.to_owned(), source: errno.into() })
}

fn try_remove(path: &Path) -> Result<(), Errno> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::INVAL);
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = rustix::fs::openat(CWD, parent, flags, Mode::empty())?;
    let name = std::ffi::CString::new(name.as_encoded_bytes()).map_err(|_| Errno::INVAL)?;
    remove_at(parent.as_fd(), &name, 0)
}

fn remove_at(parent: BorrowedFd<'_>, name: &std::ffi::CStr, depth: usize) -> Result<(), Errno> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        Err(Errno::NOENT) => return Ok(()),
        ended => return ended,
    }
    if depth >= DEPTH_MAX {
        return Err(Errno::LOOP);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let dir = openat2(parent, name, flags, Mode::empty(), resolve)?;
    // Names first: removing while reading skips entries on some file systems.
    let mut names = Vec::new();
    for entry in Dir::read_from(&dir)? {
        let name = entry?.file_name().to_owned();
        if name.as_bytes() != b"." && name.as_bytes() != b".." {
            names.push(name);
        }
    }
    for name in &names {
        remove_at(dir.as_fd(), name, depth + 1)?;
    }
    match unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOENT) => Ok(()),
        ended => ended,
    }
}
