//! What an environment must not reach where a user's program makes its connections.
//!
//! As root the firewall asks the kernel whether an address is the host's own, at every packet. Here the
//! rules stand in the environment's namespace, which knows nothing of the host: the addresses are
//! listed when the environment is made.
//!
//! An interface's addresses are not all: a network on `lo`, or a `local` route, is the host's as a whole.
//!
//! # Known limit
//! An address the host gets while an environment lives is not blocked for that environment.

use std::net::Ipv4Addr;

use lambdabox_bootstrap::firewall::Network;
use nix::{ifaddrs::getifaddrs, sys::socket::SockaddrStorage};

use super::error::NatError;

/// What no function may reach, whatever the machine.
pub(super) const NEVER: [Network; 7] = [
    // Both are the host's loopback to a program that connects to them.
    network([0, 0, 0, 0], 8),
    network([127, 0, 0, 0], 8),
    // Metadata services; Alibaba Cloud's and Azure's are elsewhere (see `rules`).
    network([169, 254, 0, 0], 16),
    network([100, 100, 100, 200], 32),
    network([168, 63, 129, 16], 32),
    // The host itself may listen to these.
    network([224, 0, 0, 0], 4),
    network([255, 255, 255, 255], 32),
];

const fn network([a, b, c, d]: [u8; 4], prefix: u8) -> Network {
    Network { address: Ipv4Addr::new(a, b, c, d), prefix }
}

/// The kernel's routes, the host's own networks among them (`fib_trie_seq_show` of the kernel).
const ROUTES: &str = "/proc/thread-self/net/fib_trie";
/// Tables every packet is looked up in; those of rules (`Id 100:`) may call the whole world local.
const TABLES: [&str; 2] = ["Main:", "Local:"];

/// The host's own addresses and its networks' broadcast addresses, each once.
pub(super) fn of_this_host() -> Result<Vec<Network>, NatError> {
    let failed = |error: nix::Error| NatError::File {
        what: "list addresses from",
        path: "rtnetlink".into(),
        source: error.into(),
    };
    let v4 = |address: Option<SockaddrStorage>| Some(address?.as_sockaddr_in()?.ip());
    let interfaces = getifaddrs().map_err(failed)?;
    let addresses = interfaces.flat_map(|one| [v4(one.address), v4(one.broadcast)]).flatten();
    let addresses = addresses.map(|address| Network { address, prefix: 32 });
    let read = std::fs::read_to_string(ROUTES);
    let routes =
        read.map_err(|source| NatError::File { what: "read", path: ROUTES.into(), source })?;
    Ok(apart(addresses.chain(local_networks(&routes))))
}

/// What the kernel delivers to the host itself: each `|-- 10.0.0.0` is followed by its `/8 host LOCAL`.
fn local_networks(routes: &str) -> Vec<Network> {
    let (mut all, mut is_looked_up, mut address) = (Vec::new(), false, None);
    for line in routes.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [..] if !line.starts_with(' ') => is_looked_up = TABLES.contains(&line.trim_end()),
            ["|--", leaf] => address = leaf.parse().ok(),
            [prefix, _scope, "LOCAL" | "BROADCAST", ..] if is_looked_up => {
                let prefix = prefix.strip_prefix('/').and_then(|text| text.parse().ok());
                all.extend(
                    address.zip(prefix).map(|(address, prefix)| Network { address, prefix }),
                );
            }
            _ => {}
        }
    }
    all
}

/// Each network once, without those that are blocked in any case.
fn apart(networks: impl Iterator<Item = Network>) -> Vec<Network> {
    let is_new = |one: &Network| {
        !NEVER.iter().any(|never| never.prefix <= one.prefix && contains(*never, one.address))
    };
    let mut all: Vec<Network> = networks.filter(is_new).collect();
    all.sort_unstable_by_key(|one| (one.address, one.prefix));
    all.dedup();
    all
}

fn contains(network: Network, address: Ipv4Addr) -> bool {
    let differ = network.address.to_bits() ^ address.to_bits();
    differ.leading_zeros() >= u32::from(network.prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_of_the_host_is_named_once_and_loopback_not_at_all() {
        let own = ["192.0.2.2", "127.0.0.1", "192.0.2.255", "169.254.3.4", "192.0.2.2", "10.0.0.1"];
        let own = own.iter().map(|address| address.parse().unwrap());
        let own = apart(own.map(|address| Network { address, prefix: 32 }));
        let named: Vec<String> = own.iter().map(ToString::to_string).collect();
        assert_eq!(named, ["10.0.0.1", "192.0.2.2", "192.0.2.255"]);
    }

    #[test]
    fn networks_that_are_the_hosts_as_a_whole_are_among_them() {
        let routes = "Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     |-- 10.50.0.0
        /16 host LOCAL
     |-- 10.98.0.0
        /24 link UNICAST
     |-- 10.98.0.1
        /32 host LOCAL
     |-- 127.0.0.0
        /8 host LOCAL
Local:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.98.0.1
        /32 host LOCAL
     |-- 10.98.0.255
        /32 link BROADCAST
Id 100:
  +-- 0.0.0.0/0 1 0 0
     |-- 0.0.0.0
        /0 host LOCAL
";
        let named: Vec<String> =
            apart(local_networks(routes).into_iter()).iter().map(ToString::to_string).collect();
        assert_eq!(named, ["10.50.0.0/16", "10.98.0.1", "10.98.0.255"]);
    }

    #[test]
    fn metadata_multicast_and_broadcast_are_never_reached() {
        for address in
            ["169.254.169.254", "224.0.0.251", "255.255.255.255", "0.0.0.0", "127.0.0.53"]
        {
            let address = address.parse().unwrap();
            assert!(NEVER.iter().any(|never| contains(*never, address)), "{address}");
        }
        let outside = Ipv4Addr::new(198, 51, 100, 1);
        assert!(!NEVER.iter().any(|never| contains(*never, outside)));
    }
}
