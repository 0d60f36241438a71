//! Reading and writing the small files of a cgroup. Nothing is ever created here: a file that is
//! missing is an error.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use super::CgroupError;

/// The whole text of a file.
pub(super) fn read(file: &Path) -> Result<String, CgroupError> {
    fs::read_to_string(file).map_err(|source| CgroupError::Read { file: file.to_owned(), source })
}

/// A file that holds one number.
pub(super) fn read_number(file: &Path) -> Result<u64, CgroupError> {
    let text = read(file)?;
    text.trim().parse().map_err(|_| CgroupError::Unparsable { file: file.to_owned(), text })
}

/// The number after `key` in a file of `key value` lines.
pub(super) fn read_key(file: &Path, key: &str) -> Result<u64, CgroupError> {
    let text = read(file)?;
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
