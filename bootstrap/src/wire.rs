//! Messages between the host, the spawner and a sandbox's init, with descriptors beside them.
//!
//! One datagram of a `SOCK_SEQPACKET` socket is one JSON message; descriptors travel as
//! `SCM_RIGHTS` and arrive owned. Messages are small (a plan is some kilobytes); a message that
//! does not fit is an error of ours, not a truncated read.
//!
//! # Sources
//! `unix(7)`, `reference/sandbox.md` section 3.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::plan::Step;

/// Longest message: a plan with the longest environment (4 KB) and hundreds of mounts fits well.
const MAX_MESSAGE_BYTES: usize = 192 * 1024;
/// Most descriptors in one message (`SCM_MAX_FD` is 253; we never come near).
pub const MAX_DESCRIPTORS: usize = 64;

/// Host to spawner.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToSpawner {
    /// Make a sandbox. Descriptors: the init's end of its control socket; then, if `birth`, the
    /// version 2 directory to be born into; then `tasks` version 1 files.
    Make {
        /// Namespaces of the new process.
        namespaces: Vec<crate::plan::Namespace>,
        /// Steps to apply at once.
        prepare: Vec<Step>,
        /// Whether a version 2 cgroup directory comes along.
        birth: bool,
    },
    /// Make a user namespace that maps one owner to one id, for an id-mapped mount.
    IdMap {
        /// Owner and group of the files.
        from: (u32, u32),
        /// Whom they shall appear to belong to.
        to: u32,
    },
    /// Open directories or files as detached, read-only mount trees. For a host without the right to
    /// do that itself: the spawner of an ordinary user is root of its own user namespace.
    OpenTrees {
        /// Absolute paths, as the bytes they are.
        paths: Vec<Vec<u8>>,
    },
    /// Show an environment's `/tmp` in memory, which is made the first time.
    OpenTmp {
        /// Which environment's.
        environment: u32,
        /// Size of it.
        bytes: u64,
    },
    /// Free an environment's `/tmp` in memory.
    CloseTmp {
        /// Which environment's.
        environment: u32,
    },
}

/// Spawner to host.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromSpawner {
    /// The spawner runs, in its own read-only copy of the program.
    Running,
    /// Born; its pidfd comes along. Whether the steps succeed, the init itself says.
    Made {
        /// Process id on the host.
        pid: i32,
    },
    /// The user namespace comes along.
    IdMapped,
    /// The trees come along, in the order of their paths.
    Opened,
    /// That `/tmp` is freed.
    TmpClosed,
    /// One of the trees could not be opened.
    NotOpened {
        /// Position of its path.
        index: usize,
        /// Error number of the kernel.
        errno: i32,
    },
    /// It could not be done.
    Failed(Failure),
}

/// Host to init.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToInit {
    /// Apply the launch steps. Descriptors: the trees they name.
    Launch {
        /// Steps after the gate.
        steps: Vec<Step>,
    },
    /// Start a process. Descriptors: its standard output and error; then, if `frames`, the framed
    /// log descriptor, which becomes number 3.
    Start {
        /// How later messages name it.
        key: u32,
        /// Absolute path of the program.
        program: PathBuf,
        /// Arguments, the name first.
        argv: Vec<String>,
        /// `NAME=value`, all of the environment.
        env: Vec<String>,
        /// Working directory.
        cwd: PathBuf,
        /// Whether a framed log descriptor comes along.
        frames: bool,
    },
    /// Make an unconnected TCP socket in the sandbox's network.
    Socket,
    /// Send a signal to a process started before, and to its group.
    Signal {
        /// Which.
        key: u32,
        /// Signal number.
        signal: i32,
    },
}

/// Init to host.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromInit {
    /// At the gate. The listeners come along, in the order of their steps.
    Prepared,
    /// All launch steps are applied.
    Launched,
    /// The process runs the program.
    Started {
        /// Which.
        key: u32,
    },
    /// A step failed; the init has ended.
    Failed(Failure),
    /// The program could not be executed; the init goes on.
    NotStarted {
        /// Which.
        key: u32,
        /// Error number of the kernel.
        errno: i32,
    },
    /// The socket comes along.
    Socket,
    /// There is none.
    NoSocket {
        /// Error number of the kernel.
        errno: i32,
    },
    /// A process ended.
    Exited {
        /// Which.
        key: u32,
        /// How.
        status: ExitStatus,
    },
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitStatus {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// A step that failed: which, why, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The step, as the plan prints it.
    pub step: String,
    /// The kernel's error number, 0 if it was not the kernel.
    pub errno: i32,
    /// The cause in words.
    pub cause: String,
    /// What the operator can do.
    pub remedy: Option<String>,
}

impl Failure {
    /// A failure of the named step.
    pub fn new(step: impl ToString, error: &io::Error, remedy: Option<&str>) -> Self {
        Self {
            step: step.to_string(),
            errno: error.raw_os_error().unwrap_or(0),
            cause: error.to_string(),
            remedy: remedy.map(str::to_owned),
        }
    }
}

/// Sends one message with descriptors.
///
/// # Errors
/// The kernel's, `EAGAIN` on a non-blocking socket included; `InvalidInput` if it is too long.
pub fn send<M: Serialize>(
    socket: impl AsFd,
    message: &M,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    if bytes.len() > MAX_MESSAGE_BYTES || descriptors.len() > MAX_DESCRIPTORS {
        let text = format!("message of {} bytes, {} descriptors", bytes.len(), descriptors.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    rustix::net::sendmsg(socket, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives one message with its descriptors; `None` when the other end is closed.
///
/// # Errors
/// The kernel's, `EAGAIN` on a non-blocking socket included; `InvalidData` for what is no message.
pub fn receive<M: DeserializeOwned>(socket: impl AsFd) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; MAX_MESSAGE_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut slices = [IoSliceMut::new(&mut bytes)];
        match rustix::net::recvmsg(&socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    Ok(Some((serde_json::from_slice(&bytes[..received.bytes])?, descriptors)))
}
