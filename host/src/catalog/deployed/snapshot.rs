//! A directory as a zip, for code that is deployed straight from where it is worked on.
//!
//! The same files give the same bytes: members are sorted and carry no dates. What is zipped is a
//! copy, made descriptor by descriptor, so that nobody changes or redirects it meanwhile.

use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::super::package::MAX_UNPACKED_BYTES;
use super::super::{PackageError, copy_tree, survey};
use super::error::{DeployError, DirectoryRefusal};

/// Fast: the zip stays on this machine.
const COMPRESSION_LEVEL: i64 = 1;

/// A zip of what is in `path`, which must lie below one of `allowed`. Blocks.
pub(super) fn snapshot(
    path: &Path,
    allowed: &[PathBuf],
    workspace: &Path,
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
    let written = |source| PackageError::Write { path: workspace.to_owned(), source };
    let copy = tempfile::tempdir_in(workspace).map_err(written)?;
    copy_tree(&source, copy.path()).map_err(|error| named(error, path))?;
    let mut file = tempfile::tempfile_in(workspace).map_err(written)?;
    zip_of(copy.path(), &file).map_err(written)?;
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

fn zip_of(root: &Path, file: &File) -> io::Result<()> {
    let mut zip = ZipWriter::new(file);
    let mut ahead = vec![PathBuf::new()];
    while let Some(directory) = ahead.pop() {
        let mut entries = fs::read_dir(root.join(&directory))?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = directory.join(entry.file_name());
            let Some(text) = name.to_str() else {
                let words = format!("{} is not a name that a zip can hold", name.display());
                return Err(io::Error::new(io::ErrorKind::InvalidFilename, words));
            };
            let meta = fs::symlink_metadata(entry.path())?;
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Deflated)
                .compression_level(Some(COMPRESSION_LEVEL))
                .last_modified_time(DateTime::default())
                .unix_permissions(meta.permissions().mode() & 0o777);
            if meta.is_symlink() {
                let target = fs::read_link(entry.path())?;
                zip.add_symlink(text, target.to_string_lossy(), options)?;
            } else if meta.is_dir() {
                zip.add_directory(text, options)?;
                ahead.push(name);
            } else {
                zip.start_file(text, options)?;
                io::copy(&mut File::open(entry.path())?, &mut zip)?;
            }
        }
    }
    zip.finish()?;
    Ok(())
}
