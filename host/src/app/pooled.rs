//! The pool as the front door knows it, and what a host's settings mean for it.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::archive::Archives;
use super::deployed::Manner;
use super::host::Plan;
use super::resources::Wants;
use crate::catalog::Change;
use crate::config::{self, DevShm, FreezeAfter, Isolation};
use crate::invoke::{Invoker, Ran};
use crate::model::{Invocation, Refused, Version};
use crate::pool::{Freeze, Pool, Settings};
use crate::store::Records;
use crate::usage::{Metrics, Observer, Say, Traces};

/// Notices that wait for the terminal; more are dropped by whoever has them.
const NOTICES_WAITING: usize = 64;

/// Runs invocations in the pool.
pub(super) struct Pooled {
    pub(super) pool: Pool,
    pub(super) metrics: Arc<Metrics>,
    pub(super) archives: Arc<Archives>,
}

impl Invoker for Pooled {
    fn invoke(&self, version: Arc<Version>, invocation: Invocation) -> Ran {
        let (pool, metrics) = (self.pool.clone(), Arc::clone(&self.metrics));
        let archives = Arc::clone(&self.archives);
        Box::pin(async move {
            let function = Arc::clone(&version);
            let ran = pool.invoke(version, invocation).await;
            if ran.is_ok() {
                archives.ran(&function, &pool);
            }
            if let Err(
                Refused::ReservedConcurrency
                | Refused::AccountConcurrency
                | Refused::NoMemory { .. },
            ) = &ran
            {
                metrics.throttled(&function.function.name);
            }
            ran
        })
    }

    fn changed(&self, change: Change) {
        let (old, keep) = match change {
            Change::Replaced { old, new } => (old, Some(new.revision.clone())),
            Change::Removed { old } => (old, None),
        };
        let pool = self.pool.clone();
        // An invocation that comes before it is one that came before the change.
        tokio::spawn(async move {
            let function = &old.function;
            pool.retire(&function.name, &function.version, keep.as_deref()).await;
        });
    }
}

/// What a host is opened with.
pub(super) fn plan(
    config: &config::Serve,
    records: Records,
    metrics: Arc<Metrics>,
    traces: Traces,
    archives: Arc<Archives>,
    say: Say,
) -> Plan<'_> {
    let (notices, mut heard) = mpsc::channel::<String>(NOTICES_WAITING);
    // Ends when the pool, which holds the other end, is gone.
    tokio::spawn(async move {
        while let Some(notice) = heard.recv().await {
            say.notice(&notice);
        }
    });
    Plan {
        wants: Wants {
            network: config.network,
            data_dir: &config.data_dir,
            ephemeral_storage_mb: None,
            isolation: config.isolation,
            cpu: config.cpu,
        },
        manner: Manner {
            isolation: config.isolation,
            cpu: config.cpu,
            dev_shm: DevShm::Absent,
            sdk: config.sdk,
            runtime_compat: config.runtime_compat,
            credentials: config.credentials.clone(),
            forwards: config.forwards.clone(),
            xray_daemon: config.xray_daemon,
        },
        adjust: Box::new(|settings| adjust(config, settings)),
        journal: Arc::new(Observer::new(say, records, metrics, traces)),
        notices,
        archives,
    }
}

fn adjust(config: &config::Serve, settings: &mut Settings) {
    if let Some(budget_mb) = config.memory_budget_mb {
        settings.memory_budget_mb = budget_mb.into();
    }
    settings.idle_for = config.idle_timeout;
    settings.freeze = match (config.isolation, config.freeze_after) {
        // A group is what is frozen.
        (Isolation::NoLimits, _) | (_, FreezeAfter::Off) => Freeze::Off,
        (_, FreezeAfter::Idle(delay)) if delay.is_zero() => Freeze::Immediate,
        (_, FreezeAfter::Idle(delay)) => Freeze::After(delay),
    };
    settings.account_concurrency = config.concurrency;
}
