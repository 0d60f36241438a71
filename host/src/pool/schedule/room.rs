//! Who gets an idle environment, who gets a new one, and who has waited too long for it.

use std::collections::BTreeMap;
use std::time::Instant;

use super::parts::{Effect, Env, EnvId, Group, JobId, Key, Stand};
use super::{Health, Schedule};
use crate::model::Refused;

/// Whether one more environment can be had.
enum Room {
    Now,
    /// Once these have ended, or what is ending already.
    After(Vec<EnvId>),
    /// Only when somebody who is busy is done.
    No,
}

impl Schedule {
    /// Serves whoever can be served now, oldest first.
    pub(super) fn settle(&mut self, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.waiting.is_empty() {
            return effects;
        }
        // Of each version, environments that start or are about to have room will serve this many.
        let mut covered: BTreeMap<Key, u32> = BTreeMap::new();
        let mut blocked = false;
        // How many can be served by who idles: with these gone and no start to be had, nobody else can.
        let free = |group: &Group| group.open.iter().map(|env| self.envs[env].free).sum::<u32>();
        let with_work = self.groups.values().map(|group| free(group).min(group.waiting) as usize);
        let mut servable: usize = with_work.sum();
        for job in self.waiting.clone() {
            let can_start = !blocked && self.starting < self.settings.starts_at_once;
            if servable == 0 && !can_start {
                break;
            }
            let key = self.jobs[&job].key.clone();
            if let Some(env) = self.best_open(&key) {
                effects.push(self.assign(env, job));
                effects.extend(self.end_unwanted(&key));
                servable = servable.saturating_sub(1);
                continue;
            }
            if !covered.contains_key(&key) {
                covered.insert(key.clone(), self.promised(&key, now));
            }
            let promised = covered.get_mut(&key).expect("it was put in above");
            if *promised > 0 {
                *promised -= 1;
                continue;
            }
            if !can_start {
                continue;
            }
            match self.room(&key, now) {
                Room::Now => {
                    effects.push(self.start(&key, now));
                    *promised += self.groups[&key].at_once.unwrap_or(1) - 1;
                }
                Room::After(idle) => {
                    effects.extend(idle.into_iter().map(|env| self.end(env)));
                    blocked = true;
                }
                Room::No => blocked = true,
            }
        }
        effects
    }

    /// How many will be served by what starts, or has room again at any moment.
    fn promised(&self, key: &Key, now: Instant) -> u32 {
        let group = &self.groups[key];
        let envs = self.envs.values().filter(|env| env.key == *key);
        match group.at_once {
            Some(at_once) => envs.map(|env| env.promised(at_once, now)).sum(),
            None => envs.map(|env| u32::from(env.is_finishing(now))).sum::<u32>() + group.starting,
        }
    }

    /// When somebody who waits has waited long enough for such room.
    pub(super) fn promises_end(&self) -> Option<Instant> {
        if self.waiting.is_empty() {
            return None;
        }
        let promises = self.envs.values().filter_map(|env: &Env| {
            let group = self.groups.get(&env.key).filter(|group| group.waiting > 0)?;
            let unseen = |until: &&Instant| Some(**until) > self.promises_seen;
            match (group.at_once, env.stand) {
                (Some(_), Stand::Idle { .. } | Stand::Busy) => {
                    env.slots_until.iter().filter(unseen).min().copied()
                }
                (None, Stand::Busy) => env.finishing_until.filter(|until| unseen(&until)),
                _ => None,
            }
        });
        promises.min()
    }

    /// The most recently used, one with a runtime before one without.
    fn best_open(&self, key: &Key) -> Option<EnvId> {
        let idle = &self.groups[key].open;
        let ready = |env: &&EnvId| self.envs[*env].health == Health::Ready;
        idle.iter().rev().find(ready).or_else(|| idle.last()).copied()
    }

    fn room(&self, key: &Key, now: Instant) -> Room {
        let needed_mb = u64::from(self.groups[key].needed_mb);
        let budget_mb = self.settings.memory_budget_mb;
        let count = u64::try_from(self.envs.len()).unwrap_or(u64::MAX);
        let most = u64::from(self.settings.environments_max);
        if self.promised_mb + needed_mb <= budget_mb && count < most {
            return Room::Now;
        }
        let ending = self.envs.values().filter(|env| env.stand == Stand::Ending).count();
        let mut free_mb = budget_mb - self.promised_mb + self.ending_mb;
        let mut places = most - count + u64::try_from(ending).unwrap_or(0);
        let mut chosen = Vec::new();
        for env in self.least_value_first(now) {
            if free_mb >= needed_mb && places > 0 {
                break;
            }
            if !self.may_end_for(env, key) {
                continue;
            }
            free_mb += u64::from(self.envs[&env].mb);
            places += 1;
            chosen.push(env);
        }
        if free_mb >= needed_mb && places > 0 { Room::After(chosen) } else { Room::No }
    }

    /// One that nobody of its own version waits for may be ended for anybody. One that somebody waits for
    /// only for a version that has none, or at least two fewer: else versions that have more work than
    /// memory would end each other's environments for every single invocation.
    fn may_end_for(&self, env: EnvId, key: &Key) -> bool {
        let (its, others) = (&self.groups[&self.envs[&env].key], &self.groups[key]);
        its.waiting == 0 || others.envs == 0 || its.envs >= others.envs + 2
    }

    /// Refuses those who have waited for memory for as long as anybody may. Who waits for something
    /// else, a start under way or a turn to start, waits on.
    pub(super) fn lose_patience(&mut self, now: Instant) -> Vec<Effect> {
        let late: Vec<JobId> =
            self.waiting.iter().filter(|job| self.jobs[*job].until <= now).copied().collect();
        let mut effects = Vec::new();
        for job in late {
            let key = self.jobs[&job].key.clone();
            let group = &self.groups[&key];
            let needed_mb = group.needed_mb;
            let is_short = matches!(self.room(&key, now), Room::No);
            if group.starting == 0 && group.open.is_empty() && is_short {
                self.leave(job);
                effects.push(Effect::Refuse { job, refused: self.no_memory(needed_mb) });
            } else {
                let until = now + self.settings.memory_within;
                self.jobs.get_mut(&job).expect("it waits").until = until;
            }
        }
        effects
    }

    pub(super) fn no_memory(&self, needed_mb: u32) -> Refused {
        let free = self.settings.memory_budget_mb - self.promised_mb;
        Refused::NoMemory { needed_mb, free_mb: u32::try_from(free).unwrap_or(u32::MAX) }
    }
}
