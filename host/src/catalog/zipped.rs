//! A directory as a zip.
//!
//! # Invariants
//! - The same files give the same bytes: members are sorted, carry no dates, and of their permissions
//!   only whether they can be run.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    /// What is in it is asked for only if it is taken.
    Directory,
    /// A file or a symbolic link.
    File,
}

/// Writes what `takes` takes, asked with each path below `root`. Blocks.
///
/// # Errors
/// What cannot be read or written, or is neither directory, file nor link; names it.
pub fn zip_tree(
    root: &Path,
    file: &File,
    level: i64,
    mut takes: impl FnMut(&Path, MemberKind) -> bool,
) -> io::Result<()> {
    let mut zip = ZipWriter::new(io::BufWriter::new(file));
    let mut ahead = vec![PathBuf::new()];
    while let Some(directory) = ahead.pop() {
        let mut entries = fs::read_dir(root.join(&directory))?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = directory.join(entry.file_name());
            let refused =
                |kind, why: &str| Err(io::Error::new(kind, format!("{} {why}", name.display())));
            let meta = fs::symlink_metadata(entry.path())?;
            let kind = if meta.is_dir() { MemberKind::Directory } else { MemberKind::File };
            if !takes(&name, kind) {
                continue;
            }
            let Some(text) = name.to_str() else {
                let kind = io::ErrorKind::InvalidFilename;
                return refused(kind, "is not a name that a zip can hold");
            };
            let runs = meta.is_dir() || meta.permissions().mode() & 0o111 != 0;
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Deflated)
                .compression_level(Some(level))
                .last_modified_time(DateTime::default())
                .unix_permissions(if runs { 0o755 } else { 0o644 });
            if meta.is_symlink() {
                let target = fs::read_link(entry.path())?;
                zip.add_symlink(text, target.to_string_lossy(), options)?;
            } else if meta.is_dir() {
                zip.add_directory(text, options)?;
                ahead.push(name);
            } else if meta.is_file() {
                zip.start_file(text, options)?;
                let copied =
                    File::open(entry.path()).and_then(|mut from| io::copy(&mut from, &mut zip));
                copied.map_err(|error| {
                    io::Error::new(error.kind(), format!("{}: {error}", name.display()))
                })?;
            } else {
                let kind = io::ErrorKind::InvalidInput;
                return refused(kind, "is neither a directory, a file nor a symbolic link");
            }
        }
    }
    zip.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(())
}
