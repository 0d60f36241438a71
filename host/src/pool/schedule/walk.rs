//! The steps of environments and invocations from one state to the next, with every count that goes
//! along.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::Schedule;
use super::parts::{Effect, Env, EnvId, Group, Health, JobId, Key, Stand};

/// How long after its answer an environment is thought to be free any moment; until then no other one is
/// started for who waits. A runtime that has used up its share of the processor, or shares it with many,
/// takes some periods of that share to ask for the next one.
pub(super) const FINISHES_WITHIN: Duration = Duration::from_millis(100);

impl Schedule {
    pub(super) fn group_of(&mut self, env: EnvId) -> &mut Group {
        let key = &self.envs[&env].key;
        self.groups.get_mut(key).expect("a group lives as long as its environments")
    }

    /// A new environment, promised its memory.
    pub(super) fn start(&mut self, key: &Key, now: Instant) -> Effect {
        self.last_env += 1;
        let env = EnvId(self.last_env);
        let group = self.groups.get_mut(key).expect("somebody of this group asks");
        group.envs += 1;
        group.starting += 1;
        self.starting += 1;
        let mb = group.needed_mb;
        self.promised_mb += u64::from(mb);
        let one = Env {
            key: key.clone(),
            stand: Stand::Starting { since: now },
            mb,
            init: Duration::ZERO,
            health: Health::Ready,
            jobs: BTreeSet::new(),
            free: 0,
            slots_until: Vec::new(),
            finishing_until: None,
        };
        self.envs.insert(env, one);
        Effect::Start { env, key: key.clone() }
    }

    /// It has nothing to do: it serves who waits, ends if nobody will want it, or idles.
    pub(super) fn rest(&mut self, env: EnvId, health: Health, now: Instant) -> Vec<Effect> {
        let since = now;
        let one = self.envs.get_mut(&env).expect("the caller looked it up");
        (one.stand, one.health) = (Stand::Idle { since }, health);
        self.expiries.insert((since + self.settings.idle_for, env));
        let closing = self.closing;
        if self.group_of(env).at_once.is_none() {
            self.set_free(env, 1);
        }
        let group = self.group_of(env);
        group.idle.push(env);
        let unwanted = group.waiting == 0 && (group.retired || closing);
        let mut effects = Vec::new();
        if unwanted {
            effects.push(self.end(env));
        }
        effects.extend(self.settle(now));
        effects
    }

    /// How many more it can be given.
    pub(super) fn set_free(&mut self, env: EnvId, free: u32) {
        let one = self.envs.get_mut(&env).expect("the caller looked it up");
        one.free = free;
        let open = &mut self.group_of(env).open;
        open.retain(|other| *other != env);
        if free > 0 {
            open.push(env);
        }
    }

    /// It is idle no more.
    pub(super) fn unrest(&mut self, env: EnvId, since: Instant) {
        self.expiries.remove(&(since + self.settings.idle_for, env));
        self.group_of(env).idle.retain(|idle| *idle != env);
    }

    /// Gives a waiting invocation to an idle environment.
    pub(super) fn assign(&mut self, env: EnvId, job: JobId) -> Effect {
        if let Stand::Idle { since } = self.envs[&env].stand {
            self.unrest(env, since);
        }
        self.waiting.retain(|waiting| *waiting != job);
        self.group_of(env).waiting -= 1;
        let one = self.envs.get_mut(&env).expect("it was open");
        one.stand = Stand::Busy;
        one.finishing_until = None;
        one.jobs.insert(job);
        let free = one.free.saturating_sub(1);
        self.set_free(env, free);
        Effect::Assign { env, job }
    }

    /// Ends an idle environment; its memory stays promised until it is gone.
    pub(super) fn end(&mut self, env: EnvId) -> Effect {
        let one = &self.envs[&env];
        let (stand, mb) = (one.stand, one.mb);
        if let Stand::Idle { since } = stand {
            self.unrest(env, since);
        }
        self.set_free(env, 0);
        self.ending_mb += u64::from(mb);
        self.envs.get_mut(&env).expect("it was there above").stand = Stand::Ending;
        Effect::End { env }
    }

    /// Of a version that is served no more, the idle ones that nobody waits for now.
    pub(super) fn end_unwanted(&mut self, key: &Key) -> Vec<Effect> {
        let group = &self.groups[key];
        let unwanted = group.waiting == 0 && (group.retired || self.closing);
        let idle = if unwanted { group.idle.clone() } else { Vec::new() };
        idle.into_iter().map(|env| self.end(env)).collect()
    }

    /// Takes an environment that is gone off every count.
    pub(super) fn remove(&mut self, env: EnvId) {
        self.set_free(env, 0);
        self.group_of(env).envs -= 1;
        let one = self.envs.remove(&env).expect("the caller looked it up");
        self.promised_mb -= u64::from(one.mb);
        if one.stand == Stand::Ending {
            self.ending_mb -= u64::from(one.mb);
        }
        self.tidy(&one.key);
    }

    /// A waiting invocation is over.
    pub(super) fn leave(&mut self, job: JobId) {
        self.waiting.retain(|waiting| *waiting != job);
        if let Some(group) = self.groups.get_mut(&self.jobs[&job].key) {
            group.waiting -= 1;
        }
        self.forget(job);
    }

    /// An invocation is over.
    pub(super) fn forget(&mut self, job: JobId) {
        let Some(job) = self.jobs.remove(&job) else { return };
        if let Some(flow) = self.flows.get_mut(&job.key.function).filter(|_| !job.answered) {
            flow.in_flight -= 1;
        }
        self.tidy(&job.key);
    }

    /// Drops what nobody is left of.
    fn tidy(&mut self, key: &Key) {
        if self.groups.get(key).is_some_and(|group| group.envs == 0 && group.waiting == 0) {
            self.groups.remove(key);
        }
        let in_use = self.groups.keys().any(|other| other.function == key.function);
        if !in_use && self.flows.get(&key.function).is_some_and(|flow| flow.in_flight == 0) {
            self.flows.remove(&key.function);
        }
    }
}
