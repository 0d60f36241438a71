//! Mount trees as descriptors.
//!
//! # Sources
//! `open_tree(2)`, `mount_setattr(2)`, `move_mount(2)`.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

use super::call::check;

/// `MOUNT_ATTR_RDONLY`.
pub const ATTR_READ_ONLY: u64 = 0x1;
/// `MOUNT_ATTR_NOSUID`.
pub const ATTR_NO_SUID: u64 = 0x2;
/// `MOUNT_ATTR_NODEV`.
pub const ATTR_NO_DEV: u64 = 0x4;
/// `MOUNT_ATTR_NOEXEC`.
pub const ATTR_NO_EXEC: u64 = 0x8;
const ATTR_IDMAP: u64 = 0x0010_0000;

/// A detached copy of the mount tree at `path`, with everything mounted below it.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`, `ENOENT`, `ENOSYS` before Linux 5.2.
pub fn open_tree(path: &Path) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    const OPEN_TREE_CLONE: libc::c_uint = 1;
    let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC as u32 | libc::AT_RECURSIVE as u32;
    // SAFETY: the path outlives the call.
    let fd =
        check(unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) })?;
    // SAFETY: a new descriptor nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Sets attributes on every mount of a detached tree and makes it private; with `idmap`, also maps
/// the owners of its files through that user namespace.
///
/// # Errors
/// `ENOSYS` before Linux 5.12; `EINVAL` where the file system cannot be id-mapped.
pub fn mount_attributes(
    tree: BorrowedFd<'_>,
    set: u64,
    idmap: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    // struct mount_attr: attr_set, attr_clr, propagation, userns_fd (mount_setattr(2)).
    let mut attr = [set, 0, libc::MS_PRIVATE, 0];
    if let Some(userns) = idmap {
        attr[0] |= ATTR_IDMAP;
        attr[3] = userns.as_raw_fd() as u64;
    }
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    // SAFETY: `attr` has the layout and size of struct mount_attr and outlives the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            flags,
            attr.as_ptr(),
            size_of_val(&attr),
        )
    })
    .map(drop)
}

/// Attaches a detached tree at `target` of the caller's mount namespace.
///
/// # Errors
/// The kernel's.
pub fn move_mount(tree: BorrowedFd<'_>, target: &Path) -> io::Result<()> {
    let target = c_path(target)?;
    const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 0x4;
    // SAFETY: both strings outlive the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    })
    .map(drop)
}

fn c_path(path: &Path) -> io::Result<CString> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}
