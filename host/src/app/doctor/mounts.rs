//! The mount table, as far as it tells what is read-only and what is hidden.
//!
//! # Sources
//! `proc_pid_mountinfo(5)`; `fs/namespace.c`, `mnt_already_visible`.

use std::path::{Path, PathBuf};

use crate::sandbox::lease::unescape_mount;

/// Directories the kernel itself keeps empty for others to mount on: what stands there hides
/// nothing, and the kernel does not count it as hiding.
const MOUNT_POINTS_OF_PROC: [&str; 4] =
    ["/proc/sys/fs/binfmt_misc", "/proc/fs/nfsd", "/proc/openprom", "/proc/xen"];

/// Every mount, in the order of the table.
#[derive(Debug, Clone, Default)]
pub(super) struct Mounts(Vec<Mount>);

#[derive(Debug, Clone)]
struct Mount {
    point: PathBuf,
    is_read_only: bool,
}

impl Mounts {
    /// Of the text of `/proc/self/mountinfo`; a line that is none is left out.
    pub(super) fn parse(mountinfo: &str) -> Self {
        Self(mountinfo.lines().filter_map(Mount::parse).collect())
    }

    /// Where the mount that `path` is on is, if it cannot be written to.
    pub(super) fn read_only(&self, path: &Path) -> Option<&Path> {
        let over = self.0.iter().filter(|mount| path.starts_with(&mount.point));
        // Of two at one place the later covers the earlier, and `max_by_key` keeps the last.
        let on = over.max_by_key(|mount| mount.point.components().count())?;
        on.is_read_only.then_some(&on.point)
    }

    /// What of `/proc` is hidden or made read-only by a mount over it, as containers do.
    pub(super) fn over_proc(&self) -> Vec<&Path> {
        let is_over = |point: &&Path| {
            point.starts_with("/proc")
                && *point != Path::new("/proc")
                && !MOUNT_POINTS_OF_PROC.iter().any(|empty| *point == Path::new(empty))
        };
        self.0.iter().map(|mount| mount.point.as_path()).filter(is_over).collect()
    }
}

impl Mount {
    /// `id parent dev root point options [tags] - type source superblock-options`
    fn parse(line: &str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(4);
        let point = PathBuf::from(unescape_mount(mount.next()?));
        let is_read_only = [mount.next()?, file_system.split(' ').nth(2)?]
            .iter()
            .any(|options| options.split(',').any(|option| option == "ro"));
        Some(Self { point, is_read_only })
    }
}
