//! Opening what a user names as a function: a source file, a directory, or a zip.
//!
//! # Sources
//! `reference/lambda-service.md` sections 5 and 22 (size limit).

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::access::{Access, survey};
use super::error::PackageError;
use super::unpack::unpack;

/// Code and layers together, unpacked (Lambda quotas: 250 MB).
pub const MAX_UNPACKED_BYTES: u64 = 262_144_000;

/// Name of the unpacked code below the workspace.
const TASK_DIRECTORY: &str = "task";

/// Directories that are the machine's own: a function given as a file in one would see, and as root
/// be able to read, all of it.
const SYSTEM_DIRECTORIES: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/share",
    "/var",
];

/// What the user named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// One file; its directory is the package.
    File,
    /// A directory.
    Directory,
    /// A zip, unpacked into the workspace.
    Zip,
}

/// Stands in commands for the directory a zip was made of.
const SOURCE_OF_A_ZIP: &str = "DIRECTORY-OF-THE-ZIP";

/// A function's code, ready to become `/var/task`.
#[derive(Debug, Clone)]
pub struct Package {
    /// The directory to bind.
    pub root: PathBuf,
    /// What messages call `root`: of a zip the zip, which the user knows.
    pub called: PathBuf,
    /// Name, below `root`, of the file the user named.
    pub entry_file: Option<PathBuf>,
    /// What the user named.
    pub origin: Origin,
    /// Sum of the files' sizes.
    pub unpacked_bytes: u64,
    /// Things worth saying on stderr.
    pub warnings: Vec<String>,
    /// Whose rights are needed to read it.
    pub access: Access,
}

impl Package {
    /// Where the user adds to the code, for commands to be typed; of a zip that is not known.
    pub(crate) fn source(&self) -> &Path {
        match self.origin {
            Origin::Zip => Path::new(SOURCE_OF_A_ZIP),
            Origin::File | Origin::Directory => &self.root,
        }
    }

    /// What messages call a file of `root`.
    pub(crate) fn called(&self, file: &Path) -> PathBuf {
        file.strip_prefix(&self.root)
            .map_or_else(|_| file.to_owned(), |name| self.called.join(name))
    }
}

/// Opens a package. A zip is unpacked to `task` below `workspace`, which must be there and be new.
/// `homes` are home directories (the caller's, sudo's): none of them, nor anything above one, is
/// taken as a function's code.
///
/// # Errors
/// [`PackageError`], with nothing left in the workspace.
pub fn open(path: &Path, workspace: &Path, homes: &[PathBuf]) -> Result<Package, PackageError> {
    let meta = fs::metadata(path).map_err(|source| not_opened(path, source))?;
    if meta.is_dir() {
        return bound(path, None, Origin::Directory, homes);
    }
    if !meta.is_file() {
        return Err(PackageError::NotAPackage { path: path.to_owned() });
    }
    // A jar is a zip, and AWS unpacks it like one.
    if ["zip", "jar"]
        .iter()
        .any(|known| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(known)))
    {
        let root = workspace.join(TASK_DIRECTORY);
        let unpacked = unpack(path, &root, 0)?;
        return Ok(Package {
            root,
            called: path.to_owned(),
            entry_file: None,
            origin: Origin::Zip,
            unpacked_bytes: unpacked.bytes,
            warnings: unpacked.warnings,
            access: Access::Everybody,
        });
    }
    // The file's own name, not that of what it may be a link to: the handler is called after it.
    let name = path.file_name().map(PathBuf::from);
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    bound(directory.unwrap_or(Path::new(".")), name, Origin::File, homes)
}

/// A directory of the user's, used where it stands.
fn bound(
    directory: &Path,
    entry_file: Option<PathBuf>,
    origin: Origin,
    homes: &[PathBuf],
) -> Result<Package, PackageError> {
    let root = fs::canonicalize(directory).map_err(|source| not_opened(directory, source))?;
    refuse_too_much(&root, homes)?;
    let found = survey(&root)?;
    let mut warnings = found.warnings;
    if found.bytes > MAX_UNPACKED_BYTES {
        warnings.push(format!(
            "{} holds {} bytes; Lambda's limit is {MAX_UNPACKED_BYTES} (250 MB) for code and \
             layers together, so this function could not be deployed as it is",
            root.display(),
            found.bytes
        ));
    }
    if is_shared(&root) {
        warnings.push(format!(
            "{} is shared by all programs of this machine, and the function sees all of it; put \
             the function into a directory of its own",
            root.display()
        ));
    }
    let (unpacked_bytes, access) = (found.bytes, found.access);
    Ok(Package { called: root.clone(), root, entry_file, origin, unpacked_bytes, warnings, access })
}

fn refuse_too_much(root: &Path, homes: &[PathBuf]) -> Result<(), PackageError> {
    let what = if root == Path::new("/") {
        "the whole machine"
    } else if homes.iter().any(|home| is_home(root, home)) {
        "a home directory, or above one"
    } else if SYSTEM_DIRECTORIES.iter().any(|directory| root == Path::new(directory)) {
        "a directory of the system"
    } else {
        return Ok(());
    };
    Err(PackageError::TooMuchToShow { root: root.to_owned(), what })
}

fn is_home(root: &Path, home: &Path) -> bool {
    // A home that cannot be resolved is compared as it is written.
    let resolved = fs::canonicalize(home).unwrap_or_else(|_| home.to_owned());
    // Some system users have `/` for a home; that is the case above.
    resolved != Path::new("/") && resolved.starts_with(root)
}

/// World-writable, as `/tmp` is.
fn is_shared(root: &Path) -> bool {
    fs::metadata(root).is_ok_and(|meta| meta.mode() & 0o1002 == 0o1002)
}

pub(super) fn not_opened(path: &Path, source: io::Error) -> PackageError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => PackageError::NoSuchPath { path },
        _ => PackageError::Read { path, source },
    }
}

#[cfg(test)]
mod tests;
