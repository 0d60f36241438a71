//! How an execution environment reaches the world, seen from the host.
//!
//! - [`Nat`]: placement `nat` as root. One table of firewall rules per lambdabox process, one veth
//!   pair per environment, `ip_forward` switched on and put back.
//! - [`Slirp`]: placement `nat` for an ordinary user. One slirp4netns per environment, and rules inside
//!   its namespace for what must not be reached.
//! - [`Outbound`]: either of the two.
//! - [`forward`]: single ports of the host's loopback, let in by a listener that was made inside the
//!   environment's namespace. Works in every placement.
//! - [`datagrams`]: what functions send to X-Ray's daemon, likewise.
//! - [`resolv_conf`]: what the sandbox's `/etc/resolv.conf` says, and when a forwarder must answer.
//!
//! # Not here
//! Making the namespace and raising its loopback (`bootstrap`), the Runtime API's listener, choosing the slot (`sandbox::lease`).
//!
//! # Invariants
//! - The rules are loaded before `ip_forward` is switched on and before any wire exists. Removed by
//!   somebody, they are loaded again, or the wires go.
//! - An environment reaches no address of the host's own, no link-local address and no other
//!   environment, whichever lambdabox process owns that one.
//! - Everything made carries the slot's number and can be found and removed by it alone.
//!
//! # Sources
//! `reference/sandbox.md` section 6, `reference/components.md` sections 1.2 and 7.

mod blocked;
pub mod datagrams;
mod dns;
mod error;
pub mod forward;
mod gate;
mod ip_forward;
mod modules;
mod nat;
mod netlink;
mod nft;
mod outbound;
mod plan;
mod resolver;
mod rules;
mod slirp;
mod standing;
mod tables;
mod watch;
mod wire;

#[cfg(test)]
mod proof;

pub use error::{NatError, NatMissing};
pub use lambdabox_bootstrap::firewall::refusal as refusal_inside;
pub use modules::KernelModules;
pub use nat::{Nat, NatMeans, sweep};
pub use nft::refusal as refusal_by_nft;
pub use outbound::{Connection, Inside, Namespaces, Outbound, OutboundMeans};
pub use plan::{ENVIRONMENTS_PER_SLOT, SLOTS};
pub use resolver::{Resolver, choose as choose_resolver, resolv_conf};
pub use slirp::{Slirp, SlirpMeans, SlirpWire, resolver_of_slirp};
pub use wire::Wire;
