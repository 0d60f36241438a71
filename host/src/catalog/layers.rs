//! Layers: directories and zips, laid over each other in the order given, to become `/opt`.
//!
//! # Sources
//! `reference/lambda-service.md` section 10: at most five, extracted in list order, later ones
//! overwrite earlier ones, 250 MB together with the code.

use std::fs;
use std::path::{Path, PathBuf};

use super::access::{Access, survey};
use super::copy::{copy_tree, make_directory, move_over};
use super::error::PackageError;
use super::package::{MAX_UNPACKED_BYTES, Origin, Package, not_opened};
use super::unpack::unpack;

/// Layers a function may have (Lambda quotas).
pub const MAX_LAYERS: usize = 5;

/// Name of the merged layers below the workspace.
const MERGED_DIRECTORY: &str = "opt";
/// Name of one zip being laid over the others.
const STAGING_DIRECTORY: &str = "layer";

/// A function's layers, ready to become `/opt`.
#[derive(Debug, Clone)]
pub struct Layers {
    /// The directory to bind; `None` without layers.
    pub root: Option<PathBuf>,
    /// Sum of all layers' files, overwritten ones included, as AWS counts.
    pub unpacked_bytes: u64,
    /// Whose rights are needed to read it.
    pub access: Access,
    /// Things worth saying on stderr.
    pub warnings: Vec<String>,
}

/// Opens layers for a package. One directory alone is used where it stands; anything else is
/// merged in `opt` below `workspace`, which must be there and be new.
///
/// # Errors
/// [`PackageError`], with nothing left in the workspace.
pub fn open_layers(
    paths: &[PathBuf],
    workspace: &Path,
    code: &Package,
) -> Result<Layers, PackageError> {
    if paths.len() > MAX_LAYERS {
        return Err(PackageError::TooManyLayers { count: paths.len(), limit: MAX_LAYERS });
    }
    let mut layers =
        Layers { root: None, unpacked_bytes: 0, access: Access::Everybody, warnings: Vec::new() };
    let merged = workspace.join(MERGED_DIRECTORY);
    let mut zipped_bytes = if code.origin == Origin::Zip { code.unpacked_bytes } else { 0 };
    for path in paths {
        let added = layers.add(path, paths.len(), &merged, workspace, zipped_bytes);
        match added {
            Ok(Added { zipped }) => zipped_bytes += zipped,
            Err(error) => {
                // The first error is the one to tell; what stays goes with the workspace.
                let _ = fs::remove_dir_all(&merged);
                let _ = fs::remove_dir_all(workspace.join(STAGING_DIRECTORY));
                return Err(error);
            }
        }
    }
    let total = layers.unpacked_bytes.saturating_add(code.unpacked_bytes);
    if total > MAX_UNPACKED_BYTES && !paths.is_empty() {
        layers.warnings.push(format!(
            "code and layers together hold {total} bytes; Lambda's limit is {MAX_UNPACKED_BYTES} \
             (250 MB), so this function could not be deployed as it is"
        ));
    }
    Ok(layers)
}

/// What one layer took.
struct Added {
    /// Bytes that came out of a zip, which count against the limit; a directory only warns.
    zipped: u64,
}

impl Layers {
    fn add(
        &mut self,
        path: &Path,
        count: usize,
        merged: &Path,
        workspace: &Path,
        zipped_bytes: u64,
    ) -> Result<Added, PackageError> {
        let meta = fs::metadata(path).map_err(|source| not_opened(path, source))?;
        if meta.is_dir() {
            let root = fs::canonicalize(path).map_err(|source| not_opened(path, source))?;
            let found = survey(&root)?;
            self.warnings.extend(found.warnings);
            self.unpacked_bytes += found.bytes;
            if count == 1 {
                (self.root, self.access) = (Some(root), found.access);
            } else {
                make_directory(merged)?;
                copy_tree(&root, merged)?;
                self.root = Some(merged.to_owned());
            }
            return Ok(Added { zipped: 0 });
        }
        if !meta.is_file() {
            return Err(PackageError::NotAPackage { path: path.to_owned() });
        }
        let unpacked = if self.root.is_none() {
            unpack(path, merged, zipped_bytes)?
        } else {
            let staging = workspace.join(STAGING_DIRECTORY);
            let unpacked = unpack(path, &staging, zipped_bytes)?;
            move_over(&staging, merged)?;
            fs::remove_dir_all(&staging)
                .map_err(|source| PackageError::Write { path: staging, source })?;
            unpacked
        };
        self.root = Some(merged.to_owned());
        self.warnings.extend(unpacked.warnings);
        self.unpacked_bytes += unpacked.bytes;
        Ok(Added { zipped: unpacked.bytes })
    }
}
