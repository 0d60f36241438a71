//! Packages and layers, good and bad, each made for real.

mod layers;
mod limits;
mod places;
mod zips;

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};

use tempfile::TempDir;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::super::error::MemberFault;
use super::super::layers::{Layers, open_layers};
use super::super::unpack::MAX_MEMBERS;
use super::*;

/// A workspace and things to open.
struct Desk {
    dir: TempDir,
}

/// One member of a zip to be made.
#[derive(Clone, Copy)]
enum Member<'a> {
    File(&'a str, u32, &'a str),
    Link(&'a str, &'a str),
}

use Member::{File as Plain, Link};

impl Desk {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("work")).unwrap();
        Self { dir }
    }

    fn at(&self, path: &str) -> PathBuf {
        fs::canonicalize(self.dir.path()).unwrap().join(path)
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let file = self.at(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        file
    }

    fn zip(&self, name: &str, members: &[Member<'_>]) -> PathBuf {
        let path = self.at(name);
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        for member in members {
            match member {
                Plain(name, mode, text) => {
                    let options = SimpleFileOptions::default().unix_permissions(*mode);
                    zip.start_file(*name, options).unwrap();
                    zip.write_all(text.as_bytes()).unwrap();
                }
                Link(name, target) => {
                    zip.add_symlink(*name, *target, SimpleFileOptions::default()).unwrap();
                }
            }
        }
        zip.finish().unwrap();
        path
    }

    /// A zip whose first member's name is then overwritten in place, for names no tool would write.
    fn renamed(&self, from: &str, to: &[u8]) -> PathBuf {
        assert_eq!(from.len(), to.len());
        let path = self.zip("renamed.zip", &[Plain(from, 0o644, "x")]);
        self.patch(&path, |bytes| {
            for at in 0..bytes.len() - from.len() {
                if &bytes[at..at + from.len()] == from.as_bytes() {
                    bytes[at..at + from.len()].copy_from_slice(to);
                }
            }
        });
        path
    }

    fn patch(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    }

    fn open(&self, path: &Path) -> Result<Package, PackageError> {
        open(path, &self.at("work"), &[self.at("home")])
    }

    fn layers(&self, code: &Package, paths: &[PathBuf]) -> Result<Layers, PackageError> {
        open_layers(paths, &self.at("work"), code)
    }

    /// Opens what must be refused, and sees that nothing stays.
    fn refused(&self, path: &Path) -> PackageError {
        let error = self.open(path).unwrap_err();
        self.nothing_left();
        error
    }

    fn fault(&self, path: &Path) -> MemberFault {
        match self.refused(path) {
            PackageError::BadMember { fault, .. } => fault,
            other => panic!("{other:?}"),
        }
    }

    fn nothing_left(&self) {
        let left: Vec<_> = fs::read_dir(self.at("work")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Offsets of the central directory's headers.
fn central_headers(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len() - 4).filter(|at| bytes[*at..*at + 4] == *b"PK\x01\x02").collect()
}
