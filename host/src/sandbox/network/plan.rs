//! Names and addresses of a slot, as arithmetic. No system call.
//!
//! # Addresses
//! Each environment has one /32 of a block in 240.0.0.0/4: reserved by RFC 1112 section 4, never
//! routed on the Internet, forwarded by Linux since 2.6.25, absent from home, office, VPN, Docker
//! (172.17/16 and up), Kubernetes (10/8) and carrier or Tailscale (100.64/10) networks, and large
//! enough for 1,024 slots of 16,384 environments each. Google Kubernetes Engine gives 240.0.0.0/8
//! and up to pods, so we start from the other end, and a block the host routes is passed over.
//!
//! A /32 with a route of its own needs no address on the host's end: there is no gateway address a
//! function could talk to. The next hop is a name for the wire's other end only (Calico's way),
//! resolved by a permanent neighbour entry, so that no ARP is spoken.
//!
//! # Invariants
//! - Names and addresses follow from block, slot and environment number alone.
//! - An interface name has at most 15 characters (`IFNAMSIZ` less the final zero).

use std::net::Ipv4Addr;

/// How many lambdabox processes can have `nat` on one machine at a time.
pub const SLOTS: u16 = 1024;

/// Environments of one slot that can have a wire at a time; numbers beyond wrap around.
pub const ENVIRONMENTS_PER_SLOT: u32 = 1 << SLOT_SHIFT;

/// Bits of an address that number the environment; ten more number the slot.
const SLOT_SHIFT: u32 = 14;

/// First octets of the /8 blocks to try, in order.
pub(crate) const BLOCKS: [u8; 3] = [247, 251, 243];

/// The wire's far end, as the environment names it. Nothing owns or answers this address.
pub(crate) const NEXT_HOP: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);

/// What the environment's own interface is called, as on AWS.
pub(crate) const INSIDE_INTERFACE: &str = "eth0";

/// Every interface of every lambdabox process on the host starts so.
pub(crate) const INTERFACE_PREFIX: &str = "lbx";

/// Which part of a machine's name and address space one lambdabox process owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotPlan {
    /// First octet of the block.
    pub(crate) block: u8,
    /// Below [`SLOTS`].
    pub(crate) slot: u16,
}

impl SlotPlan {
    /// First address of the slot's range.
    pub(crate) fn network(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(u32::from(self.block) << 24 | u32::from(self.slot) << SLOT_SHIFT)
    }

    /// Prefix length of the slot's range.
    pub(crate) const fn prefix_length() -> u8 {
        32 - SLOT_SHIFT as u8
    }

    /// The environment's one address.
    pub(crate) fn address(self, environment: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network().to_bits() | offset(environment))
    }

    /// The host's end of the environment's wire.
    pub(crate) fn interface(self, environment: u32) -> String {
        format!("{}{}", interface_prefix(self.slot), offset(environment))
    }

    /// Hardware addresses: (host's end, environment's end). Locally administered, and different
    /// for each environment, because `uuid1` of many languages is made from it.
    pub(crate) fn hardware_addresses(self, environment: u32) -> ([u8; 6], [u8; 6]) {
        let [a, b, c, d] = self.address(environment).octets();
        ([0x06, 0x6c, a, b, c, d], [0x02, 0x6c, a, b, c, d])
    }
}

/// Tables of every lambdabox process start so.
pub(crate) const OWN_TABLES: &str = "lambdabox_";

/// Interfaces of this slot start so; the `n` keeps slot 5 apart from slot 51.
pub(crate) fn interface_prefix(slot: u16) -> String {
    format!("{INTERFACE_PREFIX}{slot}n")
}

/// Name of the slot's table, and the comment of every rule of ours in somebody else's chain.
pub(crate) fn table_name(slot: u16) -> String {
    format!("{OWN_TABLES}{slot}")
}

fn offset(environment: u32) -> u32 {
    environment % ENVIRONMENTS_PER_SLOT
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST: SlotPlan = SlotPlan { block: 247, slot: SLOTS - 1 };

    #[test]
    fn the_longest_interface_name_fits_the_kernels_fifteen_characters() {
        let name = LAST.interface(u32::MAX);
        assert_eq!(name, "lbx1023n16383");
        assert!(name.len() <= 15);
    }

    #[test]
    fn slots_tile_their_block_without_overlap() {
        let first = SlotPlan { block: 247, slot: 0 };
        let second = SlotPlan { block: 247, slot: 1 };
        assert_eq!(first.address(ENVIRONMENTS_PER_SLOT - 1), Ipv4Addr::new(247, 0, 63, 255));
        assert_eq!(second.address(0), Ipv4Addr::new(247, 0, 64, 0));
        assert_eq!(LAST.address(ENVIRONMENTS_PER_SLOT - 1), Ipv4Addr::new(247, 255, 255, 255));
        assert_eq!(SlotPlan::prefix_length(), 18);
    }

    #[test]
    fn one_slots_interface_prefix_never_matches_another_slots_interface() {
        let fifty_one = SlotPlan { block: 247, slot: 51 };
        assert!(!fifty_one.interface(0).starts_with(&interface_prefix(5)));
    }

    #[test]
    fn hardware_addresses_are_unicast_local_and_differ_between_environments() {
        let (host, inside) = LAST.hardware_addresses(1);
        for address in [host, inside] {
            assert_eq!(address[0] & 0b11, 0b10, "locally administered, not multicast");
        }
        assert_ne!(host, inside);
        assert_ne!(inside, LAST.hardware_addresses(2).1);
    }
}
