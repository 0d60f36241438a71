//! What an environment must not reach where a user's program makes its connections.
//!
//! As root the firewall asks the kernel whether an address is the host's own, at every packet. Here the
//! rules stand in the environment's namespace, which knows nothing of the host: the addresses are
//! listed when the environment is made.
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

/// The host's own addresses and its networks' broadcast addresses, each once.
pub(super) fn of_this_host() -> Result<Vec<Network>, NatError> {
    let failed = |error: nix::Error| NatError::File {
        what: "list addresses from",
        path: "rtnetlink".into(),
        source: error.into(),
    };
    let v4 = |address: Option<SockaddrStorage>| Some(address?.as_sockaddr_in()?.ip());
    let interfaces = getifaddrs().map_err(failed)?;
    Ok(apart(interfaces.flat_map(|one| [v4(one.address), v4(one.broadcast)]).flatten()))
}

/// Each address once, without those that are blocked in any case.
fn apart(addresses: impl Iterator<Item = Ipv4Addr>) -> Vec<Network> {
    let mut all: Vec<Ipv4Addr> =
        addresses.filter(|address| !NEVER.iter().any(|never| contains(*never, *address))).collect();
    all.sort_unstable();
    all.dedup();
    all.into_iter().map(|address| Network { address, prefix: 32 }).collect()
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
        let own = apart(own.iter().map(|address| address.parse().unwrap()));
        let named: Vec<String> = own.iter().map(ToString::to_string).collect();
        assert_eq!(named, ["10.0.0.1", "192.0.2.2", "192.0.2.255"]);
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
