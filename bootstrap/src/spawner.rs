//! The one process that forks sandboxes: single-threaded, started before the host has threads.
//!
//! It runs from a read-only detached copy of the program's own file, so that nothing that gets
//! hold of `/proc/<pid>/exe` can write to the file on disk. As an ordinary user it first enters a
//! user namespace in which it has every capability; from there on both kinds take the same steps.
//!
//! # Invariants
//! - It never has a second thread, so its forks are whole.
//! - It ends when its socket closes, that is, with the host; its sandboxes end with it.
//!
//! # Sources
//! `reference/sandbox.md` section 2 ("The sandbox's own executable") and 3.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sched::{CloneFlags, unshare};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::enter::open_bound;
use crate::plan::{Namespace, Step, Use};
use crate::sys::{self, Side};
use crate::tmp::Tmps;
use crate::wire::{self, Failure, FromSpawner, ToSpawner};
use crate::{idmap, init};

/// The hidden first argument that makes the binary a spawner.
const LIFE: &str = "bootstrap";
/// After standard input, output and error.
const FIRST_BEYOND_STANDARD: u32 = 3;
/// Where a spawner finds its socket.
const SOCKET: i32 = 3;

/// Above the numbers that are given out, so that placing one never overwrites another.
pub(crate) const PARKED: i32 = 16;

/// The host's hold on its spawner.
#[derive(Debug)]
pub struct Spawner {
    /// Requests and answers, one datagram each; closing it ends the spawner.
    pub socket: OwnedFd,
    /// Its process id.
    pub pid: i32,
}

/// A socket pair for [`wire`] messages, closed on `exec`.
///
/// # Errors
/// The kernel's.
pub fn message_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Starts the spawner; to be called first thing in `main`, before any thread exists.
///
/// Returns at once. Its first message is [`FromSpawner::Running`], or why it cannot run.
///
/// # Errors
/// The kernel's, for the socket pair or the fork.
pub fn start() -> io::Result<Spawner> {
    // What the caller has left open is not for the programs that the host starts either: `slirp4netns`
    // lives as long as a function that may try to take it over.
    sys::close_on_exec_from(FIRST_BEYOND_STANDARD)?;
    let (ours, theirs) = message_pair()?;
    match sys::fork()? {
        Side::Parent { pid, .. } => Ok(Spawner { socket: ours, pid }),
        Side::Child => {
            drop(ours);
            let failure = match become_spawner(&theirs) {
                Err(failure) => failure,
                Ok(never) => match never {},
            };
            // If the host has gone there is nobody to tell.
            let told = wire::send(&theirs, &FromSpawner::Failed(failure), &[]);
            sys::exit_now(i32::from(told.is_err()));
        }
    }
}

fn become_spawner(socket: &OwnedFd) -> Result<std::convert::Infallible, Failure> {
    let mut step = "detach the spawner from the terminal";
    let mut become_it = || -> io::Result<std::convert::Infallible> {
        nix::unistd::setsid()?;
        // Read before a mount namespace is entered: the link itself leads into the one we were in.
        let file = std::fs::read_link("/proc/self/exe")?;
        if !nix::unistd::geteuid().is_root() {
            step = "enter a user namespace";
            enter_user_namespace()?;
            step = "keep the capabilities of the user namespace";
            sys::keep_capabilities_at_exec()?;
        }
        step = "copy the program's own file as a read-only mount";
        let program = sys::open_tree(&file)?;
        sys::mount_attributes(program.as_fd(), sys::ATTR_READ_ONLY | sys::ATTR_NO_SUID, None)?;
        step = "start the spawner from the copy";
        let program = rustix::io::fcntl_dupfd_cloexec(&program, PARKED)?;
        sys::place_descriptor(socket.as_fd(), SOCKET)?;
        let argv = [CString::from(c"lambdabox"), CString::new(LIFE)?];
        sys::exec_fd(program.as_fd(), &argv, &[])
    };
    become_it().map_err(|error| {
        let remedy = match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Some(
                "run as root or allow user namespaces (sysctl user.max_user_namespaces; on \
                      Ubuntu 24.04 kernel.apparmor_restrict_unprivileged_userns=0); in a container \
                      add CAP_SYS_ADMIN",
            ),
            Some(libc::ENOSPC) => {
                Some("allow user namespaces: sysctl user.max_user_namespaces=15000")
            }
            Some(libc::ENOSYS) => Some("Linux 5.12 or newer is needed (mount_setattr)"),
            _ => None,
        };
        Failure::new(step, &error, remedy)
    })
}

/// A namespace of our own, with the caller's ids as its only ones, by their own names.
///
/// None of them is 0: `/proc` gives what belongs to an undumpable process, as each init is, to root of
/// the namespace its program was executed in, and were that the caller, it would be the function too
/// (`proc_pid_fd(5)`; `task_dump_owner` of the kernel).
fn enter_user_namespace() -> io::Result<()> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))
}

/// Lives the other life of the binary, if that is what it was started for.
///
/// Returns the exit code of that life, or `None` for the ordinary one.
pub fn live_if_asked() -> Option<i32> {
    let mut args = std::env::args_os().skip(1);
    if args.next()? != LIFE || args.next().is_some() {
        return None;
    }
    let Ok(socket) = sys::inherited_descriptor(SOCKET) else {
        eprintln!("lambdabox: `{LIFE}` is the inside of a sandbox and is not started by hand");
        return Some(2);
    };
    match serve(socket) {
        Ok(()) => Some(0),
        // The host has ended, which is how a spawner is told to end.
        // With a reset if a message of ours was not read any more.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
            ) =>
        {
            Some(0)
        }
        Err(error) => {
            eprintln!("lambdabox: the spawner failed: {error}");
            Some(1)
        }
    }
}

fn serve(socket: OwnedFd) -> io::Result<()> {
    // What whoever called the host had open would be open in every sandbox's init.
    sys::close_from(SOCKET as u32 + 1)?;
    if let Err(failure) = stand_as_others() {
        return wire::send(&socket, &FromSpawner::Failed(failure), &[]);
    }
    sys::set_name(c"lambdabox-spawn")?;
    sys::die_with_parent()?;
    sys::reap_children_automatically()?;
    nix::unistd::chdir("/")?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    wire::send(&socket, &FromSpawner::Running, &[])?;
    let mut tmps = Tmps::default();
    while let Some((request, descriptors)) = wire::receive::<ToSpawner>(&socket)? {
        match request {
            ToSpawner::Make { namespaces, prepare, birth } => {
                let made = make(&socket, &namespaces, &prepare, birth, descriptors);
                answer(&socket, made, "clone the first process of a sandbox", |pid| {
                    FromSpawner::Made { pid }
                })?;
            }
            ToSpawner::IdMap { from, to } => {
                let mapped = idmap::user_namespace(from, to).map(|fd| ((), fd));
                answer(&socket, mapped, "make a user namespace for an id-mapped mount", |()| {
                    FromSpawner::IdMapped
                })?;
            }
            ToSpawner::OpenTrees { paths } => open_trees(&socket, &paths)?,
            ToSpawner::OpenTmp { environment, bytes } => {
                let opened = tmps.open(environment, bytes).map(|tree| ((), tree));
                answer(&socket, opened, "mount memory for /tmp", |()| FromSpawner::Opened)?;
            }
            ToSpawner::CloseTmp { environment } => {
                let closed = match tmps.close(environment) {
                    Ok(()) => FromSpawner::TmpClosed,
                    Err(error) => FromSpawner::Failed(Failure::new("free /tmp", &error, None)),
                };
                wire::send(&socket, &closed, &[])?;
            }
        }
    }
    Ok(())
}

/// Gives up what whoever called may have given the host and each fork would have after it: a function must
/// not stand better than others' programs. What makes the host stand worse stays.
///
/// None of this takes a privilege. Where it fails nothing may run: a quota of processor time, for one, does
/// not count what runs by a real-time policy.
fn stand_as_others() -> Result<(), Failure> {
    const REMEDY: &str = "start lambdabox as any program is: without chrt, nice, ionice and choom";
    let step = |name: &str, done: io::Result<()>| {
        done.map_err(|error| Failure::new(name, &error, Some(REMEDY)))
    };
    step("give up being spared when memory runs out", be_killable())?;
    step("give up a real-time scheduling policy", leave_real_time_policy())?;
    step("give up a nice value below 0", leave_better_nice_value())?;
    step("give up a real-time I/O class", leave_real_time_io_class())
}

/// When memory runs out a function must be the first to go.
fn be_killable() -> io::Result<()> {
    const OWN: &str = "/proc/self/oom_score_adj";
    if std::fs::read_to_string(OWN)?.starts_with('-') {
        std::fs::write(OWN, "0")?;
    }
    Ok(())
}

/// Batch and idle stay: they are less than what everybody has.
fn leave_real_time_policy() -> io::Result<()> {
    match sys::scheduling_policy()? {
        libc::SCHED_FIFO | libc::SCHED_RR | libc::SCHED_DEADLINE => sys::schedule_as_others(),
        _ => Ok(()),
    }
}

fn leave_better_nice_value() -> io::Result<()> {
    if rustix::process::getpriority_process(None)? < 0 {
        rustix::process::setpriority_process(None, 0)?;
    }
    Ok(())
}

/// Best-effort stays, whatever its level: any process may take the best for itself.
fn leave_real_time_io_class() -> io::Result<()> {
    match sys::io_class() {
        Ok(sys::IO_CLASS_REAL_TIME) => sys::take_no_io_class(),
        Ok(_) => Ok(()),
        // A kernel without such classes has none to inherit either.
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Opens all of them, or says which one cannot be.
fn open_trees(socket: &OwnedFd, paths: &[Vec<u8>]) -> io::Result<()> {
    let mut opened = Vec::with_capacity(paths.len());
    for (index, path) in paths.iter().enumerate() {
        match open_bound(Path::new(OsStr::from_bytes(path)), Use::ReadOnly) {
            Ok(tree) => opened.push(tree),
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(libc::EINVAL);
                return wire::send(socket, &FromSpawner::NotOpened { index, errno }, &[]);
            }
        }
    }
    let trees: Vec<_> = opened.iter().map(AsFd::as_fd).collect();
    wire::send(socket, &FromSpawner::Opened, &trees)
}

fn answer<T>(
    socket: &OwnedFd,
    result: io::Result<(T, OwnedFd)>,
    step: &str,
    message: impl FnOnce(T) -> FromSpawner,
) -> io::Result<()> {
    match result {
        Ok((value, descriptor)) => wire::send(socket, &message(value), &[descriptor.as_fd()]),
        Err(error) => {
            let remedy =
                "namespaces must be allowed: run as root, or in a container with CAP_SYS_ADMIN";
            let failure = Failure::new(step, &error, Some(remedy));
            wire::send(socket, &FromSpawner::Failed(failure), &[])
        }
    }
}

/// Clones a sandbox's init; in the child this never returns.
fn make(
    socket: &OwnedFd,
    namespaces: &[Namespace],
    prepare: &[Step],
    birth: bool,
    descriptors: Vec<OwnedFd>,
) -> io::Result<(i32, OwnedFd)> {
    let missing = || io::Error::new(io::ErrorKind::InvalidInput, "a descriptor did not come along");
    let mut descriptors = descriptors.into_iter();
    let control = descriptors.next().ok_or_else(missing)?;
    let cgroup = if birth { Some(descriptors.next().ok_or_else(missing)?) } else { None };
    let flags = namespaces.iter().fold(0, |flags, namespace| flags | namespace.flag());
    match sys::clone3(flags, cgroup.as_ref().map(AsFd::as_fd))? {
        Side::Parent { pid, pidfd } => Ok((pid, pidfd.ok_or_else(missing)?)),
        Side::Child => {
            drop(cgroup);
            // The spawner's own socket must not stay open in here: it is the host's trust.
            sys::forget_descriptor(socket.as_raw_fd());
            init::live(control, prepare, descriptors.collect());
            sys::exit_now(0);
        }
    }
}
