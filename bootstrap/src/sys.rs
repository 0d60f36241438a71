//! Every `unsafe` of the project, behind safe functions.

use std::io;

use crate::seccomp::Instruction;

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
