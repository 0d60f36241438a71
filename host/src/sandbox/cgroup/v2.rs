//! Limits and statistics in a v2 group.
//!
//! `cgroups-rs` writes memory, swap and pids; its swappiness (writes the swap limit), OOM notice
//! (opens a v1 file) and quota (two writes) are not used.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cgroups_rs::fs::MaxValue;
use cgroups_rs::fs::memory::MemController;
use cgroups_rs::fs::pid::PidController;

use super::file::Kept;
use super::group::Limiter;
use super::memory::Usage;
use super::watch::Watch;
use super::{CgroupError, Controllers, CpuQuota, Limits, file, limits, unified};

/// One group.
#[derive(Debug)]
pub(super) struct V2 {
    dir: PathBuf,
    events: Kept,
    stat: Kept,
    current: Kept,
}

impl V2 {
    pub(super) fn new(dir: PathBuf) -> Self {
        let kept = |name: &str| Kept::new(dir.join(name));
        let (events, stat) = (kept("memory.events"), kept("memory.stat"));
        let current = kept("memory.current");
        Self { dir, events, stat, current }
    }
}

/// Makes the controllers usable in the children of `dir`, which must be delegated to us.
///
/// The kernel answers EBUSY when `dir` has processes of its own and is not the top: whoever asked
/// systemd for the scope moves itself to a leaf first.
pub(super) fn enable_controllers(dir: &Path, wanted: Controllers) -> Result<(), CgroupError> {
    let switch = dir.join("cgroup.subtree_control");
    let refused = |source: io::Error| CgroupError::NotDelegated { cgroup: dir.to_owned(), source };
    let enabled = fs::read_to_string(&switch).map_err(refused)?;
    let is_on = |name: &str| enabled.split_whitespace().any(|on| on == name);
    if wanted.names().iter().all(|name| is_on(name)) {
        return Ok(());
    }
    switch_on(dir, wanted)
}

/// Names the first controller that `dir` was not given. A user's systemd gives fewer on some systems.
pub(super) fn require_controllers(dir: &Path, wanted: Controllers) -> Result<(), CgroupError> {
    let given = file::read(&dir.join("cgroup.controllers"))?;
    let has = |name: &str| given.split_whitespace().any(|there| there == name);
    match wanted.names().iter().find(|name| !has(name)) {
        None => Ok(()),
        Some(&controller) => {
            Err(CgroupError::ControllerNotDelegated { controller, cgroup: dir.to_owned() })
        }
    }
}

/// Says early what making a group would meet.
pub(super) fn require_writable(dir: &Path, wanted: Controllers) -> Result<(), CgroupError> {
    let refused = |errno: rustix::io::Errno| CgroupError::NotDelegated {
        cgroup: dir.to_owned(),
        source: errno.into(),
    };
    use rustix::fs::{Access, access};
    access(dir, Access::WRITE_OK).map_err(refused)?;
    access(dir.join("cgroup.subtree_control"), Access::WRITE_OK).map_err(refused)?;
    require_controllers(dir, wanted)
}

/// Switches them on in any case, and waits for whoever is just doing that: a reader sees them on before
/// the children have their files.
pub(super) fn switch_on(dir: &Path, wanted: Controllers) -> Result<(), CgroupError> {
    let refused = |source: io::Error| CgroupError::NotDelegated { cgroup: dir.to_owned(), source };
    let on: Vec<String> = wanted.names().iter().map(|name| format!("+{name}")).collect();
    file::try_write(&dir.join("cgroup.subtree_control"), &on.join(" ")).map_err(refused)
}

/// Whether a new group has the files of every controller yet.
pub(super) fn is_furnished(group: &Path, wanted: Controllers) -> bool {
    wanted.names().iter().all(|name| group.join(format!("{name}.max")).exists())
}

impl Limiter for V2 {
    fn apply(&self, limits: &Limits) -> Result<(), CgroupError> {
        let refused = |what, value| {
            let dir = self.dir.clone();
            move |source| CgroupError::Limit { what, value, dir, source }
        };
        let memory = MemController::new(self.dir.clone(), PathBuf::new(), true);
        let bytes = limits::signed(limits.memory_bytes);
        memory.set_limit(bytes).map_err(refused("memory", bytes))?;
        file::expect(&self.dir.join("memory.max"), &bytes.to_string())?;
        // Missing where the kernel has no swap at all.
        let swap = self.dir.join("memory.swap.max");
        if swap.exists() {
            memory.set_memswap_limit(0).map_err(refused("swap", 0))?;
            file::expect(&swap, "0")?;
        }
        file::write(&self.dir.join("memory.oom.group"), "1")?;
        let pids = i64::from(limits.pids);
        PidController::new(self.dir.clone(), PathBuf::new(), true)
            .set_pid_max(MaxValue::Value(pids))
            .map_err(refused("processes", pids))?;
        file::expect(&self.dir.join("pids.max"), &pids.to_string())
    }

    fn set_cpu(&self, quota: Option<CpuQuota>) -> Result<(), CgroupError> {
        let file = self.dir.join("cpu.max");
        let Some(CpuQuota { quota_us, period_us }) = quota else {
            return file::write(&file, "max");
        };
        let value = format!("{quota_us} {period_us}");
        file::write(&file, &value)?;
        file::expect(&file, &value)
    }

    fn oom_kills(&self) -> Result<u64, CgroupError> {
        self.events.key("oom_kill")
    }

    /// The event follows the count. Others (`max`: memory was found) come often.
    fn oom_kill_counted_within(&self) -> Duration {
        Duration::ZERO
    }

    fn watch_out_of_memory(&self) -> Result<Watch, CgroupError> {
        unified::watch_content(self.dir.join("memory.events")).map(|(_, watch)| watch)
    }

    fn usage(&self) -> Result<Usage, CgroupError> {
        let usage_bytes = self.current.number()?;
        let stat = self.stat.read()?;
        let key = |key| file::find_key(&stat, key);
        let (Some(inactive), Some(active)) = (key("inactive_file"), key("active_file")) else {
            let file = self.stat.path().to_owned();
            return Err(CgroupError::Unparsable { file, text: stat });
        };
        let peak_bytes = match file::read_number(&self.dir.join("memory.peak")) {
            Ok(peak) => peak,
            // Kernels before 5.19: the largest sample stands in for it.
            Err(CgroupError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => {
                usage_bytes
            }
            Err(e) => return Err(e),
        };
        Ok(Usage { usage_bytes, file_cache_bytes: inactive + active, peak_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plain directory with the files of a fresh v2 group.
    fn plain() -> (tempfile::TempDir, V2) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("memory.max", "max\n"),
            ("memory.swap.max", "max\n"),
            ("memory.oom.group", "0\n"),
            ("pids.max", "max\n"),
            ("cpu.max", "max 100000\n"),
            ("memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\noom_group_kill 1\n"),
            ("memory.current", "9000\n"),
            ("memory.peak", "12000\n"),
            ("memory.stat", "anon 100\nfile 4000\ninactive_file 1000\nactive_file 2000\n"),
            ("cgroup.subtree_control", "\n"),
        ] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let group = V2::new(dir.path().to_owned());
        (dir, group)
    }

    fn text(dir: &tempfile::TempDir, name: &str) -> String {
        fs::read_to_string(dir.path().join(name)).unwrap().trim().to_owned()
    }

    #[test]
    fn limits_take_memory_swap_group_kill_and_processes() {
        let (dir, group) = plain();
        group.apply(&Limits { memory_bytes: 128 << 20, pids: 1_024 }).unwrap();
        assert_eq!(text(&dir, "memory.max"), "134217728");
        assert_eq!(text(&dir, "memory.swap.max"), "0");
        assert_eq!(text(&dir, "pids.max"), "1024");
        assert!(text(&dir, "memory.oom.group").starts_with('1'));
    }

    #[test]
    fn a_kernel_without_swap_is_no_reason_to_fail() {
        let (dir, group) = plain();
        fs::remove_file(dir.path().join("memory.swap.max")).unwrap();
        group.apply(&Limits::of_function(256)).unwrap();
        assert!(!dir.path().join("memory.swap.max").exists());
    }

    #[test]
    fn a_throttle_is_one_write_of_quota_and_period() {
        let (dir, group) = plain();
        fs::write(dir.path().join("cpu.max"), "").unwrap();
        group.set_cpu(Some(CpuQuota::of_memory(1_769))).unwrap();
        assert_eq!(text(&dir, "cpu.max"), "20000 20000");
    }

    #[test]
    fn kills_are_counted_from_memory_events() {
        let (_dir, group) = plain();
        assert_eq!(group.oom_kills().unwrap(), 2);
    }

    #[test]
    fn usage_reads_peak_and_file_cache_and_does_without_a_peak() {
        let (dir, group) = plain();
        let usage = group.usage().unwrap();
        assert_eq!(
            (usage.usage_bytes, usage.file_cache_bytes, usage.peak_bytes),
            (9000, 3000, 12000)
        );
        fs::remove_file(dir.path().join("memory.peak")).unwrap();
        assert_eq!(group.usage().unwrap().peak_bytes, 9000);
    }

    #[test]
    fn controllers_already_on_are_not_written_again() {
        let (dir, _group) = plain();
        enable_controllers(dir.path(), Controllers::All).unwrap();
        assert_eq!(text(&dir, "cgroup.subtree_control"), "+cpu +memory +pids");
        fs::write(dir.path().join("cgroup.subtree_control"), "cpu io memory pids\n").unwrap();
        enable_controllers(dir.path(), Controllers::All).unwrap();
        assert_eq!(text(&dir, "cgroup.subtree_control"), "cpu io memory pids");
    }

    #[test]
    fn a_controller_that_was_not_given_is_named() {
        let (dir, _group) = plain();
        fs::write(dir.path().join("cgroup.controllers"), "cpu io memory pids\n").unwrap();
        require_writable(dir.path(), Controllers::All).unwrap();
        fs::write(dir.path().join("cgroup.controllers"), "memory pids\n").unwrap();
        require_writable(dir.path(), Controllers::AllButCpu).unwrap();
        let error = require_writable(dir.path(), Controllers::All).unwrap_err();
        assert!(
            matches!(&error, CgroupError::ControllerNotDelegated { controller: "cpu", .. }),
            "{error}"
        );
    }

    #[test]
    fn a_group_that_is_not_delegated_is_named() {
        let error =
            enable_controllers(Path::new("/nowhere/user.slice"), Controllers::All).unwrap_err();
        assert!(error.to_string().contains("/nowhere/user.slice"), "{error}");
    }
}
