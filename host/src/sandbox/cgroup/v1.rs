//! Limits and statistics in the v1 hierarchies memory, cpu and pids.

use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cgroups_rs::fs::MaxValue;
use cgroups_rs::fs::cpu::CpuController;
use cgroups_rs::fs::memory::MemController;
use cgroups_rs::fs::pid::PidController;
use rustix::event::{EventfdFlags, eventfd};

use super::file::Kept;
use super::group::Limiter;
use super::memory::Usage;
use super::watch::{Sign, Watch};
use super::{CgroupError, CpuQuota, Limits, file, limits};

/// What `cpu.cfs_quota_us` says when there is none.
const NO_QUOTA: i64 = -1;
/// Longest look for the kill after an OOM event; a serial console takes its time for the report.
const OOM_REPORT_WITHIN: Duration = Duration::from_secs(2);

/// One group's directories in the three hierarchies.
#[derive(Debug)]
pub(super) struct V1 {
    memory_dir: PathBuf,
    cpu_dir: PathBuf,
    pids_dir: PathBuf,
    swap: SwapLimit,
    oom_control: Kept,
    stat: Kept,
    in_use: Kept,
    peak: Kept,
}

/// How this kernel keeps a v1 group from swapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SwapLimit {
    /// `memory.memsw.limit_in_bytes`: memory and swap together.
    Memsw,
    /// Swap is not accounted (`swapaccount=0`): swappiness 0 is all there is.
    SwappinessOnly,
}

impl SwapLimit {
    /// Looks at the top of the memory hierarchy, once per start.
    pub(super) fn of(memory_mount: &Path) -> Self {
        match memory_mount.join("memory.memsw.limit_in_bytes").exists() {
            true => Self::Memsw,
            false => Self::SwappinessOnly,
        }
    }
}

impl V1 {
    pub(super) fn new(
        memory_dir: PathBuf,
        cpu_dir: PathBuf,
        pids_dir: PathBuf,
        swap: SwapLimit,
    ) -> Self {
        let kept = |name: &str| Kept::new(memory_dir.join(name));
        let oom_control = kept("memory.oom_control");
        let (stat, in_use) = (kept("memory.stat"), kept("memory.usage_in_bytes"));
        let peak = kept("memory.max_usage_in_bytes");
        Self { memory_dir, cpu_dir, pids_dir, swap, oom_control, stat, in_use, peak }
    }
}

impl Limiter for V1 {
    fn apply(&self, limits: &Limits) -> Result<(), CgroupError> {
        let memory = MemController::new(self.memory_dir.clone(), PathBuf::new(), false);
        let bytes = limits::signed(limits.memory_bytes);
        let refused = |what, value, dir: &Path| {
            let dir = dir.to_owned();
            move |source| CgroupError::Limit { what, value, dir, source }
        };
        memory.set_limit(bytes).map_err(refused("memory", bytes, &self.memory_dir))?;
        file::expect(&self.memory_dir.join("memory.limit_in_bytes"), &bytes.to_string())?;
        match self.swap {
            // After the memory limit: this one may not be lower.
            SwapLimit::Memsw => memory.set_memswap_limit(bytes).map_err(refused(
                "memory with swap",
                bytes,
                &self.memory_dir,
            ))?,
            SwapLimit::SwappinessOnly => {
                memory.set_swappiness(0).map_err(refused("swappiness", 0, &self.memory_dir))?
            }
        }
        let pids = i64::from(limits.pids);
        PidController::new(self.pids_dir.clone(), PathBuf::new(), false)
            .set_pid_max(MaxValue::Value(pids))
            .map_err(refused("processes", pids, &self.pids_dir))?;
        file::expect(&self.pids_dir.join("pids.max"), &pids.to_string())
    }

    fn set_cpu(&self, quota: Option<CpuQuota>) -> Result<(), CgroupError> {
        let cpu = CpuController::new(self.cpu_dir.clone(), PathBuf::new(), false);
        let refused = |what, value| {
            let dir = self.cpu_dir.clone();
            move |source| CgroupError::Limit { what, value, dir, source }
        };
        let quota_us = match quota {
            Some(CpuQuota { quota_us, period_us }) => {
                // Period first: the quota is then never counted against the default of 100 ms,
                // which would starve the group for one period.
                cpu.set_cfs_period(period_us)
                    .map_err(refused("the CPU period, µs,", limits::signed(period_us)))?;
                limits::signed(quota_us)
            }
            None => NO_QUOTA,
        };
        cpu.set_cfs_quota(quota_us).map_err(refused("the CPU quota, µs,", quota_us))?;
        file::expect(&self.cpu_dir.join("cpu.cfs_quota_us"), &quota_us.to_string())
    }

    fn oom_kills(&self) -> Result<u64, CgroupError> {
        self.oom_control.key("oom_kill")
    }

    /// The kernel signals, clears `under_oom`, writes its report of the group's processes to the
    /// console, then kills and counts: on 6.18 the counter was 0 right after the event. Nothing
    /// tells of the last step, so it is looked for.
    fn oom_kill_counted_within(&self) -> Duration {
        OOM_REPORT_WITHIN
    }

    /// An eventfd, signalled when the group is out of memory (before a victim is killed) and when
    /// the group is removed.
    fn watch_out_of_memory(&self) -> Result<Watch, CgroupError> {
        let file = self.oom_control.path().to_owned();
        let register = || {
            let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            let control = std::fs::File::open(&file)?;
            let line = format!("{} {}", event.as_raw_fd(), control.as_raw_fd());
            file::try_write(&self.memory_dir.join("cgroup.event_control"), &line)?;
            io::Result::Ok(event)
        };
        match register() {
            Ok(fd) => Ok(Watch { fd, sign: Sign::Readable, file }),
            Err(source) => Err(CgroupError::Watch { file, source }),
        }
    }

    fn usage(&self) -> Result<Usage, CgroupError> {
        let stat = self.stat.read()?;
        let key = |key| file::find_key(&stat, key);
        match (key("total_inactive_file"), key("total_active_file")) {
            (Some(inactive), Some(active)) => Ok(Usage {
                usage_bytes: self.in_use.number()?,
                file_cache_bytes: inactive + active,
                peak_bytes: self.peak.number()?,
            }),
            _ => {
                let file = self.stat.path().to_owned();
                Err(CgroupError::Unparsable { file, text: stat })
            }
        }
    }
}
