//! A function or layer as the bytes that are sent.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read as _, Seek as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::error::ClientError;
use super::ignored::Ignored;
use super::progress::Progress;
use crate::catalog::{MemberFault, MemberKind, zip_tree};

/// A zip sent with a request (Lambda quotas: 50 MB).
const MAX_ZIP_BYTES: u64 = 52_428_800;
/// Deflate's own default: what is sent is to stay below the limit.
const COMPRESSION_LEVEL: i64 = 6;

/// A zip.
pub(super) struct Packed {
    pub(super) bytes: Vec<u8>,
    /// As `CodeSha256` has it.
    pub(super) sha256: String,
    /// What of the directory is not in it.
    pub(super) left_out: Option<String>,
}

impl Packed {
    /// `ZipFile`.
    pub(super) fn base64(&self) -> String {
        STANDARD.encode(&self.bytes)
    }
}

/// Packs a directory, or takes a zip as it is. Blocks.
pub(super) fn pack(path: &Path, progress: &Progress) -> Result<Packed, ClientError> {
    let (bytes, left_out) = match path.is_dir() {
        true => zipped(path, progress)?,
        false => {
            let unreadable = |source| ClientError::Unreadable { path: path.to_owned(), source };
            check_size(path, fs::metadata(path).map_err(unreadable)?.len())?;
            (fs::read(path).map_err(unreadable)?, None)
        }
    };
    check_size(path, u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
    let sha256 = STANDARD.encode(Sha256::digest(&bytes));
    Ok(Packed { bytes, sha256, left_out })
}

fn zipped(root: &Path, progress: &Progress) -> Result<(Vec<u8>, Option<String>), ClientError> {
    let failed = |source: io::Error| ClientError::Unpackable { path: root.to_owned(), source };
    let mut ignored = Ignored::of(root)?;
    let mut file = tempfile::tempfile().map_err(failed)?;
    let mut files = 0_u64;
    let mut links = HashMap::new();
    zip_tree(root, &file, COMPRESSION_LEVEL, |path, kind| {
        files += 1;
        progress.step(format!("packing {}: {files} files", root.display()));
        let is_taken = ignored.takes(path, kind == MemberKind::Directory);
        if is_taken && let Ok(target) = fs::read_link(root.join(path)) {
            links.insert(path.to_owned(), target);
        }
        is_taken
    })
    .map_err(failed)?;
    // The host would refuse all of it, in AWS's words, which do not say what of it.
    if let Some((link, _)) = MemberFault::of_links(&links) {
        let target = links.remove(&link).unwrap_or_default();
        return Err(ClientError::LinkOutside { path: root.to_owned(), link, target });
    }
    check_size(root, file.metadata().map_err(failed)?.len())?;
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).map_err(failed)?;
    Ok((bytes, ignored.listed()))
}

fn check_size(path: &Path, bytes: u64) -> Result<(), ClientError> {
    let limit = MAX_ZIP_BYTES;
    match bytes > limit {
        true => Err(ClientError::TooLarge { path: path.to_owned(), bytes, limit }),
        false => Ok(()),
    }
}
