//! The schedule's figures.

use super::Schedule;
use super::parts::{EnvId, Key, Stand};
use crate::pool::snapshot::{Count, FunctionCount};

impl Schedule {
    /// Whether there is an environment or an invocation of it.
    pub(crate) fn knows(&self, key: &Key) -> bool {
        self.groups.contains_key(key)
    }

    pub(crate) fn memory_budget_mb(&self) -> u64 {
        self.settings.memory_budget_mb
    }

    pub(crate) fn memory_promised_mb(&self) -> u64 {
        self.promised_mb
    }

    pub(crate) fn memory_lost_mb(&self) -> u64 {
        self.lost_mb
    }

    pub(crate) fn function_counts(&self, is_frozen: &dyn Fn(EnvId) -> bool) -> Vec<FunctionCount> {
        let mut counts: Vec<FunctionCount> = Vec::new();
        // Tenants of one version come one after another, and are counted together.
        for (key, group) in &self.groups {
            let Key { function, version, revision, tenant: _ } = key.clone();
            let is_of = |count: &FunctionCount| {
                (&count.function, &count.version, &count.revision)
                    == (&function, &version, &revision)
            };
            if !counts.last().is_some_and(is_of) {
                let environments = Count::default();
                let (waiting, memory_mb) = (0, 0);
                let new =
                    FunctionCount { function, version, revision, environments, waiting, memory_mb };
                counts.push(new);
            }
            let count = counts.last_mut().expect("one was pushed just now");
            count.waiting += group.waiting;
            for (env, one) in self.envs.iter().filter(|(_, one)| one.key == *key) {
                count.memory_mb += u64::from(one.mb);
                let environments = &mut count.environments;
                match one.stand {
                    Stand::Starting { .. } => environments.starting += 1,
                    Stand::Idle { .. } if is_frozen(*env) => environments.frozen += 1,
                    Stand::Idle { .. } => environments.idle += 1,
                    Stand::Busy => environments.busy += 1,
                    Stand::Ending => environments.ending += 1,
                }
            }
        }
        counts
    }
}
