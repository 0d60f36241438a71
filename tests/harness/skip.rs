//! A test that cannot run here says so, and is counted.
//!
//! libtest knows no skip that is decided at run time, so the test passes for it; the line written here
//! is what `scripts/test` subtracts from the passed and prints with its reason.

use std::fs::OpenOptions;
use std::io::Write as _;

/// File that collects one line per skipped test; set by `scripts/test`.
const SKIP_LOG: &str = "LAMBDABOX_SKIP_LOG";

/// Notes that the running test is skipped. Use [`skip!`], which also returns from the test.
pub(crate) fn note_skip(reason: &str) {
    let thread = std::thread::current();
    let line = format!("SKIP {}: {reason}\n", thread.name().unwrap_or("a test"));
    // Straight to the descriptor: libtest captures what the macros print.
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    if let Some(path) = std::env::var_os(SKIP_LOG) {
        let mut log = OpenOptions::new().create(true).append(true).open(path).unwrap();
        log.write_all(line.as_bytes()).unwrap();
    }
}

/// Ends the running test as skipped, with the reason.
macro_rules! skip {
    ($($reason:tt)*) => {{
        $crate::harness::note_skip(&format!($($reason)*));
        return;
    }};
}
