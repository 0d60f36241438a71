//! Places of the data directory that only its owner may look into: code, variables and logs hold secrets,
//! and the directory itself is whatever it was said to be.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Environments are shown trees by descriptor: no path above one has to be open to them.
pub(super) const DIRECTORY_MODE: u32 = 0o700;
pub(super) const FILE_MODE: u32 = 0o600;

/// Makes a directory that only its owner may enter, with its parents; or closes one that is there, such as
/// an earlier lambdabox made.
///
/// # Errors
/// Those of the file system, also if it is another user's.
pub fn directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path)?;
    fs::set_permissions(path, Permissions::from_mode(DIRECTORY_MODE))
}

/// The same for a file; what is in it stays. SQLite gives those beside it the same mode.
pub(super) fn file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(FILE_MODE);
    options.open(path)?.set_permissions(Permissions::from_mode(FILE_MODE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_or_found_is_the_owners_alone() {
        let top = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let (made, found) = (top.path().join("data/run"), top.path().join("found"));
        fs::create_dir(&found).unwrap();
        fs::set_permissions(&found, Permissions::from_mode(0o755)).unwrap();
        for directory in [&made, &found] {
            super::directory(directory).unwrap();
            assert_eq!(mode(directory), 0o700);
        }
        assert_eq!(mode(made.parent().unwrap()), 0o700);
        let file = found.join("store");
        fs::write(&file, "kept").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        super::file(&file).unwrap();
        assert_eq!((mode(&file), fs::read(&file).unwrap()), (0o600, b"kept".to_vec()));
    }
}
