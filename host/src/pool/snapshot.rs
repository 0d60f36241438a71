//! What the pool does at one moment, for `top` and metrics.

use std::time::Duration;

use serde::Serialize;

use super::schedule::{EnvId, Schedule};

/// Environments by what they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Count {
    /// In their first init.
    pub starting: u32,
    /// Their runtime waits.
    pub idle: u32,
    /// The same, and stopped from running.
    pub frozen: u32,
    /// One invocation runs in each.
    pub busy: u32,
    /// On their way out; their memory is not free yet.
    pub ending: u32,
}

/// One function version's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FunctionCount {
    /// `FunctionName`.
    pub function: String,
    /// `$LATEST` or a number.
    pub version: String,
    /// Which code and configuration.
    pub revision: String,
    /// Its environments.
    pub environments: Count,
    /// Its invocations that run nowhere yet.
    pub waiting: u32,
    /// Memory its environments are promised, MB.
    pub memory_mb: u64,
}

/// The whole pool.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Snapshot {
    /// All environments.
    pub environments: Count,
    /// Each version that has an environment or an invocation, by name.
    pub functions: Vec<FunctionCount>,
    /// Memory environments may be promised, MB.
    pub memory_budget_mb: u64,
    /// Memory they are promised, MB.
    pub memory_promised_mb: u64,
    /// Part of it that is lost to environments that could not be ended, MB.
    pub memory_lost_mb: u64,
    /// Invocations that run nowhere yet.
    pub waiting: u32,
    /// How long the oldest of these has waited, ms.
    pub oldest_waiting_ms: u64,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.starting += other.starting;
        self.idle += other.idle;
        self.frozen += other.frozen;
        self.busy += other.busy;
        self.ending += other.ending;
    }
}

impl Schedule {
    /// The counts, `is_frozen` and `oldest_waiting` being known to the caller.
    pub(super) fn snapshot(
        &self,
        is_frozen: &dyn Fn(EnvId) -> bool,
        oldest_waiting: Duration,
    ) -> Snapshot {
        let mut all = Snapshot {
            functions: self.function_counts(is_frozen),
            memory_budget_mb: self.memory_budget_mb(),
            memory_promised_mb: self.memory_promised_mb(),
            memory_lost_mb: self.memory_lost_mb(),
            oldest_waiting_ms: u64::try_from(oldest_waiting.as_millis()).unwrap_or(u64::MAX),
            ..Snapshot::default()
        };
        for one in &all.functions {
            all.environments.add(one.environments);
            all.waiting += one.waiting;
        }
        all
    }
}
