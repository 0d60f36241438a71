//! Who runs where: the pool's rule book, for all functions of the host.
//!
//! Pure: each method takes what happened and the time, and returns what must be done. `driver.rs`
//! performs it. One owner for all functions, not one for each, because memory, the account's
//! concurrency and whom to end for whom are decisions between functions: with an owner for each they
//! would be a protocol between owners, and its races the place where invocations are lost.
//!
//! An invocation that finds no idle environment of its version waits, and a new environment is
//! started for it; it is served by whichever is free first.
//!
//! # Invariants
//! - Every invocation ends by one call of [`Schedule::done`] or one [`Effect::Refuse`].
//! - An environment has at most one invocation, or as many as it has said it has room for.
//! - What is promised never exceeds the budget, and comes back only by [`Schedule::gone`].
//! - Starts are granted in the order of asking: who needs much is not passed by who needs little.
//!
//! # Not here
//! What an environment is (`environment.rs`), when one is frozen (`worker.rs`).
//!
//! # Sources
//! Lambda developer guide, "concurrency" and "execution environment"; lambda-service.md 12.

mod counts;
mod evict;
mod parts;
mod room;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

pub(crate) use parts::{Effect, EnvId, Gone, Health, JobId, Key, Need, Stand};
use parts::{Env, Flow, Group, Job};
use walk::FINISHES_WITHIN;

use super::settings::{Settings, slot_within, workers_within};
use crate::model::Refused;

/// Every environment and every invocation of the host.
#[derive(Debug)]
pub(crate) struct Schedule {
    settings: Settings,
    envs: BTreeMap<EnvId, Env>,
    groups: BTreeMap<Key, Group>,
    flows: BTreeMap<String, Flow>,
    jobs: BTreeMap<JobId, Job>,
    /// Those that run nowhere yet, oldest first.
    waiting: VecDeque<JobId>,
    /// When each idle environment has been so for long enough.
    expiries: BTreeSet<(Instant, EnvId)>,
    promised_mb: u64,
    /// Part of `promised_mb` that is on its way back.
    ending_mb: u64,
    /// Part of `promised_mb` that never comes back: nobody knows what became of its environments.
    lost_mb: u64,
    starting: u32,
    last_env: u64,
    /// Promises of room that ended until then have been looked at.
    promises_seen: Option<Instant>,
    closing: bool,
    /// Everything was told to end.
    killed: bool,
}

impl Schedule {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            envs: BTreeMap::new(),
            groups: BTreeMap::new(),
            flows: BTreeMap::new(),
            jobs: BTreeMap::new(),
            waiting: VecDeque::new(),
            expiries: BTreeSet::new(),
            promised_mb: 0,
            ending_mb: 0,
            lost_mb: 0,
            starting: 0,
            last_env: 0,
            promises_seen: None,
            closing: false,
            killed: false,
        }
    }

    /// An invocation came. `job` is new.
    pub(crate) fn invoke(&mut self, job: JobId, need: &Need, now: Instant) -> Vec<Effect> {
        if let Some(refused) = self.refusal(need) {
            return vec![Effect::Refuse { job, refused }];
        }
        let flow = self.flows.entry(need.key.function.clone()).or_default();
        flow.reserved = need.reserved;
        flow.in_flight += 1;
        let needed_mb = need.memory_mb.saturating_add(self.settings.overhead_mb);
        let new = || Group::new(needed_mb, need.at_once);
        let group = self.groups.entry(need.key.clone()).or_insert_with(new);
        group.waiting += 1;
        let until = now + self.settings.memory_within;
        self.jobs.insert(job, Job { key: need.key.clone(), until, answered: false });
        self.waiting.push_back(job);
        self.settle(now)
    }

    /// Why an invocation cannot even wait.
    fn refusal(&self, need: &Need) -> Option<Refused> {
        if self.closing {
            return Some(Refused::ShuttingDown);
        }
        let flow = self.flows.get(&need.key.function);
        let in_flight = flow.map_or(0, |flow| flow.in_flight);
        match need.reserved {
            Some(limit) if in_flight >= limit => return Some(Refused::ReservedConcurrency),
            None if self.unreserved_in_flight() >= self.unreserved_limit() => {
                return Some(Refused::AccountConcurrency);
            }
            _ => {}
        }
        let needed_mb = need.memory_mb.saturating_add(self.settings.overhead_mb);
        let never = u64::from(needed_mb) > self.settings.memory_budget_mb;
        never.then(|| self.no_memory(needed_mb))
    }

    fn unreserved_in_flight(&self) -> u32 {
        let without = self.flows.values().filter(|flow| flow.reserved.is_none());
        without.map(|flow| flow.in_flight).sum()
    }

    /// What functions that are in use have reserved is nobody else's.
    fn unreserved_limit(&self) -> u32 {
        let reserved: u32 = self.flows.values().filter_map(|flow| flow.reserved).sum();
        self.settings.account_concurrency.saturating_sub(reserved)
    }

    /// Init is over, well or not: the environment takes invocations.
    pub(crate) fn ready(&mut self, env: EnvId, now: Instant) -> Vec<Effect> {
        let Some(one) = self.envs.get_mut(&env) else { return Vec::new() };
        let Stand::Starting { since } = one.stand else { return Vec::new() };
        one.init = now.duration_since(since);
        if let Some(at_once) = self.groups.get(&one.key).and_then(|group| group.at_once) {
            one.promise(at_once, workers_within(one.init), now);
        }
        self.starting -= 1;
        self.group_of(env).starting -= 1;
        self.rest(env, Health::Ready, now)
    }

    /// The caller has its answer; runtime and extensions still have something to do.
    pub(crate) fn answered(&mut self, env: EnvId, job: JobId, now: Instant) {
        let Some(one) = self.envs.get_mut(&env).filter(|one| one.jobs.contains(&job)) else {
            return;
        };
        one.finishing_until = Some(now + FINISHES_WITHIN);
        let Some(job) = self.jobs.get_mut(&job) else { return };
        if !std::mem::replace(&mut job.answered, true)
            && let Some(flow) = self.flows.get_mut(&job.key.function)
        {
            flow.in_flight -= 1;
        }
    }

    /// The environment's invocation is over; what it came to is for the caller.
    pub(crate) fn done(
        &mut self,
        env: EnvId,
        job: JobId,
        health: Health,
        now: Instant,
    ) -> Vec<Effect> {
        let Some(one) = self.envs.get_mut(&env) else { return Vec::new() };
        if !one.jobs.remove(&job) {
            return Vec::new();
        }
        if health == Health::Broken {
            one.health = health;
        }
        if let Some(_many) = self.groups.get(&one.key).and_then(|group| group.at_once) {
            one.promise(1, slot_within(), now);
        }
        self.forget(job);
        self.is_done(env, health, now)
    }

    /// Something that ran in an environment does not any more.
    fn is_done(&mut self, env: EnvId, health: Health, now: Instant) -> Vec<Effect> {
        let one = &self.envs[&env];
        if !one.jobs.is_empty() || one.stand != Stand::Busy {
            return self.settle(now);
        }
        if one.health == Health::Broken {
            // It ends by itself.
            self.end(env);
            return self.settle(now);
        }
        self.rest(env, health, now)
    }

    /// An environment of many at once can be given more, or fewer, than it said before.
    pub(crate) fn slots(
        &mut self,
        env: EnvId,
        before: usize,
        free: usize,
        now: Instant,
    ) -> Vec<Effect> {
        let Some(one) = self.envs.get_mut(&env) else { return Vec::new() };
        if !matches!(one.stand, Stand::Idle { .. } | Stand::Busy) {
            return Vec::new();
        }
        one.keep_promises(free.saturating_sub(before));
        let free = (one.free as usize + free).saturating_sub(before);
        self.set_free(env, u32::try_from(free).unwrap_or(u32::MAX));
        self.settle(now)
    }

    /// An invocation that an environment was given has not begun there: it waits again, first.
    pub(crate) fn back(&mut self, env: EnvId, job: JobId, now: Instant) -> Vec<Effect> {
        let Some(one) = self.envs.get_mut(&env) else { return Vec::new() };
        if !one.jobs.remove(&job) {
            return Vec::new();
        }
        if self.killed {
            self.forget(job);
            let refused = Effect::Refuse { job, refused: Refused::ShuttingDown };
            return [refused].into_iter().chain(self.is_done(env, Health::Ready, now)).collect();
        }
        self.waiting.push_front(job);
        self.group_of(env).waiting += 1;
        self.is_done(env, Health::Ready, now)
    }

    /// An environment takes no more, and ends once all that run in it are over.
    pub(crate) fn leaves(&mut self, env: EnvId, now: Instant) -> Vec<Effect> {
        let Some(one) = self.envs.get_mut(&env) else { return Vec::new() };
        one.health = Health::Broken;
        let is_idle = matches!(one.stand, Stand::Idle { .. });
        self.set_free(env, 0);
        let mut effects: Vec<Effect> = is_idle.then(|| self.end(env)).into_iter().collect();
        effects.extend(self.settle(now));
        effects
    }

    /// Nothing is left of the environment: its memory is free again.
    pub(crate) fn gone(&mut self, env: EnvId, gone: &Gone, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Some(one) = self.envs.get(&env) else { return effects };
        let (key, stand, one_mb) = (one.key.clone(), one.stand, one.mb);
        let refused = |job| {
            let refused = match gone {
                Gone::Ended => Refused::ShuttingDown,
                Gone::Failed(text) | Gone::Lost(text) => Refused::Sandbox(text.clone()),
            };
            Effect::Refuse { job, refused }
        };
        match stand {
            Stand::Starting { .. } => {
                self.starting -= 1;
                self.group_of(env).starting -= 1;
                // One of those it was started for must hear of it, or it would be tried for ever.
                let first = self.waiting.iter().find(|job| self.jobs[*job].key == key).copied();
                if let (Some(job), Gone::Failed(_) | Gone::Lost(_)) = (first, gone) {
                    self.leave(job);
                    effects.push(refused(job));
                }
            }
            Stand::Idle { since } => self.unrest(env, since),
            Stand::Busy | Stand::Ending => {}
        }
        let jobs = self.envs.get_mut(&env).map(|one| std::mem::take(&mut one.jobs));
        for job in jobs.unwrap_or_default() {
            self.forget(job);
            effects.push(refused(job));
        }
        let mb = u64::from(one_mb);
        self.remove(env);
        if let Gone::Lost(_) = gone {
            self.promised_mb += mb;
            self.lost_mb += mb;
        }
        effects.extend(self.settle(now));
        effects
    }

    /// Environments of other revisions than this one finish what they do and end.
    pub(crate) fn retire(
        &mut self,
        function: &str,
        version: &str,
        keep_revision: Option<&str>,
    ) -> Vec<Effect> {
        let old: Vec<Key> = self
            .groups
            .keys()
            .filter(|key| key.function == function && key.version == version)
            .filter(|key| keep_revision != Some(&key.revision))
            .cloned()
            .collect();
        let mut effects = Vec::new();
        for key in old {
            let group = self.groups.get_mut(&key).expect("it was listed just now");
            group.retired = true;
            let idle = group.idle.clone();
            effects.extend(idle.into_iter().map(|env| self.end(env)));
        }
        effects
    }

    /// The time asked for by [`Schedule::next_tick`] has come.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(&(at, env)) = self.expiries.first()
            && at <= now
        {
            effects.push(self.end(env));
        }
        effects.extend(self.lose_patience(now));
        self.promises_seen = Some(now);
        effects.extend(self.settle(now));
        effects
    }

    /// When [`Schedule::tick`] is to be called next.
    pub(crate) fn next_tick(&self) -> Option<Instant> {
        let expiry = self.expiries.first().map(|(at, _)| *at);
        let patience = self.waiting.iter().map(|job| self.jobs[job].until).min();
        expiry.into_iter().chain(patience).chain(self.promises_end()).min()
    }

    /// Nothing new is accepted; what was, is finished; what is idle ends.
    pub(crate) fn close(&mut self) -> Vec<Effect> {
        self.closing = true;
        let idle: Vec<EnvId> = self.expiries.iter().map(|(_, env)| *env).collect();
        idle.into_iter().map(|env| self.end(env)).collect()
    }

    /// Everything ends now.
    pub(crate) fn kill(&mut self) -> Vec<Effect> {
        let mut effects = self.close();
        self.killed = true;
        for job in self.waiting.clone() {
            self.leave(job);
            effects.push(Effect::Refuse { job, refused: Refused::ShuttingDown });
        }
        effects.extend(self.envs.keys().map(|&env| Effect::Kill { env }));
        effects
    }

    /// Nothing runs, waits or is left.
    pub(crate) fn is_drained(&self) -> bool {
        self.closing && self.envs.is_empty() && self.jobs.is_empty()
    }
}
