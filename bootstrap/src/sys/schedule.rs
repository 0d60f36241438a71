//! Where the calling thread stands with the kernel's schedulers: policy and I/O class. The nice value has
//! safe calls of its own (rustix).
//!
//! # Sources
//! `sched(7)`, `sched_setscheduler(2)`, `ioprio_set(2)`.

use std::io;

use super::call::check;

/// `IOPRIO_CLASS_RT` (linux/ioprio.h).
pub const IO_CLASS_REAL_TIME: libc::c_long = 1;
const IOPRIO_WHO_PROCESS: libc::c_int = 1;
/// A priority is a class of three bits above thirteen bits of data.
const IOPRIO_CLASS_SHIFT: u32 = 13;
const IOPRIO_CLASS_MASK: libc::c_long = 0b111;

/// The scheduling policy (`SCHED_*`), without the flag beside it.
///
/// # Errors
/// The kernel's.
pub fn scheduling_policy() -> io::Result<libc::c_int> {
    // By number, for musl's function of this name does nothing but fail.
    // SAFETY: integer arguments only.
    let policy = check(unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) })?;
    Ok(policy as libc::c_int & !libc::SCHED_RESET_ON_FORK)
}

/// Takes the policy that every program begins with, `SCHED_OTHER`; the nice value stays.
///
/// # Errors
/// The kernel's; leaving a real-time policy takes no privilege.
pub fn schedule_as_others() -> io::Result<()> {
    // struct sched_param of linux/sched/types.h: this one number.
    let priority: libc::c_int = 0;
    // SAFETY: the kernel reads one int from the pointer, which outlives the call.
    check(unsafe {
        libc::syscall(libc::SYS_sched_setscheduler, 0, libc::SCHED_OTHER, &raw const priority)
    })
    .map(drop)
}

/// The I/O class, by its number in linux/ioprio.h.
///
/// # Errors
/// `ENOSYS` where the kernel has no block devices, and so no classes.
pub fn io_class() -> io::Result<libc::c_long> {
    // SAFETY: integer arguments only.
    let priority = check(unsafe { libc::syscall(libc::SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0) })?;
    Ok(priority >> IOPRIO_CLASS_SHIFT & IOPRIO_CLASS_MASK)
}

/// Takes no I/O class: its I/O goes by the nice value, as that of every program that asked for none.
///
/// # Errors
/// The kernel's; it takes no privilege.
pub fn take_no_io_class() -> io::Result<()> {
    const NONE: libc::c_int = 0;
    // SAFETY: integer arguments only.
    check(unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, NONE) }).map(drop)
}
