//! `/tmp` in memory that outlives the sandboxes it is shown in.
//!
//! An environment keeps its `/tmp` when its runtime is started again. Memory mounted inside a sandbox
//! goes with it; mounted here, in the mount namespace that an ordinary user's spawner has to itself, it
//! stays, and each sandbox is shown a clone of the mount.
//!
//! # Invariants
//! - Nothing is mounted in a mount namespace that is not ours alone: root's spawner refuses.
//! - Everything goes with the spawner, whose namespace ends with it.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::sys;

/// Where the mounts are; sandboxes hide it below their own root in the making.
const PLACE: &str = "/sys";

/// The mounts, by the number of their environment.
#[derive(Debug, Default)]
pub(crate) struct Tmps {
    place: Option<PathBuf>,
}

impl Tmps {
    /// A clone of the environment's mount, made the first time.
    pub(crate) fn open(&mut self, environment: u32, bytes: u64) -> io::Result<OwnedFd> {
        let directory = self.place()?.join(environment.to_string());
        mount_once(&directory, |directory| mount_memory(directory, &in_memory(bytes)))?;
        sys::open_tree(&directory)
    }

    /// Frees it, if it was made. The memory is given back when no sandbox shows it any more.
    pub(crate) fn close(&mut self, environment: u32) -> io::Result<()> {
        let Some(place) = &self.place else { return Ok(()) };
        let directory = place.join(environment.to_string());
        if !directory.exists() {
            return Ok(());
        }
        umount2(&directory, MntFlags::MNT_DETACH)?;
        fs::remove_dir(&directory)
    }

    fn place(&mut self) -> io::Result<&Path> {
        if nix::unistd::geteuid().is_root() {
            let text = "root's spawner has no mount namespace of its own";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        if self.place.is_none() {
            mount_memory(Path::new(PLACE), "mode=700,size=1m")?;
        }
        Ok(self.place.get_or_insert_with(|| PathBuf::from(PLACE)))
    }
}

/// Options of memory of this size that everybody may write to. Its files are counted as on the image that
/// others have (one in 8 KiB), for an empty one costs no byte of its size but a kilobyte of the kernel's.
pub(crate) fn in_memory(bytes: u64) -> String {
    const BYTES_PER_FILE: u64 = 8_192;
    const FILES_MIN: u64 = 1_024;
    let files = (bytes / BYTES_PER_FILE).max(FILES_MIN);
    format!("mode=1777,size={bytes},nr_inodes={files}")
}

/// Makes the directory and mounts into it, unless that was done before: that it is there says so.
fn mount_once(directory: &Path, mount: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    match fs::create_dir(directory) {
        Ok(()) => mount(directory).map_err(|error| {
            // Left there, it would be taken for mounted the next time, and a bare directory shown.
            fs::remove_dir(directory).err().unwrap_or(error)
        }),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn mount_memory(target: &Path, options: &str) -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOATIME;
    Ok(mount(Some("tmpfs"), target, Some("tmpfs"), flags, Some(options))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_that_failed_is_tried_again() {
        let directory = std::env::temp_dir().join(format!("lb-tmp-{}", std::process::id()));
        let full = |_: &Path| Err(io::Error::from_raw_os_error(libc::ENOSPC));
        for _ in 0..2 {
            let error = mount_once(&directory, full).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
        }
        let mut mounts = 0;
        for _ in 0..2 {
            mount_once(&directory, |_| {
                mounts += 1;
                Ok(())
            })
            .unwrap();
        }
        assert_eq!(mounts, 1, "once made, it is not made again");
        fs::remove_dir(&directory).unwrap();
    }
}
