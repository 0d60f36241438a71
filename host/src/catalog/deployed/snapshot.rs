//! A directory as a zip, for code that is deployed straight from where it is worked on.
//!
//! What is zipped is a copy, made descriptor by descriptor, so that nobody changes or redirects it meanwhile.

use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};

use super::super::package::MAX_UNPACKED_BYTES;
use super::super::{PackageError, copy_tree, survey, zip_tree};
use super::error::{DeployError, DirectoryRefusal};
use super::packages::Packages;

/// Fast: the zip stays on this machine.
const COMPRESSION_LEVEL: i64 = 1;

/// A zip of what is in `path`, which must lie below one of `allowed`. Blocks.
pub(super) fn snapshot(
    path: &Path,
    allowed: &[PathBuf],
    packages: &Packages,
) -> Result<File, DeployError> {
    let refused = |refusal| DeployError::Directory { path: path.to_owned(), refusal };
    if !path.is_absolute() {
        return Err(refused(DirectoryRefusal::NotAbsolute));
    }
    let unusable = |error: io::Error| refused(DirectoryRefusal::Unusable(error.to_string()));
    let opened =
        openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    // Before anything is told about it: whether it exists is not for everybody.
    let at = opened.as_ref().ok().map(|opened| format!("/proc/self/fd/{}", opened.as_raw_fd()));
    let real = at.as_ref().and_then(|at| fs::read_link(at).ok()).unwrap_or_else(|| lexical(path));
    if !allowed.iter().any(|directory| real.starts_with(directory)) {
        return Err(refused(DirectoryRefusal::NotAllowed));
    }
    let opened = opened.map_err(|errno| unusable(errno.into()))?;
    // What was opened, wherever its name leads by now; the dot, because a link is not followed.
    let source = PathBuf::from(format!("/proc/self/fd/{}/.", opened.as_raw_fd()));
    let found = survey(&source).map_err(|error| named(error, path))?;
    if found.bytes > MAX_UNPACKED_BYTES {
        return Err(DeployError::TooLarge { bytes: found.bytes, limit: MAX_UNPACKED_BYTES });
    }
    let copy = packages.workspace()?;
    copy_tree(&source, copy.path()).map_err(|error| named(error, path))?;
    let written = |source| PackageError::Write { path: copy.path().to_owned(), source };
    let mut file = packages.file()?;
    zip_tree(copy.path(), &file, COMPRESSION_LEVEL, |_, _| true).map_err(written)?;
    file.seek(SeekFrom::Start(0)).map_err(written)?;
    Ok(file)
}

/// Without looking: `..` is taken out, so that it cannot lead past the check.
fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::ParentDir => _ = plain.pop(),
            other => plain.push(other),
        }
    }
    plain
}

/// The error by the name the caller knows.
fn named(error: PackageError, path: &Path) -> DeployError {
    DeployError::Package(match error {
        PackageError::Read { source, .. } => PackageError::Read { path: path.to_owned(), source },
        other => other,
    })
}
