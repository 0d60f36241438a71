//! What a function may have and can do without: `/tmp` on disk, a network, an interpreter.

use std::path::Path;

use super::super::facts::{Facts, Switch};
use super::process::{NET_ADMIN, SYS_ADMIN, may};
use super::{About, Check, PRIVILEGED, as_root};

pub(super) fn tmp(facts: &Facts) -> Check {
    let about = About { id: "tmp", read: "/dev/loop-control, /proc/filesystems" };
    let less = |why: &str| format!("memory, and counted as the function's: {why}");
    if facts.uid != 0 {
        return about.warn(less("loop devices are root's"), "sudo lambdabox doctor");
    }
    if !may(facts, SYS_ADMIN) {
        return about.warn(less("no CAP_SYS_ADMIN to mount an image"), PRIVILEGED);
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

pub(super) fn nat(facts: &Facts) -> Check {
    let about = About { id: "nat", read: "/proc/sys/net/ipv4/ip_forward, PATH" };
    let less = |why: &str| format!("functions have no network but --network host: {why}");
    if facts.uid != 0 {
        return about.warn(less("it takes root"), "sudo lambdabox doctor");
    }
    for (name, number) in [("CAP_NET_ADMIN", NET_ADMIN), ("CAP_SYS_ADMIN", SYS_ADMIN)] {
        if !may(facts, number) {
            return about.warn(less(&format!("no {name}")), PRIVILEGED);
        }
    }
    let is_on = matches!(facts.ip_forward, Switch::Is(1..));
    let mount = facts.mounts.read_only(Path::new("/proc/sys/net/ipv4/ip_forward"));
    if let (false, Some(mount)) = (is_on, mount) {
        let remedy = match facts.is_in_container {
            true => "docker run --sysctl net.ipv4.ip_forward=1".to_owned(),
            false => format!("mount -o remount,rw {}", mount.display()),
        };
        return about.warn(less("ip_forward is 0 and cannot be written"), remedy);
    }
    let Some(nft) = &facts.nft else {
        return about
            .warn(less("nft is not installed"), as_root(facts, "apt-get install nftables"));
    };
    let forwarding = match is_on {
        true => "ip_forward is on",
        false => "ip_forward is off, and on while lambdabox needs it",
    };
    about.ok(format!("{}; {forwarding}", nft.display()))
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
