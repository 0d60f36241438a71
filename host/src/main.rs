//! Chooses a life: the inside of sandboxes, or the program people call.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use lambdabox::{app, cli};
use lambdabox_bootstrap::spawner;

/// What the first argument must be for a spawner to be of use.
const RUNS_FUNCTIONS: &str = "invoke";

fn main() -> ExitCode {
    if let Some(code) = spawner::live_if_asked() {
        return ExitCode::from(u8::try_from(code).unwrap_or(1));
    }
    // First thing, while there is one thread; it starts up while the arguments are read.
    let runs_functions = std::env::args_os().nth(1).is_some_and(|word| word == RUNS_FUNCTIONS);
    let started = runs_functions.then(spawner::start);
    cli::run(std::env::args_os(), |config| match started.unwrap_or_else(spawner::start) {
        Ok(started) => app::invoke(&config, started),
        Err(error) => {
            eprintln!("error: failed to fork the process that makes sandboxes: {error}");
            ExitCode::from(3)
        }
    })
}
