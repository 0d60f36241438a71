//! Process 1 of a sandbox: applies the plan, starts processes on request, reaps, reports.
//!
//! Everything that happens after the gate happens with the function's own id and no privileges.
//! It holds one socket to the host; when that closes, it ends, and the kernel ends every process
//! of the pid namespace with it.
//!
//! # Not here
//! What the steps do (`enter.rs`), what the messages are (`wire.rs`).

use std::collections::HashMap;
use std::ffi::CString;
use std::io::{self, PipeReader, Read};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, setsid};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::enter::Entering;
use crate::plan::Step;
use crate::spawner::PARKED;
use crate::sys::{self, Side};
use crate::wire::{self, ExitStatus, Failure, FromInit, ToInit};

/// Number of the framed log descriptor in the function (runtime-api.md 6.7, 6.8).
const FRAMES: i32 = 3;
/// The descriptor that tells whether `exec` worked; gone once it did.
const EXEC_REPORT: i32 = 4;
/// Exit code of a child that could not become its program, as shells use it.
const EXEC_FAILED: i32 = 127;

/// Lives as the init of a sandbox; the process ends when this returns.
pub(crate) fn live(control: OwnedFd, prepare: &[Step], tasks: Vec<OwnedFd>) {
    let mut entering = Entering::new(tasks);
    let result = begin().and_then(|()| entering.apply(prepare, &[]));
    if let Err(failure) = result {
        return report(&control, &FromInit::Failed(failure), &[]);
    }
    let listeners = std::mem::take(&mut entering.listeners);
    let descriptors: Vec<_> = listeners.iter().map(AsFd::as_fd).collect();
    report(&control, &FromInit::Prepared, &descriptors);
    drop(listeners);
    if let Err(error) = serve(&control, &mut entering) {
        let failure = Failure::new("serve the sandbox as its init", &error, None);
        report(&control, &FromInit::Failed(failure), &[]);
    }
}

/// Nothing of the spawner's terminal, signals or directory stays.
fn begin() -> Result<(), Failure> {
    let clean = || -> io::Result<()> {
        sys::default_signals()?;
        sys::set_name(c"lambdabox-init")?;
        setsid()?;
        let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
        for number in 0..=2 {
            sys::place_descriptor(null.as_fd(), number)?;
        }
        Ok(nix::unistd::chdir("/")?)
    };
    clean().map_err(|error| Failure::new("leave the spawner's surroundings", &error, None))
}

/// The host may be gone already; then there is nobody to tell, and the loop ends by itself.
fn report(control: &OwnedFd, message: &FromInit, descriptors: &[BorrowedFd<'_>]) {
    if wire::send(control, message, descriptors).is_err() {
        sys::exit_now(1);
    }
}

struct Processes {
    by_pid: HashMap<Pid, u32>,
    by_key: HashMap<u32, Pid>,
}

fn serve(control: &OwnedFd, entering: &mut Entering) -> io::Result<()> {
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    children.thread_block()?;
    let signals = SignalFd::with_flags(&children, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let mut processes = Processes { by_pid: HashMap::new(), by_key: HashMap::new() };
    loop {
        let mut ready = [
            PollFd::new(control.as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut ready, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            other => other?,
        };
        let [from_host, from_kernel] = ready.map(|fd| fd.any().unwrap_or(true));
        if from_kernel {
            while signals.read_signal()?.is_some() {}
            reap(control, &mut processes)?;
        }
        if from_host {
            let Some((message, descriptors)) = wire::receive::<ToInit>(control)? else {
                return Ok(());
            };
            obey(control, entering, &mut processes, message, descriptors)?;
        }
    }
}

fn obey(
    control: &OwnedFd,
    entering: &mut Entering,
    processes: &mut Processes,
    message: ToInit,
    descriptors: Vec<OwnedFd>,
) -> io::Result<()> {
    match message {
        ToInit::Launch { steps } => match entering.apply(&steps, &descriptors) {
            Ok(()) => report(control, &FromInit::Launched, &[]),
            Err(failure) => {
                report(control, &FromInit::Failed(failure), &[]);
                sys::exit_now(1);
            }
        },
        ToInit::Start { key, program, argv, env, cwd, frames } => {
            let start = Start { program: &program, argv: &argv, env: &env, cwd: &cwd, frames };
            match start.run(&descriptors) {
                Ok(pid) => {
                    processes.by_pid.insert(pid, key);
                    processes.by_key.insert(key, pid);
                    report(control, &FromInit::Started { key }, &[]);
                }
                Err(error) => {
                    let errno = error.raw_os_error().unwrap_or(libc::EINVAL);
                    report(control, &FromInit::NotStarted { key, errno }, &[]);
                }
            }
        }
        ToInit::Socket => match rustix::net::socket_with(
            AddressFamily::INET,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        ) {
            Ok(socket) => report(control, &FromInit::Socket, &[socket.as_fd()]),
            Err(error) => {
                report(control, &FromInit::NoSocket { errno: error.raw_os_error() }, &[]);
            }
        },
        ToInit::Signal { key, signal } => {
            if let (Some(&pid), Ok(signal)) = (processes.by_key.get(&key), Signal::try_from(signal))
            {
                match killpg(pid, signal) {
                    // It has just ended; its exit is on its way.
                    Err(Errno::ESRCH) => {}
                    other => other?,
                }
            }
        }
    }
    Ok(())
}

/// Collects every dead child, orphans of the function included, and tells of those we started.
fn reap(control: &OwnedFd, processes: &mut Processes) -> io::Result<()> {
    loop {
        let (pid, status) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => (pid, ExitStatus::Code(code)),
            Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, ExitStatus::Signal(signal as i32)),
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(()),
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        };
        if let Some(key) = processes.by_pid.remove(&pid) {
            processes.by_key.remove(&key);
            report(control, &FromInit::Exited { key, status }, &[]);
        }
    }
}

struct Start<'a> {
    program: &'a Path,
    argv: &'a [String],
    env: &'a [String],
    cwd: &'a Path,
    frames: bool,
}

impl Start<'_> {
    /// Forks and executes; returns once the program runs.
    fn run(&self, descriptors: &[OwnedFd]) -> io::Result<Pid> {
        let strings = |list: &[String]| -> io::Result<Vec<CString>> {
            list.iter().map(|s| CString::new(s.as_bytes()).map_err(io::Error::from)).collect()
        };
        let (argv, env) = (strings(self.argv)?, strings(self.env)?);
        let program = CString::new(self.program.as_os_str().as_bytes())?;
        let wanted = 1 + usize::from(self.frames);
        if descriptors.len() != wanted {
            let text = format!("{} descriptors came along, not {wanted}", descriptors.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let (reader, writer) = io::pipe()?;
        match sys::fork()? {
            Side::Parent { pid, .. } => {
                drop(writer);
                outcome_of_exec(reader).map(|()| Pid::from_raw(pid))
            }
            Side::Child => {
                let writer = ManuallyDrop::new(OwnedFd::from(writer));
                let error = match self.become_program(&writer, descriptors, &program, &argv, &env) {
                    Err(error) => error,
                    Ok(never) => match never {},
                };
                let errno = error.raw_os_error().unwrap_or(libc::EINVAL);
                sys::write_and_exit(EXEC_REPORT, &errno.to_ne_bytes(), EXEC_FAILED);
            }
        }
    }

    /// In the child: only what the function may have, then the program.
    ///
    /// Nothing that is opened here is dropped: its number may be closed or another's by the time
    /// `exec` fails, and the report's must stay open until it is written.
    fn become_program(
        &self,
        exec_report: &OwnedFd,
        descriptors: &[OwnedFd],
        program: &CString,
        argv: &[CString],
        env: &[CString],
    ) -> io::Result<std::convert::Infallible> {
        let park = |fd: &OwnedFd| -> io::Result<ManuallyDrop<OwnedFd>> {
            Ok(ManuallyDrop::new(rustix::io::fcntl_dupfd_cloexec(fd, PARKED)?))
        };
        let exec_report = park(exec_report)?;
        let output = park(&descriptors[0])?;
        let frames = match self.frames {
            true => Some(park(&descriptors[1])?),
            false => None,
        };
        let null = ManuallyDrop::new(std::fs::File::open("/dev/null")?);
        sys::place_descriptor(exec_report.as_fd(), EXEC_REPORT)?;
        sys::close_on_exec(EXEC_REPORT)?;
        sys::place_descriptor(null.as_fd(), 0)?;
        sys::place_descriptor(output.as_fd(), 1)?;
        sys::place_descriptor(output.as_fd(), 2)?;
        match frames {
            Some(frames) => sys::place_descriptor(frames.as_fd(), FRAMES)?,
            // Whatever has that number now must not reach the function.
            None => sys::close_on_exec_if_open(FRAMES),
        }
        sys::close_from(EXEC_REPORT as u32 + 1)?;
        setsid()?;
        sys::default_signals()?;
        nix::unistd::chdir(self.cwd)?;
        sys::exec(program, argv, env)
    }
}

/// The report closes with `exec`; before that it carries the error number.
fn outcome_of_exec(mut reader: PipeReader) -> io::Result<()> {
    let mut errno = [0; 4];
    match reader.read_exact(&mut errno) {
        Ok(()) => Err(io::Error::from_raw_os_error(i32::from_ne_bytes(errno))),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
        Err(error) => Err(error),
    }
}
