//! Leases: which instance of lambdabox owns what, and whether it still lives.
//!
//! Each host process (`serve`, or one `invoke`) holds one lease: an exclusive `flock` on
//! `<run>/leases/<slot>.lock`. What it makes outside of its own memory carries the lease's name, or is
//! written into the lock file *before* it is made. Whoever can take the lock of a file that says
//! something has found a dead instance, and cleans up after it.
//!
//! # Invariants
//! - The lock lives exactly as long as the host process. The descriptor is close-on-exec and the
//!   lease is taken after the spawner was forked, so no child shares the open file description that
//!   `flock` belongs to. This is on purpose: were children to keep the lease alive, an environment
//!   frozen or stuck when its host was killed would protect itself from the sweep for ever. Children
//!   that outlive their host by a moment are ended by the sweep itself, which kills by cgroup and
//!   waits before it touches anything they use. They make nothing new under the lease's name.
//! - A sweeper holds the lock while it sweeps and removes the file last. Two sweepers never meet on
//!   one lease; one that is killed leaves it as it found it; a slot that still says something is
//!   never taken by a new instance.
//! - The file is only appended to, one line per write. A half-written last line is about something
//!   that was not made yet.
//! - A lease's name is unique on a running kernel, also among instances with other run directories
//!   (containers, tests): it holds the identity of the lease directory itself. A work directory has
//!   a lock of its own, because a data directory can be shared where a run directory is not, and
//!   survives a reboot that run directories do not.
//!
//! # Not here
//! What cgroups, networks or images are: they are swept by name ([`crate::sandbox::cgroup`]) or by
//! the hook given to [`sweep`].
//!
//! # Sources
//! `reference/sandbox.md` 3 and 4; `flock(2)`, `openat2(2)`; systemd's `UIDS-GIDS.md` for ids.

mod dead;
mod error;
mod facts;
mod ids;
mod lock;
mod mounts;
mod slot;
mod work_dir;

#[cfg(test)]
mod tests;

pub use dead::{DeadLease, HookError, Swept, dead, sweep};
pub use error::LeaseError;
pub use facts::{Facts, Made};
pub use ids::{IDS_PER_SLOT, IdRange};
pub(crate) use mounts::unescape_mount;
pub use slot::Lease;
