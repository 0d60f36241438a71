//! Copying a tree that no bind can make readable, and laying one tree over another.
//!
//! # Invariants
//! - The source is opened directory by directory, links never followed: whoever owns it cannot
//!   make root read another file by swapping a name for a link meanwhile.
//! - What was there under the same name is replaced, never written through.
//! - Modes come out as 0755 and 0644, programs stay programs; pipes, sockets and devices stay away.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags};

use super::error::PackageError;

const DIRECTORY_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;

/// Copies what is in `source` into `target`, which is made if it is not there. Returns the bytes
/// copied.
///
/// # Errors
/// [`PackageError::Read`] and [`PackageError::Write`], naming the file.
pub fn copy_tree(source: &Path, target: &Path) -> Result<u64, PackageError> {
    let opened = rustix::fs::openat(CWD, source, DIRECTORY, Mode::empty())
        .map_err(|error| not_read(source, error.into()))?;
    make_directory(target)?;
    copy_inside(opened, source, target)
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// `NONBLOCK`: a name swapped for a pipe must not hold us up.
const ANYTHING: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// `source` and `target` are for messages and for writing; reading goes by descriptor.
fn copy_inside(directory: OwnedFd, source: &Path, target: &Path) -> Result<u64, PackageError> {
    let mut bytes = 0;
    let entries = Dir::read_from(&directory).map_err(|error| not_read(source, error.into()))?;
    for entry in entries {
        let entry = entry.map_err(|error| not_read(source, error.into()))?;
        let raw = entry.file_name();
        if matches!(raw.to_bytes(), b"." | b"..") {
            continue;
        }
        // A file system that does not tell says Unknown; those are seen after opening.
        let special =
            [FileType::Socket, FileType::Fifo, FileType::CharacterDevice, FileType::BlockDevice];
        if special.contains(&entry.file_type()) {
            continue;
        }
        let name = OsStr::from_bytes(raw.to_bytes());
        let (from, to) = (source.join(name), target.join(name));
        let opened = match rustix::fs::openat(&directory, raw, ANYTHING, Mode::empty()) {
            Ok(opened) => opened,
            Err(rustix::io::Errno::LOOP) => {
                let link = rustix::fs::readlinkat(directory.as_fd(), raw, Vec::new())
                    .map_err(|error| not_read(&from, error.into()))?;
                clear(&to)?;
                symlink(OsStr::from_bytes(link.to_bytes()), &to)
                    .map_err(|error| not_written(&to, error))?;
                continue;
            }
            // Sockets cannot be opened; devices without a driver neither.
            Err(rustix::io::Errno::NXIO) => continue,
            Err(error) => return Err(not_read(&from, error.into())),
        };
        let mut file = File::from(opened);
        let meta = file.metadata().map_err(|error| not_read(&from, error))?;
        if meta.is_dir() {
            if !fs::symlink_metadata(&to).is_ok_and(|there| there.is_dir()) {
                clear(&to)?;
            }
            make_directory(&to)?;
            bytes += copy_inside(file.into(), &from, &to)?;
        } else if meta.is_file() {
            clear(&to)?;
            let mode = FILE_MODE | if meta.mode() & 0o111 != 0 { 0o111 } else { 0 };
            bytes += copy_file(&mut file, &to, mode)?;
        }
    }
    Ok(bytes)
}

fn copy_file(from: &mut File, to: &Path, mode: u32) -> Result<u64, PackageError> {
    let written = OpenOptions::new().write(true).create_new(true).open(to).and_then(|mut file| {
        file.set_permissions(Permissions::from_mode(mode))?;
        io::copy(from, &mut file)
    });
    written.map_err(|error| not_written(to, error))
}

/// Moves what is in `source` over what is in `target`; both stand in one file system and are ours.
pub(super) fn move_over(source: &Path, target: &Path) -> Result<(), PackageError> {
    let entries = fs::read_dir(source).map_err(|error| not_read(source, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| not_read(source, error))?;
        let (from, to) = (entry.path(), target.join(entry.file_name()));
        let is_dir = |path: &Path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
        if is_dir(&from) && is_dir(&to) {
            move_over(&from, &to)?;
        } else {
            clear(&to)?;
            fs::rename(&from, &to).map_err(|error| not_written(&to, error))?;
        }
    }
    Ok(())
}

/// Makes a directory that all may read, unless it is there.
pub(super) fn make_directory(path: &Path) -> Result<(), PackageError> {
    match fs::create_dir(path) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(DIRECTORY_MODE)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
    .map_err(|error| not_written(path, error))
}

/// Removes whatever has this name.
fn clear(path: &Path) -> Result<(), PackageError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.map_err(|error| not_written(path, error))
}

fn not_read(path: &Path, source: io::Error) -> PackageError {
    PackageError::Read { path: path.to_owned(), source }
}

fn not_written(path: &Path, source: io::Error) -> PackageError {
    PackageError::Write { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::super::access::{Access, survey};
    use super::*;

    #[test]
    fn a_copy_can_be_read_by_all_and_keeps_programs_and_links() {
        let dir = tempfile::TempDir::new().unwrap();
        let source = dir.path().join("source");
        fs::create_dir_all(source.join("lib")).unwrap();
        for (file, mode) in [("app.py", 0o000), ("lib/run", 0o700), ("set", 0o4600)] {
            fs::write(source.join(file), "text").unwrap();
            fs::set_permissions(source.join(file), Permissions::from_mode(mode)).unwrap();
        }
        fs::set_permissions(source.join("lib"), Permissions::from_mode(0o700)).unwrap();
        symlink("lib/run", source.join("link")).unwrap();
        symlink("/etc/shadow", source.join("out")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(source.join("socket")).unwrap();
        rustix::fs::mknodat(
            CWD,
            source.join("pipe"),
            FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();

        let target = dir.path().join("target");
        assert_eq!(copy_tree(&source, &target).unwrap(), 12);
        assert_eq!(survey(&target).unwrap().access, Access::Everybody);
        let mode = |file: &str| fs::metadata(target.join(file)).unwrap().mode() & 0o7777;
        assert_eq!(
            (mode("app.py"), mode("lib/run"), mode("lib"), mode("set")),
            (0o644, 0o755, 0o755, 0o644)
        );
        assert_eq!(fs::read_link(target.join("link")).unwrap(), Path::new("lib/run"));
        assert!(target.join("out").is_symlink(), "copied as a link, not what it leads to");
        assert!(!target.join("socket").exists() && !target.join("pipe").exists());
    }

    #[test]
    fn a_tree_laid_over_another_replaces_and_never_writes_through_links() {
        let dir = tempfile::TempDir::new().unwrap();
        let outside = dir.path().join("outside");
        let (first, second) = (dir.path().join("first"), dir.path().join("second"));
        for sub in [
            &outside,
            &first.join("both"),
            &first.join("dir"),
            &second.join("both"),
            &second.join("linked"),
        ] {
            fs::create_dir_all(sub).unwrap();
        }
        symlink(&outside, first.join("linked")).unwrap();
        fs::write(first.join("both/kept"), "1").unwrap();
        fs::write(first.join("both/same"), "1").unwrap();
        fs::write(second.join("both/same"), "2").unwrap();
        fs::write(second.join("dir"), "a file now").unwrap();
        fs::write(second.join("linked/new"), "2").unwrap();
        for way in ["copy", "move"] {
            let target = dir.path().join(way);
            copy_tree(&first, &target).unwrap();
            match way {
                "copy" => drop(copy_tree(&second, &target).unwrap()),
                _ => move_over(&second, &target).unwrap(),
            }
            assert_eq!(fs::read_to_string(target.join("both/kept")).unwrap(), "1");
            assert_eq!(fs::read_to_string(target.join("both/same")).unwrap(), "2");
            assert!(target.join("dir").is_file());
            assert!(!target.join("linked").is_symlink() && target.join("linked/new").is_file());
            assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        }
    }
}
