//! The firewall rules of one slot, as text for `nft -f -`. No system call.
//!
//! One table of our own holds every prohibition, so removing it removes them all. Prohibitions stand
//! in `prerouting` at priority `raw`: before Docker, kube-proxy or anyone else can rewrite a
//! destination (a port published by Docker on 0.0.0.0 would otherwise be forwarded, never passing
//! `input`), and before the connection is tracked. `input` says it again, for anything the lookup of
//! local addresses misses.
//!
//! What a table of our own cannot do is permit what another chain refuses: see `gate`.
//!
//! # Invariants
//! - Rules match interfaces by the slot's prefix: an environment's wire needs no rule of its own.
//! - Interfaces are told apart by wildcard, never by an index that could be reused.

use super::plan::{BLOCKS, INTERFACE_PREFIX, SLOTS, SlotPlan, interface_prefix, table_name};

/// Metadata services outside 169.254.0.0/16: Alibaba Cloud's.
const OTHER_METADATA: &str = "100.100.100.200";

/// Azure's host agent; its port 53 is the machine's resolver and stays reachable.
const AZURE_WIRE_SERVER: &str = "168.63.129.16";

/// The whole table. `create` makes `nft` refuse if a dead process left one: see `standing`.
///
/// Segments are sized for the way out (`maxseg`), which is narrower than a veth where the uplink is
/// a tunnel, as in many clouds and VPNs.
///
/// `keep_apart`: interfaces between which nothing was forwarded before lambdabox switched
/// `ip_forward` on; that stays so.
pub(crate) fn table(plan: SlotPlan, keep_apart: &[String]) -> String {
    let name = table_name(plan.slot);
    let ours = format!("\"{}*\"", interface_prefix(plan.slot));
    let anyones = format!("\"{INTERFACE_PREFIX}*\"");
    let range = format!("{}/{}", plan.network(), SlotPlan::prefix_length());
    let apart = apart(keep_apart);
    format!(
        "create table inet {name}
table inet {name} {{
  chain from_environment {{
    meta nfproto != ipv4 drop
    ip saddr != {range} drop
    fib daddr type {{ local, broadcast, multicast, anycast }} drop
    ip daddr {{ 169.254.0.0/16, {OTHER_METADATA} }} drop
    ip daddr {AZURE_WIRE_SERVER} meta l4proto tcp tcp dport != 53 drop
  }}
  chain prerouting {{
    type filter hook prerouting priority raw; policy accept;
    iifname {ours} jump from_environment
  }}
  chain input {{
    type filter hook input priority filter - 5; policy accept;
    iifname {ours} drop
  }}
  chain forward {{
    type filter hook forward priority filter - 5; policy accept;
    iifname {ours} oifname {anyones} drop
    oifname {ours} ct state != {{ established, related }} drop
    iifname {ours} tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
{apart}  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {range} oifname != {anyones} masquerade
  }}
}}
"
    )
}

/// The table of a slot that does not exist, for asking whether it would be taken.
pub(crate) fn table_of_nobody() -> String {
    table(SlotPlan { block: BLOCKS[0], slot: SLOTS }, &[])
}

/// Removes the slot's table; fails if there is none.
pub(crate) fn delete_table(slot: u16) -> String {
    format!("delete table inet {}\n", table_name(slot))
}

/// Nothing passes between these, while everything made later (Docker's bridge) is left alone.
fn apart(interfaces: &[String]) -> String {
    // nft has no escape for a quote or a wildcard inside a name; such an interface cannot be named.
    let names: Vec<String> = interfaces
        .iter()
        .filter(|name| !name.contains(['"', '*', '\\']))
        .map(|name| format!("\"{name}\""))
        .collect();
    if names.len() < 2 {
        return String::new();
    }
    let set = names.join(", ");
    format!("    iifname {{ {set} }} oifname {{ {set} }} drop\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: SlotPlan = SlotPlan { block: 247, slot: 5 };

    #[test]
    fn every_prohibition_stands_before_destinations_are_rewritten() {
        let text = table(PLAN, &[]);
        assert!(text.contains("hook prerouting priority raw"));
        assert!(text.contains("iifname \"lbx5n*\" jump from_environment"));
        assert!(text.contains("169.254.0.0/16"));
        assert!(text.contains("ip saddr != 247.1.64.0/18 drop"));
    }

    #[test]
    fn environments_of_every_slot_are_kept_from_ours_and_ours_from_them() {
        assert!(table(PLAN, &[]).contains("iifname \"lbx5n*\" oifname \"lbx*\" drop"));
    }

    #[test]
    fn interfaces_that_were_apart_before_stay_apart() {
        let names = ["eth0".to_owned(), "wg0".to_owned()];
        assert!(
            table(PLAN, &names)
                .contains("iifname { \"eth0\", \"wg0\" } oifname { \"eth0\", \"wg0\" } drop")
        );
    }

    #[test]
    fn one_interface_alone_or_one_that_cannot_be_named_makes_no_rule() {
        for names in [vec![], vec!["eth0".to_owned()], vec!["eth0".to_owned(), "a\"b".to_owned()]] {
            assert_eq!(apart(&names), "");
        }
    }
}
