//! Packages as files named by the hash of their bytes.
//!
//! # Invariants
//! - A file under its final name is whole and on disk: it is written aside, synced, renamed, and
//!   the directory synced.
//! - A blob somebody is about to write into the database is pinned, and a sweep leaves it alone.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use super::{StoreError, private};

const DIRECTORY: &str = "blobs";
/// Half-written files begin so.
const INCOMING: &str = ".incoming-";
const ENDING: &str = "zip";
const COPY_BYTES: usize = 128 * 1024;

/// The folder of packages.
#[derive(Debug, Clone)]
pub struct Blobs {
    directory: PathBuf,
    pins: Arc<Mutex<HashMap<String, usize>>>,
}

/// A package's hash and size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// In hexadecimal.
    pub sha256: String,
    /// Size.
    pub bytes: u64,
}

/// A blob that stays while this is held, whether or not anything refers to it.
#[derive(Debug)]
pub struct Pinned {
    blob: Blob,
    pins: Arc<Mutex<HashMap<String, usize>>>,
}

impl Pinned {
    /// Which.
    pub fn blob(&self) -> &Blob {
        &self.blob
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let mut pins = lock(&self.pins);
        if let Some(count) = pins.get_mut(&self.blob.sha256) {
            *count -= 1;
            if *count == 0 {
                pins.remove(&self.blob.sha256);
            }
        }
    }
}

impl Blobs {
    /// Opens or makes the folder below `directory`, and removes what a killed host half wrote.
    ///
    /// # Errors
    /// If the folder cannot be made or read.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let directory = directory.join(DIRECTORY);
        private::directory(&directory)
            .map_err(|source| StoreError::file("make", &directory, source))?;
        for name in names(&directory)? {
            if name.starts_with(INCOMING) {
                let path = directory.join(name);
                fs::remove_file(&path)
                    .map_err(|source| StoreError::file("remove", &path, source))?;
            }
        }
        Ok(Self { directory, pins: Arc::default() })
    }

    /// Keeps bytes. Blocks: it hashes and syncs.
    ///
    /// # Errors
    /// If they cannot be written; then nothing is left of them.
    pub fn keep(&self, bytes: &[u8]) -> Result<Pinned, StoreError> {
        self.take_in(bytes)
    }

    /// Keeps what a reader gives. Blocks.
    ///
    /// # Errors
    /// If it cannot be read or written; then nothing is left of it.
    pub fn take_in(&self, mut source: impl io::Read) -> Result<Pinned, StoreError> {
        let failed = |source| StoreError::file("write into", &self.directory, source);
        // Removed with its name unless it is kept.
        let mut incoming = tempfile::Builder::new()
            .prefix(INCOMING)
            .tempfile_in(&self.directory)
            .map_err(failed)?;
        let mut hash = Sha256::new();
        let mut bytes = 0;
        let mut buffer = vec![0; COPY_BYTES];
        loop {
            let read = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error)),
            };
            hash.update(&buffer[..read]);
            incoming.write_all(&buffer[..read]).map_err(failed)?;
            bytes += u64::try_from(read).expect("a buffer's length");
        }
        incoming.as_file().sync_all().map_err(failed)?;
        let sha256 = hex(&hash.finalize());
        let path = self.path(&sha256);
        // Pinned before it has its name: a sweep between the two must see the pin.
        let pinned = self.pin(Blob { sha256, bytes });
        incoming.persist(&path).map_err(|error| failed(error.error))?;
        File::open(&self.directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
        Ok(pinned)
    }

    /// Keeps a blob from being swept.
    pub fn pin(&self, blob: Blob) -> Pinned {
        *lock(&self.pins).entry(blob.sha256.clone()).or_default() += 1;
        Pinned { blob, pins: Arc::clone(&self.pins) }
    }

    /// Whether somebody is about to refer to it.
    pub fn is_pinned(&self, sha256: &str) -> bool {
        lock(&self.pins).contains_key(sha256)
    }

    /// Where a blob is, or would be.
    pub fn path(&self, sha256: &str) -> PathBuf {
        self.directory.join(format!("{sha256}.{ENDING}"))
    }

    /// Removes every blob that is neither needed nor pinned; returns their hashes.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub fn sweep(&self, needed: &BTreeSet<String>) -> Result<Vec<String>, StoreError> {
        let mut removed = Vec::new();
        for name in names(&self.directory)? {
            let Some(sha256) = name.strip_suffix(&format!(".{ENDING}")) else { continue };
            // Held while the file goes: one that is pinned meanwhile is written anew after it.
            let pins = lock(&self.pins);
            if needed.contains(sha256) || pins.contains_key(sha256) {
                continue;
            }
            let path = self.directory.join(&name);
            fs::remove_file(&path).map_err(|source| StoreError::file("remove", &path, source))?;
            removed.push(sha256.to_owned());
        }
        Ok(removed)
    }
}

fn names(directory: &Path) -> Result<Vec<String>, StoreError> {
    let failed = |source| StoreError::file("list", directory, source);
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    Ok(names)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lock(pins: &Mutex<HashMap<String, usize>>) -> MutexGuard<'_, HashMap<String, usize>> {
    // A count that was changed is whole even if its changer panicked later.
    pins.lock().unwrap_or_else(PoisonError::into_inner)
}
