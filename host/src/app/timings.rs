//! Where the time of a cold start goes: one line a phase on stderr, for `scripts/bench`.

use std::time::Instant;

/// Set to anything, makes each phase print `timing <name> <microseconds since the start>`.
const VARIABLE: &str = "LAMBDABOX_TIMINGS";

/// A stopwatch that is silent unless asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timings {
    since: Option<Instant>,
}

impl Timings {
    /// Starts now.
    pub(crate) fn start() -> Self {
        Self { since: std::env::var_os(VARIABLE).map(|_| Instant::now()) }
    }

    /// Says that a phase is over.
    pub(crate) fn lap(self, name: &str) {
        if let Some(since) = self.since {
            eprintln!("timing {name} {}", since.elapsed().as_micros());
        }
    }
}
