//! Where the time of a cold start goes: one line a phase on stderr, for `scripts/bench`.

use std::sync::OnceLock;
use std::time::Instant;

/// Set to anything, makes each phase print `timing <name> <microseconds since the start>`.
const VARIABLE: &str = "LAMBDABOX_TIMINGS";

/// The one stopwatch of this process; `None` inside if nobody asked for it.
static SINCE: OnceLock<Option<Instant>> = OnceLock::new();

/// Starts now, if asked for.
pub(crate) fn start() {
    SINCE.get_or_init(|| std::env::var_os(VARIABLE).map(|_| Instant::now()));
}

/// Says that a phase is over.
pub(crate) fn lap(name: &'static str) {
    if let Some(Some(since)) = SINCE.get() {
        eprintln!("timing {name} {}", since.elapsed().as_micros());
    }
}
