//! Making groups, and sweeping those of the dead.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::freezer::Freezer;
use super::group::{self, Control, Group, Limiter};
use super::layout::{Layout, V1Mounts};
use super::unified::Unified;
use super::v1::{SwapLimit, V1};
use super::v2::{self, V2};
use super::{CgroupError, Controllers, Limits, kill, scope};

/// The directory all groups live in, in every tree.
const PARENT: &str = "lambdabox";
/// Attempts to make a group while other instances remove the empty parent under it.
const PARENT_LOST_MAX: usize = 32;

/// This machine's cgroups, as far as they are ours.
#[derive(Debug, Clone)]
pub struct Cgroups {
    layout: Layout,
    parent: String,
    swap: SwapLimit,
    controllers: Controllers,
}

/// What a sweep found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SweepCount {
    /// Groups removed.
    pub groups: usize,
    /// Processes that still lived in them.
    pub processes: usize,
}

impl Cgroups {
    /// Finds the hierarchies; `proc_root` is `/proc`.
    ///
    /// # Errors
    /// If mountinfo cannot be read or a controller is mounted nowhere.
    pub fn detect(proc_root: &Path) -> Result<Self, CgroupError> {
        Layout::detect(proc_root).map(|layout| Self::with_layout(layout, PARENT))
    }

    /// Finds the hierarchies, and a group that is ours to divide: on v2 under systemd, a scope of our
    /// own, into which `processes` (the host and its spawner) move. Without systemd it is the group we
    /// are in: the top, or one where nobody else lives, as in a container. An ordinary user divides only
    /// what was delegated to it.
    ///
    /// # Errors
    /// As [`Cgroups::detect`], or if systemd does not give us a scope, or one without a controller we
    /// need; for an ordinary user also if nothing is delegated to it.
    pub async fn take(processes: &[i32], wanted: Controllers) -> Result<Self, CgroupError> {
        let proc_root = Path::new("/proc");
        let found = Self { controllers: wanted, ..Self::detect(proc_root)? };
        match found.layout {
            Layout::V2 { .. } if scope::systemd_runs(Path::new("/")) => {
                scope::enter(processes).await?;
                // Where we are now is the scope.
                let delegated = Self { controllers: wanted, ..Self::detect(proc_root)? };
                if let Layout::V2 { parent } = &delegated.layout {
                    v2::require_controllers(parent, wanted)?;
                    scope::settle(parent, processes)?;
                }
                Ok(delegated)
            }
            Layout::V2 { ref parent } if scope::holds_only(parent, processes)? => {
                scope::settle(parent, processes)?;
                Ok(found)
            }
            // Version 1 has no delegation that is safe.
            Layout::Hybrid { .. } | Layout::V1 { .. } if !rustix::process::geteuid().is_root() => {
                Err(CgroupError::OnlyRoots)
            }
            Layout::V2 { ref parent } if !rustix::process::geteuid().is_root() => {
                v2::require_writable(parent, wanted)?;
                Ok(found)
            }
            _ => Ok(found),
        }
    }

    /// Uses a known layout: one that was found, or a test's own parent directory.
    pub(crate) fn with_layout(layout: Layout, parent: &str) -> Self {
        let swap = match &layout {
            Layout::Hybrid { limits, .. } | Layout::V1 { limits, .. } => {
                SwapLimit::of(&limits.memory)
            }
            Layout::V2 { .. } => SwapLimit::SwappinessOnly,
        };
        Self { layout, parent: parent.to_owned(), swap, controllers: Controllers::All }
    }

    /// What was found.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Makes and limits a group named `<lease>-<n>` or `<lease>-<n>.<m>`. Some 0.15 ms.
    ///
    /// # Errors
    /// If the name exists, a directory cannot be made or a limit does not hold; nothing is left then.
    pub fn make(&self, name: &str, limits: &Limits) -> Result<Group, CgroupError> {
        check_name(name)?;
        let mut made = Made(Vec::with_capacity(4));
        let v2 = matches!(self.layout, Layout::V2 { .. });
        for tree in self.layout.trees() {
            if v2 {
                v2::enable_controllers(tree, self.controllers)?;
            }
            made.0.push(self.make_dir(tree, name)?);
            if v2 {
                // Only now: nobody can remove the parent any more.
                let parent = tree.join(&self.parent);
                v2::enable_controllers(&parent, self.controllers)?;
                if !v2::is_furnished(&self.dir(tree, name), self.controllers) {
                    v2::switch_on(&parent, self.controllers)?;
                }
            }
        }
        let limiter = self.limiter(name);
        let group = Group::open(name, *limits, made.0.clone(), self.control(name), limiter)?;
        made.0.clear();
        Ok(group)
    }

    /// Kills and removes every group of one lease: of a dead one at the next start, or of our own
    /// when the host ends. Waits until their processes are gone.
    ///
    /// # Errors
    /// The first failure, after trying every group.
    pub fn sweep(&self, lease: &str) -> Result<SweepCount, CgroupError> {
        let mut count = SweepCount::default();
        let mut failed = None;
        for place in self.everywhere() {
            for name in place.leftovers().iter().filter(|name| is_of_lease(name, lease)) {
                match place.sweep_group(name) {
                    Ok(processes) => {
                        count.groups += 1;
                        count.processes += processes;
                    }
                    Err(e) => failed = failed.or(Some(e)),
                }
            }
        }
        failed.map_or(Ok(count), Err)
    }

    /// Names of all groups there are, of living and dead leases, in any of the trees. A tree that
    /// has no `lambdabox` directory has none.
    pub fn leftovers(&self) -> Vec<String> {
        let mut names = BTreeSet::new();
        for tree in self.layout.trees() {
            let Ok(entries) = fs::read_dir(tree.join(&self.parent)) else { continue };
            let dirs = entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
            names.extend(dirs.filter_map(|entry| entry.file_name().into_string().ok()));
        }
        names.into_iter().collect()
    }

    /// The same groups as seen from every place where an instance of ours may have made some: under
    /// systemd each has a scope of its own, which stays while a process of it lives, a stuck one too.
    fn everywhere(&self) -> Vec<Self> {
        let mut places = vec![self.clone()];
        if let Layout::V2 { parent } = &self.layout {
            places.extend(
                scope::others(parent)
                    .into_iter()
                    .map(|parent| Self { layout: Layout::V2 { parent }, ..self.clone() }),
            );
        }
        places
    }

    /// Removes the `lambdabox` directories where they are empty; called when a host ends. One that is
    /// in use stays, and an instance that is just making a group in it makes it again.
    pub fn remove_empty_parents(&self) {
        let parents: Vec<_> = self.layout.trees().iter().map(|t| t.join(&self.parent)).collect();
        group::remove_dirs_now(&parents);
    }

    fn sweep_group(&self, name: &str) -> Result<usize, CgroupError> {
        let dirs: Vec<_> = self.layout.trees().iter().map(|tree| self.dir(tree, name)).collect();
        let control = self.control(name);
        let mut processes = 0;
        if control.dir().exists() {
            let procs = super::file::read_pids(&control.dir().join("cgroup.procs"))?;
            processes += procs.len();
            group::end_blocking(control.as_ref())?;
        }
        for dir in dirs.iter().rev().filter(|dir| dir.exists()) {
            // Empty with the first, unless a child was caught between two attachments.
            processes += kill::kill_listed(&dir.join("cgroup.procs"))?;
            group::remove_dir_blocking(dir)?;
        }
        Ok(processes)
    }

    fn dir(&self, tree: &Path, name: &str) -> PathBuf {
        tree.join(&self.parent).join(name)
    }

    /// Makes one directory, and the parent if another instance has just removed it.
    fn make_dir(&self, tree: &Path, name: &str) -> Result<PathBuf, CgroupError> {
        let dir = self.dir(tree, name);
        let parent = tree.join(&self.parent);
        for _ in 0..PARENT_LOST_MAX {
            match fs::create_dir(&dir) {
                Ok(()) => return Ok(dir),
                // ENODEV: the parent is going away this moment.
                Err(e) if is_gone(&e) => make_parent(&parent)?,
                Err(source) => return Err(CgroupError::Make { dir, source }),
            }
        }
        Err(CgroupError::Make { dir: parent, source: ErrorKind::NotFound.into() })
    }

    fn control(&self, name: &str) -> Box<dyn Control> {
        match &self.layout {
            Layout::Hybrid { unified: tree, .. } | Layout::V2 { parent: tree } => {
                Box::new(Unified::new(self.dir(tree, name)))
            }
            Layout::V1 { freezer, .. } => Box::new(Freezer::new(self.dir(freezer, name))),
        }
    }

    fn limiter(&self, name: &str) -> Box<dyn Limiter> {
        match &self.layout {
            Layout::Hybrid { limits, .. } | Layout::V1 { limits, .. } => {
                let V1Mounts { memory, cpu, pids } = limits;
                let [memory, cpu, pids] = [memory, cpu, pids].map(|tree| self.dir(tree, name));
                Box::new(V1::new(memory, cpu, pids, self.swap))
            }
            Layout::V2 { parent } => Box::new(V2::new(self.dir(parent, name))),
        }
    }
}

/// Directories to remove again unless a group took them over.
struct Made(Vec<PathBuf>);

impl Drop for Made {
    fn drop(&mut self) {
        group::remove_dirs_now(&self.0);
    }
}

fn make_parent(parent: &Path) -> Result<(), CgroupError> {
    match fs::create_dir(parent) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => {
            Err(CgroupError::Make { dir: parent.to_owned(), source: e })
        }
        _ => Ok(()),
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error())
}

/// `<lease>-<n>`, or `<lease>-<n>.<m>` for an environment's m-th process: the lease must match whole,
/// so that lease `a.1` never sweeps `a.10-3`.
fn is_of_lease(name: &str, lease: &str) -> bool {
    name.strip_prefix(lease).and_then(|rest| rest.strip_prefix('-')).is_some_and(|n| {
        n.starts_with(|c: char| c.is_ascii_digit())
            && n.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    })
}

fn check_name(name: &str) -> Result<(), CgroupError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-';
    let of_a_lease = name.rsplit_once('-').is_some_and(|(lease, _)| is_of_lease(name, lease));
    if of_a_lease && !name.starts_with(['.', '-']) && name.bytes().all(plain) {
        return Ok(());
    }
    Err(CgroupError::BadName { name: name.to_owned() })
}

#[cfg(test)]
mod name_tests {
    use super::*;

    #[test]
    fn a_lease_sweeps_its_own_names_only() {
        for own in ["a1.1-0", "a1.1-17", "a1.1-17.2"] {
            assert!(is_of_lease(own, "a1.1"), "{own}");
        }
        for other in ["a1.10-0", "a1.1", "a1.1-", "a1.1-x", "b1.1-0", "a1.1-0-1", "a1.1-.0"] {
            assert!(!is_of_lease(other, "a1.1"), "{other}");
        }
    }

    #[test]
    fn a_name_that_leaves_the_parent_or_belongs_to_no_lease_is_refused() {
        assert!(check_name("a1.1-0").is_ok() && check_name("a1.1-0.3").is_ok());
        for bad in ["", "a", "../x-1", "a/b-1", ".-1", "-1", "a-", "a-x", "a b-1"] {
            assert!(matches!(check_name(bad), Err(CgroupError::BadName { .. })), "{bad}");
        }
    }
}
