//! A host that keeps environments: this process' resources, and the pool over them.
//!
//! # Invariants
//! - What the machine lends is given back after the last environment is gone, whatever ended it.
//!
//! # Not here
//! Who may call, what is stored (`front`, `store`); this runs versions.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use super::archive::Archives;
use super::deployed::{Deployed, Manner};
use super::error::AppError;
use super::resources::{Ground, Notices, Resources, Wants};
use crate::pool::{Journal, Pool, Settings};
use crate::sandbox::StartedSpawner;
use crate::usage::Say;

/// What one environment may hold open in this process: pipes, sockets, cgroup files, images.
const DESCRIPTORS_PER_ENVIRONMENT: u64 = 32;

/// A pool and what it stands on.
pub(super) struct Host {
    pool: Pool,
    resources: Resources,
}

/// What is decided before a host is opened.
pub(super) struct Plan<'a> {
    pub(super) wants: Wants<'a>,
    pub(super) manner: Manner,
    /// Changes the defaults of this machine.
    pub(super) adjust: Box<dyn FnOnce(&mut Settings) + Send + 'a>,
    pub(super) journal: Arc<dyn Journal>,
    /// Told about networks and forwards.
    pub(super) notices: mpsc::Sender<String>,
    /// Told by whoever opens versions, asked by whoever runs them.
    pub(super) archives: Arc<Archives>,
}

impl Host {
    /// Sweeps after dead instances, takes what sandboxes need, and starts the pool.
    pub(super) async fn open(
        started: StartedSpawner,
        plan: Plan<'_>,
        say: Say,
    ) -> Result<(Self, Notices), AppError> {
        let Plan { wants, manner, adjust, journal, notices, archives } = plan;
        let ground = Ground::take(&wants, &started).await?;
        let (resources, mut said) = Resources::take(ground, started, &wants, say).await?;
        let deployed = match Deployed::new(&resources, wants.data_dir, manner, notices, archives) {
            Ok(deployed) => deployed,
            Err(error) => {
                // The first error is the one to tell; the next start sweeps what stays.
                let _swept_later = resources.give_back().await;
                return Err(error);
            }
        };
        let mut settings = Settings::of_machine(memory_mb(), cpus(), deployed.environments_max());
        adjust(&mut settings);
        said.extend(raise_descriptors(&settings));
        let pool = Pool::start(settings, deployed, journal);
        Ok((Self { pool, resources }, said))
    }

    /// What runs invocations.
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Drains until the deadline, kills what is left, and gives everything back. Names what cannot be
    /// given back and is left to the next start. To hurry, somebody else drains with an earlier deadline.
    pub(super) async fn close(self, deadline: Instant) -> Vec<String> {
        self.pool.drain(deadline).await;
        self.resources.give_back().await
    }
}

/// Memory of the machine, MB; nothing if the kernel does not say, and then no function runs.
fn memory_mb() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

fn cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |cpus| u32::try_from(cpus.get()).unwrap_or(1))
}

/// Takes as many descriptors as the hard limit allows; a word if that is too few for the budget.
fn raise_descriptors(settings: &Settings) -> Option<String> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    let smallest_mb = u64::from(*crate::model::MEMORY_MB.start() + settings.overhead_mb);
    let environments =
        (settings.memory_budget_mb / smallest_mb).min(settings.environments_max.into());
    let needed = environments * DESCRIPTORS_PER_ENVIRONMENT;
    (raised.is_err() || hard < needed).then(|| {
        format!(
            "{hard} open files are allowed here, and {environments} environments may need {needed} \
             (LimitNOFILE= of the service, or ulimit -n)"
        )
    })
}

#[cfg(test)]
mod tests;
