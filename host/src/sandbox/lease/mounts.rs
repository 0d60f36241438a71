//! What is mounted below a directory, and taking it away.

use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};

use super::LeaseError;

/// Undoes the octal escapes of mountinfo (`\040` for a blank).
pub(crate) fn unescape_mount(field: &str) -> std::ffi::OsString {
    let bytes = field.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let octal = bytes
            .get(at + 1..at + 4)
            .filter(|_| bytes[at] == b'\\')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match octal {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    std::ffi::OsString::from_vec(out)
}

/// Detaches every mount on or below `dir`, deepest first. Lazily: a mount that is still in use
/// disappears from the tree now and for its user when that ends.
pub(super) fn detach_below(dir: &Path) -> Result<(), LeaseError> {
    let table = Path::new("/proc/self/mountinfo");
    let text = fs::read_to_string(table)
        .map_err(|source| LeaseError::Dir { path: table.to_owned(), source })?;
    // The table holds real paths; a part of ours may be a link.
    let dir = fs::canonicalize(dir)
        .map_err(|source| LeaseError::WorkDir { path: dir.to_owned(), source })?;
    for path in points_below(&text, &dir) {
        match unmount(&path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            // Gone already, with a mount it was on.
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
            Err(errno) => {
                return Err(LeaseError::Unmount { path, source: io::Error::from(errno) });
            }
        }
    }
    Ok(())
}

fn points_below(mountinfo: &str, dir: &Path) -> Vec<PathBuf> {
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    let mut points: Vec<PathBuf> =
        points.map(|p| PathBuf::from(unescape_mount(p))).filter(|p| p.starts_with(dir)).collect();
    points.sort_by_key(|p| std::cmp::Reverse(p.as_os_str().as_bytes().len()));
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_backslashes_of_mountinfo_are_undone() {
        assert_eq!(unescape_mount(r"/a\040b\134c\x"), r"/a b\c\x");
        assert_eq!(unescape_mount(r"/a\04"), r"/a\04");
    }

    #[test]
    fn mounts_below_are_listed_deepest_first_and_neighbours_left_out() {
        let info = "\
1 0 0:1 / /d/run/a.1 rw - tmpfs t rw
2 0 0:2 / /d/run/a.1/x\\040y rw - tmpfs t rw
3 0 0:3 / /d/run/a.10 rw - tmpfs t rw
4 0 0:4 / /d rw - tmpfs t rw
";
        let points = points_below(info, Path::new("/d/run/a.1"));
        assert_eq!(points, [PathBuf::from("/d/run/a.1/x y"), PathBuf::from("/d/run/a.1")]);
    }
}
