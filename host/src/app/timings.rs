//! Where time and memory of a cold start go: lines on stderr, for `scripts/bench`.

use std::sync::OnceLock;
use std::time::Instant;

use crate::usage::stderr;

/// Set to anything, makes each phase print `timing <name> <microseconds since the start>`.
const VARIABLE: &str = "LAMBDABOX_TIMINGS";

/// The one stopwatch of this process; `None` inside if nobody asked for it.
static SINCE: OnceLock<Option<Instant>> = OnceLock::new();

/// Starts now, if asked for.
pub(crate) fn start() {
    SINCE.get_or_init(|| std::env::var_os(VARIABLE).map(|_| Instant::now()));
}

/// Says how much memory this process has had at its largest.
pub(crate) fn peak_memory() {
    if let Some(Some(_)) = SINCE.get() {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        say(&format!("memory host {}", peak.map_or("unknown", str::trim)));
    }
}

/// Says that a phase is over.
pub(crate) fn lap(name: &'static str) {
    if let Some(Some(since)) = SINCE.get() {
        say(&format!("timing {name} {}", since.elapsed().as_micros()));
    }
}

fn say(line: &str) {
    stderr::write(format!("{line}\n").into_bytes());
}
