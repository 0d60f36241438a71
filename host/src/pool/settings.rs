//! What the operator decides about the pool.

use std::time::Duration;

use crate::model::patience;

/// Idle environments end after this (Lambda keeps them for "some time"; ten minutes is usual there).
pub(crate) const IDLE_FOR: Duration = Duration::from_mins(10);
/// Idle before it is frozen. AWS freezes at once; this saves two freezes a call while calls come in
/// a row, and is a stated deviation.
pub(crate) const FREEZE_AFTER: Duration = Duration::from_millis(50);
/// How long an invocation waits for memory before it is refused.
pub(crate) const MEMORY_WITHIN: Duration = Duration::from_secs(10);
/// `ConcurrentExecutions` of an account (lambda-service.md 12).
pub(crate) const ACCOUNT_CONCURRENCY: u32 = 1_000;
/// Charged for each environment on top of its function's memory: its init, the kernel's own tables
/// and the host's buffers (performance.md 2.10 has 1.1 MB; `/tmp` images and TLS of a busy one more).
pub(crate) const OVERHEAD_MB: u32 = 8;

/// How long after an answer a runtime that runs many at once has to ask for the next event: so long its
/// slot is thought to come back, and no other environment is started for that.
const SLOT_WITHIN: Duration = Duration::from_secs(1);

/// The share of the machine's memory that is left to everybody else.
const RESERVE_SHARE: u64 = 10;
/// And at least this much of it.
const RESERVE_AT_LEAST_MB: u64 = 256;
/// Starts for each CPU: one waits for the disk or the kernel while the other runs.
const STARTS_PER_CPU: u32 = 2;
/// And never fewer than this, where handlers only wait.
const STARTS_AT_LEAST: u32 = 4;

/// When an environment whose runtime waits is stopped from running at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freeze {
    /// Never: background threads run on between invocations.
    Off,
    /// As soon as nothing is to be done, as on AWS.
    Immediate,
    /// After being idle for so long.
    After(Duration),
}

impl Freeze {
    /// How long after an invocation; `None` for never.
    pub(crate) fn delay(self) -> Option<Duration> {
        match self {
            Self::Off => None,
            Self::Immediate => Some(Duration::ZERO),
            Self::After(delay) => Some(delay),
        }
    }
}

/// The pool's limits.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Memory all environments together may be promised.
    pub memory_budget_mb: u64,
    /// Charged for each on top of its function's memory.
    pub overhead_mb: u32,
    /// How long an invocation waits for memory.
    pub memory_within: Duration,
    /// How long an idle environment is kept.
    pub idle_for: Duration,
    /// When idle environments are frozen.
    pub freeze: Freeze,
    /// Invocations at once of all functions.
    pub account_concurrency: u32,
    /// Environments at once: as many as have ids of their own.
    pub environments_max: u32,
    /// Environments in their init at once; more would only slow each other down.
    pub starts_at_once: u32,
}

impl Settings {
    /// The defaults on a machine with this much memory and so many CPUs.
    pub fn of_machine(memory_mb: u64, cpus: u32, environments_max: u32) -> Self {
        let reserve_mb = (memory_mb / RESERVE_SHARE).max(RESERVE_AT_LEAST_MB);
        Self {
            memory_budget_mb: memory_mb.saturating_sub(reserve_mb),
            overhead_mb: OVERHEAD_MB,
            memory_within: MEMORY_WITHIN,
            idle_for: IDLE_FOR,
            freeze: Freeze::After(FREEZE_AFTER),
            account_concurrency: ACCOUNT_CONCURRENCY,
            environments_max,
            starts_at_once: cpus.saturating_mul(STARTS_PER_CPU).max(STARTS_AT_LEAST),
        }
    }
}

/// Of many at once: how long after an answer its slot is thought to come back.
pub(super) fn slot_within() -> Duration {
    patience(SLOT_WITHIN)
}

/// Of many at once: how long after the first worker the others are thought to come. Each loads the
/// function by itself, so that takes about as long again as the init until the first.
pub(super) fn workers_within(init: Duration) -> Duration {
    slot_within().max(init)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_machine_and_at_least_256_mb_are_left_to_others() {
        assert_eq!(Settings::of_machine(24_000, 2, 1_024).memory_budget_mb, 21_600);
        assert_eq!(Settings::of_machine(1_000, 2, 1_024).memory_budget_mb, 744);
        assert_eq!(Settings::of_machine(100, 2, 1_024).memory_budget_mb, 0);
    }
}
