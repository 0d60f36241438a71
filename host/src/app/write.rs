//! Files of ours in the data directory and the work directory.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use lambdabox_runtimes::LoopFile;

use super::error::AppError;

/// Readable by every environment.
const DIRECTORY_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;

/// Makes a directory that everybody may enter, with its parents.
pub(super) fn directory(path: &Path) -> Result<(), AppError> {
    let failed = |source| AppError::Write { path: path.to_owned(), source };
    fs::create_dir_all(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(DIRECTORY_MODE)).map_err(failed)
}

/// A directory that holds a language's loop, made once for each content.
///
/// Safe beside other instances: the file appears whole, by a rename.
pub(super) fn language_loop(
    data_dir: &Path,
    language: &str,
    file: &LoopFile,
) -> Result<PathBuf, AppError> {
    let name = format!("{language}-{:016x}", content_name(file.text));
    let home = data_dir.join("loops").join(name);
    let path = home.join(file.name);
    if fs::metadata(&path).is_ok_and(|data| data.len() == file.text.len() as u64) {
        return Ok(home);
    }
    directory(&home)?;
    let write = || -> io::Result<()> {
        let mut temporary = tempfile::NamedTempFile::new_in(&home)?;
        temporary.write_all(file.text.as_bytes())?;
        temporary.as_file().set_permissions(fs::Permissions::from_mode(FILE_MODE))?;
        temporary.persist(&path)?;
        Ok(())
    };
    write().map_err(|source| AppError::Write { path: path.clone(), source })?;
    Ok(home)
}

/// Tells contents apart; nobody else can write to the directory, so it need not resist anyone.
fn content_name(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}
