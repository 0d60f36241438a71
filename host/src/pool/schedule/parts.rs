//! What the schedule keeps of environments, versions and invocations.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::model::{Purpose, Refused, Version};

/// Numbers an environment; none is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EnvId(pub(crate) u64);

/// Numbers an invocation; none is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct JobId(pub(crate) u64);

/// Which environments are alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) function: String,
    pub(crate) version: String,
    pub(crate) revision: String,
    /// Environments of one tenant are never another's.
    pub(crate) tenant: Option<String>,
}

/// What an invocation needs.
#[derive(Debug, Clone)]
pub(crate) struct Need {
    pub(crate) key: Key,
    pub(crate) memory_mb: u32,
    pub(crate) reserved: Option<u32>,
    /// How many may run at once in one environment, which says so of each; `None` is one after another.
    pub(crate) at_once: Option<u32>,
}

impl Need {
    pub(crate) fn of(version: &Version, tenant: Option<String>) -> Self {
        let function = &version.function;
        // What the host does for itself takes nothing of what the function may have at once.
        let (name, reserved, at_once) = match version.purpose {
            Purpose::Serving => {
                (function.name.clone(), version.reserved_concurrency, function.max_concurrency)
            }
            Purpose::Archive => (format!("{} (archive of classes)", function.name), None, None),
        };
        let key = Key {
            function: name,
            version: function.version.clone(),
            revision: version.revision.clone(),
            tenant,
        };
        Self { key, memory_mb: function.memory_mb, reserved, at_once }
    }
}

/// What must be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Make a new environment of this version.
    Start { env: EnvId, key: Key },
    /// Give an idle environment its invocation.
    Assign { env: EnvId, job: JobId },
    /// End an idle environment.
    End { env: EnvId },
    /// End an environment whatever it does.
    Kill { env: EnvId },
    /// The caller's answer.
    Refuse { job: JobId, refused: Refused },
}

/// In which state an environment waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// Its runtime waits for an event.
    Ready,
    /// Nothing runs in it: the next invocation begins with an init.
    Reset,
    /// It cannot go on and is ending by itself.
    Broken,
}

/// How an environment came to be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gone {
    /// It was told to end.
    Ended,
    /// It could not be made or kept; the text is for the operator.
    Failed(String),
    /// It could not be ended: what it was promised may be in use for ever. The text is the operator's.
    Lost(String),
}

/// Where an environment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stand {
    Starting { since: Instant },
    Idle { since: Instant },
    Busy,
    Ending,
}

#[derive(Debug)]
pub(super) struct Env {
    pub(super) key: Key,
    pub(super) stand: Stand,
    /// Promised to it until it is gone.
    pub(super) mb: u32,
    /// What its start took: lost when it is ended.
    pub(super) init: Duration,
    pub(super) health: Health,
    /// What runs in it.
    pub(super) jobs: BTreeSet<JobId>,
    /// How many more it can be given, as far as it has said so.
    pub(super) free: u32,
    /// Of many at once: for each slot that is thought to come, until when. Its runtime has only begun to
    /// ask, or was done with something just now.
    pub(super) slots_until: Vec<Instant>,
    /// Of one after another: its caller has the answer, and until then it is thought to be free any moment.
    pub(super) finishing_until: Option<Instant>,
}

impl Env {
    /// Whether it is about to be free.
    pub(super) fn is_finishing(&self, now: Instant) -> bool {
        self.stand == Stand::Busy && self.finishing_until.is_some_and(|until| now < until)
    }

    /// How many of `at_once` are on their way.
    pub(super) fn promised(&self, at_once: u32, now: Instant) -> u32 {
        match self.stand {
            _ if self.health == Health::Broken => 0,
            Stand::Starting { .. } => at_once,
            Stand::Idle { .. } | Stand::Busy => {
                let used = u32::try_from(self.jobs.len()).unwrap_or(u32::MAX);
                let coming = self.slots_until.iter().filter(|until| now < **until).count();
                let room = at_once.saturating_sub(used).saturating_sub(self.free);
                room.min(u32::try_from(coming).unwrap_or(u32::MAX))
            }
            Stand::Ending => 0,
        }
    }

    /// So many slots more are thought to come within this time.
    pub(super) fn promise(&mut self, slots: u32, within: Duration, now: Instant) {
        self.slots_until.retain(|until| now < *until);
        self.slots_until.extend((0..slots).map(|_| now + within));
    }

    /// So many have come: those that were promised last, for an older promise may be one that a worker
    /// which is gone does not keep.
    pub(super) fn keep_promises(&mut self, slots: usize) {
        self.slots_until.truncate(self.slots_until.len().saturating_sub(slots));
    }
}

/// The environments of one version.
#[derive(Debug)]
pub(super) struct Group {
    /// For one more environment.
    pub(super) needed_mb: u32,
    /// How many may run at once in one.
    pub(super) at_once: Option<u32>,
    /// Those with nothing to do. Most recently used last.
    pub(super) idle: Vec<EnvId>,
    /// Those that can be given more. Most recently used last.
    pub(super) open: Vec<EnvId>,
    pub(super) envs: u32,
    pub(super) starting: u32,
    /// Invocations that wait.
    pub(super) waiting: u32,
    pub(super) retired: bool,
}

impl Group {
    pub(super) fn new(needed_mb: u32, at_once: Option<u32>) -> Self {
        Self {
            needed_mb,
            at_once,
            idle: Vec::new(),
            open: Vec::new(),
            envs: 0,
            starting: 0,
            waiting: 0,
            retired: false,
        }
    }
}

/// One function's invocations, of all versions.
#[derive(Debug, Default)]
pub(super) struct Flow {
    pub(super) in_flight: u32,
    pub(super) reserved: Option<u32>,
}

/// An invocation that is not over.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) key: Key,
    /// Past this, it is refused if there is no memory for it.
    pub(super) until: Instant,
    /// Its caller has the answer: it is in flight no more.
    pub(super) answered: bool,
}
