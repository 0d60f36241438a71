//! `/tmp` images on real loop devices. Without root or loop devices each test prints SKIP.

use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, thread};

use rustix::mount::{MountFlags, UnmountFlags};

use super::*;

const SIZE_MB: u32 = 512;
const MIB: u64 = 1024 * 1024;

/// Loop devices are the machine's: one test at a time counts them.
static MACHINE: Mutex<()> = Mutex::new(());

/// A data directory, a work directory on the same disk, and a place to mount.
struct Lab {
    images: TmpImages,
    root: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Lab {
    fn new() -> Option<Self> {
        let means = match TmpImages::probe() {
            Ok(means) => means,
            Err(missing) => {
                println!("SKIP: no loop images: {missing} ({})", missing.remedy());
                return None;
            }
        };
        let turn = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
        let root = tempfile::Builder::new().prefix("lb-tmp-image-").tempdir().unwrap();
        fs::create_dir(root.path().join("mount")).unwrap();
        let images = TmpImages::open(means, root.path()).unwrap();
        Some(Self { images, root, _turn: turn })
    }

    fn make(&self) -> TmpImage {
        self.images.make(SIZE_MB, self.root.path()).unwrap()
    }

    /// As the sandbox's init does it: by its path, with the documented options and flags.
    fn mount(&self, image: &TmpImage) -> Mounted {
        let at = self.root.path().join("mount");
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOATIME;
        let options = std::ffi::CString::new(TmpImage::MOUNT_OPTIONS).unwrap();
        rustix::mount::mount(image.device(), &at, TmpImage::FILE_SYSTEM, flags, options.as_c_str())
            .unwrap();
        Mounted(at)
    }

    /// Loop devices that files of this lab are attached to.
    fn attached(&self) -> usize {
        fs::read_dir("/sys/block")
            .unwrap()
            .filter_map(|entry| {
                fs::read_to_string(entry.unwrap().path().join("loop/backing_file")).ok()
            })
            .filter(|file| Path::new(file).starts_with(self.root.path()))
            .count()
    }
}

struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        rustix::mount::unmount(&self.0, UnmountFlags::empty()).unwrap();
    }
}

#[test]
fn an_image_is_empty_open_to_all_and_offers_what_was_asked_for() {
    let Some(lab) = Lab::new() else { return };
    for size_mb in [512, 513, 1024, 10_240] {
        let image = lab.images.make(size_mb, lab.root.path()).unwrap();
        let mounted = lab.mount(&image);
        assert_eq!(fs::read_dir(&mounted.0).unwrap().count(), 0, "no lost+found");
        let root = fs::metadata(&mounted.0).unwrap();
        assert_eq!((root.permissions().mode() & 0o7777, root.uid()), (0o1777, 0));
        let space = rustix::fs::statvfs(&mounted.0).unwrap();
        let available = space.f_bavail * space.f_frsize;
        let wanted = u64::from(size_mb) * MIB;
        assert!((wanted..=wanted + 2 * MIB).contains(&available), "{size_mb}: {available}");
        assert!(space.f_favail >= u64::from(size_mb) * 128, "{size_mb}: {} inodes", space.f_favail);
        let fsck = Command::new("e2fsck").args(["-fn"]).arg(image.device()).output().unwrap();
        assert!(fsck.status.code().is_some_and(|code| code & !1 == 0), "{fsck:?}");
    }
}

#[test]
fn a_full_image_says_no_space_after_all_of_it_was_written() {
    let Some(lab) = Lab::new() else { return };
    let image = lab.make();
    let mounted = lab.mount(&image);
    let mut file = File::create(mounted.0.join("fill")).unwrap();
    let block = vec![7; 1 << 20];
    let mut written = 0;
    let error = loop {
        match file.write(&block) {
            Ok(bytes) => written += bytes as u64,
            Err(error) => break error,
        }
    };
    drop(file);
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    let wanted = u64::from(SIZE_MB) * MIB;
    assert!((wanted..wanted + 2 * MIB).contains(&written), "{written}");
}

#[test]
fn what_was_written_outlives_the_mount_and_goes_with_the_image() {
    let Some(lab) = Lab::new() else { return };
    let image = lab.make();
    let mounted = lab.mount(&image);
    fs::write(mounted.0.join("kept"), "through a reset").unwrap();
    drop(mounted);
    let mounted = lab.mount(&image);
    assert_eq!(fs::read_to_string(mounted.0.join("kept")).unwrap(), "through a reset");
    drop(mounted);
    assert_eq!(lab.attached(), 1);
    drop(image);
    assert_eq!(lab.attached(), 0, "the device is detached");
    let fresh = lab.make();
    let mounted = lab.mount(&fresh);
    assert_eq!(fs::read_dir(&mounted.0).unwrap().count(), 0, "the template was not written to");
}

#[test]
fn a_mount_that_outlives_the_host_frees_the_device_by_itself() {
    // What is left of a killed host: the mount, without any of its descriptors.
    let Some(lab) = Lab::new() else { return };
    let image = lab.make();
    let mounted = lab.mount(&image);
    drop(image);
    fs::write(mounted.0.join("still"), "usable").unwrap();
    assert_eq!(lab.attached(), 1);
    drop(mounted);
    assert_eq!(lab.attached(), 0);
}

#[test]
fn nothing_but_the_template_its_lock_and_markers_is_left_on_disk() {
    let Some(lab) = Lab::new() else { return };
    let work = lab.root.path().join("work");
    fs::create_dir(&work).unwrap();
    let image = lab.images.make(SIZE_MB, &work).unwrap();
    assert_eq!(fs::read_dir(&work).unwrap().count(), 0, "the image has no name");
    drop(image);
    let mut names: Vec<String> = fs::read_dir(lab.root.path().join("tmp-images"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("made-loop"))
        .collect();
    names.sort();
    assert_eq!(names, ["ext4-r2-512mb.img", "lock"]);
}

#[test]
fn a_template_and_its_copies_take_little_disk_and_little_to_copy() {
    let Some(lab) = Lab::new() else { return };
    const BLOCK_UNIT_BYTES: u64 = 512;
    for (size_mb, most_bytes) in [(512, MIB / 4), (10_240, MIB)] {
        let (path, template) = lab.images.templates.open(size_mb, &lab.images.loops).unwrap();
        let copy = tempfile::tempfile_in(lab.root.path()).unwrap();
        template::copy(&template, &copy).unwrap();
        let (from, to) = (template.metadata().unwrap(), copy.metadata().unwrap());
        assert_eq!(from.len(), to.len());
        for used in [from.blocks(), to.blocks()].map(|blocks| blocks * BLOCK_UNIT_BYTES) {
            assert!(used <= most_bytes, "{}: {used}", path.display());
        }
        let (mut from, mut to) = (vec![0; MIB as usize], vec![1; MIB as usize]);
        template.read_exact_at(&mut from, 0).unwrap();
        copy.read_exact_at(&mut to, 0).unwrap();
        assert!(from == to && from.iter().any(|byte| *byte != 0));
    }
}

#[test]
fn eight_at_once_get_eight_devices_from_one_template() {
    let Some(lab) = Lab::new() else { return };
    let images: Vec<TmpImage> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| lab.make())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut devices: Vec<&Path> = images.iter().map(TmpImage::device).collect();
    devices.sort();
    devices.dedup();
    assert_eq!(devices.len(), 8);
    assert_eq!(lab.attached(), 8);
}

#[test]
fn two_hosts_that_make_the_same_template_at_once_both_get_images() {
    let Some(lab) = Lab::new() else { return };
    let path = lab.root.path();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let images = TmpImages::open(TmpImages::probe().unwrap(), path).unwrap();
                images.make(600, path).unwrap();
            });
        }
    });
    assert_eq!(lab.attached(), 0);
}

#[test]
fn devices_the_kernel_made_for_us_are_removed_when_the_host_and_its_images_are_gone() {
    let Some(lab) = Lab::new() else { return };
    let images: Vec<TmpImage> = (0..more_than_idle()).map(|_| lab.make()).collect();
    let made = markers(&lab);
    assert!(!made.is_empty(), "the kernel had to make devices");
    assert!(made.iter().all(|marker| device(marker).exists()));
    // A neighbour's start leaves alone what a living host holds.
    drop(TmpImages::open(TmpImages::probe().unwrap(), lab.root.path()).unwrap());
    assert_eq!(markers(&lab).len(), made.len());

    drop(images);
    assert!(made.iter().all(|marker| marker.exists()), "reused while the host runs");
    let Lab { images: host, root, _turn } = lab;
    drop(host);
    for marker in &made {
        assert!(!device(marker).exists() || used_by_others(marker), "{}", marker.display());
        assert!(!marker.exists() || used_by_others(marker), "{}", marker.display());
    }
    drop(root);
}

#[test]
fn idle_devices_of_a_killed_host_are_removed_by_the_next_start() {
    let Some(lab) = Lab::new() else { return };
    drop((0..more_than_idle()).map(|_| lab.make()).collect::<Vec<_>>());
    // A killed host leaves idle devices and markers nobody holds a lock on.
    let killed = tempfile::tempdir().unwrap();
    let directory = killed.path().join("tmp-images");
    fs::create_dir(&directory).unwrap();
    let left: Vec<PathBuf> = markers(&lab)
        .iter()
        .map(|marker| directory.join(marker.file_name().unwrap()))
        .inspect(|marker| drop(File::create(marker).unwrap()))
        .collect();
    assert!(!left.is_empty());
    let in_use = lab.make();
    drop(TmpImages::open(TmpImages::probe().unwrap(), killed.path()).unwrap());
    for marker in &left {
        assert!(!device(marker).exists() || used_by_others(marker), "{}", marker.display());
    }
    assert!(in_use.device().exists());
}

/// More images than there are idle devices, whoever left those, so that the kernel has to make some.
fn more_than_idle() -> usize {
    let is_idle = |device: &Path| !device.join("loop/backing_file").exists();
    let devices = fs::read_dir("/sys/block").unwrap().map(|entry| entry.unwrap().path());
    let loops = devices.filter(|path| path.to_string_lossy().contains("/loop"));
    loops.filter(|path| is_idle(path)).count() + 4
}

fn markers(lab: &Lab) -> Vec<PathBuf> {
    let directory = lab.root.path().join("tmp-images");
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_string_lossy().contains("made-loop")).collect()
}

fn device(marker: &Path) -> PathBuf {
    let name = marker.file_name().unwrap().to_str().unwrap();
    Path::new("/dev").join(name.trim_start_matches("made-"))
}

fn used_by_others(marker: &Path) -> bool {
    let name = device(marker).file_name().unwrap().to_owned();
    Path::new("/sys/block").join(name).join("loop/backing_file").exists()
}

#[test]
fn a_full_or_missing_data_directory_is_named_in_the_error() {
    let Some(lab) = Lab::new() else { return };
    let chain = |error: TmpImageError| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    };
    let file = lab.root.path().join("a-file");
    fs::write(&file, "").unwrap();
    let error = chain(TmpImages::open(TmpImages::probe().unwrap(), &file).unwrap_err());
    assert!(error.contains("a-file/tmp-images: Not a directory"), "{error}");

    let small = lab.root.path().join("small");
    fs::create_dir(&small).unwrap();
    rustix::mount::mount("none", &small, "tmpfs", MountFlags::empty(), c"size=64k").unwrap();
    let _mounted = Mounted(small.clone());
    let full = TmpImages::open(TmpImages::probe().unwrap(), &small).unwrap();
    let error = chain(full.make(SIZE_MB, &small).unwrap_err());
    assert!(error.contains("small/tmp-images/ext4-r2-512mb.new"), "{error}");
    let error = chain(lab.images.make(SIZE_MB, &small).unwrap_err());
    assert!(error.contains("into") && error.contains("small: No space left"), "{error}");
    drop(full);
}
