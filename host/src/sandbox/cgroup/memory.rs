//! How much memory a function used, in the sense of "Max Memory Used".
//!
//! # The rule
//! A sample is `usage − file cache`, where
//! - *usage* is all the kernel charges to the group (`memory.usage_in_bytes`, `memory.current`):
//!   anonymous memory, shared memory and tmpfs, page cache, and kernel memory such as page tables;
//! - *file cache* is the two file lists of the page reclaimer (`inactive_file + active_file`): clean
//!   or dirty, mapped or not, it can be written back and dropped. Pages of tmpfs and shared memory
//!   are not on these lists, and locked file pages have left them, so both stay counted.
//!
//! The sample is not below the sum of `VmHWM` over the group's processes at that moment: each
//! one's own largest resident size, which still knows a peak between two samples and the mapped code
//! the first part leaves out. Pages shared by processes count once for each in that sum, so it is
//! itself held to the group's memory limit, which no function can have exceeded.
//!
//! *Max Memory Used* is the largest sample: end of init, end of each invocation. The kernel's raw
//! peak, which a function that only wrote files drives to its limit, is for the operator.

use std::fs;
use std::path::Path;

/// Processes whose `VmHWM` is asked for in one sample. Each costs some 10 µs; a floor made of fewer
/// than all is still a floor.
const PROCESSES_SAMPLED_MAX: usize = 128;
const MIB: u64 = 1 << 20;

/// What a group's files say, before the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) usage_bytes: u64,
    pub(super) file_cache_bytes: u64,
    pub(super) peak_bytes: u64,
}

/// One sample of a group's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryUse {
    /// By the rule above, bytes.
    pub working_set_bytes: u64,
    /// Largest the kernel ever charged, page cache included, bytes.
    pub raw_peak_bytes: u64,
}

impl MemoryUse {
    /// What is known of processes without a group: the sum of their own resident peaks. A process that
    /// ended before is not in it, a page that several share is in it for each.
    pub(in crate::sandbox) fn of_processes(proc_root: &Path, pids: &[i32]) -> Self {
        let resident = resident_peaks_bytes(proc_root, pids);
        Self { working_set_bytes: resident, raw_peak_bytes: resident }
    }

    /// Applies the rule.
    pub(super) fn by_rule(usage: Usage, resident_peaks_bytes: u64, limit_bytes: u64) -> Self {
        let charged = usage.usage_bytes.saturating_sub(usage.file_cache_bytes);
        Self {
            working_set_bytes: charged.max(resident_peaks_bytes.min(limit_bytes)),
            raw_peak_bytes: usage.peak_bytes,
        }
    }
}

/// The largest of all samples of one environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryMeter {
    largest: MemoryUse,
}

impl MemoryMeter {
    /// Takes one more sample.
    pub fn sample(&mut self, sample: MemoryUse) {
        let largest = &mut self.largest;
        largest.working_set_bytes = largest.working_set_bytes.max(sample.working_set_bytes);
        largest.raw_peak_bytes = largest.raw_peak_bytes.max(sample.raw_peak_bytes);
    }

    /// `Max Memory Used`, MB, rounded up.
    pub fn max_memory_used_mb(&self) -> u64 {
        self.largest.working_set_bytes.div_ceil(MIB)
    }

    /// The kernel's peak, MB, rounded up.
    pub fn raw_peak_mb(&self) -> u64 {
        self.largest.raw_peak_bytes.div_ceil(MIB)
    }
}

/// The sum of `VmHWM` of these processes; one that ended meanwhile has none.
pub(super) fn resident_peaks_bytes(proc_root: &Path, pids: &[i32]) -> u64 {
    let resident = pids.iter().take(PROCESSES_SAMPLED_MAX).filter_map(|pid| {
        // A process may end between being listed and being read: it is then left out.
        let status = fs::read_to_string(proc_root.join(pid.to_string()).join("status")).ok()?;
        resident_peak_kib(&status)
    });
    resident.sum::<u64>() * 1024
}

fn resident_peak_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(usage_mb: u64, cache_mb: u64, peak_mb: u64) -> Usage {
        Usage {
            usage_bytes: usage_mb * MIB,
            file_cache_bytes: cache_mb * MIB,
            peak_bytes: peak_mb * MIB,
        }
    }

    #[test]
    fn a_function_that_wrote_files_is_not_at_its_cap() {
        let used = MemoryUse::by_rule(usage(127, 110, 128), 12 * MIB, 128 * MIB);
        assert_eq!(used.working_set_bytes, 17 * MIB);
        assert_eq!(used.raw_peak_bytes, 128 * MIB);
    }

    #[test]
    fn a_peak_between_samples_is_known_from_the_processes() {
        let used = MemoryUse::by_rule(usage(20, 5, 90), 80 * MIB, 128 * MIB);
        assert_eq!(used.working_set_bytes, 80 * MIB);
    }

    #[test]
    fn pages_shared_by_many_processes_never_exceed_the_limit() {
        let used = MemoryUse::by_rule(usage(40, 5, 60), 900 * MIB, 128 * MIB);
        assert_eq!(used.working_set_bytes, 128 * MIB);
    }

    #[test]
    fn file_cache_read_after_usage_shrank_is_no_underflow() {
        let used = MemoryUse::by_rule(usage(4, 5, 60), 0, 128 * MIB);
        assert_eq!(used.working_set_bytes, 0);
    }

    #[test]
    fn the_meter_keeps_each_largest_and_rounds_up() {
        let mut meter = MemoryMeter::default();
        for (working_set_bytes, raw_peak_bytes) in [(5 * MIB, 9), (5 * MIB + 1, 3), (1, MIB)] {
            meter.sample(MemoryUse { working_set_bytes, raw_peak_bytes });
        }
        assert_eq!((meter.max_memory_used_mb(), meter.raw_peak_mb()), (6, 1));
    }

    #[test]
    fn resident_peaks_are_summed_and_dead_processes_left_out() {
        let proc = tempfile::tempdir().unwrap();
        for (pid, status) in [
            (7, "Name:\tpython3\nVmHWM:\t    3000 kB\nVmRSS:\t 1 kB\n"),
            (8, "Name:\tzombie\nState:\tZ\n"),
            (9, "VmHWM:\t    24 kB\n"),
        ] {
            fs::create_dir(proc.path().join(pid.to_string())).unwrap();
            fs::write(proc.path().join(format!("{pid}/status")), status).unwrap();
        }
        assert_eq!(resident_peaks_bytes(proc.path(), &[7, 8, 9, 10]), 3024 * 1024);
    }
}
