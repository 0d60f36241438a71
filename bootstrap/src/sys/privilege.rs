//! Giving privileges away: capabilities, dumpable, keyring, seccomp.
//!
//! # Sources
//! `capabilities(7)`, `prctl(2)`, `keyctl(2)`, `seccomp(2)`.

use std::io;

use super::call::{check, prctl};
use crate::seccomp::Instruction;

/// `_LINUX_CAPABILITY_VERSION_3`.
const VERSION_3: u32 = 0x2008_0522;
/// The kernel's sets have 64 bits.
const LAST_POSSIBLE_CAPABILITY: libc::c_ulong = 63;

/// Removes every capability from every set, the bounding set included.
///
/// # Errors
/// The kernel's.
pub fn drop_capabilities() -> io::Result<()> {
    for capability in 0..=LAST_POSSIBLE_CAPABILITY {
        // SAFETY: prctl with integer arguments only.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        if result < 0 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() == Some(libc::EINVAL) {
                break; // past the last capability this kernel knows
            }
            return Err(error);
        }
    }
    // SAFETY: prctl with integer arguments only.
    let cleared = unsafe {
        libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong, 0, 0, 0)
    };
    check(libc::c_long::from(cleared))?;
    set_capabilities(0)
}

/// Lets the next change of id keep the permitted capabilities; [`hold_only_sys_admin`] then decides
/// which are used.
///
/// # Errors
/// The kernel's.
pub fn keep_capabilities() -> io::Result<()> {
    prctl(libc::PR_SET_KEEPCAPS, 1)
}

/// Lets the next `exec` keep the effective capabilities, also for an id that is not 0.
///
/// # Errors
/// The kernel's.
pub fn keep_capabilities_at_exec() -> io::Result<()> {
    let header = [VERSION_3, 0];
    let mut data = [0_u32; 6];
    // SAFETY: header and data have the layout of version 3 (two times three words).
    check(unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), data.as_mut_ptr()) })?;
    // Effective, permitted, inheritable: only what is inheritable can be ambient.
    (data[2], data[5]) = (data[1], data[4]);
    // SAFETY: as above; the call only reads.
    check(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) })?;
    let held = u64::from(data[1]) | u64::from(data[4]) << 32;
    for capability in (0..=LAST_POSSIBLE_CAPABILITY).filter(|number| held >> number & 1 == 1) {
        // SAFETY: prctl with integer arguments only.
        let raised = unsafe {
            let raise = libc::PR_CAP_AMBIENT_RAISE as libc::c_ulong;
            libc::prctl(libc::PR_CAP_AMBIENT, raise, capability, 0, 0)
        };
        check(libc::c_long::from(raised))?;
    }
    Ok(())
}

/// Gives up every capability but `CAP_SYS_ADMIN`.
///
/// # Errors
/// `EPERM` if it is not permitted.
pub fn hold_only_sys_admin() -> io::Result<()> {
    const CAP_SYS_ADMIN: u32 = 21;
    set_capabilities(1 << CAP_SYS_ADMIN)
}

/// Effective and permitted capabilities from now on, all below number 32; none is inheritable.
fn set_capabilities(low: u32) -> io::Result<()> {
    let header = [VERSION_3, 0];
    // Twice effective, permitted, inheritable: numbers 0 to 31, then 32 to 63.
    let data = [low, low, 0, 0, 0, 0];
    // SAFETY: header and data have the layout of version 3 (two times three words).
    check(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) }).map(drop)
}

/// `no_new_privs`: no later `exec` can gain privileges.
///
/// # Errors
/// The kernel's.
pub fn no_new_privileges() -> io::Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1)
}

/// Whether `/proc/<pid>/mem` and ptrace are open to processes of the same user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dumpable {
    /// They are, and `/proc/<pid>` belongs to the process' own id.
    Yes,
    /// They are not.
    No,
}

/// Sets the dumpable attribute.
///
/// # Errors
/// The kernel's.
pub fn set_dumpable(dumpable: Dumpable) -> io::Result<()> {
    prctl(libc::PR_SET_DUMPABLE, libc::c_ulong::from(dumpable == Dumpable::Yes))
}

/// Leaves the caller's session keyring for an empty one of our own.
///
/// # Errors
/// The kernel's; `ENOSYS` where keyrings are not built in.
pub fn new_session_keyring() -> io::Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: a null name asks for an anonymous keyring.
    check(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0) }).map(drop)
}

/// Puts the calling thread, and everything it forks or executes later, under a filter for good.
///
/// Needs `no_new_privs` (or CAP_SYS_ADMIN in the caller's user namespace), else EACCES. Other threads
/// that run already are not covered: call it while there is one. No flags: `TSYNC` would hide a second
/// thread that must not be there, and speculation control stays as the kernel has it.
pub fn install_seccomp(program: &[Instruction]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len())
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?,
        // The kernel only reads; the field lacks `const` for want of it in C.
        filter: program.as_ptr().cast::<libc::sock_filter>().cast_mut(),
    };
    // SAFETY: `filter` points to `len` instructions that outlive the call, and `Instruction` is
    // repr(C) with the fields of `sock_filter`. The kernel copies and checks the program and writes
    // nothing through the pointer.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
