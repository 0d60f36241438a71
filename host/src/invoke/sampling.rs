//! Which traces of a function with active tracing are kept, where its invoker has not decided.
//!
//! # Sources
//! Lambda developer guide, "X-Ray": the first request of each second, and 5 % of all others.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use uuid::Uuid;

use crate::model::Sampled;

/// Of what comes in the same second, one of twenty.
const ONE_OF: u8 = 20;
/// Functions that are remembered; where there are more, some of them have a second request sampled.
const FUNCTIONS: usize = 1_000;

/// The last second of each function that had a request.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    last_second: Mutex<HashMap<String, u64>>,
}

impl Sampler {
    pub(super) fn decide(&self, function: &str, at: SystemTime) -> Sampled {
        let second = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        // A map is whole after a panic, too.
        let mut last = self.last_second.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= FUNCTIONS && !last.contains_key(function) {
            last.clear();
        }
        let is_first = last.insert(function.to_owned(), second) != Some(second);
        let [random, ..] = Uuid::new_v4().into_bytes();
        // 13 of 256 are 5.1 %.
        if is_first || random <= u8::MAX / ONE_OF { Sampled::Yes } else { Sampled::No }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_first_of_each_second_and_one_of_twenty_more() {
        let sampler = Sampler::default();
        let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        for second in 1..50 {
            assert_eq!(sampler.decide("f", at(second)), Sampled::Yes);
            assert_eq!(sampler.decide("g", at(second)), Sampled::Yes);
        }
        let more = (0..10_000).filter(|_| sampler.decide("f", at(49)) == Sampled::Yes).count();
        assert!((300..=750).contains(&more), "{more}");
        for function in 0..2 * FUNCTIONS {
            sampler.decide(&function.to_string(), at(1));
        }
        assert!(sampler.last_second.lock().unwrap().len() <= FUNCTIONS);
    }
}
