//! Other people's `forward` chains that refuse what our table permits, and the two rules we put in.
//!
//! In nftables every base chain of a hook must let a packet pass: an `accept` in our table says
//! nothing to Docker's or ufw's chain whose policy is drop. So two rules go into that chain, as late
//! as possible: in front of the rule that refuses everything, or at the end where only the policy
//! does. Whatever the administrator refuses by name stays refused.
//!
//! Connections *to* an environment need no care here: our own table drops all but answers, which
//! also keeps the rules free of `ct`, since `iptables-nft` cannot print a native `ct` and would then
//! refuse to work on the whole table.
//!
//! This module is pure: JSON of `nft -j` in, text for `nft -f -` out.
//!
//! # Not here
//! Chains of the old `iptables` (`iptables-legacy`), which `nft` cannot see: `nat` reports them.
//!
//! # Sources
//! libnftables-json(5); nft(8) "CHAINS"; `reference/sandbox.md` section 6.

use serde_json::Value;

use super::plan::{interface_prefix, table_name};

/// The kernel allows jumps this deep (`NFT_JUMP_STACK_SIZE`).
const MAX_JUMPS: usize = 16;

/// A base chain at the forward hook that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForwardChain {
    /// `ip` or `inet`: the families an IPv4 packet meets.
    pub(crate) family: String,
    /// Table name, as nft prints it.
    pub(crate) table: String,
    /// Chain name.
    pub(crate) chain: String,
    /// Whether what no rule decides is dropped.
    pub(crate) policy_drops: bool,
}

impl ForwardChain {
    /// The same chain, whatever became of its policy.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (&self.family, &self.table, &self.chain) == (&other.family, &other.table, &other.chain)
    }
}

/// Where our two rules go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// After the last rule.
    End,
    /// Before the rule with this handle, which refuses everything.
    Before(u64),
}

/// How a chain treats a packet that none of its conditional rules matches.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    /// Goes on in the caller, or meets the policy.
    Falls,
    /// Refused by the top-level rule with this handle.
    Refuses(u64),
    /// Accepted.
    Accepts,
}

/// Foreign base chains at the forward hook, from `nft -j list chains`.
pub(crate) fn forward_chains(listing: &Value) -> Vec<ForwardChain> {
    objects(listing, "chain")
        .filter(|chain| chain["hook"] == "forward")
        .filter(|chain| chain["family"] == "ip" || chain["family"] == "inet")
        .filter_map(|chain| {
            let text = |key: &str| chain[key].as_str().map(str::to_owned);
            Some(ForwardChain {
                family: text("family")?,
                table: text("table")?,
                chain: text("name")?,
                policy_drops: chain["policy"] == "drop",
            })
        })
        .filter(|chain| !is_ours(&chain.table))
        .collect()
}

/// Where our rules must go in `chain`, from `nft -j -a list table`; `None` if it does not refuse us.
pub(crate) fn place(chain: &ForwardChain, listing: &Value) -> Option<Place> {
    match ending(&chain.chain, listing, 0) {
        Ending::Refuses(handle) => Some(Place::Before(handle)),
        Ending::Falls if chain.policy_drops => Some(Place::End),
        Ending::Falls | Ending::Accepts => None,
    }
}

/// The two rules, for `nft -f -`. The counter is there because `iptables-nft` writes one itself.
pub(crate) fn rules(chain: &ForwardChain, place: &Place, slot: u16) -> String {
    let ForwardChain { family, table, chain, .. } = chain;
    let (verb, position) = match place {
        Place::End => ("add", String::new()),
        Place::Before(handle) => ("insert", format!(" handle {handle}")),
    };
    let ours = interface_prefix(slot);
    let tag = table_name(slot);
    ["iifname", "oifname"]
        .map(|direction| {
            format!(
                "{verb} rule {family} {table} {chain}{position} \
                 {direction} \"{ours}*\" counter accept comment \"{tag}\"\n"
            )
        })
        .concat()
}

/// Whether rules of this slot are in `chain`, from `nft -j list table`.
pub(crate) fn has_rules(chain: &ForwardChain, listing: &Value, slot: u16) -> bool {
    let tag = table_name(slot);
    objects(listing, "rule")
        .any(|rule| rule["chain"] == chain.chain.as_str() && rule["comment"] == tag.as_str())
}

/// Deletes every rule of this slot found in a listing with handles; empty if there is none.
pub(crate) fn removal(listing: &Value, slot: u16) -> String {
    let tag = table_name(slot);
    objects(listing, "rule")
        .filter(|rule| rule["comment"] == tag.as_str())
        .filter_map(|rule| {
            let text = |key: &str| rule[key].as_str();
            Some(format!(
                "delete rule {} {} {} handle {}\n",
                text("family")?,
                text("table")?,
                text("chain")?,
                rule["handle"].as_u64()?
            ))
        })
        .collect()
}

/// Whether the slot's own table is in `nft -j list chains`.
pub(crate) fn has_table(listing: &Value, slot: u16) -> bool {
    let name = table_name(slot);
    objects(listing, "chain").any(|chain| chain["table"] == name.as_str())
}

fn ending(chain: &str, listing: &Value, depth: usize) -> Ending {
    if depth >= MAX_JUMPS {
        return Ending::Falls;
    }
    for rule in objects(listing, "rule").filter(|rule| rule["chain"] == chain) {
        let Some(verdict) = unconditional_verdict(rule) else { continue };
        let Some(handle) = rule["handle"].as_u64() else { continue };
        let (word, argument) = verdict;
        match word {
            "drop" | "reject" => return Ending::Refuses(handle),
            "accept" => return Ending::Accepts,
            "return" => return Ending::Falls,
            "jump" | "goto" => {
                let target = argument["target"].as_str().unwrap_or_default();
                match ending(target, listing, depth + 1) {
                    Ending::Refuses(_) => return Ending::Refuses(handle),
                    Ending::Accepts => return Ending::Accepts,
                    // Nothing after a goto is reached; the base chain's policy decides, and our
                    // rules must come before it to be met at all.
                    Ending::Falls if word == "goto" => return Ending::Refuses(handle),
                    Ending::Falls => {}
                }
            }
            _ => {}
        }
    }
    Ending::Falls
}

/// The verdict of a rule that has no condition, as (word, argument).
fn unconditional_verdict(rule: &Value) -> Option<(&str, &Value)> {
    let mut verdict = None;
    for expression in rule["expr"].as_array()? {
        let (word, argument) = expression.as_object()?.iter().next()?;
        match word.as_str() {
            "counter" | "log" => {}
            "drop" | "reject" | "accept" | "return" | "jump" | "goto" => {
                verdict = Some((word.as_str(), argument));
            }
            // How iptables-nft's own targets are printed: REJECT and DROP end the chain, LOG not.
            "xt" if argument["type"] == "target" => match argument["name"].as_str() {
                Some("REJECT") => verdict = Some(("reject", argument)),
                Some("LOG" | "NFLOG") => {}
                _ => return None,
            },
            // Before nft 1.0.6 an iptables target is `{"xt": null}` and stands after the counter.
            // If it is a LOG, our rules before it cost its line and nothing else.
            "xt" if argument.is_null() && follows_counter(rule) => {
                verdict = Some(("reject", argument));
            }
            _ => return None,
        }
    }
    verdict
}

/// Whether the rule is exactly a counter and one more expression.
fn follows_counter(rule: &Value) -> bool {
    let expressions = rule["expr"].as_array().map(Vec::as_slice).unwrap_or_default();
    expressions.len() == 2 && expressions[0].get("counter").is_some()
}

fn is_ours(table: &str) -> bool {
    table.strip_prefix("lambdabox_").is_some_and(|slot| slot.parse::<u16>().is_ok())
}

fn objects<'a>(listing: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    listing["nftables"].as_array().into_iter().flatten().filter_map(move |entry| entry.get(kind))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chain(policy: &str) -> ForwardChain {
        ForwardChain {
            family: "ip".into(),
            table: "filter".into(),
            chain: "FORWARD".into(),
            policy_drops: policy == "drop",
        }
    }

    fn listing(rules: &[(&str, u64, Value)]) -> Value {
        let rules: Vec<Value> = rules
            .iter()
            .map(|(chain, handle, expr)| {
                json!({"rule": {"family": "ip", "table": "filter", "chain": chain,
                                "handle": handle, "expr": expr}})
            })
            .collect();
        json!({ "nftables": rules })
    }

    fn counter() -> Value {
        json!({"counter": {"packets": 0, "bytes": 0}})
    }

    #[test]
    fn dockers_chain_with_policy_drop_gets_our_rules_at_its_end() {
        let rules = listing(&[
            ("FORWARD", 5, json!([counter(), {"jump": {"target": "DOCKER-USER"}}])),
            ("FORWARD", 6, json!([{"match": {}}, counter(), {"accept": null}])),
            ("DOCKER-USER", 4, json!([counter(), {"return": null}])),
        ]);
        assert_eq!(place(&chain("drop"), &rules), Some(Place::End));
        assert_eq!(place(&chain("accept"), &rules), None);
    }

    #[test]
    fn a_final_reject_under_policy_accept_is_seen_through_a_jump() {
        let rules = listing(&[
            ("FORWARD", 7, json!([counter(), {"xt": {"type": "target", "name": "LOG"}}])),
            ("FORWARD", 8, json!([counter(), {"jump": {"target": "ufw-reject-forward"}}])),
            (
                "ufw-reject-forward",
                9,
                json!([counter(), {"xt": {"type": "target", "name": "REJECT"}}]),
            ),
        ]);
        assert_eq!(place(&chain("accept"), &rules), Some(Place::Before(8)));
    }

    #[test]
    fn a_refusal_with_a_condition_is_the_administrators_word_and_stays_before_ours() {
        let rules = listing(&[("FORWARD", 3, json!([{"match": {}}, counter(), {"drop": null}]))]);
        assert_eq!(place(&chain("accept"), &rules), None);
        assert_eq!(place(&chain("drop"), &rules), Some(Place::End));
    }

    #[test]
    fn old_nft_prints_a_bare_xt_and_it_is_taken_for_a_refusal_only_after_a_counter() {
        let target = listing(&[("FORWARD", 3, json!([counter(), {"xt": null}]))]);
        assert_eq!(place(&chain("accept"), &target), Some(Place::Before(3)));
        let matched = listing(&[("FORWARD", 3, json!([{"xt": null}, counter(), {"drop": null}]))]);
        assert_eq!(place(&chain("accept"), &matched), None);
    }

    #[test]
    fn chains_that_jump_in_a_circle_end() {
        let rules = listing(&[("FORWARD", 1, json!([{"jump": {"target": "FORWARD"}}]))]);
        assert_eq!(place(&chain("drop"), &rules), Some(Place::End));
    }

    #[test]
    fn our_own_tables_and_other_families_are_no_obstacle() {
        let chains = json!({"nftables": [
            {"chain": {"family": "inet", "table": "lambdabox_7", "name": "forward",
                       "hook": "forward", "policy": "accept"}},
            {"chain": {"family": "ip6", "table": "filter", "name": "FORWARD",
                       "hook": "forward", "policy": "drop"}},
            {"chain": {"family": "ip", "table": "filter", "name": "FORWARD",
                       "hook": "forward", "policy": "drop"}},
            {"chain": {"family": "ip", "table": "filter", "name": "DOCKER-USER"}},
        ]});
        assert_eq!(forward_chains(&chains), [chain("drop")]);
    }

    #[test]
    fn rules_are_added_and_found_again_by_the_slots_comment() {
        assert_eq!(
            rules(&chain("drop"), &Place::Before(8), 5),
            "insert rule ip filter FORWARD handle 8 iifname \"lbx5n*\" counter accept comment \"lambdabox_5\"\n\
             insert rule ip filter FORWARD handle 8 oifname \"lbx5n*\" counter accept comment \"lambdabox_5\"\n"
        );
        let found = json!({"nftables": [
            {"rule": {"family": "ip", "table": "filter", "chain": "FORWARD", "handle": 9,
                      "comment": "lambdabox_5"}},
            {"rule": {"family": "ip", "table": "filter", "chain": "FORWARD", "handle": 10,
                      "comment": "lambdabox_51"}},
        ]});
        assert_eq!(removal(&found, 5), "delete rule ip filter FORWARD handle 9\n");
        assert!(has_rules(&chain("drop"), &found, 5) && !has_rules(&chain("drop"), &found, 1));
        let elsewhere = ForwardChain { chain: "DOCKER-USER".into(), ..chain("drop") };
        assert!(!has_rules(&elsewhere, &found, 5), "the chain's own rules count");
    }
}
