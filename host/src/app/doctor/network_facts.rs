//! What the kernel and the file system say about networks, unjudged.

use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lambdabox_runtimes::discover::Search;

use super::facts::{Machine, field};
use crate::sandbox::network::{refusal_by_nft, refusal_inside};

/// Everything about networks that is judged.
#[derive(Debug)]
pub(super) struct NetworkFacts {
    /// The program, and its version if it says one.
    pub(super) slirp4netns: Option<(PathBuf, Option<String>)>,
    pub(super) has_pasta: bool,
    pub(super) tun: Tun,
    /// Why the kernel takes no rules of ours, where that could be tried.
    pub(super) rules_refused: Option<String>,
    /// Firewalls that make a `FORWARD` chain with the policy drop, by name.
    pub(super) forward_keepers: Vec<&'static str>,
    /// The old iptables has a filter table, which `nft` does not show.
    pub(super) has_legacy_filter: bool,
    /// `/etc/resolv.conf`.
    pub(super) resolv_conf: String,
    /// What systemd's stub asks.
    pub(super) systemd_upstreams: Option<String>,
}

/// `/dev/net/tun`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tun {
    Absent,
    Closed,
    Open,
}

impl NetworkFacts {
    pub(super) fn gather(machine: &Machine<'_>, search: &Search, status: &str, uid: u32) -> Self {
        let slirp4netns = machine.program("slirp4netns", search);
        let has = |path: &str| machine.root.join(path).exists();
        let ufw = machine.read("etc/ufw/ufw.conf").unwrap_or_default();
        let is_ufw_on = ufw.lines().any(|line| line.trim().eq_ignore_ascii_case("enabled=yes"));
        let keepers = [("Docker", has("sys/class/net/docker0")), ("ufw", is_ufw_on)];
        let legacy = machine.read("proc/self/net/ip_tables_names").unwrap_or_default();
        Self {
            slirp4netns: slirp4netns.map(|program| {
                let version = version(&program);
                (program, version)
            }),
            has_pasta: machine.program("pasta", search).is_some(),
            tun: tun(machine, status),
            rules_refused: match uid {
                0 => machine.program("nft", search).and_then(|nft| refusal_by_nft(&nft)),
                // A kernel has no root to be asked below.
                _ if machine.root == Path::new("/") => {
                    refusal_inside().map(|error| error.to_string())
                }
                _ => None,
            },
            forward_keepers: keepers.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect(),
            has_legacy_filter: legacy.lines().any(|table| table == "filter"),
            resolv_conf: machine.read("etc/resolv.conf").unwrap_or_default(),
            systemd_upstreams: machine.read("run/systemd/resolve/resolv.conf"),
        }
    }

    /// Loopback addresses among the nameservers.
    pub(super) fn stubs(&self) -> Vec<IpAddr> {
        let lines = self.resolv_conf.lines().filter_map(|line| line.strip_prefix("nameserver"));
        lines.filter_map(|rest| rest.trim().parse().ok()).filter(IpAddr::is_loopback).collect()
    }
}

/// `slirp4netns version 1.2.0` is its first line. It is run because its version is nowhere to be read.
fn version(program: &PathBuf) -> Option<String> {
    let mut asked = Command::new(program);
    let said = asked.arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    Some(said.lines().next()?.split_ascii_whitespace().nth(2)?.to_owned())
}

/// By its bits, for whoever `status` is about.
fn tun(machine: &Machine<'_>, status: &str) -> Tun {
    let Ok(device) = std::fs::metadata(machine.root.join("dev/net/tun")) else {
        return Tun::Absent;
    };
    let ids = |name: &str, nth: usize| -> Vec<u32> {
        field(status, name)
            .into_iter()
            .flatten()
            .skip(nth)
            .filter_map(|id| id.parse().ok())
            .collect()
    };
    // The second of four ids is the effective one.
    let is_owner = ids("Uid:", 1).first() == Some(&device.uid());
    let is_member =
        ids("Gid:", 1).first() == Some(&device.gid()) || ids("Groups:", 0).contains(&device.gid());
    let bits = match (is_owner, is_member) {
        (true, _) => device.mode() >> 6,
        (false, true) => device.mode() >> 3,
        (false, false) => device.mode(),
    };
    if bits & 0o6 == 0o6 { Tun::Open } else { Tun::Closed }
}
