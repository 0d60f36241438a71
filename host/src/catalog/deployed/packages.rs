//! Unpacked packages: directories named by the hash of the zip they came from.
//!
//! # Invariants
//! - A directory appears whole, by a rename. Its files are not synced, because syncing thousands of
//!   them takes seconds; what a kernel before this one left is removed instead and made again.
//! - One that is pinned, referred to or in use is not removed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use super::super::{PackageError, open, survey};
use crate::store::{Blobs, private};

const DIRECTORY: &str = "packages";
/// Another one after every boot (random(4)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Workspaces, and directories on their way out, begin so.
const TEMPORARY: &str = ".moving-";

/// The folder of unpacked packages.
#[derive(Debug)]
pub(super) struct Packages {
    directory: PathBuf,
    blobs: Blobs,
    /// Held while a directory gets or loses its name.
    moving: Mutex<()>,
}

impl Packages {
    /// Opens or makes the folder, and removes what a killed host half unpacked.
    pub(super) fn open(data_dir: &Path, blobs: Blobs) -> Result<Self, PackageError> {
        let all = data_dir.join(DIRECTORY);
        let boot = fs::read_to_string(BOOT_ID)
            .map_err(|source| PackageError::Read { path: BOOT_ID.into(), source })?;
        let boot = boot.trim();
        let directory = all.join(boot);
        let failed = |source| PackageError::Write { path: all.clone(), source };
        private::directory(&all).map_err(failed)?;
        fs::create_dir_all(&directory).map_err(failed)?;
        let own = fs::read_dir(&directory).map_err(failed)?;
        for entry in fs::read_dir(&all).map_err(failed)?.chain(own) {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let is_own = entry.path().parent() == Some(&*directory);
            if name.to_string_lossy().starts_with(TEMPORARY) || !is_own && name != *boot {
                fs::remove_dir_all(entry.path()).map_err(failed)?;
            }
        }
        Ok(Self { directory, blobs, moving: Mutex::new(()) })
    }

    /// A directory to work in, on the disk where packages are; no sweep takes it.
    pub(super) fn workspace(&self) -> Result<TempDir, PackageError> {
        let made = tempfile::Builder::new().prefix(TEMPORARY).tempdir_in(&self.directory);
        made.map_err(|source| PackageError::Write { path: self.directory.clone(), source })
    }

    /// A file without a name, there too.
    pub(super) fn file(&self) -> Result<File, PackageError> {
        let made = tempfile::tempfile_in(&self.directory);
        made.map_err(|source| PackageError::Write { path: self.directory.clone(), source })
    }

    /// Where a package is, or would be.
    pub(super) fn path(&self, sha256: &str) -> PathBuf {
        self.directory.join(sha256)
    }

    /// Unpacks a package unless that was done; the bytes it comes to. Blocks.
    pub(super) fn ensure(&self, sha256: &str) -> Result<u64, PackageError> {
        let path = self.path(sha256);
        if self.locked(|| path.is_dir()) {
            return Ok(survey(&path)?.bytes);
        }
        let failed = |source| PackageError::Write { path: self.directory.clone(), source };
        let workspace = self.workspace()?;
        let package = open(&self.blobs.path(sha256), workspace.path(), &[])?;
        self.locked(|| match path.is_dir() {
            // Somebody else was faster; both hold the same.
            true => Ok(()),
            false => fs::rename(&package.root, &path),
        })
        .map_err(failed)?;
        Ok(package.unpacked_bytes)
    }

    /// Removes every package that nobody needs. Blocks.
    pub(super) fn sweep(
        &self,
        needed: &BTreeSet<String>,
        in_use: &BTreeSet<PathBuf>,
    ) -> Result<(), PackageError> {
        let failed = |source| PackageError::Write { path: self.directory.clone(), source };
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let kept =
                name.starts_with(TEMPORARY) || needed.contains(&name) || in_use.contains(&path);
            if kept {
                continue;
            }
            let aside = self.directory.join(format!("{TEMPORARY}{name}"));
            let moved = self.locked(|| match self.blobs.is_pinned(&name) {
                true => Ok(false),
                false => fs::rename(&path, &aside).map(|()| true),
            });
            if moved.map_err(failed)? {
                fs::remove_dir_all(&aside).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn locked<T>(&self, act: impl FnOnce() -> T) -> T {
        // Nothing is left half done by a panic: a rename is whole.
        let _moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        act()
    }
}
