//! Who runs where, without anything that runs.

mod cases;
mod many;
mod random;

use std::time::{Duration, Instant};

use super::parts::Stand;
use super::*;
use crate::pool::settings::Freeze;

pub(super) const FOR_EVER: Duration = Duration::from_hours(1);
pub(super) const IDLE_FOR: Duration = Duration::from_mins(10);
pub(super) const WITHIN: Duration = Duration::from_secs(10);

/// Room for `places` environments of 128 MB.
pub(super) fn settings(places: u64) -> Settings {
    Settings {
        memory_budget_mb: 136 * places,
        overhead_mb: 8,
        memory_within: WITHIN,
        idle_for: IDLE_FOR,
        freeze: Freeze::Off,
        account_concurrency: 1_000,
        environments_max: 1_024,
        starts_at_once: 1_000,
    }
}

pub(super) fn need(function: &str, revision: &str) -> Need {
    let key = Key {
        function: function.to_owned(),
        version: "$LATEST".to_owned(),
        revision: revision.to_owned(),
        tenant: None,
    };
    Need { key, memory_mb: 128, reserved: None, at_once: None }
}

/// What must hold at every moment.
pub(super) fn check(schedule: &Schedule) {
    let envs = &schedule.envs;
    let promised: u64 = envs.values().map(|env| u64::from(env.mb)).sum();
    assert_eq!(promised + schedule.lost_mb, schedule.promised_mb);
    assert!(schedule.promised_mb <= schedule.settings.memory_budget_mb, "over the budget");
    assert!(envs.len() <= schedule.settings.environments_max as usize);
    let mut running = BTreeSet::new();
    let (mut starting, mut ending_mb) = (0, 0);
    for (id, env) in envs {
        for job in &env.jobs {
            assert!(running.insert(*job), "{job:?} runs twice");
            assert_eq!(schedule.jobs[job].key, env.key);
        }
        let open = &schedule.groups[&env.key].open;
        assert_eq!(open.iter().filter(|open| *open == id).count(), usize::from(env.free > 0));
        match env.stand {
            Stand::Busy => assert!(!env.jobs.is_empty()),
            Stand::Starting { .. } => starting += 1,
            Stand::Ending => ending_mb += u64::from(env.mb),
            Stand::Idle { since } => {
                assert!(schedule.expiries.contains(&(since + schedule.settings.idle_for, *id)));
                assert!(schedule.groups[&env.key].idle.contains(id));
            }
        }
    }
    assert_eq!((starting, ending_mb), (schedule.starting, schedule.ending_mb));
    assert!(starting <= schedule.settings.starts_at_once);
    let waiting: BTreeSet<JobId> = schedule.waiting.iter().copied().collect();
    let all: BTreeSet<JobId> = waiting.union(&running).copied().collect();
    assert!(all.iter().eq(schedule.jobs.keys()), "an invocation is lost");
    assert!(waiting.is_disjoint(&running));
    for (key, group) in &schedule.groups {
        let of = |env: &&Env| env.key == *key;
        let jobs = waiting.iter().filter(|job| schedule.jobs[*job].key == *key).count();
        assert_eq!(group.waiting as usize, jobs);
        assert_eq!(group.envs as usize, envs.values().filter(of).count());
        // Nobody waits while somebody who could serve it has nothing to do.
        assert!(group.waiting == 0 || group.open.is_empty());
    }
    for (name, flow) in &schedule.flows {
        let jobs = schedule.jobs.values().filter(|job| job.key.function == *name && !job.answered);
        let jobs = jobs.count();
        assert_eq!(flow.in_flight as usize, jobs);
    }
}
