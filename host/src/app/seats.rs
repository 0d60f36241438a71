//! Ids and addresses of many environments in one host.
//!
//! # Invariants
//! - No two environments that live have the same id or address: both are lent, and come back when
//!   the environment is gone.
//! - What came back is lent again as late as can be, so that late packets and leftover files of one
//!   environment meet another as seldom as can be.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::blueprint::any_number;
use crate::sandbox::network::ENVIRONMENTS_PER_SLOT;

/// Lends ids and addresses. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Seats {
    free: Arc<Mutex<Free>>,
}

#[derive(Debug)]
struct Free {
    /// Indexes from here on were never lent.
    fresh: u32,
    /// How many there are.
    limit: u32,
    returned: VecDeque<u32>,
    next_number: u32,
    numbers: BTreeSet<u32>,
}

/// One environment's index and number; dropped when it is gone.
#[derive(Debug)]
pub(super) struct Lent {
    /// For [`crate::sandbox::lease::IdRange::environment_uid`].
    pub(super) index: u32,
    /// Its place in the address range.
    pub(super) number: u32,
    free: Arc<Mutex<Free>>,
}

impl Seats {
    /// For so many environments at once.
    pub(super) fn new(limit: u32) -> Self {
        let free = Free {
            fresh: 0,
            limit: limit.min(ENVIRONMENTS_PER_SLOT),
            returned: VecDeque::new(),
            next_number: any_number(),
            numbers: BTreeSet::new(),
        };
        Self { free: Arc::new(Mutex::new(free)) }
    }

    /// `None` if all are lent.
    pub(super) fn lend(&self) -> Option<Lent> {
        let mut free = lock(&self.free);
        let index = if free.fresh < free.limit {
            free.fresh += 1;
            free.fresh - 1
        } else {
            free.returned.pop_front()?
        };
        // Fewer are lent than there are numbers.
        while !{
            let number = free.next_number;
            free.numbers.insert(number)
        } {
            free.next_number = (free.next_number + 1) % ENVIRONMENTS_PER_SLOT;
        }
        let number = free.next_number;
        free.next_number = (number + 1) % ENVIRONMENTS_PER_SLOT;
        Some(Lent { index, number, free: Arc::clone(&self.free) })
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut free = lock(&self.free);
        free.returned.push_back(self.index);
        free.numbers.remove(&self.number);
    }
}

/// A panic between two steps would lose an index at most.
fn lock(free: &Mutex<Free>) -> std::sync::MutexGuard<'_, Free> {
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lent_twice_and_what_came_back_is_lent_last() {
        let seats = Seats::new(3);
        let mut lent: Vec<Lent> = (0..3).map(|_| seats.lend().unwrap()).collect();
        assert!(seats.lend().is_none());
        let indexes: BTreeSet<u32> = lent.iter().map(|one| one.index).collect();
        let numbers: BTreeSet<u32> = lent.iter().map(|one| one.number).collect();
        assert_eq!((indexes.len(), numbers.len()), (3, 3));
        let (second, first) = (lent.remove(1), lent.remove(0));
        let order = [second.index, first.index];
        drop(second);
        drop(first);
        let again = [seats.lend().unwrap(), seats.lend().unwrap()];
        assert_eq!(again.each_ref().map(|one| one.index), order);
        assert!(again.iter().all(|one| !numbers.contains(&one.number)));
    }

    #[test]
    fn numbers_go_round_and_pass_over_those_that_are_lent() {
        let seats = Seats::new(2);
        let kept = seats.lend().unwrap();
        for _ in 0..=ENVIRONMENTS_PER_SLOT {
            assert_ne!(seats.lend().unwrap().number, kept.number);
        }
    }
}
