//! The pool as the front door knows it, and what a host's settings mean for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::deployed::Manner;
use super::host::Plan;
use super::resources::Wants;
use crate::catalog::Change;
use crate::config::{self, DevShm, FreezeAfter, Isolation};
use crate::invoke::{Invoker, Ran};
use crate::model::{Event, Invocation, Version};
use crate::pool::{Freeze, Journal, Pool, Settings};
use crate::usage::{Labels, LogRenderer, Paint, Say, stderr};

/// Notices that wait for the terminal; more are dropped by whoever has them.
const NOTICES_WAITING: usize = 64;
/// Logs that wait for a reader of standard error: some seconds of busy functions.
const LOG_WAITING_MOST_BYTES: usize = 16 * 1024 * 1024;

/// Runs invocations in the pool.
pub(super) struct Pooled {
    pub(super) pool: Pool,
}

impl Invoker for Pooled {
    fn invoke(&self, version: Arc<Version>, invocation: Invocation) -> Ran {
        let pool = self.pool.clone();
        Box::pin(async move { pool.invoke(version, invocation).await })
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
pub(super) fn plan(config: &config::Serve, say: Say) -> Plan<'_> {
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
            isolation: Isolation::Full,
            cpu: config.cpu,
        },
        manner: Manner {
            cpu: config.cpu,
            dev_shm: DevShm::Absent,
            sdk: config.sdk,
            runtime_compat: config.runtime_compat,
            credentials: config.credentials.clone(),
            forwards: config.forwards.clone(),
        },
        adjust: Box::new(|settings| adjust(config, settings)),
        journal: Arc::new(Stderr { say, lost_bytes: AtomicUsize::new(0) }),
        notices,
    }
}

fn adjust(config: &config::Serve, settings: &mut Settings) {
    if let Some(budget_mb) = config.memory_budget_mb {
        settings.memory_budget_mb = budget_mb.into();
    }
    settings.idle_for = config.idle_timeout;
    settings.freeze = match config.freeze_after {
        FreezeAfter::Off => Freeze::Off,
        FreezeAfter::Idle(delay) if delay.is_zero() => Freeze::Immediate,
        FreezeAfter::Idle(delay) => Freeze::After(delay),
    };
    settings.account_concurrency = config.concurrency;
}

/// Every function's log, on standard error. No function waits for a reader of it, whom they all share:
/// what comes while too much waits is left out, counted, and said when there is room again.
struct Stderr {
    say: Say,
    lost_bytes: AtomicUsize,
}

impl Journal for Stderr {
    fn note(&self, version: &Version, _stream: &str, event: &Event, lines: &mut Vec<u8>) {
        let labels = Labels {
            function_name: version.function.name.clone(),
            function_version: version.function.version.clone(),
        };
        let from = lines.len();
        let renderer = LogRenderer::new(version.function.log_format, Paint::Plain, labels)
            .with_levels(version.function.effective_levels());
        renderer.render(event, jiff::Timestamp::now(), lines);
        let new = &lines[from..];
        if new.is_empty() {
            return;
        }
        if !stderr::has_room(LOG_WAITING_MOST_BYTES) {
            self.lost_bytes.fetch_add(new.len(), Ordering::Relaxed);
            return;
        }
        let lost = self.lost_bytes.swap(0, Ordering::Relaxed);
        if lost > 0 {
            self.say.warning(&format!(
                "{lost} bytes of functions' logs are left out here: standard error was not read"
            ));
        }
        stderr::write(new.to_vec());
    }

    fn trouble(&self, text: &str) {
        self.say.warning(&format!("an execution environment failed: {text}"));
    }
}
