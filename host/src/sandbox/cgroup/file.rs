//! Reading and writing the small files of a cgroup. Nothing is ever created here: a file that is
//! missing is an error.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::CgroupError;

/// More than any of the files that are kept open holds; one that grew to it is read anew.
const KEPT_BYTES: usize = 8 * 1024;

/// A file that is read for each invocation. It is opened once: opening takes 9 of the 11 µs that a
/// number costs. When the group is gone, reading fails as opening would.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    file: OnceLock<File>,
}

impl Kept {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: OnceLock::new() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The whole text, as it is now.
    pub(super) fn read(&self) -> Result<String, CgroupError> {
        let failed = |source| CgroupError::Read { file: self.path.clone(), source };
        let file = match self.file.get() {
            Some(file) => file,
            None => {
                let opened = File::open(&self.path).map_err(failed)?;
                self.file.get_or_init(|| opened)
            }
        };
        let mut bytes = vec![0; KEPT_BYTES];
        let length = file.read_at(&mut bytes, 0).map_err(failed)?;
        if length == KEPT_BYTES {
            return read(&self.path);
        }
        bytes.truncate(length);
        String::from_utf8(bytes).map_err(|error| failed(io::Error::other(error)))
    }

    /// [`read_number`].
    pub(super) fn number(&self) -> Result<u64, CgroupError> {
        number(self.read()?, &self.path)
    }

    /// [`read_key`].
    pub(super) fn key(&self, key: &str) -> Result<u64, CgroupError> {
        key_of(self.read()?, key, &self.path)
    }
}

/// The whole text of a file.
pub(super) fn read(file: &Path) -> Result<String, CgroupError> {
    fs::read_to_string(file).map_err(|source| CgroupError::Read { file: file.to_owned(), source })
}

/// A file that holds one number.
pub(super) fn read_number(file: &Path) -> Result<u64, CgroupError> {
    number(read(file)?, file)
}

fn number(text: String, file: &Path) -> Result<u64, CgroupError> {
    text.trim().parse().map_err(|_| CgroupError::Unparsable { file: file.to_owned(), text })
}

/// The number after `key` in a file of `key value` lines.
pub(super) fn read_key(file: &Path, key: &str) -> Result<u64, CgroupError> {
    key_of(read(file)?, key, file)
}

fn key_of(text: String, key: &str, file: &Path) -> Result<u64, CgroupError> {
    find_key(&text, key).ok_or_else(|| CgroupError::Unparsable { file: file.to_owned(), text })
}

/// The number after `key` in text made of `key value` lines.
pub(super) fn find_key(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Writes one value in one `write` call, as cgroup files want it.
pub(super) fn write(file: &Path, value: &str) -> Result<(), CgroupError> {
    try_write(file, value).map_err(|source| CgroupError::Write {
        file: file.to_owned(),
        value: value.to_owned(),
        source,
    })
}

/// [`write()`] for callers that treat one kind of failure differently.
pub(super) fn try_write(file: &Path, value: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(file)?.write_all(value.as_bytes())
}

/// Checks that a limit reads back as it was written.
pub(super) fn expect(file: &Path, asked: &str) -> Result<(), CgroupError> {
    let got = read(file)?;
    let got = got.trim();
    if got == asked {
        return Ok(());
    }
    Err(CgroupError::LimitNotHeld {
        file: file.to_owned(),
        asked: asked.to_owned(),
        got: got.to_owned(),
    })
}

/// Opens a file for writing, to be handed to a child that will write to it.
pub(super) fn open_for_writing(file: &Path) -> Result<File, CgroupError> {
    OpenOptions::new()
        .write(true)
        .open(file)
        .map_err(|source| CgroupError::Read { file: file.to_owned(), source })
}

/// The process ids listed in a `cgroup.procs` file. A process of a foreign pid namespace is listed
/// as 0 and left out: it is not ours.
pub(super) fn read_pids(file: &Path) -> Result<Vec<i32>, CgroupError> {
    let text = read(file)?;
    Ok(text.lines().filter_map(|line| line.trim().parse().ok()).filter(|pid| *pid > 0).collect())
}
