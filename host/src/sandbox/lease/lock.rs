//! `flock` on files and directories that may be removed by whoever holds the lock.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, open, stat};
use rustix::io::Errno;

/// Takes the lock of what is at `path` now, without waiting. `None` if somebody holds it, or it was
/// removed between opening and locking.
///
/// The descriptor is close-on-exec: see the header of the module for who must not share it.
pub(super) fn try_lock(path: &Path, flags: OFlags) -> io::Result<Option<OwnedFd>> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = open(path, flags, Mode::RUSR | Mode::WUSR)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    }
    let (held, there) = (fstat(&file)?, stat(path));
    match there {
        Ok(there) if (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino) => Ok(Some(file)),
        Ok(_) | Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}
