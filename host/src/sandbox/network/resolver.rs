//! What an environment's `/etc/resolv.conf` says under `nat`.
//!
//! A nameserver is named directly if the environment can reach it: IPv4, and neither loopback,
//! link-local (Google's and Amazon's metadata addresses, which are blocked), nor one of the host's own
//! addresses. systemd's stub on 127.0.0.53 is replaced by the upstreams systemd wrote down. Where
//! nothing direct is left, the environment asks 127.0.0.1:53 of its own namespace and a forwarder on
//! the host asks for it.
//!
//! `search` is left out (AWS has none, and a function should not depend on the host's domain);
//! `options` are kept, since some networks answer only with `use-vc` or `single-request`.
//!
//! # Sources
//! resolv.conf(5); systemd-resolved.service(8) "/etc/resolv.conf".

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
};

use nix::ifaddrs::getifaddrs;

use super::error::NatError;

/// glibc uses no more (`MAXNS` of `<resolv.h>`).
const MAX_NAMESERVERS: usize = 3;

pub(super) const HOST_FILE: &str = "/etc/resolv.conf";
const SYSTEMD_UPSTREAMS: &str = "/run/systemd/resolve/resolv.conf";

/// The answer for one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolver {
    /// The sandbox's `/etc/resolv.conf`, whole.
    pub text: String,
    /// What the user should hear: names cannot be resolved.
    pub notice: Option<String>,
    /// The host's nameservers to ask in the environment's stead; empty if it reaches them itself.
    pub(crate) forward_to: Vec<SocketAddr>,
}

/// Reads the host's files and addresses. The text is needed when the sandbox's files are made, long
/// before its wire.
pub fn resolv_conf() -> Result<Resolver, NatError> {
    let host = read(HOST_FILE)?.unwrap_or_default();
    let systemd = read(SYSTEMD_UPSTREAMS)?;
    Ok(choose(&host, systemd.as_deref(), &own_addresses()?))
}

/// The addresses of the host's interfaces.
fn own_addresses() -> Result<Vec<IpAddr>, NatError> {
    let failed = |error: nix::Error| NatError::File {
        what: "list addresses from",
        path: "rtnetlink".into(),
        source: error.into(),
    };
    Ok(getifaddrs()
        .map_err(failed)?
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
        })
        .collect())
}

/// The answer for these texts and addresses.
pub fn choose(host: &str, systemd: Option<&str>, own: &[IpAddr]) -> Resolver {
    let named = nameservers(host);
    let options: String = host
        .lines()
        .filter(|line| line.trim_start().starts_with("options"))
        .map(|line| format!("{}\n", line.trim()))
        .collect();
    let direct = |servers: &[IpAddr]| -> Vec<IpAddr> {
        servers.iter().copied().filter(|server| is_direct(*server, own)).collect()
    };
    let mut reachable = direct(&named);
    if reachable.is_empty() && named.iter().any(IpAddr::is_loopback) {
        reachable = direct(&nameservers(systemd.unwrap_or_default()));
    }
    if !reachable.is_empty() {
        let lines: String = reachable
            .iter()
            .take(MAX_NAMESERVERS)
            .map(|server| format!("nameserver {server}\n"))
            .collect();
        return Resolver { text: lines + &options, notice: None, forward_to: Vec::new() };
    }
    if named.is_empty() {
        return Resolver {
            text: String::new(),
            notice: Some(format!(
                "names cannot be resolved inside: {HOST_FILE} names no nameserver"
            )),
            forward_to: Vec::new(),
        };
    }
    Resolver {
        text: format!("nameserver {}\n{options}", Ipv4Addr::LOCALHOST),
        notice: None,
        forward_to: named
            .into_iter()
            .take(MAX_NAMESERVERS)
            .map(|server| SocketAddr::new(server, super::dns::PORT))
            .collect(),
    }
}

/// The `nameserver` lines. An address with a zone (`fe80::1%eth0`) means something on one interface
/// only and is passed over.
pub(super) fn nameservers(text: &str) -> Vec<IpAddr> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next()? == "nameserver").then(|| words.next()?.parse().ok())?
        })
        .collect()
}

fn is_direct(server: IpAddr, own: &[IpAddr]) -> bool {
    match server {
        IpAddr::V4(address) => {
            !address.is_loopback()
                && !address.is_link_local()
                && !address.is_unspecified()
                && !own.contains(&server)
        }
        IpAddr::V6(_) => false,
    }
}

pub(super) fn read(path: &str) -> Result<Option<String>, NatError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => {
            Err(NatError::File { what: "read", path: Path::new(path).to_owned(), source })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2))];

    fn direct(text: &str) -> Resolver {
        Resolver { text: text.into(), notice: None, forward_to: vec![] }
    }

    #[test]
    fn an_ordinary_nameserver_is_named_directly_with_the_hosts_options() {
        let host = "# made by hand\nsearch corp\nnameserver 10.0.0.2\noptions use-vc\n";
        assert_eq!(choose(host, None, &OWN), direct("nameserver 10.0.0.2\noptions use-vc\n"));
    }

    #[test]
    fn systemds_stub_is_replaced_by_its_upstreams() {
        let upstreams = "nameserver 192.168.1.1\nnameserver fe80::1%3\nnameserver 9.9.9.9\n";
        assert_eq!(
            choose("nameserver 127.0.0.53\n", Some(upstreams), &OWN),
            direct("nameserver 192.168.1.1\nnameserver 9.9.9.9\n")
        );
    }

    #[test]
    fn what_the_environment_cannot_reach_is_asked_by_a_forwarder() {
        for server in ["127.0.0.1", "192.0.2.2", "169.254.169.254", "2001:db8::53", "0.0.0.0"] {
            let chosen = choose(&format!("nameserver {server}\n"), None, &OWN);
            assert_eq!(chosen.text, "nameserver 127.0.0.1\n", "{server}");
            let asked = SocketAddr::new(server.parse().unwrap(), 53);
            assert_eq!(chosen.forward_to, [asked], "{server}");
            assert_eq!(chosen.notice, None);
        }
    }

    #[test]
    fn no_more_nameservers_are_named_than_glibc_reads() {
        let host: String = (1..6).map(|n| format!("nameserver 10.0.0.{n}\n")).collect();
        assert_eq!(choose(&host, None, &OWN).text.lines().count(), 3);
    }

    #[test]
    fn a_host_without_a_nameserver_is_said() {
        let chosen = choose("search corp\n", None, &OWN);
        assert_eq!(chosen.text, "");
        assert!(chosen.notice.unwrap().contains("names no nameserver"));
    }
}
