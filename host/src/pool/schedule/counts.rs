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
        let count = |key: &Key, waiting: u32| {
            let mut environments = Count::default();
            let mut memory_mb = 0;
            for (env, one) in self.envs.iter().filter(|(_, one)| one.key == *key) {
                memory_mb += u64::from(one.mb);
                match one.stand {
                    Stand::Starting { .. } => environments.starting += 1,
                    Stand::Idle { .. } if is_frozen(*env) => environments.frozen += 1,
                    Stand::Idle { .. } => environments.idle += 1,
                    Stand::Busy { .. } => environments.busy += 1,
                    Stand::Ending => environments.ending += 1,
                }
            }
            let Key { function, version, revision } = key.clone();
            FunctionCount { function, version, revision, environments, waiting, memory_mb }
        };
        self.groups.iter().map(|(key, group)| count(key, group.waiting)).collect()
    }
}
