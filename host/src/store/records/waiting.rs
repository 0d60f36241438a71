//! What was noted and is not on disk yet: bounded, and never waited for.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::usage::{Sums, UsageRecord, add_up};
use crate::model::LogFormat;

/// How long the thread gathers after the first event, so that many share a commit.
const GATHER: Duration = Duration::from_millis(50);
/// So much is written without gathering on.
const ENOUGH_BYTES: usize = 1024 * 1024;
/// So much may wait; what comes while it does is dropped.
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// Records of invocations that wait one by one; those beyond are added up.
const MOST_RECORDS: usize = 50_000;
/// What an event takes beside its text.
const ENTRY_BYTES: usize = 256;
/// Wakes the thread when nothing is noted, so that what is old goes.
const LOOK_AGAIN: Duration = Duration::from_mins(10);

/// One event of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The log group, such as `/aws/lambda/hello`.
    pub group: String,
    /// The environment's stream.
    pub stream: String,
    /// When it happened, milliseconds since the epoch.
    pub at_ms: u64,
    /// The form of this log, should something of it have to be said.
    pub format: LogFormat,
    /// As it is read, with its newline.
    pub text: Vec<u8>,
}

/// What was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// How many events.
    pub events: u64,
    /// Their text.
    pub bytes: u64,
}

impl Lost {
    pub(super) fn add(&mut self, other: Self) {
        self.events += other.events;
        self.bytes += other.bytes;
    }
}

/// Of which log something is missing: group, stream and form.
pub(super) type Where = (String, String, LogFormat);

/// What is taken to be written at once.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) entries: Vec<Entry>,
    /// What was dropped after these.
    pub(super) lost: BTreeMap<Where, Lost>,
    pub(super) usage: Vec<UsageRecord>,
    /// Of invocations that have no record in `usage`.
    pub(super) sums: Sums,
    /// Who waits for it.
    pub(super) flushes: Vec<oneshot::Sender<()>>,
    pub(super) is_last: bool,
}

/// Between those who note and the thread.
#[derive(Debug, Default)]
pub(super) struct Shared {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    entries: Vec<Entry>,
    bytes: usize,
    lost: BTreeMap<Where, Lost>,
    lost_ever: Lost,
    usage: Vec<UsageRecord>,
    sums: Sums,
    flushes: Vec<oneshot::Sender<()>>,
    is_ended: bool,
    /// The thread has gone.
    is_gone: bool,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.usage.is_empty()
    }

    fn is_urgent(&self) -> bool {
        !self.flushes.is_empty() || self.is_ended || self.bytes >= ENOUGH_BYTES
    }

    fn lose(&mut self, place: Where, lost: Lost) {
        self.lost_ever.add(lost);
        self.lost.entry(place).or_default().add(lost);
    }
}

impl Shared {
    pub(super) fn push(&self, entry: Entry) {
        let mut waiting = self.lock();
        if waiting.is_ended {
            return;
        }
        if waiting.bytes >= MOST_BYTES {
            let lost = lost_of(&entry);
            waiting.lose((entry.group, entry.stream, entry.format), lost);
            return;
        }
        let (was_idle, was_urgent) = (waiting.is_empty(), waiting.is_urgent());
        waiting.bytes += entry.text.len() + ENTRY_BYTES;
        waiting.entries.push(entry);
        // Else the thread is awake, or will be in a moment.
        let wakes = was_idle || waiting.is_urgent() && !was_urgent;
        drop(waiting);
        if wakes {
            self.more.notify_one();
        }
    }

    pub(super) fn push_usage(&self, record: UsageRecord) {
        let mut waiting = self.lock();
        let was_idle = waiting.is_empty();
        match waiting.usage.len() < MOST_RECORDS {
            true => waiting.usage.push(record),
            false => add_up(&mut waiting.sums, &record),
        }
        drop(waiting);
        if was_idle {
            self.more.notify_one();
        }
    }

    pub(super) async fn flush(&self) {
        self.written(|_| {}).await;
    }

    /// Takes nothing more; ends when all is written.
    pub(super) async fn close(&self) {
        self.written(|waiting| waiting.is_ended = true).await;
    }

    async fn written(&self, change: impl FnOnce(&mut Waiting)) {
        let (written, wait) = oneshot::channel();
        {
            let mut waiting = self.lock();
            if waiting.is_gone {
                return;
            }
            change(&mut waiting);
            waiting.flushes.push(written);
        }
        self.more.notify_one();
        // The thread gone means that nothing more will be written.
        let _written = wait.await;
    }

    pub(super) fn end(&self) {
        self.lock().is_ended = true;
        self.more.notify_one();
    }

    pub(super) fn lost(&self) -> Lost {
        self.lock().lost_ever
    }

    /// Waits until there is something to write, or to look after.
    pub(super) fn take(&self) -> Taken {
        let idle = |waiting: &mut Waiting| waiting.is_empty() && !waiting.is_urgent();
        let patient = |waiting: &mut Waiting| !waiting.is_urgent();
        let waiting = self.lock();
        let slept = self.more.wait_timeout_while(waiting, LOOK_AGAIN, idle);
        let waiting = slept.unwrap_or_else(PoisonError::into_inner).0;
        let gathered = self.more.wait_timeout_while(waiting, GATHER, patient);
        let mut waiting = gathered.unwrap_or_else(PoisonError::into_inner).0;
        waiting.bytes = 0;
        if waiting.is_ended {
            // Nobody can ask any more: who does so from here on is not kept waiting.
            waiting.is_gone = true;
        }
        Taken {
            entries: std::mem::take(&mut waiting.entries),
            lost: std::mem::take(&mut waiting.lost),
            usage: std::mem::take(&mut waiting.usage),
            sums: std::mem::take(&mut waiting.sums),
            flushes: std::mem::take(&mut waiting.flushes),
            is_last: waiting.is_ended,
        }
    }

    /// What could not be written is lost; it is said when something can be.
    pub(super) fn give_up(&self, taken: &mut Taken) {
        let mut waiting = self.lock();
        for entry in taken.entries.drain(..) {
            let lost = lost_of(&entry);
            waiting.lose((entry.group, entry.stream, entry.format), lost);
        }
        // Totals are kept until they can be written.
        for record in taken.usage.drain(..) {
            add_up(&mut waiting.sums, &record);
        }
        for (key, totals) in std::mem::take(&mut taken.sums) {
            waiting.sums.entry(key).or_default().add(&totals);
        }
        for (place, lost) in std::mem::take(&mut taken.lost) {
            // Counted before.
            waiting.lost.entry(place).or_default().add(lost);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Each change is whole even if who made it panicked later.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lost_of(entry: &Entry) -> Lost {
    Lost { events: 1, bytes: entry.text.len() as u64 }
}
