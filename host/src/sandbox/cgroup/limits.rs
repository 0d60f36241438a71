//! What a group is limited to: arithmetic only.

use crate::model::MIB_PER_VCPU;

/// Processes and threads of one environment (Lambda quotas: 1,024).
pub const PIDS_MAX: u32 = 1_024;
/// Bandwidth period: short, so that a small quota stutters in steps of at most 20 ms
/// (design section 4.6).
const PERIOD_US: u64 = 20_000;
/// The smallest quota the kernel takes (`min_cfs_quota_period`, 1 ms).
const QUOTA_MIN_US: u64 = 1_000;

/// What an environment is limited by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controllers {
    /// Memory, processes and CPU.
    All,
    /// Memory and processes, where CPU is not to be limited and its controller was not given to us.
    AllButCpu,
}

impl Controllers {
    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Self::All => &["cpu", "memory", "pids"],
            Self::AllButCpu => &["memory", "pids"],
        }
    }
}

/// What holds from the first process of a group on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Memory, page cache and kernel memory included; no swap.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids: u32,
}

impl Limits {
    /// The limits of a function with this much memory.
    pub fn of_function(memory_mb: u32) -> Self {
        Self { memory_bytes: u64::from(memory_mb) << 20, pids: PIDS_MAX }
    }
}

/// CPU time a group may use in each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuQuota {
    /// Time on all CPUs together, µs.
    pub quota_us: u64,
    /// Length of the period, µs.
    pub period_us: u64,
}

impl CpuQuota {
    /// In proportion to memory: 1,769 MB are one CPU.
    pub fn of_memory(memory_mb: u32) -> Self {
        let quota_us = PERIOD_US * u64::from(memory_mb) / u64::from(MIB_PER_VCPU);
        Self { quota_us: quota_us.max(QUOTA_MIN_US), period_us: PERIOD_US }
    }
}

/// A size or time as the controllers' setters take it; none in use comes near the end of the range.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_in_proportion_to_memory() {
        for (memory_mb, quota_us) in [(128, 1_447), (1_769, 20_000), (3_538, 40_000)] {
            let quota = CpuQuota::of_memory(memory_mb);
            assert_eq!((quota.quota_us, quota.period_us), (quota_us, 20_000), "{memory_mb} MB");
        }
        assert_eq!(CpuQuota::of_memory(10_240).quota_us, 115_771);
    }

    #[test]
    fn no_quota_is_below_what_the_kernel_takes() {
        assert_eq!(CpuQuota::of_memory(1).quota_us, 1_000);
    }

    #[test]
    fn a_megabyte_is_two_to_the_twentieth_bytes() {
        assert_eq!(Limits::of_function(128).memory_bytes, 134_217_728);
    }
}
