//! Why `nat` is not to be had on this machine, and what went wrong while making it.
//!
//! Two readers: [`NatMissing`] is for whoever typed the command and ends in a remedy; [`NatError`]
//! is for the operator. `Display` of the latter finishes "failed to …"; the cause is `source()`.

use std::{io, net::Ipv4Addr, path::PathBuf};

/// This machine cannot give `nat`. `Display` says what is missing; [`NatMissing::remedy`] what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NatMissing {
    /// The `nft` program is on no path we search.
    #[error("the program `nft` is not installed")]
    Nft,
    /// The process may not make interfaces, routes and rules.
    #[error("this process lacks CAP_NET_ADMIN")]
    NetAdmin,
    /// The process may not enter the namespaces it makes.
    #[error("this process lacks CAP_SYS_ADMIN")]
    SysAdmin,
    /// An ordinary user's `nat` is a program that is on no path we search.
    #[error("`nat` without root takes the program `slirp4netns`, which is not installed")]
    Slirp,
    /// That program could not make an interface.
    #[error("`nat` without root takes /dev/net/tun, which {}", if *is_there { "this user may not open" } else { "is not there" })]
    Tun {
        /// Whether the device is there.
        is_there: bool,
    },
    /// Nothing could confine the function, or no wire could be made.
    #[error("this kernel has no {name}")]
    Module {
        /// The kernel's module.
        name: &'static str,
    },
    /// `ip_forward` is 0 and may not be written, as in most containers.
    #[error("{path} is 0 and cannot be written")]
    IpForward {
        /// The file that would have to hold 1.
        path: PathBuf,
    },
}

impl NatMissing {
    /// The one command or change that gives `nat` on this machine.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Nft => "apt-get install nftables (dnf install nftables, apk add nftables)",
            Self::Slirp => {
                "apt-get install slirp4netns (dnf, apk and pacman have it by the same name)"
            }
            Self::Tun { is_there: true } => {
                "chmod 666 /dev/net/tun, which is how udev sets it; it gives no powers by itself"
            }
            Self::Tun { is_there: false } => {
                "modprobe tun; in a container: docker run --device /dev/net/tun"
            }
            Self::Module { .. } => "boot a kernel of a distribution, which has it",
            Self::NetAdmin | Self::SysAdmin => {
                "run lambdabox as root; in a container: docker run --privileged"
            }
            Self::IpForward { .. } => {
                "sysctl -w net.ipv4.ip_forward=1 on the host; in a container: \
                 docker run --sysctl net.ipv4.ip_forward=1"
            }
        }
    }
}

impl NatError {
    /// What gives a function a network all the same, where that is known.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Refused { said, .. } if said.ends_with("Operation not supported") => Some(
                "this kernel has no nf_tables for IPv4 (CONFIG_NF_TABLES_INET): boot a kernel of a \
                 distribution, or choose --network none or --network host",
            ),
            Self::RulesGone { .. } => Some(
                "somebody flushed the firewall (nft flush ruleset, a restart of nftables): see that \
                 `nft list ruleset` works as root, and start again",
            ),
            _ => None,
        }
    }
}

/// A part of `nat` could not be made or taken away.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NatError {
    /// The slot does not exist; the caller's numbering is wrong.
    #[error("use network slot {slot}: there are {limit}, from 0")]
    Slot {
        /// What was asked.
        slot: u16,
        /// How many there are.
        limit: u16,
    },
    /// The host already routes every block we could take addresses from.
    #[error("find free addresses: the host routes {taken}")]
    AddressesTaken {
        /// The routes in the way, comma separated.
        taken: String,
    },
    /// A program could not be started or talked to.
    #[error("run {program}")]
    Run {
        /// Which program.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A program ran and refused.
    #[error("{what}: {program} says: {said}")]
    Refused {
        /// What was asked of it.
        what: &'static str,
        /// Which program.
        program: PathBuf,
        /// Its standard error, one line.
        said: String,
    },
    /// `nft -j` printed something else than its documented shape.
    #[error("read the list of firewall rules")]
    Listing {
        /// Where the JSON broke.
        source: serde_json::Error,
    },
    /// The rules that confine environments were removed by somebody, and are not to be had again.
    #[error("load the firewall rules again, which are gone")]
    RulesGone {
        /// Why not.
        source: Box<NatError>,
    },
    /// The kernel does not tell of its firewall.
    #[error("{what}")]
    Firewall {
        /// What was asked.
        what: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A file below `/proc/sys`, `/proc/net` or the state directory.
    #[error("{what} {path}")]
    File {
        /// `read`, `write`, `lock`, …
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The record beside `ip_forward` is not ours to read.
    #[error("understand {path}; remove it once no lambdabox runs")]
    Record {
        /// The record.
        path: PathBuf,
        /// Where the JSON broke.
        source: serde_json::Error,
    },
    /// The kernel refused an interface, address, route or neighbour.
    #[error("{what} for environment address {address}")]
    Wire {
        /// Which step.
        what: &'static str,
        /// Whose wire.
        address: Ipv4Addr,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Interfaces of this slot could not be listed or removed.
    #[error("{what} of slot {slot}")]
    Sweep {
        /// Which step.
        what: &'static str,
        /// Whose interfaces.
        slot: u16,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A short-lived thread of ours ended without an answer.
    #[error("finish {what}: its thread ended early")]
    Thread {
        /// What the thread did.
        what: &'static str,
    },
}
