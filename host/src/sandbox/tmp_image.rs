//! `/tmp` as a file system of its own: sized, executable, and not the function's memory.
//!
//! An ext4 image on a loop device, copied from a template that is made once per size. What a function
//! writes there is page cache that the kernel can take back, where tmpfs would count it as the
//! function's memory and end at its cap.
//!
//! # Life
//! [`TmpImages::make`] copies the template into a file without a name, attaches it and opens its file
//! system. The sandbox's init mounts the device: by then the kernel has the file system open, so that
//! mount costs microseconds. [`TmpImage`] keeps it open through resets of the environment. When it is
//! dropped and the last mount is gone, the kernel detaches the device and frees the disk; so it does
//! when the host is killed, because every holder is a descriptor or a mount namespace.
//!
//! # Mounting
//! Type [`TmpImage::FILE_SYSTEM`], options [`TmpImage::MOUNT_OPTIONS`], flags nosuid, nodev, noatime.
//!
//! # Invariants
//! - No image has a name on disk; a killed host leaves a template (kept on purpose) and nothing else.
//! - Loop devices the kernel had to make for us are removed again: when the last holder of
//!   [`TmpImages`] is gone, or by the next [`TmpImages::open`] if it was killed.
//! - The data directory must not be memory (tmpfs), or `/tmp` is memory again.
//!
//! # Not here
//! The fallback to tmpfs where [`TmpImages::probe`] finds no means (`pool`), mounting (`bootstrap`).
//!
//! # Sources
//! sandbox.md 2 ("`/tmp`"), components.md 8, loop(4), ext4(5).

mod loop_device;
mod template;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
use thiserror::Error;

use loop_device::{Loop, Loops};
use template::Templates;

/// What [`TmpImages::probe`] found.
#[derive(Debug)]
pub struct Means {
    control: File,
    mkfs: PathBuf,
}

/// Why this machine, or this user, cannot have `/tmp` images.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Missing {
    /// Loop devices and mounting ext4 are root's.
    #[error("not running as root")]
    Root,
    /// `/dev/loop-control` cannot be opened.
    #[error("failed to open {}", loop_device::CONTROL)]
    LoopControl(#[source] io::Error),
    /// The kernel has no ext4, or root here may not mount (a container).
    #[error("failed to open ext4 in the kernel")]
    Ext4(#[source] io::Error),
    /// `mkfs.ext4` is nowhere on the path.
    #[error("mkfs.ext4 is not installed")]
    Mkfs,
}

impl Missing {
    /// What the operator can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Root => "run as root",
            Self::LoopControl(source) if source.kind() == io::ErrorKind::NotFound => {
                "modprobe loop; in a container, run it privileged"
            }
            Self::LoopControl(_) => "run as root outside a container, or in a privileged one",
            Self::Ext4(source) if source.raw_os_error() == Some(libc_enodev()) => "modprobe ext4",
            Self::Ext4(_) => "run as root outside a container, or in a privileged one",
            Self::Mkfs => "apt-get install e2fsprogs",
        }
    }
}

fn libc_enodev() -> i32 {
    rustix::io::Errno::NODEV.raw_os_error()
}

/// A `/tmp` image could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TmpImageError {
    /// The directory of the templates.
    #[error("failed to make the directory {}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The template's file.
    #[error("failed to make the /tmp template {}", path.display())]
    Template {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `mkfs.ext4` ran and failed, for instance on a full disk.
    #[error("failed to format the /tmp template {}: {said}", path.display())]
    Format {
        /// Which.
        path: PathBuf,
        /// Its last words.
        said: String,
    },
    /// The formatted file system never came out at the size asked for.
    #[error("failed to size the /tmp template {}: {available_bytes} of {wanted_bytes} bytes",
        path.display())]
    Size {
        /// Which.
        path: PathBuf,
        /// What it offers.
        available_bytes: u64,
        /// What it should.
        wanted_bytes: u64,
    },
    /// The environment's own copy, for instance on a full disk.
    #[error("failed to copy the /tmp template {} into {}", template.display(), directory.display())]
    Copy {
        /// From.
        template: PathBuf,
        /// The directory the nameless copy is in.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A call on a loop device.
    #[error("failed to {step} {}", device.display())]
    Loop {
        /// What was tried.
        step: &'static str,
        /// On which device.
        device: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others took every free loop device first.
    #[error("failed to get a loop device in {attempts} attempts")]
    Contended {
        /// How often it was tried.
        attempts: u32,
    },
    /// The kernel did not take the image as a file system.
    #[error("failed to open the file system of {}", device.display())]
    Mount {
        /// On which device.
        device: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Makes `/tmp` images. Keep one for the life of the host: the loop devices made for it are reused.
#[derive(Debug)]
pub struct TmpImages {
    templates: Templates,
    loops: Arc<Loops>,
}

impl TmpImages {
    /// Whether this machine and user can have `/tmp` images. Microseconds; changes nothing.
    ///
    /// # Errors
    /// The first thing missing, with its remedy.
    pub fn probe() -> Result<Means, Missing> {
        if !rustix::process::geteuid().is_root() {
            return Err(Missing::Root);
        }
        let control = loop_device::open_control().map_err(Missing::LoopControl)?;
        rustix::mount::fsopen(TmpImage::FILE_SYSTEM, FsOpenFlags::FSOPEN_CLOEXEC)
            .map_err(|errno| Missing::Ext4(errno.into()))?;
        let mkfs = template::find_mkfs().ok_or(Missing::Mkfs)?;
        Ok(Means { control, mkfs })
    }

    /// Keeps templates below `data_dir`, and removes loop devices that killed hosts left there idle
    /// (about 45 ms each, the kernel's own time).
    ///
    /// # Errors
    /// The directory cannot be made or read.
    pub fn open(means: Means, data_dir: &Path) -> Result<Self, TmpImageError> {
        let directory = data_dir.join("tmp-images");
        let failed = |source| TmpImageError::Directory { path: directory.clone(), source };
        template::make_private(&directory).map_err(failed)?;
        let loops = Loops::new(means.control, &directory);
        loops.sweep().map_err(failed)?;
        Ok(Self { templates: Templates::new(directory, means.mkfs), loops: Arc::new(loops) })
    }

    /// A fresh, empty image that offers `size_mb` MiB, its nameless file on the disk of `work_dir`.
    ///
    /// About 1.5 ms; 30 ms more the first time a size is asked for. Blocks. Safe to call from several
    /// threads and processes at once.
    ///
    /// # Errors
    /// Disk full, data directory not writable, or the kernel's; each names the path.
    pub fn make(&self, size_mb: u32, work_dir: &Path) -> Result<TmpImage, TmpImageError> {
        let (path, template) = self.templates.open(size_mb, &self.loops)?;
        let image = tempfile::tempfile_in(work_dir)
            .and_then(|image| template::copy(&template, &image).map(|()| image))
            .map_err(|source| TmpImageError::Copy {
                template: path,
                directory: work_dir.to_owned(),
                source,
            })?;
        let attached = self.loops.attach(&image)?;
        let root = open_file_system(&attached)?;
        Ok(TmpImage { _root: root, attached, _loops: Arc::clone(&self.loops) })
    }
}

/// One environment's `/tmp`. Its content lives as long as this, through any number of unmounts.
///
/// Dropping it blocks while the kernel writes what is left in its cache back to a file nobody will
/// read (50 ms for 400 MB): drop it where that hurts nobody.
#[derive(Debug)]
pub struct TmpImage {
    // Order of dropping: the file system, then the device, then (last holder) the device's node.
    /// A mount that is nowhere attached: keeps the kernel's file system open between sandboxes.
    _root: OwnedFd,
    attached: Loop,
    _loops: Arc<Loops>,
}

impl TmpImage {
    /// What to mount it as.
    pub const FILE_SYSTEM: &str = "ext4";

    /// File system options for every mount of it (the flags are in the module's header).
    ///
    /// `nobarrier`: a flush would make the host's disk write a file that nobody reads after a crash.
    /// It was 340 ms of 400 at unmounting 400 MB, and every `fsync` of a function's SQLite.
    pub const MOUNT_OPTIONS: &str = "nobarrier";

    /// The block device, such as `/dev/loop3`.
    pub fn device(&self) -> &Path {
        &self.attached.device
    }

    /// Another descriptor of the device, to hand to whoever mounts it.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        self.attached.descriptor.try_clone()
    }
}

/// Has the kernel open the file system on a device; the mount is attached to nothing.
fn open_file_system(attached: &Loop) -> Result<OwnedFd, TmpImageError> {
    let open = || -> Result<OwnedFd, rustix::io::Errno> {
        let context = rustix::mount::fsopen(TmpImage::FILE_SYSTEM, FsOpenFlags::FSOPEN_CLOEXEC)?;
        rustix::mount::fsconfig_set_string(context.as_fd(), "source", &attached.device)?;
        rustix::mount::fsconfig_set_flag(context.as_fd(), TmpImage::MOUNT_OPTIONS)?;
        rustix::mount::fsconfig_create(context.as_fd())?;
        rustix::mount::fsmount(
            context.as_fd(),
            FsMountFlags::FSMOUNT_CLOEXEC,
            MountAttrFlags::MOUNT_ATTR_NOSUID
                | MountAttrFlags::MOUNT_ATTR_NODEV
                | MountAttrFlags::MOUNT_ATTR_NOEXEC
                | MountAttrFlags::MOUNT_ATTR_NOATIME,
        )
    };
    open().map_err(|errno| TmpImageError::Mount {
        device: attached.device.clone(),
        source: errno.into(),
    })
}
