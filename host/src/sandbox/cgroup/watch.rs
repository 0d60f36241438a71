//! Waiting for the kernel to say that something changed, with or without a reactor.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

use super::CgroupError;

/// A descriptor that becomes ready at the next change of one condition, counted from when the watch
/// was made: make it, look at the condition, then wait.
#[derive(Debug)]
pub(super) struct Watch {
    /// What to wait on; dropping it ends the watch.
    pub(super) fd: OwnedFd,
    /// How it becomes ready.
    pub(super) sign: Sign,
    /// What it is about, for messages.
    pub(super) file: PathBuf,
}

/// How a descriptor says that something changed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sign {
    /// An eventfd was written, or a pidfd's process ended.
    Readable,
    /// A cgroup file has new content since it was read (`POLLPRI`).
    Priority,
}

impl Sign {
    fn interest(self) -> Interest {
        match self {
            Self::Readable => Interest::READABLE,
            Self::Priority => Interest::PRIORITY,
        }
    }
}

impl Watch {
    /// Hands it to the running runtime.
    pub(super) fn register(self) -> Result<Registered, CgroupError> {
        let Self { fd, sign, file } = self;
        #[expect(
            deprecated,
            reason = "its successor is unsafe; an OwnedFd keeps what that asks for"
        )]
        let registered = AsyncFd::with_interest(fd, sign.interest());
        match registered {
            Ok(fd) => Ok(Registered { fd, sign, file }),
            Err(source) => Err(CgroupError::Watch { file, source }),
        }
    }

    /// Waits on this thread, at most until `deadline`. The caller looks at the condition again in
    /// either case, so a deadline that passed is no error here.
    pub(super) fn changed_blocking(self, deadline: Instant) -> Result<(), CgroupError> {
        let flags = match self.sign {
            Sign::Readable => PollFlags::IN,
            Sign::Priority => PollFlags::PRI,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::new(&self.fd, flags)];
        match poll(&mut fds, Some(&timespec(left))) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(errno) => {
                Err(CgroupError::Watch { file: self.file, source: io::Error::from(errno) })
            }
        }
    }
}

/// A watch the runtime waits for, any number of times.
#[derive(Debug)]
pub(super) struct Registered {
    fd: AsyncFd<OwnedFd>,
    sign: Sign,
    file: PathBuf,
}

impl Registered {
    /// Ends at a change since the last one that was [`Change::seen`]. Dropping it loses nothing.
    pub(super) async fn changed(&self) -> Result<Change<'_>, CgroupError> {
        match self.fd.ready(self.sign.interest()).await {
            Ok(guard) => Ok(Change { guard, sign: self.sign }),
            Err(source) => Err(CgroupError::Watch { file: self.file.clone(), source }),
        }
    }
}

/// A change that is reported again unless it is marked as seen.
pub(super) struct Change<'a> {
    guard: AsyncFdReadyGuard<'a, OwnedFd>,
    sign: Sign,
}

impl Change<'_> {
    /// What came meanwhile stays reported.
    pub(super) fn seen(mut self) {
        if let Sign::Priority = self.sign {
            // The kernel counts changes from the last read; what is read does not matter, and a file
            // that is gone has no more of them.
            let _ = rustix::io::pread(self.guard.get_inner(), &mut [0_u8; 1], 0);
        }
        self.guard.clear_ready();
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
