//! A function's package on disk, made by a test and gone with it.

use std::io::{Cursor, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A directory that holds a function.
pub(crate) struct Function {
    dir: TempDir,
}

impl Function {
    /// An empty package.
    pub(crate) fn empty() -> Self {
        let dir = tempfile::Builder::new().prefix("e2e-function-").tempdir().unwrap();
        Self { dir }
    }

    /// A Python function under AWS's default name, `lambda_function.lambda_handler`.
    pub(crate) fn python(source: &str) -> Self {
        Self::empty().file("lambda_function.py", source)
    }

    /// A custom runtime: an executable `bootstrap` with this text.
    pub(crate) fn bootstrap(script: &str) -> Self {
        Self::empty().executable("bootstrap", script)
    }

    /// Adds a file; its directories are made.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// Adds an executable file.
    pub(crate) fn executable(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let this = self.file(name, content);
        this.mode(name, 0o755)
    }

    /// Changes a file's mode.
    pub(crate) fn mode(self, name: &str, mode: u32) -> Self {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.dir.path().join(name), permissions).unwrap();
        self
    }

    /// The package's directory.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A path inside the package.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// A zip with these members, names taken verbatim, so hostile names get through.
/// A mode with the symbolic link bit makes a link to the content.
pub(crate) fn zip_bytes(members: &[(&str, &[u8], u32)]) -> Vec<u8> {
    /// File type bits of a symbolic link (`stat(2)`, `S_IFLNK`).
    const SYMLINK: u32 = 0o120_000;
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content, mode) in members {
        let options = zip::write::SimpleFileOptions::default().unix_permissions(mode & 0o7777);
        if mode & SYMLINK == SYMLINK {
            zip.add_symlink(*name, std::str::from_utf8(content).unwrap(), options).unwrap();
        } else {
            zip.start_file(*name, options).unwrap();
            zip.write_all(content).unwrap();
        }
    }
    zip.finish().unwrap().into_inner()
}
