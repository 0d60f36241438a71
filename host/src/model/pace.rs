//! How patient the program's own limits are, on a machine that is slow throughout.
//!
//! Emulated guests take 10 to 90 times as long for everything, and a limit that tells "slow" from
//! "broken" must know. `--time-scale N` says so, hidden, for tests; what the user asks for (a timeout)
//! is never stretched. One number for the whole process: said once, before anything waits.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

static TIME_SCALE: AtomicU32 = AtomicU32::new(1);

/// Stretches every limit from now on.
pub(crate) fn set_time_scale(scale: u32) {
    TIME_SCALE.store(scale.max(1), Ordering::Relaxed);
}

/// How many times as long everything may take.
pub(crate) fn time_scale() -> u32 {
    TIME_SCALE.load(Ordering::Relaxed)
}

/// A limit of our own, as long as this machine needs.
pub(crate) fn patience(limit: Duration) -> Duration {
    limit.saturating_mul(time_scale())
}
