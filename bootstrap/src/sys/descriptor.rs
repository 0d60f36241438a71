//! Descriptors by number: what a forked child keeps, closes and passes on.
//!
//! # Sources
//! `close_range(2)`, `dup2(2)`, `fcntl(2)`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::call::check;
use super::process::exit_now;

/// Closes every descriptor from `first` up.
///
/// The caller must not use any `OwnedFd` of that range afterwards; it is meant for the moment
/// before `exec`.
///
/// # Errors
/// `ENOSYS` before Linux 5.9.
pub fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: called in a forked child right before exec, where no Rust value closes them again.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) }).map(drop)
}

/// Lets no program that is executed from here on have a descriptor from `first` up; here they stay open.
///
/// # Errors
/// `EINVAL` before Linux 5.11.
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: sets a flag; no descriptor changes its owner or meaning.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) }).map(drop)
}

/// Puts the descriptor at the given number, open across `exec`.
///
/// # Errors
/// The kernel's.
pub fn place_descriptor(fd: BorrowedFd<'_>, number: i32) -> io::Result<()> {
    if fd.as_raw_fd() == number {
        // SAFETY: clears FD_CLOEXEC on a descriptor that is open.
        return check(unsafe { libc::c_long::from(libc::fcntl(number, libc::F_SETFD, 0)) })
            .map(drop);
    }
    // SAFETY: `number` is 0..=3 in a forked child about to exec; whatever it named is replaced.
    check(unsafe { libc::c_long::from(libc::dup2(fd.as_raw_fd(), number)) }).map(drop)
}

/// Marks the descriptor with this number to be closed by `exec`.
///
/// # Errors
/// `EBADF` if it is not open.
pub fn close_on_exec(number: i32) -> io::Result<()> {
    // SAFETY: F_SETFD changes a flag only, whoever owns the descriptor.
    check(unsafe { libc::c_long::from(libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC)) })
        .map(drop)
}

/// The same where nothing may be open at that number.
pub fn close_on_exec_if_open(number: i32) {
    // SAFETY: as above; EBADF, the only possible error, means that there is nothing to close.
    unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
}

/// Closes a descriptor whose owner lives on in another process' copy (for the child of a fork).
pub fn forget_descriptor(number: i32) {
    // SAFETY: the child of a fork owns a copy of every descriptor and never returns to the code
    // that holds the `OwnedFd`, so nothing closes or uses the number again.
    unsafe { libc::close(number) };
}

/// Writes the last words of a forked child to a descriptor number and ends it.
pub fn write_and_exit(number: i32, bytes: &[u8], code: i32) -> ! {
    // SAFETY: the pointer and length are those of a live slice; a failed write has no other reader.
    unsafe { libc::write(number, bytes.as_ptr().cast(), bytes.len()) };
    exit_now(code)
}

/// Takes over the descriptor with this number, which the parent process left for us at `exec`.
///
/// # Errors
/// `EBADF` if it is not open.
pub fn inherited_descriptor(number: i32) -> io::Result<OwnedFd> {
    close_on_exec(number)?;
    // SAFETY: it is open and, by the contract of the two lives of this binary, ours alone.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
