//! Whom to end when memory is wanted.

use std::time::Instant;

use super::Schedule;
use super::parts::{Env, EnvId, Health, Stand};

impl Schedule {
    /// Idle environments, those first that will be missed least.
    pub(super) fn least_value_first(&self, now: Instant) -> Vec<EnvId> {
        let idle = self.expiries.iter().map(|(_, env)| *env);
        let mut all: Vec<(f64, EnvId)> =
            idle.map(|env| (value(&self.envs[&env], now), env)).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        all.into_iter().map(|(_, env)| env).collect()
    }
}

/// What keeping it is worth: the init that its next invocation is spared, for each megabyte it holds,
/// and less the longer nobody came. One without a runtime spares nothing.
fn value(env: &Env, now: Instant) -> f64 {
    let Stand::Idle { since } = env.stand else { return f64::INFINITY };
    if env.health == Health::Reset {
        return 0.0;
    }
    let idle_secs = now.duration_since(since).as_secs_f64();
    env.init.as_secs_f64() / f64::from(env.mb) / (1.0 + idle_secs)
}
