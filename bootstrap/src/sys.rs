//! Every `unsafe` of the project: system calls that neither nix nor rustix wraps, or that are
//! unsafe by nature (fork, exec). Each function is safe to call; what makes it so stands in its
//! SAFETY comment.
//!
//! # Not here
//! Policy. A function here does one call, checks its result and returns `io::Result`.
//!
//! # Sources
//! `clone(2)`, `mount_setattr(2)`, `open_tree(2)`, `prctl(2)`, `capabilities(7)`, `netdevice(7)`.

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

use crate::seccomp::Instruction;

/// `MOUNT_ATTR_RDONLY`.
pub const ATTR_READ_ONLY: u64 = 0x1;
/// `MOUNT_ATTR_NOSUID`.
pub const ATTR_NO_SUID: u64 = 0x2;
/// `MOUNT_ATTR_NODEV`.
pub const ATTR_NO_DEV: u64 = 0x4;
/// `MOUNT_ATTR_NOEXEC`.
pub const ATTR_NO_EXEC: u64 = 0x8;
const ATTR_IDMAP: u64 = 0x0010_0000;

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

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn c_path(path: &Path) -> io::Result<CString> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
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

/// A detached copy of the mount tree at `path`, with everything mounted below it.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`, `ENOENT`, `ENOSYS` before Linux 5.2.
pub fn open_tree(path: &Path) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    const OPEN_TREE_CLONE: libc::c_uint = 1;
    let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC as u32 | libc::AT_RECURSIVE as u32;
    // SAFETY: the path outlives the call.
    let fd =
        check(unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) })?;
    // SAFETY: a new descriptor nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Sets attributes on every mount of a detached tree and makes it private; with `idmap`, also maps
/// the owners of its files through that user namespace.
///
/// # Errors
/// `ENOSYS` before Linux 5.12; `EINVAL` where the file system cannot be id-mapped.
pub fn mount_attributes(
    tree: BorrowedFd<'_>,
    set: u64,
    idmap: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    // struct mount_attr: attr_set, attr_clr, propagation, userns_fd (mount_setattr(2)).
    let mut attr = [set, 0, libc::MS_PRIVATE, 0];
    if let Some(userns) = idmap {
        attr[0] |= ATTR_IDMAP;
        attr[3] = userns.as_raw_fd() as u64;
    }
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    // SAFETY: `attr` has the layout and size of struct mount_attr and outlives the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            flags,
            attr.as_ptr(),
            size_of_val(&attr),
        )
    })
    .map(drop)
}

/// Attaches a detached tree at `target` of the caller's mount namespace.
///
/// # Errors
/// The kernel's.
pub fn move_mount(tree: BorrowedFd<'_>, target: &Path) -> io::Result<()> {
    let target = c_path(target)?;
    const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 0x4;
    // SAFETY: both strings outlive the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    })
    .map(drop)
}

/// Removes every capability from every set, the bounding set included.
///
/// # Errors
/// The kernel's.
pub fn drop_capabilities() -> io::Result<()> {
    const LAST_POSSIBLE_CAPABILITY: libc::c_ulong = 63;
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
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let none = [0_u32; 6];
    // SAFETY: header and data have the layout of version 3 (two times three words).
    check(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) }).map(drop)
}

fn prctl(option: libc::c_int, value: libc::c_ulong) -> io::Result<()> {
    // SAFETY: prctl with integer arguments only.
    check(libc::c_long::from(unsafe { libc::prctl(option, value, 0, 0, 0) })).map(drop)
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

/// Asks for SIGKILL when the thread that forked us ends; reset by credential changes.
///
/// # Errors
/// The kernel's.
pub fn die_with_parent() -> io::Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong)
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

/// Leaves the caller's session keyring for an empty one of our own.
///
/// # Errors
/// The kernel's; `ENOSYS` where keyrings are not built in.
pub fn new_session_keyring() -> io::Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: a null name asks for an anonymous keyring.
    check(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0) }).map(drop)
}

/// Sets the loopback interface of the caller's network namespace up.
///
/// # Errors
/// The kernel's.
pub fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        None,
    )?;
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: libc::IFF_UP as libc::c_short },
    };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    // SAFETY: SIOCSIFFLAGS reads the ifreq, which is whole and outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    check(libc::c_long::from(result)).map(drop)
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

/// The number of a loop device that nothing is attached to; the kernel makes one if there is none.
///
/// Another process may attach to it first: [`loop_configure`] then answers EBUSY, and the caller asks
/// again. `control` is `/dev/loop-control` (loop(4), `LOOP_CTL_GET_FREE`).
pub fn loop_free_index(control: BorrowedFd<'_>) -> io::Result<u32> {
    // SAFETY: `LOOP_CTL_GET_FREE` takes no argument and touches no memory of ours.
    let index = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
    u32::try_from(index).map_err(|_| io::Error::last_os_error())
}

/// Attaches an image to a loop device, read-write; it detaches itself when the last user is gone
/// (last close and last unmount; `LO_FLAGS_AUTOCLEAR`), also if that user is killed.
///
/// One call for what took two before Linux 5.8, so no half-attached device is ever left behind.
pub fn loop_configure(device: BorrowedFd<'_>, image: BorrowedFd<'_>) -> io::Result<()> {
    let config = LoopConfig {
        fd: image.as_raw_fd() as u32,
        block_size_bytes: LOOP_BLOCK_BYTES,
        info: LoopInfo { flags: LO_FLAGS_AUTOCLEAR, ..LoopInfo::ZERO },
        reserved: [0; 8],
    };
    // SAFETY: `config` is laid out as `struct loop_config` and outlives the call, which only reads it.
    // The kernel takes its own reference to the file behind `fd`.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Removes a loop device itself. EBUSY if it is in use, ENODEV if there is none of this number.
pub fn loop_remove(control: BorrowedFd<'_>, index: u32) -> io::Result<()> {
    // SAFETY: `LOOP_CTL_REMOVE` takes a number and touches no memory of ours.
    let result =
        unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_REMOVE, libc::c_ulong::from(index)) };
    if result >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

// linux/loop.h; the libc crate has none of it.
const LOOP_CONFIGURE: libc::Ioctl = 0x4C0A;
const LOOP_CTL_REMOVE: libc::Ioctl = 0x4C81;
const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4C82;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
/// The block size of the file systems put on it, so that each of its writes is one of the device's.
const LOOP_BLOCK_BYTES: u32 = 4096;

/// `struct loop_config` of linux/loop.h.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size_bytes: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// `struct loop_info64` of linux/loop.h.
#[repr(C)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    sizelimit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

impl LoopInfo {
    const ZERO: Self = Self {
        device: 0,
        inode: 0,
        rdevice: 0,
        offset: 0,
        sizelimit: 0,
        number: 0,
        encrypt_type: 0,
        encrypt_key_size: 0,
        flags: 0,
        file_name: [0; 64],
        crypt_name: [0; 64],
        encrypt_key: [0; 32],
        init: [0; 2],
    };
}

const _: () = assert!(size_of::<LoopConfig>() == 304, "as linux/loop.h");
