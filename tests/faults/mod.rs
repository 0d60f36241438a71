//! Does nothing stay behind, whatever dies, and does nothing alive get swept?
//!
//! How long or often the heavy tests go is set by `LAMBDABOX_SOAK_LOAD_SECS`, `LAMBDABOX_SOAK_HOST_KILLS`,
//! `LAMBDABOX_SOAK_INVOKES` and `LAMBDABOX_SOAK_KILLS`; `scripts/soak` runs them whole.
//!
//! # Sources
//! `reference/sandbox.md` 3, "Sweep and neighbours"; the Proof.

mod callers;
mod clients;
mod disk;
mod frozen;
mod held;
mod hosts_killed;
mod killed;
mod leaks;
mod load;

use std::path::Path;

use crate::harness::{Function, invoke};

/// How often a heavy test repeats: the variable's number, else the default.
fn repetitions(variable: &str, default: u32) -> u32 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

fn hello() -> Function {
    Function::python("def lambda_handler(event, context):\n    return 'hello'\n")
}

/// One run that answers; the store has then made what it keeps for good.
fn one_start(data: &Path) {
    invoke(&hello()).data(data).while_alone().run().answered();
}
mod surroundings;
mod unread;
