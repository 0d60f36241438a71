//! User namespaces whose only use is to describe an id-mapped mount.
//!
//! A tree that only its owner may read (a 0700 home with 0600 files) is shown to the function
//! through such a mount: the owner on disk appears as the function's own id.
//!
//! # Sources
//! `mount_setattr(2)`, "ID-mapped mounts".

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::sys::{self, Side};

/// A user namespace in which owner and group `from` stand for `to`.
///
/// # Errors
/// The kernel's; needs the right to map ids of the parent namespace.
pub(crate) fn user_namespace(from: (u32, u32), to: u32) -> io::Result<OwnedFd> {
    let (mut told, mut tell) = io::pipe()?;
    match sys::fork()? {
        Side::Child => {
            let entered = unshare(CloneFlags::CLONE_NEWUSER).is_ok();
            if entered && tell.write_all(b"1").is_ok() {
                // Holds the namespace until the parent has opened it.
                loop {
                    nix::unistd::pause();
                }
            }
            sys::exit_now(1);
        }
        Side::Parent { pid, .. } => {
            drop(tell);
            let opened = told.read_exact(&mut [0]).and_then(|()| {
                std::fs::write(format!("/proc/{pid}/uid_map"), format!("{} {to} 1", from.0))?;
                std::fs::write(format!("/proc/{pid}/gid_map"), format!("{} {to} 1", from.1))?;
                Ok(std::fs::File::open(format!("/proc/{pid}/ns/user"))?.into())
            });
            // SIGCHLD is ignored here, so the kernel reaps it.
            kill(Pid::from_raw(pid), Signal::SIGKILL)?;
            opened
        }
    }
}
