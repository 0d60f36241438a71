//! The rules of one slot, kept in force: loaded, asked for, loaded again, given up.
//!
//! Any `nft flush ruleset` on the machine (Debian's nftables.service does it at each restart) takes our
//! table along, while wires, routes and `ip_forward` stay: every environment would reach the host. So
//! the kernel is asked for the table whenever a wire is laid, and whenever it says that its firewall
//! changed (`watch`).
//!
//! # Invariants
//! - One load at a time, and none once [`StandingRules::retire`] has returned.
//! - While the table is gone and cannot be loaded, there are no wires.
//!
//! # Known limits
//! - From a flush until the rules are loaded again (some 5 ms) environments are not confined.
//! - The table is asked for, not its content: who empties it by its name opens it.
//! - While it cannot be loaded, what it keeps apart (`ip_forward`) is together: nobody puts `ip_forward`
//!   back before the process ends.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::sleep};

use super::{
    error::NatError,
    gate::{self, ForwardChain, Place},
    nft::Nft,
    plan::{SlotPlan, table_name},
    rules, tables,
    wire::{self, on_own_thread},
};

/// How long until what could neither be loaded nor removed is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// The table of one slot and its rules in other people's chains.
#[derive(Debug)]
pub(super) struct StandingRules {
    nft: Nft,
    slot: u16,
    /// The whole table, for `nft`; the same each time.
    table: String,
    /// Foreign chains that hold two rules of ours; `None` once retired. Locked while loading.
    gates: Mutex<Option<Vec<ForwardChain>>>,
}

impl StandingRules {
    /// Table, then gates; returns what the user should hear. The listing runs beside the table's
    /// loading.
    pub(super) async fn load(
        nft: Nft,
        plan: SlotPlan,
        keep_apart: &[String],
    ) -> Result<(Self, Vec<String>), NatError> {
        let slot = plan.slot;
        let table = rules::table(plan, keep_apart);
        let (loaded, places) =
            tokio::join!(load_table(&nft, slot, &table), find_places(&nft, slot));
        loaded?;
        let mut gates = Vec::new();
        let notices = open_gates(&nft, slot, places?, &mut gates).await?;
        Ok((Self { nft, slot, table, gates: Mutex::new(Some(gates)) }, notices))
    }

    /// Asks the kernel whether the rules are in force, which takes microseconds, and loads them if not.
    ///
    /// # Errors
    /// They are not in force, or nobody knows: no wire may be laid.
    pub(super) async fn ensure(self: &Arc<Self>) -> Result<(), NatError> {
        let gates = self.gates.lock().await;
        if gates.is_none() || self.is_loaded()? {
            return Ok(());
        }
        drop(gates);
        let rules = self.clone();
        // By a task of its own, which goes on when the caller is given up: whoever retires waits for
        // a load that has begun.
        let load = tokio::spawn(async move {
            match rules.gates.lock().await.as_mut() {
                Some(gates) => rules.ensure_locked(gates).await,
                None => Ok(()),
            }
        });
        let what = "loading the firewall rules again";
        load.await.unwrap_or(Err(NatError::Thread { what }))
    }

    /// The same for environments that run already: if the rules cannot be had, their wires go.
    pub(super) async fn keep(&self) {
        loop {
            let mut guard = self.gates.lock().await;
            let Some(gates) = guard.as_mut() else { return };
            if self.ensure_locked(gates).await.is_ok() {
                return;
            }
            let slot = self.slot;
            if on_own_thread("removing wires", move || wire::remove(slot, None)).await.is_ok() {
                return;
            }
            // Neither is possible while the machine has no descriptor or no memory left.
            drop(guard);
            sleep(AGAIN).await;
        }
    }

    /// Ends the keeping, waiting for a load that is under way. Returns the chains that hold rules of ours.
    pub(super) async fn retire(&self) -> Vec<ForwardChain> {
        self.gates.lock().await.take().unwrap_or_default()
    }

    /// Removes the table. Gone already is fine: then somebody has flushed it this moment.
    pub(super) async fn remove_table(&self) -> Result<(), NatError> {
        if matches!(self.is_loaded(), Ok(false)) {
            return Ok(());
        }
        self.nft.apply("remove the firewall rules", &rules::delete_table(self.slot)).await
    }

    /// Removes our rules from these chains.
    pub(super) async fn close_gates(&self, chains: &[ForwardChain]) -> Result<(), NatError> {
        close_gates(&self.nft, chains, self.slot).await
    }

    fn is_loaded(&self) -> Result<bool, NatError> {
        let what = "ask the kernel for our firewall table";
        tables::is_there(&table_name(self.slot))
            .map_err(|source| NatError::Firewall { what, source })
    }

    async fn ensure_locked(&self, gates: &mut Vec<ForwardChain>) -> Result<(), NatError> {
        if self.is_loaded()? {
            return Ok(());
        }
        load_table(&self.nft, self.slot, &self.table)
            .await
            .map_err(|error| NatError::RulesGone { source: Box::new(error) })?;
        // What is at stake from here is reaching out, not being confined, and nobody is there to be
        // told any more: what fails leaves functions without a way out.
        if let Ok(places) = find_places(&self.nft, self.slot).await {
            let _: Result<Vec<String>, NatError> =
                open_gates(&self.nft, self.slot, places, gates).await;
        }
        Ok(())
    }
}

/// A table left by a dead process makes `create` fail; only then is it removed first, since
/// deleting costs a grace period.
async fn load_table(nft: &Nft, slot: u16, table: &str) -> Result<(), NatError> {
    const WHAT: &str = "load the firewall rules";
    match nft.apply(WHAT, table).await {
        Err(NatError::Refused { said, .. }) if said.contains("File exists") => {
            let script = rules::delete_table(slot) + table;
            nft.apply(WHAT, &script).await
        }
        loaded => loaded,
    }
}

/// Foreign chains that would refuse us, and where our rules go: nowhere if they are in it already, as
/// when our table alone was removed.
async fn find_places(nft: &Nft, slot: u16) -> Result<Vec<(ForwardChain, Option<Place>)>, NatError> {
    let mut places = Vec::new();
    if !tables::foreign_table_exists() {
        return Ok(places);
    }
    for chain in gate::forward_chains(&nft.list(&["chains"]).await?) {
        let listing = nft.list(&["table", &chain.family, &chain.table]).await?;
        if gate::has_rules(&chain, &listing, slot) {
            places.push((chain, None));
        } else if let Some(place) = gate::place(&chain, &listing) {
            places.push((chain, Some(place)));
        }
    }
    Ok(places)
}

/// Lets environments through these chains and notes them in `gates`; returns what the user should hear.
async fn open_gates(
    nft: &Nft,
    slot: u16,
    places: Vec<(ForwardChain, Option<Place>)>,
    gates: &mut Vec<ForwardChain>,
) -> Result<Vec<String>, NatError> {
    let mut notices = Vec::new();
    for (chain, place) in places {
        let name = format!("{} {} {}", chain.family, chain.table, chain.chain);
        if let Some(place) = place {
            let script = gate::rules(&chain, &place, slot);
            // What is at stake is reaching out, not being confined: the user decides.
            match nft.apply("let environments through another firewall", &script).await {
                Ok(()) => notices.push(format!(
                    "nat: added two accept rules to chain {name}, which refuses forwarding; \
                     they go when lambdabox ends"
                )),
                Err(NatError::Refused { said, .. }) => {
                    notices.push(format!(
                        "nat: functions will reach nothing: chain {name} refuses forwarding and \
                         could not be changed: {said}"
                    ));
                    continue;
                }
                Err(error) => return Err(error),
            }
        }
        if !gates.iter().any(|known| known.is_same(&chain)) {
            gates.push(chain);
        }
    }
    Ok(notices)
}

/// Removes our two rules from each of these chains; a chain that is gone took them with it.
pub(super) async fn close_gates(
    nft: &Nft,
    chains: &[ForwardChain],
    slot: u16,
) -> Result<(), NatError> {
    if chains.is_empty() {
        return Ok(());
    }
    let now = gate::forward_chains(&nft.list(&["chains"]).await?);
    let mut script = String::new();
    for chain in now.iter().filter(|chain| chains.iter().any(|ours| ours.is_same(chain))) {
        let listing = nft.list(&["chain", &chain.family, &chain.table, &chain.chain]).await?;
        script.push_str(&gate::removal(&listing, slot));
    }
    if script.is_empty() {
        return Ok(());
    }
    nft.apply("remove rules from another firewall's chain", &script).await
}
