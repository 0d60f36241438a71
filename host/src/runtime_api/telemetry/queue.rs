//! What waits for one subscriber: events as JSON, in order, within a bound.
//!
//! # Invariants
//! - It holds at most [`MOST_BYTES`] and one event. What does not fit is counted, and the subscriber
//!   is told of it in the place where it is missing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::subscription::Buffering;

/// Most that waits for one subscriber: two batches of the largest size.
const MOST_BYTES: usize = 2 * 1_048_576;

/// Events that did not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Dropped {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

/// Events of one subscriber.
#[derive(Debug)]
pub(crate) struct Queue {
    buffering: Buffering,
    events: VecDeque<Arc<str>>,
    bytes: usize,
    /// When the first of them came.
    since: Option<Instant>,
    dropped: Dropped,
}

impl Queue {
    pub(crate) fn new(buffering: Buffering) -> Self {
        let dropped = Dropped::default();
        Self { buffering, events: VecDeque::new(), bytes: 0, since: None, dropped }
    }

    /// Adds an event, or counts it.
    pub(crate) fn push(&mut self, event: Arc<str>, now: Instant) {
        if self.bytes + event.len() > MOST_BYTES && !self.events.is_empty() {
            self.drop_records(Dropped { records: 1, bytes: event.len() });
            return;
        }
        self.bytes += event.len();
        self.events.push_back(event);
        self.since.get_or_insert(now);
    }

    /// Counts what could not be delivered.
    pub(crate) fn drop_records(&mut self, dropped: Dropped) {
        self.dropped.records += dropped.records;
        self.dropped.bytes += dropped.bytes;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.dropped == Dropped::default()
    }

    /// Whether a batch is full.
    pub(crate) fn is_full(&self) -> bool {
        self.events.len() >= self.buffering.max_items || self.bytes >= self.buffering.max_bytes
    }

    /// When a batch is due though it is not full; `None` if nothing waits.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + self.buffering.timeout)
    }

    /// The next batch, and what is missing after it.
    pub(crate) fn take(&mut self, now: Instant) -> (Vec<Arc<str>>, Dropped) {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while bytes < self.buffering.max_bytes && batch.len() < self.buffering.max_items {
            let Some(event) = self.events.pop_front() else { break };
            bytes += event.len();
            batch.push(event);
        }
        self.bytes -= bytes;
        self.since = (!self.events.is_empty()).then_some(now);
        // They are missing behind everything that waits.
        let missing = match self.events.is_empty() {
            true => std::mem::take(&mut self.dropped),
            false => Dropped::default(),
        };
        (batch, missing)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn queue() -> Queue {
        Queue::new(Buffering {
            max_items: 1_000,
            max_bytes: 262_144,
            timeout: Duration::from_secs(1),
        })
    }

    #[test]
    fn a_batch_is_full_by_items_or_bytes_and_due_by_time() {
        let now = Instant::now();
        let mut items = queue();
        assert_eq!((items.is_full(), items.due()), (false, None));
        for _ in 0..1_000 {
            assert!(!items.is_full());
            items.push("{}".into(), now);
        }
        assert!(items.is_full());
        assert_eq!(items.due(), Some(now + Duration::from_secs(1)));
        let mut bytes = queue();
        bytes.push("x".repeat(262_144).into(), now);
        assert!(bytes.is_full());
        for _ in 0..1_500 {
            items.push("{}".into(), now);
        }
        assert_eq!(items.take(now).0.len(), 1_000, "and never more than that");
        assert!(items.is_full());
    }

    #[test]
    fn what_does_not_fit_is_counted_and_told_after_what_waits() {
        let now = Instant::now();
        let mut queue = queue();
        for _ in 0..40 {
            queue.push("x".repeat(100_000).into(), now);
        }
        assert!(queue.bytes <= MOST_BYTES);
        let (mut taken, mut missing) = (0, Dropped::default());
        while !queue.is_empty() {
            assert_eq!(missing, Dropped::default(), "only the last batch tells");
            let (batch, after) = queue.take(now);
            taken += batch.len();
            missing = after;
        }
        assert_eq!(taken + missing.records, 40);
        assert_eq!(missing.bytes, missing.records * 100_000);
        assert!(missing.records > 0);
        assert_eq!(queue.due(), None);
    }

    #[test]
    fn one_event_is_taken_however_long_it_is() {
        let mut queue = queue();
        queue.push("x".repeat(3 * 1_048_576).into(), Instant::now());
        assert_eq!(queue.take(Instant::now()).0.len(), 1);
    }
}
