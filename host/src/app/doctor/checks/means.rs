//! What a function may have and can do without: `/tmp` on disk, an interpreter.

use super::super::facts::Facts;
use super::process::{SYS_ADMIN, may};
use super::{A_KERNEL_WITH_IT, About, Check, PRIVILEGED, as_root};

pub(super) fn tmp(facts: &Facts) -> Check {
    let about = About { id: "tmp", read: "/dev/loop-control, /proc/filesystems" };
    let less = |why: &str| format!("memory, and counted as the function's: {why}");
    if facts.uid != 0 {
        return about.warn(less("loop devices are root's"), "sudo lambdabox doctor");
    }
    if !may(facts, SYS_ADMIN) {
        return about.warn(less("no CAP_SYS_ADMIN to mount an image"), PRIVILEGED);
    }
    if facts.modules.lacks("loop") {
        return about.warn(less("this kernel has no loop devices"), A_KERNEL_WITH_IT);
    }
    if !facts.has_loop_control {
        let remedy = if facts.is_in_container { PRIVILEGED } else { "modprobe loop" };
        return about.warn(less("there is no /dev/loop-control"), remedy);
    }
    if !facts.has_ext4 {
        return about.warn(less("this kernel has no ext4"), "modprobe ext4");
    }
    if facts.mkfs.is_none() {
        return about.warn(less("mkfs.ext4 is not installed"), "apt-get install e2fsprogs");
    }
    about.ok("ext4 images on loop devices")
}

pub(super) fn python(facts: &Facts) -> Check {
    let about = About { id: "python", read: "PATH, pyenv, tool caches, uv, mise, asdf" };
    let each = |(identifier, version, program): &(String, String, std::path::PathBuf)| {
        format!("{identifier} ({version}, {})", program.display())
    };
    let found: Vec<String> = facts.pythons.iter().map(each).collect();
    if found.is_empty() {
        return about.warn(
            "none from 3.9 to 3.14: only packages with a bootstrap of their own run",
            as_root(facts, "apt-get install python3"),
        );
    }
    about.ok(found.join(", "))
}
