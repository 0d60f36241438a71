//! Forking, executing and ending processes, and what they do with signals.
//!
//! # Sources
//! `clone(2)`, `execveat(2)`, `signal(7)`.

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::call::{check, prctl};

/// Which side of a fork the caller is on.
#[derive(Debug)]
pub enum Side {
    /// The new process.
    Child,
    /// The old one, told of the new.
    Parent {
        /// Its id, in the caller's pid namespace.
        pid: i32,
        /// Becomes readable when it ends; present if it was asked for.
        pidfd: Option<OwnedFd>,
    },
}

/// Forks a single-threaded process.
///
/// # Errors
/// The kernel's (`EAGAIN` at a pids limit), or `Unsupported` if more than one thread is running:
/// only the calling thread would survive, with the others' locks held for ever.
pub fn fork() -> io::Result<Side> {
    require_single_thread()?;
    // SAFETY: the process has one thread (checked above), so the child is a whole copy.
    let pid = check(libc::c_long::from(unsafe { libc::fork() }))?;
    Ok(if pid == 0 { Side::Child } else { Side::Parent { pid: pid as i32, pidfd: None } })
}

/// `clone3` used as a fork into new namespaces (`flags` of `CLONE_NEW*`) and, if given, born into
/// the version 2 control group behind `cgroup`.
///
/// # Errors
/// The kernel's; `EPERM` where namespaces are not allowed. `Unsupported` if threads are running.
pub fn clone3(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Side> {
    require_single_thread()?;
    const CLONE_PIDFD: u64 = 0x1000;
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut pidfd: libc::c_int = -1;
    // struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls,
    // set_tid, set_tid_size, cgroup (clone(2)).
    let mut args = [0_u64; 11];
    args[0] = flags | CLONE_PIDFD;
    args[1] = (&raw mut pidfd) as u64;
    args[4] = libc::SIGCHLD as u64;
    if let Some(cgroup) = cgroup {
        args[0] |= CLONE_INTO_CGROUP;
        args[10] = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: `args` has the layout and length the kernel expects, lives across the call, and names
    // no stack, so this is a fork; the process has one thread, so the child is a whole copy.
    let pid =
        check(unsafe { libc::syscall(libc::SYS_clone3, args.as_mut_ptr(), size_of_val(&args)) })?;
    if pid == 0 {
        return Ok(Side::Child);
    }
    // SAFETY: the kernel has just put a new descriptor there, which nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Side::Parent { pid: pid as i32, pidfd: Some(pidfd) })
}

fn require_single_thread() -> io::Result<()> {
    // Without /proc nothing can be counted; the callers run before any thread exists.
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        let text = "a process with several threads must not fork";
        return Err(io::Error::new(io::ErrorKind::Unsupported, text));
    }
    Ok(())
}

/// Ends the process without running destructors or exit handlers (for the child of a fork).
pub fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` only ends the process.
    unsafe { libc::_exit(code) }
}

/// Replaces the process by the program behind the descriptor.
///
/// # Errors
/// Returns only on failure.
pub fn exec_fd(
    program: BorrowedFd<'_>,
    argv: &[CString],
    env: &[CString],
) -> io::Result<Infallible> {
    let (argv, env) = (pointers(argv), pointers(env));
    // SAFETY: both arrays end in null and point to strings that outlive the call.
    let failed = unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_raw_fd(),
            c"".as_ptr(),
            argv.as_ptr(),
            env.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    Err(check(failed).err().unwrap_or_else(|| io::ErrorKind::Other.into()))
}

/// Replaces the process by the program at an absolute path.
///
/// # Errors
/// Returns only on failure.
pub fn exec(program: &CStr, argv: &[CString], env: &[CString]) -> io::Result<Infallible> {
    let (argv, env) = (pointers(argv), pointers(env));
    // SAFETY: both arrays end in null and point to strings that outlive the call.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    Err(io::Error::last_os_error())
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
}

/// Names the process as `ps` shows it.
///
/// # Errors
/// The kernel's.
pub fn set_name(name: &CStr) -> io::Result<()> {
    // SAFETY: the string outlives the call; the kernel copies at most 16 bytes.
    check(libc::c_long::from(unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) }))
        .map(drop)
}

/// Asks for SIGKILL when the thread that forked us ends; reset by credential changes.
///
/// # Errors
/// The kernel's.
pub fn die_with_parent() -> io::Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong)
}

/// Resets every signal to its default action and unblocks all: what a program expects at `exec`.
///
/// # Errors
/// The kernel's.
pub fn default_signals() -> io::Result<()> {
    for signal in 1..=libc::SIGRTMAX() {
        if signal == libc::SIGKILL || signal == libc::SIGSTOP {
            continue;
        }
        // SAFETY: SIG_DFL installs no code of ours. glibc refuses its two internal signals.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    nix::sys::signal::SigSet::empty().thread_set_mask()?;
    Ok(())
}

/// Ignores SIGCHLD, so that children are reaped by the kernel and only their pidfds tell of them.
///
/// # Errors
/// The kernel's.
pub fn reap_children_automatically() -> io::Result<()> {
    // SAFETY: SIG_IGN installs no code of ours.
    if unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) } == libc::SIG_ERR {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
