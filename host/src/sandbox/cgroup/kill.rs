//! Killing the processes listed in a group, where the kernel has no `cgroup.kill`.
//!
//! A listed process may end, and its number be given to a stranger, before a signal reaches it. So a
//! pidfd is opened first and the list read again: a number that is still listed then belongs to a
//! member, and the pidfd is either that member's or a dead process', which a signal cannot hurt.

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::watch::{Sign, Watch};
use super::{CgroupError, file};

/// Rounds against a group that forks while it is killed. A frozen group needs two; the pids limit
/// ends every other race long before.
const ROUNDS_MAX: usize = 64;

/// Sends SIGKILL to every process in `procs` until a round finds no new one. Does not wait for
/// their end. Returns how many were signalled.
pub(super) fn kill_listed(procs: &Path) -> Result<usize, CgroupError> {
    let mut signalled = HashSet::new();
    for _ in 0..ROUNDS_MAX {
        let mut opened = Vec::new();
        for pid in file::read_pids(procs)? {
            if !signalled.contains(&pid)
                && let Some(pidfd) = open(pid, procs)?
            {
                opened.push((pid, pidfd));
            }
        }
        if opened.is_empty() {
            break;
        }
        let still: HashSet<i32> = file::read_pids(procs)?.into_iter().collect();
        for (pid, pidfd) in opened.into_iter().filter(|(pid, _)| still.contains(pid)) {
            match pidfd_send_signal(&pidfd, Signal::KILL) {
                Ok(()) => signalled.insert(pid),
                Err(Errno::SRCH) => continue,
                Err(errno) => return Err(kill_error(pid, procs, errno)),
            };
        }
    }
    Ok(signalled.len())
}

/// `None` if no process is listed, else a watch on the end of one of them.
pub(super) fn watch_listed(procs: &Path) -> Result<Option<Watch>, CgroupError> {
    loop {
        let Some(pid) = file::read_pids(procs)?.first().copied() else { return Ok(None) };
        if let Some(fd) = open(pid, procs)? {
            return Ok(Some(Watch { fd, sign: Sign::Readable, file: procs.to_owned() }));
        }
    }
}

/// `None` if the process is gone.
fn open(pid: i32, procs: &Path) -> Result<Option<OwnedFd>, CgroupError> {
    let Some(id) = Pid::from_raw(pid) else { return Ok(None) };
    match pidfd_open(id, PidfdFlags::empty()) {
        Ok(pidfd) => Ok(Some(pidfd)),
        Err(Errno::SRCH) => Ok(None),
        Err(errno) => Err(kill_error(pid, procs, errno)),
    }
}

fn kill_error(pid: i32, procs: &Path, errno: Errno) -> CgroupError {
    CgroupError::Kill { pid, file: procs.to_owned(), source: io::Error::from(errno) }
}
