//! Loop devices: getting one, attaching an image, and giving back what the kernel made for us.
//!
//! The kernel keeps a few idle devices and makes another when all are taken. Those stay for ever
//! unless somebody removes them, which takes the kernel about 45 ms: so they are reused while the host
//! runs and removed at its end.
//!
//! # Invariants
//! - A device the kernel made for us has a marker file, locked as long as we live. A marker that can be
//!   locked belongs to a killed host; one that cannot is a living neighbour's and is left alone.
//! - Removing asks the kernel, which refuses while anybody has the device open (EBUSY): a device
//!   somebody else uses by now stays, and so does its marker, for a later sweep.
//!
//! # Sources
//! loop(4); `drivers/block/loop.c` (`loop_control_remove`, `loop_configure`).

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use lambdabox_bootstrap::sys;
use rustix::fs::{FileType, FlockOperation, Mode};
use rustix::io::Errno;

use super::TmpImageError;

pub(super) const CONTROL: &str = "/dev/loop-control";
/// `LOOP_MAJOR` of linux/major.h.
const MAJOR: u32 = 7;
/// Each lost race means that another process won one, so this many must run at once to reach it.
const ATTEMPTS: u32 = 256;
const MARKER_PREFIX: &str = "made-loop";

pub(super) fn open_control() -> io::Result<File> {
    File::options().read(true).write(true).open(CONTROL)
}

/// An attached device. The kernel detaches it when this and every mount of it are gone.
#[derive(Debug)]
pub(super) struct Loop {
    pub(super) device: PathBuf,
    pub(super) descriptor: OwnedFd,
}

/// The way to loop devices.
#[derive(Debug)]
pub(super) struct Loops {
    control: File,
    /// Where the markers are.
    directory: PathBuf,
    /// Devices the kernel made for us, and the lock that keeps our threads from racing each other.
    made: Mutex<Vec<Made>>,
}

#[derive(Debug)]
struct Made {
    index: u32,
    /// Locked; closing it tells others that we are gone.
    _marker: File,
}

impl Loops {
    pub(super) fn new(control: File, directory: &Path) -> Self {
        Self { control, directory: directory.to_owned(), made: Mutex::new(Vec::new()) }
    }

    /// Attaches an image to a device of its own.
    pub(super) fn attach(&self, image: &File) -> Result<Loop, TmpImageError> {
        // A panic elsewhere leaves the list whole: it is only ever pushed to.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..ATTEMPTS {
            let failed = |step, device: &Path| {
                let device = device.to_owned();
                move |source| TmpImageError::Loop { step, device, source }
            };
            let control = Path::new(CONTROL);
            let existing = existing().map_err(failed("list the loop devices of", control))?;
            let index = sys::loop_free_index(self.control.as_fd())
                .map_err(failed("get a free loop device from", control))?;
            let device = PathBuf::from(format!("/dev/loop{index}"));
            if !existing.contains(&index) {
                let marker = self.mark(index).map_err(failed("note down", &device))?;
                made.extend(marker.map(|marker| Made { index, _marker: marker }));
            }
            let descriptor = match open(&device, index) {
                Ok(descriptor) => descriptor,
                // Removed by whoever made it, after we were told of it.
                Err(error) if is(&error, &[Errno::NXIO, Errno::NODEV]) => continue,
                Err(source) => return Err(failed("open", &device)(source)),
            };
            match sys::loop_configure(descriptor.as_fd(), image.as_fd()) {
                Ok(()) => return Ok(Loop { device, descriptor }),
                // Another process was told of the same one.
                Err(error) if is(&error, &[Errno::BUSY, Errno::NXIO]) => {}
                Err(source) => return Err(failed("attach an image to", &device)(source)),
            }
        }
        Err(TmpImageError::Contended { attempts: ATTEMPTS })
    }

    /// Removes idle devices that hosts which are gone had the kernel make.
    pub(super) fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let Some(index) = marked(&path) else { continue };
            let Some(_locked) = lock(&path)? else { continue };
            self.remove(index);
        }
        Ok(())
    }

    /// `None` if another host has marked the device already.
    fn mark(&self, index: u32) -> io::Result<Option<File>> {
        lock(&self.marker(index))
    }

    fn marker(&self, index: u32) -> PathBuf {
        self.directory.join(format!("{MARKER_PREFIX}{index}"))
    }

    /// A device that is in use keeps its marker, and a later sweep tries again; so does a marker that
    /// cannot be deleted. Neither is worth failing for.
    fn remove(&self, index: u32) {
        let removed = sys::loop_remove(self.control.as_fd(), index);
        let gone = removed.map_or_else(|error| is(&error, &[Errno::NODEV]), |()| true);
        if gone {
            drop(fs::remove_file(self.marker(index)));
        }
    }
}

impl Drop for Loops {
    fn drop(&mut self) {
        let made = std::mem::take(self.made.get_mut().unwrap_or_else(PoisonError::into_inner));
        for made in &made {
            self.remove(made.index);
        }
    }
}

fn is(error: &io::Error, any_of: &[Errno]) -> bool {
    any_of.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Numbers of the loop devices the kernel has.
fn existing() -> io::Result<HashSet<u32>> {
    let mut numbers = HashSet::new();
    for entry in fs::read_dir("/sys/block")? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("loop"));
        numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    Ok(numbers)
}

/// Opens a device, making its file first where `/dev` is not the kernel's own (a container).
fn open(device: &Path, index: u32) -> io::Result<OwnedFd> {
    let open = || File::options().read(true).write(true).open(device).map(OwnedFd::from);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let number = rustix::fs::makedev(MAJOR, index);
            let mode = Mode::RUSR | Mode::WUSR;
            match rustix::fs::mknodat(rustix::fs::CWD, device, FileType::BlockDevice, mode, number)
            {
                Ok(()) | Err(Errno::EXIST) => open(),
                Err(errno) => Err(errno.into()),
            }
        }
        opened => opened,
    }
}

fn marked(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_prefix(MARKER_PREFIX)?.parse().ok()
}

/// Makes and locks a marker; `None` if somebody alive holds it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}
