//! A disk that is full or not writable is told, and nothing is left.

use std::path::Path;
use std::process::Command;

use super::hello;
use crate::harness::{alone, invoke};

/// A file system of 256 kB on a directory, gone with it.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(on: &'a Path) -> Option<Self> {
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k,mode=0755", "e2e-small-disk"])
            .arg(on)
            .status()
            .ok()?;
        status.success().then_some(Self(on))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let status = Command::new("umount").arg(self.0).status().expect("umount runs");
        assert!(status.success(), "something still uses {}", self.0.display());
    }
}

#[test]
fn a_full_disk_is_told_without_a_panic() {
    let _machine = alone();
    let data = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(data.path()) else {
        skip!("a small file system cannot be mounted here");
    };
    let content = vec![0x78; 1 << 20];
    let code = b"def lambda_handler(event, context):\n    return 1\n";
    let zip = crate::harness::zip_bytes(&[
        ("lambda_function.py", code, 0o644),
        ("large.bin", &content, 0o644),
    ]);
    let package = crate::harness::Function::empty().file("package.zip", zip);
    let run = crate::harness::lambdabox(["invoke"])
        .args([package.at("package.zip")])
        .data(data.path())
        .while_alone()
        .run();
    assert!([2, 3].contains(&run.code()), "{:?}: {}", run.status, run.stderr);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    run.said(&["no space left"]);
    drop(disk);
}

#[test]
fn a_data_directory_that_is_a_file_is_told() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let run = invoke(&hello()).data(file.path()).run();
    assert!([2, 3].contains(&run.code()), "{:?}: {}", run.status, run.stderr);
    let path = file.path().to_str().unwrap().to_owned();
    run.said(&[&path]);
}
