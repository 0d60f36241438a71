//! The template of each size: made once, proven by the kernel that will mount it, then only copied.
//!
//! # The recipe
//! - As few features as make a good scratch disk: extents, indexed directories, large files, extended
//!   attributes. No journal and no checksums (nobody mounts it after a crash), no resizing, no backup
//!   superblocks, nothing reserved for root. Without lazy tables there is no kernel thread that writes
//!   zeros into a fresh image.
//! - The size is what a function can *write*: the file is larger by the file system's own tables and by
//!   the 2 % (at most 16 MiB) the kernel holds back for extents. AWS's 512 MB shows as a little over
//!   512 MiB available in `df`; so does this.
//! - One inode per 8 KiB, twice mke2fs's default: functions unpack packages of small files
//!   (`node_modules`, wheels, models) there. 65,536 files at 512 MB, 1.3 million at 10 GB.
//! - The root directory is empty (no `lost+found`) and 1777, as `/tmp` is.
//!
//! # Invariants
//! - A template is complete when it has its name: it is formatted, mounted, measured and synced before
//!   it is renamed. A lock makes others wait rather than do the same; a killed maker's half-made file is
//!   overwritten by the next.
//! - The name carries the recipe's version: a changed recipe never meets an old template.
//!
//! # Sources
//! mke2fs(8), `fs/ext4/super.c` (`ext4_calculate_resv_clusters`), components.md 8.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, SeekFrom};
use rustix::io::Errno;

use super::loop_device::Loops;
use super::{TmpImageError, open_file_system};

/// Part of the name; to be raised with any change of what a template contains.
const RECIPE: u32 = 2;
const BLOCK_BYTES: u64 = 4096;
const INODE_BYTES: u64 = 256;
const BYTES_PER_INODE: u64 = 8192;
const MIB: u64 = 1024 * 1024;
const FEATURES: &str = "none,extent,filetype,flex_bg,sparse_super2,dir_index,large_file,dir_nlink,\
                        extra_isize,ext_attr";
/// What the kernel holds back: a fiftieth, at most 4,096 blocks (`ext4_calculate_resv_clusters`).
const HELD_BACK_SHARE: u64 = 50;
const HELD_BACK_MOST_BLOCKS: u64 = 4096;
/// First guess for bitmaps, descriptors and the like; the measured size corrects it.
const OTHER_BLOCKS: u64 = 64;
/// On top of what is asked for, so that a file of exactly that size fits with its own map.
const MAPS_BLOCKS: u64 = 256;
/// More than that by this much is as good as exact.
const SLACK_BLOCKS: u64 = 64;
/// Formatting, measuring and correcting; two are usual.
const ROUNDS: usize = 6;

/// Makes a directory only we can enter, if it is not there.
pub(super) fn make_private(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// `mkfs.ext4` on the path, or where distributions put it if the path is a plain user's.
pub(super) fn find_mkfs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join("mkfs.ext4"))
        .find(|program| program.is_file())
}

#[derive(Debug)]
pub(super) struct Templates {
    directory: PathBuf,
    mkfs: PathBuf,
}

impl Templates {
    pub(super) fn new(directory: PathBuf, mkfs: PathBuf) -> Self {
        Self { directory, mkfs }
    }

    /// The template of a size and its path, made if it is not there.
    pub(super) fn open(
        &self,
        size_mb: u32,
        loops: &Loops,
    ) -> Result<(PathBuf, File), TmpImageError> {
        let path = self.directory.join(format!("ext4-r{RECIPE}-{size_mb}mb.img"));
        let failed = |source| TmpImageError::Template { path: path.clone(), source };
        match File::open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(failed(source)),
        }
        // The directory may be gone too, when somebody emptied the data directory under us.
        make_private(&self.directory).map_err(failed)?;
        let lock = File::create(self.directory.join("lock")).map_err(failed)?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)
            .map_err(|errno| failed(errno.into()))?;
        if !path.try_exists().map_err(failed)? {
            let half_made = path.with_extension("new");
            self.make(&half_made, size_mb, loops)?;
            fs::rename(&half_made, &path).map_err(failed)?;
        }
        let file = File::open(&path).map_err(failed)?;
        Ok((path, file))
    }

    fn make(&self, path: &Path, size_mb: u32, loops: &Loops) -> Result<(), TmpImageError> {
        let failed = |source| TmpImageError::Template { path: path.to_owned(), source };
        let wanted_bytes = u64::from(size_mb) * MIB;
        let wanted = wanted_bytes / BLOCK_BYTES + MAPS_BLOCKS;
        let inodes = wanted_bytes / BYTES_PER_INODE;
        let mut blocks = wanted
            + inodes * INODE_BYTES / BLOCK_BYTES
            + (wanted / HELD_BACK_SHARE).min(HELD_BACK_MOST_BLOCKS)
            + OTHER_BLOCKS;
        let mut available = 0;
        for _ in 0..ROUNDS {
            let file = File::options()
                .create(true)
                .truncate(true)
                .read(true)
                .write(true)
                .open(path)
                .map_err(failed)?;
            file.set_len(blocks * BLOCK_BYTES).map_err(failed)?;
            self.format(path, inodes)?;
            available = finish(&file, loops, path)?;
            if (wanted..=wanted + SLACK_BLOCKS).contains(&available) {
                return file.sync_all().map_err(failed);
            }
            blocks = (blocks + wanted).saturating_sub(available);
        }
        let available_bytes = available * BLOCK_BYTES;
        Err(TmpImageError::Size { path: path.to_owned(), available_bytes, wanted_bytes })
    }

    fn format(&self, path: &Path, inodes: u64) -> Result<(), TmpImageError> {
        let output = Command::new(&self.mkfs)
            .args(["-q", "-F", "-t", "ext4", "-m", "0"])
            .args(["-b", &BLOCK_BYTES.to_string(), "-I", &INODE_BYTES.to_string()])
            .args(["-N", &inodes.to_string(), "-O", FEATURES])
            .args(["-E", "num_backup_sb=0,lazy_itable_init=0,root_owner=0:0"])
            .arg(path)
            .env_remove("MKE2FS_CONFIG")
            // A Ctrl-C is for lambdabox: a template cut short would be told as a failure.
            .process_group(0)
            .stdin(Stdio::null())
            .output()
            .map_err(|source| TmpImageError::Template { path: self.mkfs.clone(), source })?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = format!("{} ({})", said.trim(), output.status);
        Err(TmpImageError::Format { path: path.to_owned(), said })
    }
}

/// Gives the root directory its mode, empties it, and returns the blocks a function can write.
fn finish(file: &File, loops: &Loops, path: &Path) -> Result<u64, TmpImageError> {
    let attached = loops.attach(file)?;
    let mount = open_file_system(&attached)?;
    let finish = || -> Result<u64, Errno> {
        // The mount's descriptor only names a place; modes are changed through a real one.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(mount.as_fd(), ".", flags, Mode::empty())?;
        rustix::fs::unlinkat(&root, "lost+found", AtFlags::REMOVEDIR)?;
        rustix::fs::fchmod(&root, Mode::RWXU | Mode::RWXG | Mode::RWXO | Mode::SVTX)?;
        Ok(rustix::fs::fstatvfs(&root)?.f_bavail)
    };
    finish()
        .map_err(|errno| TmpImageError::Template { path: path.to_owned(), source: errno.into() })
}

/// Copies the data and leaves the holes: 140 KiB of a 512 MB template.
///
/// Plain reads and writes: for so little they cost what `copy_file_range` does and work between any
/// two file systems. No reflink: sharing extents would make every first write to the image copy them.
pub(super) fn copy(from: &File, to: &File) -> io::Result<()> {
    const CHUNK_BYTES: usize = 128 * 1024;
    let length = from.metadata()?.len();
    to.set_len(length)?;
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut at = 0;
    while at < length {
        at = match rustix::fs::seek(from, SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            Err(errno) => return Err(errno.into()),
        };
        let end = rustix::fs::seek(from, SeekFrom::Hole(at))?;
        while at < end {
            let want = usize::try_from(end - at).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
            from.read_exact_at(&mut buffer[..want], at)?;
            to.write_all_at(&buffer[..want], at)?;
            at += want as u64;
        }
    }
    Ok(())
}
