//! One process at a time in a data directory.
//!
//! The lock is a `flock`, so it ends with the process however that ends. The file's text says who
//! holds it, for the message of whoever comes second.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::StoreError;
use super::private::{DIRECTORY_MODE, FILE_MODE};

const NAME: &str = "serve.lock";
/// Longest text that is read of a lock file.
const MAX_TEXT_BYTES: u64 = 32;

/// The right to use a data directory; ends when dropped.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Makes the directory if need be, and takes it.
    ///
    /// # Errors
    /// [`StoreError::Held`] with the process id of whoever has it.
    pub fn take(directory: &Path) -> Result<Self, StoreError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(directory)
            .map_err(|source| StoreError::file("make", directory, source))?;
        let path = directory.join(NAME);
        let failed = |source| StoreError::file("lock", &path, source);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(&path)
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut text = String::new();
                file.take(MAX_TEXT_BYTES).read_to_string(&mut text).map_err(failed)?;
                let holder = match text.trim().parse::<u32>() {
                    Ok(pid) => format!("another lambdabox serve (process {pid})"),
                    Err(_) => "another lambdabox serve".to_owned(),
                };
                return Err(StoreError::Held { path: directory.to_owned(), holder });
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        let pid = rustix::process::getpid().as_raw_nonzero();
        file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
        writeln!(file, "{pid}").map_err(failed)?;
        Ok(Self { _file: file })
    }
}
