//! One environment's group: what it hands out, and its end.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

use super::memory::{self, MemoryUse, Usage};
use super::watch::{Registered, Watch};
use super::{CgroupError, CpuQuota, Limits, file};
use crate::model::patience;

/// Longest wait for killed processes to be gone. Freeing 10 GB takes a second or two; what takes
/// longer sleeps in the kernel, and the next start's sweep tries again.
const EMPTY_WITHIN: Duration = Duration::from_secs(10);
/// Pause between looks at a state the kernel gives no event for.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// How processes are born into, killed, frozen and counted. One implementation per kind of tree.
pub(super) trait Control: std::fmt::Debug + Send + Sync {
    fn dir(&self) -> &Path;
    fn birth(&self) -> Result<Option<OwnedFd>, CgroupError>;
    fn kill(&self) -> Result<(), CgroupError>;
    fn set(&self, freeze: Freeze) -> Result<(), CgroupError>;
    fn frozen(&self) -> Result<bool, CgroupError>;
    /// `None` if the group is empty.
    fn watch_populated(&self) -> Result<Option<Watch>, CgroupError>;
}

/// What limits a group and says what it used. One implementation per cgroup version.
pub(super) trait Limiter: std::fmt::Debug + Send + Sync {
    fn apply(&self, limits: &Limits) -> Result<(), CgroupError>;
    /// `None` lifts the quota.
    fn set_cpu(&self, quota: Option<CpuQuota>) -> Result<(), CgroupError>;
    fn oom_kills(&self) -> Result<u64, CgroupError>;
    /// How long after an event a kill may still be uncounted.
    fn oom_kill_counted_within(&self) -> Duration;
    fn watch_out_of_memory(&self) -> Result<Watch, CgroupError>;
    fn usage(&self) -> Result<Usage, CgroupError>;
}

/// What freezing asks for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Freeze {
    Frozen,
    Thawed,
}

/// How a new process gets into a group. All of it is needed: birth where there is one, then each
/// descriptor.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Directory for `clone3(CLONE_INTO_CGROUP)`; none on pure v1.
    pub birth: Option<BorrowedFd<'a>>,
    /// Open for writing: the child writes `0` to each while it has one thread. Empty on v2.
    pub tasks: Vec<BorrowedFd<'a>>,
}

/// The cgroup of one environment, in every hierarchy it needs.
///
/// Ends by [`Group::remove`]. Dropped without it (an error path), its processes are killed and its
/// directories removed as far as that can be done without waiting; [`super::Cgroups::sweep`] with the
/// own lease does the rest at the latest when the host ends.
#[derive(Debug)]
pub struct Group {
    name: String,
    limits: Limits,
    /// In order of making; removed in reverse.
    dirs: Vec<PathBuf>,
    control: Box<dyn Control>,
    limiter: Box<dyn Limiter>,
    /// Held here, lent to whoever clones; closed by [`Group::seal`].
    birth: Option<OwnedFd>,
    tasks: Vec<OwnedFd>,
    closed: AtomicBool,
    /// Made by the first wait for an OOM kill.
    oom: OnceCell<Registered>,
}

impl Group {
    /// Limits fresh directories and opens the ways in.
    pub(super) fn open(
        name: &str,
        limits: Limits,
        dirs: Vec<PathBuf>,
        control: Box<dyn Control>,
        limiter: Box<dyn Limiter>,
    ) -> Result<Self, CgroupError> {
        limiter.apply(&limits)?;
        let birth = control.birth()?;
        let tasks = dirs
            .iter()
            .filter(|dir| birth.is_none() || dir.as_path() != control.dir())
            .map(|dir| file::open_for_writing(&dir.join("tasks")).map(OwnedFd::from))
            .collect::<Result<_, _>>()?;
        let (name, closed) = (name.to_owned(), AtomicBool::new(false));
        let oom = OnceCell::new();
        Ok(Self { name, limits, dirs, control, limiter, birth, tasks, closed, oom })
    }

    /// `<lease>-<n>`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its directories, for `--keep` and messages.
    pub fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// The way in for the next process.
    ///
    /// # Errors
    /// [`CgroupError::Closed`] after [`Group::kill`] or [`Group::seal`].
    pub fn entry(&self) -> Result<Entry<'_>, CgroupError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(CgroupError::Closed { name: self.name.clone() });
        }
        let birth = self.birth.as_ref().map(AsFd::as_fd);
        Ok(Entry { birth, tasks: self.tasks.iter().map(AsFd::as_fd).collect() })
    }

    /// Closes the ways in, once every process that is placed by us is placed: four descriptors less
    /// for each living environment.
    pub fn seal(&mut self) {
        self.closed.store(true, Ordering::Release);
        self.birth = None;
        self.tasks.clear();
    }

    /// Holds the group to the CPU share of a function with this much memory; called when init ends.
    ///
    /// # Errors
    /// If the kernel refuses the quota or does not keep it.
    pub fn throttle(&self, memory_mb: u32) -> Result<(), CgroupError> {
        self.limiter.set_cpu(Some(CpuQuota::of_memory(memory_mb)))
    }

    /// Lifts the CPU quota again, as for a second init.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn unthrottle(&self) -> Result<(), CgroupError> {
        self.limiter.set_cpu(None)
    }

    /// Ends when the OOM killer has killed a process of the group; at once if it already has.
    ///
    /// On v1 that is one process only: the caller kills the rest. May be called and dropped as often
    /// as a `select!` likes; the first call registers with the kernel and with the running runtime.
    ///
    /// # Errors
    /// If the group cannot be watched, as when it was removed meanwhile.
    pub async fn out_of_memory(&self) -> Result<(), CgroupError> {
        let register = async { self.limiter.watch_out_of_memory()?.register() };
        // Registered first, counted second: a kill in between is seen by one of them.
        let watch = self.oom.get_or_try_init(|| register).await?;
        while self.oom_kills()? == 0 {
            let event = watch.changed().await?;
            let deadline = Instant::now() + patience(self.limiter.oom_kill_counted_within());
            while self.oom_kills()? == 0 && Instant::now() < deadline {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            // Only now: had this future been dropped while it looked, the next one would look too.
            event.seen();
        }
        Ok(())
    }

    /// Processes of the group the OOM killer has killed. Compared again at each Runtime API call and
    /// at exit, so that no kill is missed however it was noticed.
    ///
    /// # Errors
    /// If the counter cannot be read.
    pub fn oom_kills(&self) -> Result<u64, CgroupError> {
        self.limiter.oom_kills()
    }

    /// Kills every process of the group, frozen ones too, and lets none in any more. Does not wait:
    /// see [`Group::emptied`].
    ///
    /// # Errors
    /// If a process cannot be signalled. It may be called again.
    pub fn kill(&self) -> Result<(), CgroupError> {
        self.closed.store(true, Ordering::Release);
        self.control.kill()
    }

    /// Ends when no process is left.
    ///
    /// # Errors
    /// [`CgroupError::StillPopulated`] after ten seconds.
    pub async fn emptied(&self) -> Result<(), CgroupError> {
        let emptied = async {
            while let Some(watch) = self.control.watch_populated()? {
                watch.register()?.changed().await?.seen();
            }
            Ok(())
        };
        match tokio::time::timeout(patience(EMPTY_WITHIN), emptied).await {
            Ok(ended) => ended,
            Err(_) => Err(still_populated(self.control.as_ref())),
        }
    }

    /// Asks for every process to stop running. [`Group::frozen`] tells when that is so.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn freeze(&self) -> Result<(), CgroupError> {
        self.control.set(Freeze::Frozen)
    }

    /// Lets them run again.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn thaw(&self) -> Result<(), CgroupError> {
        self.control.set(Freeze::Thawed)
    }

    /// Whether every process is stopped now.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn frozen(&self) -> Result<bool, CgroupError> {
        self.control.frozen()
    }

    /// One sample by the rule in `memory.rs`: at the end of init and of each invocation, while the
    /// processes still live.
    ///
    /// # Errors
    /// If the group's files cannot be read.
    pub fn memory(&self) -> Result<MemoryUse, CgroupError> {
        let pids = file::read_pids(&self.control.dir().join("cgroup.procs"))?;
        let resident = memory::resident_peaks_bytes(Path::new("/proc"), &pids);
        Ok(MemoryUse::by_rule(self.limiter.usage()?, resident, self.limits.memory_bytes))
    }

    /// Waits until the group is empty and removes its directories. Kill first, or it waits for the
    /// processes to end by themselves.
    ///
    /// # Errors
    /// If it does not become empty, or the kernel refuses; what is left is for the sweep.
    pub async fn remove(mut self) -> Result<(), CgroupError> {
        self.emptied().await?;
        let deadline = Instant::now() + patience(EMPTY_WITHIN);
        while let Some(dir) = self.dirs.last() {
            match remove_dir(dir) {
                Ok(()) => drop(self.dirs.pop()),
                // The last process left the list, but not yet every counter.
                Err(e) if e.kind() == ErrorKind::ResourceBusy && Instant::now() < deadline => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                Err(source) => return Err(CgroupError::Remove { dir: dir.clone(), source }),
            }
        }
        Ok(())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.dirs.is_empty() {
            return;
        }
        // Nobody is left to hear of a failure here, and none is lost: what remains keeps its name
        // and is swept.
        let _ = self.control.kill();
        remove_dirs_now(&self.dirs);
    }
}

/// Kills and waits on this thread: for the sweep, which runs before there is a runtime.
pub(super) fn end_blocking(control: &dyn Control) -> Result<(), CgroupError> {
    control.kill()?;
    let deadline = Instant::now() + patience(EMPTY_WITHIN);
    while let Some(watch) = control.watch_populated()? {
        if Instant::now() >= deadline {
            return Err(still_populated(control));
        }
        watch.changed_blocking(deadline)?;
    }
    Ok(())
}

/// Removes a directory of an emptied group on this thread.
pub(super) fn remove_dir_blocking(dir: &Path) -> Result<(), CgroupError> {
    let deadline = Instant::now() + patience(EMPTY_WITHIN);
    loop {
        match remove_dir(dir) {
            Err(e) if e.kind() == ErrorKind::ResourceBusy && Instant::now() < deadline => {
                std::thread::sleep(LOOK_AGAIN);
            }
            ended => {
                return ended.map_err(|source| CgroupError::Remove { dir: dir.to_owned(), source });
            }
        }
    }
}

/// Removes what can be removed without waiting, last made first.
pub(super) fn remove_dirs_now(dirs: &[PathBuf]) {
    for dir in dirs.iter().rev() {
        let _ = remove_dir(dir);
    }
}

/// One that is already gone counts as removed: two sweeps may meet.
fn remove_dir(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir(dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        ended => ended,
    }
}

fn still_populated(control: &dyn Control) -> CgroupError {
    CgroupError::StillPopulated { dir: control.dir().to_owned(), waited: EMPTY_WITHIN }
}
