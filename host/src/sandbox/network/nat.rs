//! Placement `nat` as root: own address, outbound only, through the host's routing.
//!
//! One [`Nat`] per lambdabox process. [`Nat::open`] needs no namespace, so it runs beside the making
//! of the sandbox; [`Nat::connect`] needs one, and no rule.
//!
//! # Not here
//! Loading the rules and keeping them in force (`standing`), hearing that somebody changed them (`watch`).
//!
//! # Invariants
//! - `ip_forward` is switched on last, when the rules that confine it stand.
//! - [`Nat::close`] and [`sweep`] try every step even if one failed.
//! - Dropping an [`Nat`] or an unfinished `open` without `close` leaves what `sweep` removes.

use std::{
    env, fs,
    io::ErrorKind,
    net::Ipv4Addr,
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{Access, access},
    thread::{CapabilitySet, capabilities},
};

use super::{
    dns,
    error::{NatError, NatMissing},
    gate,
    ip_forward::{self, SYSCTL_ROOT},
    modules::KernelModules,
    nft::{Nft, find_program},
    plan::{BLOCKS, INTERFACE_PREFIX, SLOTS, SlotPlan},
    resolver::{Resolver, resolv_conf},
    rules,
    standing::{StandingRules, close_gates},
    watch::{self, Watch},
    wire::{self, Resolving, Wire, on_own_thread},
};

/// Tables of the old `iptables`, one a line; `thread-self` because `/proc/net` is the main thread's.
const LEGACY_TABLES: &str = "/proc/thread-self/net/ip_tables_names";

/// The main routing table of the calling thread's namespace.
const ROUTES: &str = "/proc/thread-self/net/route";

/// Routes with a shorter prefix are defaults of a kind (`0.0.0.0/1` of a VPN), not somebody's network.
const SHORTEST_NETWORK_PREFIX: u32 = 4;

/// What the kernel needs to have.
const MODULES: [&str; 2] = ["nf_tables", "veth"];

/// Proof that this machine offers `nat`, and by which means.
#[derive(Debug, Clone)]
pub struct NatMeans {
    pub(super) nft: Nft,
}

/// The rules of one lambdabox process, in force until [`Nat::close`].
#[derive(Debug)]
pub struct Nat {
    plan: SlotPlan,
    state_dir: PathBuf,
    rules: Arc<StandingRules>,
    /// Loads the rules again when somebody has removed them; ends when dropped.
    watch: Watch,
    resolver: Resolver,
}

impl Nat {
    /// What this machine offers, without changing anything.
    ///
    /// # Errors
    /// Names what is missing; [`NatMissing::remedy`] says what to do. A kernel that
    /// tells nobody what it lacks is found by [`Nat::open`] and [`Nat::connect`] only.
    pub fn probe() -> Result<NatMeans, NatMissing> {
        // Asking about oneself cannot fail; not knowing would mean not having.
        let held = capabilities(None).map(|sets| sets.effective).unwrap_or(CapabilitySet::empty());
        if !held.contains(CapabilitySet::NET_ADMIN) {
            return Err(NatMissing::NetAdmin);
        }
        if !held.contains(CapabilitySet::SYS_ADMIN) {
            return Err(NatMissing::SysAdmin);
        }
        let path = Path::new(SYSCTL_ROOT).join("ip_forward");
        let is_on = matches!(ip_forward::is_off(Path::new(SYSCTL_ROOT)), Ok(false));
        if !is_on && access(&path, Access::WRITE_OK).is_err() {
            return Err(NatMissing::IpForward { path });
        }
        let program = find_program("nft", env::var_os("PATH")).ok_or(NatMissing::Nft)?;
        let modules = KernelModules::running();
        if let Some(name) = MODULES.into_iter().find(|name| modules.lacks(name)) {
            return Err(NatMissing::Module { name });
        }
        Ok(NatMeans { nft: Nft { program } })
    }

    /// Installs the rules of `slot` and switches `ip_forward` on if it is off.
    ///
    /// `slot` is this process's alone among living lambdabox processes of the machine; `state_dir`
    /// exists. Returns what the user should hear: what was changed on the host.
    ///
    /// # Errors
    /// What was made is removed again, or left to [`sweep`] if that fails too.
    pub async fn open(
        means: NatMeans,
        slot: u16,
        state_dir: &Path,
    ) -> Result<(Self, Vec<String>), NatError> {
        Self::open_with(means, slot, state_dir, resolv_conf()?).await
    }

    /// [`Nat::open`] with the resolver given, so that a test need not change the machine's.
    pub(super) async fn open_with(
        means: NatMeans,
        slot: u16,
        state_dir: &Path,
        resolver: Resolver,
    ) -> Result<(Self, Vec<String>), NatError> {
        if slot >= SLOTS {
            return Err(NatError::Slot { slot, limit: SLOTS });
        }
        let plan = SlotPlan { block: free_block(slot)?, slot };
        let held = ip_forward::hold(Path::new(SYSCTL_ROOT), state_dir, slot)?;
        match Self::install(means.nft, plan, state_dir, resolver, &held).await {
            Ok(opened) => Ok(opened),
            Err(error) => {
                // The first error is the one to tell; a later sweep of this slot finds what is left.
                let _: Result<(), Vec<NatError>> = sweep(slot, state_dir).await;
                Err(error)
            }
        }
    }

    /// What the sandbox's `/etc/resolv.conf` must say, and whether that will help.
    pub fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// Gives one environment its wire: `eth0` with an address and a default route, and a resolver on
    /// 127.0.0.1:53 where the host's cannot be reached. `environment` is not connected already, nor
    /// is any other number that is the same modulo [`super::ENVIRONMENTS_PER_SLOT`]. Rules that somebody
    /// has removed meanwhile are loaded again before.
    ///
    /// # Errors
    /// What the kernel refused, or rules that are gone and cannot be loaded. A half-made wire goes with
    /// its namespace or by [`Nat::disconnect`].
    pub async fn connect(&self, environment: u32, netns: BorrowedFd<'_>) -> Result<Wire, NatError> {
        let plan = self.plan;
        let address = plan.address(environment);
        let failed = |what, source| NatError::Wire { what, address, source };
        let namespace = netns
            .try_clone_to_owned()
            .map_err(|source| failed("keep the network namespace", source))?;
        let resolving = if self.resolver.forward_to.is_empty() {
            Resolving::Direct
        } else {
            Resolving::ByForwarder
        };
        self.rules.ensure().await?;
        let sockets = on_own_thread("laying a wire", move || {
            wire::lay(plan, environment, namespace, resolving)
        })
        .await?;
        // If the rules went in between, whoever watches them may have removed the wires already, and
        // this one was not there yet.
        if let Err(error) = self.rules.ensure().await {
            // The rules are what to tell of; with its namespace the wire goes in any case.
            let _: Result<(), NatError> = self.disconnect(environment).await;
            return Err(error);
        }
        let dns = sockets
            .map(|sockets| dns::spawn(sockets, self.resolver.forward_to.clone()))
            .transpose()
            .map_err(|source| failed("start the DNS forwarder", source))?;
        Ok(Wire { address, interface: plan.interface(environment), _dns: dns })
    }

    /// Removes an environment's wire now, instead of when its namespace ends. Gone already is fine.
    pub async fn disconnect(&self, environment: u32) -> Result<(), NatError> {
        let (slot, interface) = (self.plan.slot, self.plan.interface(environment));
        on_own_thread("removing a wire", move || wire::remove(slot, Some(&interface))).await
    }

    /// Takes wires, rules and table away, and puts `ip_forward` back if nobody else needs it. Takes
    /// about 15 ms, nearly all of it the kernel's grace period: run it beside other clearing up.
    ///
    /// Call when no process is left in any environment: a wire without rules is not confined.
    ///
    /// # Errors
    /// Everything that failed; the rest is done all the same.
    pub async fn close(self) -> Result<(), Vec<NatError>> {
        let slot = self.plan.slot;
        // Before the table goes, or its going would have it loaded again.
        let gates = self.rules.retire().await;
        drop(self.watch);
        // Side by side, since each waits for a grace period; and apart, so that a rule somebody
        // else has flushed meanwhile does not keep our table.
        let (wires, table, gates) = tokio::join!(
            on_own_thread("removing wires", move || wire::remove(slot, None)),
            self.rules.remove_table(),
            self.rules.close_gates(&gates),
        );
        let released = ip_forward::release(Path::new(SYSCTL_ROOT), &self.state_dir, slot);
        all([wires, table, gates, released.map(drop)])
    }

    /// Table, then gates, then the switch. Listening for changes comes last; it begins with a look.
    async fn install(
        nft: Nft,
        plan: SlotPlan,
        state_dir: &Path,
        resolver: Resolver,
        held: &ip_forward::Held,
    ) -> Result<(Self, Vec<String>), NatError> {
        let (rules, mut notices) = StandingRules::load(nft, plan, &held.keep_apart).await?;
        if has_legacy_filter() {
            notices.push(
                "nat: the old iptables (iptables-legacy) has a filter table here; if functions \
                 reach nothing, allow forwarding from and to interfaces lbx+ in it"
                    .to_owned(),
            );
        }
        if held.is_off {
            ip_forward::switch_on(Path::new(SYSCTL_ROOT))?;
            notices.push(
                "nat: switched net.ipv4.ip_forward on; it is put back when lambdabox ends"
                    .to_owned(),
            );
        }
        notices.extend(resolver.notice.clone());
        let rules = Arc::new(rules);
        let watch = watch::spawn(rules.clone()).map_err(|source| NatError::Firewall {
            what: "listen for changes of the firewall",
            source,
        })?;
        Ok((Self { plan, state_dir: state_dir.to_owned(), rules, watch, resolver }, notices))
    }
}

/// Removes what a dead process left under its slot: interfaces, table, rules in other people's
/// chains, and its hold on `ip_forward`. Nothing left, or no `nft`, is fine.
///
/// # Errors
/// Everything that failed; the rest is done all the same.
pub async fn sweep(slot: u16, state_dir: &Path) -> Result<(), Vec<NatError>> {
    let wires = on_own_thread("removing wires", move || wire::remove(slot, None)).await;
    let rules = match find_program("nft", env::var_os("PATH")) {
        Some(program) => sweep_rules(&Nft { program }, slot).await,
        None => Ok(()),
    };
    let released = ip_forward::release(Path::new(SYSCTL_ROOT), state_dir, slot);
    all([wires, rules, released.map(drop)])
}

async fn sweep_rules(nft: &Nft, slot: u16) -> Result<(), NatError> {
    let chains = nft.list(&["chains"]).await?;
    if gate::has_table(&chains, slot) {
        nft.apply("remove a dead process's table", &rules::delete_table(slot)).await?;
    }
    close_gates(nft, &gate::forward_chains(&chains), slot).await
}

/// Every error of steps that were all tried.
fn all<const N: usize>(steps: [Result<(), NatError>; N]) -> Result<(), Vec<NatError>> {
    let errors: Vec<NatError> = steps.into_iter().filter_map(Result::err).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn has_legacy_filter() -> bool {
    // Absent unless the module is loaded, which is the usual case.
    fs::read_to_string(LEGACY_TABLES)
        .is_ok_and(|tables| tables.lines().any(|name| name == "filter"))
}

/// The first block whose part for `slot` the host does not route to somebody.
pub(super) fn free_block(slot: u16) -> Result<u8, NatError> {
    let routes = match fs::read_to_string(ROUTES) {
        Ok(routes) => routes,
        // A kernel that hides it has no routes to show; the kernel refuses what it cannot do.
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(source) => {
            return Err(NatError::File { what: "read", path: ROUTES.into(), source });
        }
    };
    choose_block(&routes, slot)
}

fn choose_block(routes: &str, slot: u16) -> Result<u8, NatError> {
    let networks: Vec<(Ipv4Addr, u32)> = routes.lines().skip(1).filter_map(network).collect();
    let mut taken = Vec::new();
    for block in BLOCKS {
        let ours = SlotPlan { block, slot }.network();
        let in_the_way = networks.iter().find(|(network, prefix)| {
            let shared = (*prefix).min(SlotPlan::prefix_length().into());
            (network.to_bits() ^ ours.to_bits()) >> (32 - shared) == 0
        });
        match in_the_way {
            None => return Ok(block),
            Some((network, prefix)) => taken.push(format!("{network}/{prefix}")),
        }
    }
    Err(NatError::AddressesTaken { taken: taken.join(", ") })
}

/// One line of `/proc/net/route`: interface, destination and mask as little-endian hexadecimal.
/// `None` for our own wires, for defaults, and for lines of another shape.
fn network(line: &str) -> Option<(Ipv4Addr, u32)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |index: usize| -> Option<u32> {
        Some(u32::from_str_radix(words.get(index)?, 16).ok()?.swap_bytes())
    };
    let (destination, prefix) = (number(1)?, number(7)?.leading_ones());
    let is_ours = words.first()?.starts_with(INTERFACE_PREFIX);
    (!is_ours && prefix >= SHORTEST_NETWORK_PREFIX)
        .then_some((Ipv4Addr::from_bits(destination), prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n";

    fn routes(lines: &[(&str, &str, &str)]) -> String {
        lines.iter().fold(HEADER.to_owned(), |text, (interface, destination, mask)| {
            text + &format!("{interface} {destination} 00000000 0001 0 0 0 {mask} 0 0 0\n")
        })
    }

    #[test]
    fn defaults_home_networks_and_our_own_wires_do_not_move_us() {
        let text = routes(&[
            ("eth0", "00000000", "00000000"),
            ("tun0", "00000080", "00000080"),
            ("eth0", "0000A8C0", "00FFFFFF"),
            ("lbx5n1", "014001F7", "FFFFFFFF"),
        ]);
        assert_eq!(choose_block(&text, 5).unwrap(), 247);
    }

    #[test]
    fn a_block_the_host_routes_is_passed_over_only_for_the_slots_it_covers() {
        // 247.1.64.0/24 lies in slot 5.
        let text = routes(&[("eth0", "004001F7", "00FFFFFF")]);
        assert_eq!(choose_block(&text, 5).unwrap(), 251);
        assert_eq!(choose_block(&text, 6).unwrap(), 247);
    }

    #[test]
    fn a_host_that_routes_all_reserved_addresses_is_told_which() {
        let text = routes(&[("eth0", "000000F0", "000000F0")]);
        let error = choose_block(&text, 0).unwrap_err();
        assert!(
            matches!(error, NatError::AddressesTaken { taken } if taken.contains("240.0.0.0/4"))
        );
    }
}
