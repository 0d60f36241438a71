//! Answers that wait in memory for their readers, all together.
//!
//! # Invariants
//! - While they are more than the bound, nothing new that may answer as much is begun, and whoever
//!   takes nothing is cut off soon (`paced.rs`): so the bound holds but for what is on its way.
//!
//! # Not here
//! Answers that are still being made: their environment's memory is promised for them.

use bytes::Bytes;
use tokio::sync::watch;

/// Memory of all of them: half of what requests may take.
const MOST_BYTES: usize = 256 * 1024 * 1024;
/// Smaller ones are not counted: sockets and connections take as much.
const COUNTED_FROM_BYTES: usize = 64 * 1024;

/// The count. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    waiting_bytes: watch::Sender<usize>,
}

/// An answer until it is written, or nobody is left to take it.
struct Counted {
    bytes: Bytes,
    answers: Answers,
}

impl Default for Answers {
    fn default() -> Self {
        Self { waiting_bytes: watch::Sender::new(0) }
    }
}

impl Answers {
    /// The same bytes, counted while anybody holds them.
    pub(crate) fn count(&self, bytes: Bytes) -> Bytes {
        if bytes.len() < COUNTED_FROM_BYTES {
            return bytes;
        }
        self.waiting_bytes.send_modify(|waiting| *waiting += bytes.len());
        Bytes::from_owner(Counted { bytes, answers: self.clone() })
    }

    /// Whether readers who take nothing must go.
    pub(crate) fn are_too_many(&self) -> bool {
        *self.waiting_bytes.borrow() > MOST_BYTES
    }

    /// Waits until there is room for more.
    pub(crate) async fn room(&self) {
        if self.are_too_many() {
            let mut waiting = self.waiting_bytes.subscribe();
            // The sender is here.
            let _has_room = waiting.wait_for(|waiting| *waiting <= MOST_BYTES).await.is_ok();
        }
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.answers.waiting_bytes.send_modify(|waiting| *waiting -= self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_answers_count_until_the_last_holder_lets_go() {
        let answers = Answers::default();
        let small = answers.count(vec![0; COUNTED_FROM_BYTES - 1].into());
        assert_eq!(*answers.waiting_bytes.borrow(), 0);
        let large = answers.count(vec![0; MOST_BYTES + 1].into());
        let part = large.slice(..10);
        drop((large, small));
        assert!(answers.are_too_many());
        drop(part);
        assert_eq!(*answers.waiting_bytes.borrow(), 0);
    }
}
