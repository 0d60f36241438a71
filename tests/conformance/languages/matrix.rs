//! The matrix: one line for each pair of guest and case that was tried, for `scripts/test` to print.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::guest::{Guest, Host};
use crate::harness::note_skip;

/// File that collects `guest<TAB>case<TAB>result`; set by `scripts/test`.
const MATRIX_LOG: &str = "LAMBDABOX_MATRIX_LOG";

/// Runs one case on one guest and writes down what came of it.
pub(super) fn run(guest: &Guest, case: &str, test: fn(&Host)) {
    let host = match guest.host() {
        Ok(host) => host,
        Err(reason) => {
            note(guest, case, "skip");
            note_skip(&reason);
            return;
        }
    };
    if host.words.left_out.iter().any(|left_out| left_out == case) {
        note(guest, case, "none");
        note_skip(&format!("means nothing for {guest}"));
        return;
    }
    match catch_unwind(AssertUnwindSafe(|| test(&host))) {
        Ok(()) => note(guest, case, "pass"),
        Err(panic) => {
            note(guest, case, "FAIL");
            resume_unwind(panic);
        }
    }
}

fn note(guest: &Guest, case: &str, result: &str) {
    let Some(path) = std::env::var_os(MATRIX_LOG) else { return };
    let mut log = OpenOptions::new().create(true).append(true).open(path).unwrap();
    log.write_all(format!("{guest}\t{case}\t{result}\n").as_bytes()).unwrap();
}
