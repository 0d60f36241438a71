//! The directories an interpreter would search for packages, of those that exist.

use std::path::{Path, PathBuf};

/// In the order Python has them: the user's, then those of the prefix. `homes` come with the
/// caller's first.
pub(crate) fn site_directories<'a>(
    prefix: &Path,
    minor: &str,
    homes: impl Iterator<Item = &'a Path>,
) -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> =
        homes.map(|home| home.join(format!(".local/lib/python{minor}/site-packages"))).collect();
    if prefix == Path::new("/usr") {
        // Debian's own two, before what other distributions have there.
        directories.push(format!("/usr/local/lib/python{minor}/dist-packages").into());
        directories.push(format!("/usr/local/lib/python{minor}/site-packages").into());
        directories.push("/usr/lib/python3/dist-packages".into());
    }
    directories.push(prefix.join(format!("lib/python{minor}/site-packages")));
    directories.push(prefix.join(format!("lib64/python{minor}/site-packages")));
    directories.retain(|directory| directory.is_dir());
    directories
}

/// A virtual environment's, of those that exist.
pub(crate) fn venv_site_directories(venv: &Path, minor: &str) -> Vec<PathBuf> {
    let mut directories = vec![venv.join(format!("lib/python{minor}/site-packages"))];
    // `lib64` is a link to `lib` nearly everywhere; a second name for one directory is of no use.
    if !venv.join("lib64").is_symlink() {
        directories.push(venv.join(format!("lib64/python{minor}/site-packages")));
    }
    directories.retain(|directory| directory.is_dir());
    directories
}
