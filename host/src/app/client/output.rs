//! Standard output of the commands that call a host, and whether anybody still reads it.

use std::io::{self, Write as _};
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::super::error::AppError;

/// Whoever reads standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// Is there.
    There,
    /// Has seen enough; whoever goes on only writes for nobody.
    Gone,
}

/// Writes to standard output; a reader that has seen enough is no failure.
pub(super) fn print(text: &str) -> Result<Reader, AppError> {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Reader::There),
        Err(source) if source.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(source) => Err(AppError::Write { path: PathBuf::from("standard output"), source }),
    }
}

/// Looks without writing, so that who has nothing to say ends with its reader, too.
pub(super) fn reader() -> Reader {
    let stdout = io::stdout();
    // Errors and hang-ups are told without being asked for.
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let is_gone = poll(&mut fds, Some(&at_once)).is_ok()
        && fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP);
    if is_gone { Reader::Gone } else { Reader::There }
}
