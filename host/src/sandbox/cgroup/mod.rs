//! One cgroup per execution environment: its limits, its end and what it used.
//!
//! Two questions are answered apart, each by two small implementations, and every machine is one
//! combination of them:
//!
//! | layout | limits and statistics | birth, kill, freeze, "is it empty" |
//! |---|---|---|
//! | hybrid | `v1` (memory, cpu, pids) | `unified` (the tree without controllers) |
//! | pure v1 | `v1` | `freezer` |
//! | v2 | `v2` | `unified` |
//!
//! # Where groups live
//! In `lambdabox/<lease>-<n>` below what is mounted of each v1 hierarchy, as Docker does: the group
//! lambdabox was itself started in may differ from hierarchy to hierarchy (a CI runner's memory
//! group, the root elsewhere) and may carry limits that are not the function's. On v2 below the
//! group delegated to us, never beside systemd's: where it runs, a scope is asked for (`scope`). Only what `make` made is touched.
//!
//! # Invariants
//! - A group is made new, used by one environment and removed; `make` refuses a name that exists.
//!   After `kill` it hands out no way in: on some kernels a process cloned into a cgroup whose
//!   `cgroup.kill` was written dies at birth.
//! - A process enters at its birth (`CLONE_INTO_CGROUP`) or, on v1, by writing `0` to a `tasks`
//!   descriptor itself while it has one thread. Nobody writes `cgroup.procs`: it waits for a grace
//!   period of milliseconds.
//! - Limits are read back; a looser one than asked for is an error.
//! - `cgroups-rs` is used here only, for limits, always through named controller objects: they
//!   touch no file when made, while its `Cgroup` parses mountinfo and walks every hierarchy. Its
//!   statistics read eleven files and turn a failed read into 0, so those are read here.
//!
//! # Not here
//! When to throttle, sample, freeze or kill (`pool`), which leases are dead (`sandbox::lease`).
//!
//! # Sources
//! `reference/sandbox.md` 4, `reference/components.md` 1.1 and 8, `reference/performance.md` 2.2 and
//! 5.7; the kernel's `admin-guide/cgroup-v1` and `cgroup-v2`.

mod cgroups;
mod error;
mod file;
mod freezer;
mod group;
mod kill;
mod layout;
mod limits;
mod memory;
pub(crate) mod scope;
mod unified;
mod v1;
mod v2;
mod watch;

#[cfg(test)]
pub(crate) mod tests;

pub use cgroups::{Cgroups, SweepCount};
pub use error::{CgroupError, ScopeError};
pub use group::{Entry, Group};
pub use layout::{Layout, V1Mounts};
pub use limits::{Controllers, CpuQuota, Limits, PIDS_MAX};
pub use memory::{MemoryMeter, MemoryUse};
