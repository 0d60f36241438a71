//! Chooses a life: the inside of sandboxes, or the program people call.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use lambdabox::app;
use lambdabox::cli::{self, Call};
use lambdabox::config;
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
    cli::run(std::env::args_os(), |call| match call {
        Call::Doctor(asked) => app::doctor(&asked),
        Call::Serve(_) => ExitCode::from(3),
        Call::Invoke(config) => invoke(&config, started.unwrap_or_else(spawner::start)),
    })
}

fn invoke(config: &config::Invoke, started: std::io::Result<spawner::Spawner>) -> ExitCode {
    match started {
        Ok(started) => app::invoke(config, started),
        Err(error) => {
            eprintln!("error: failed to fork the process that makes sandboxes: {error}");
            ExitCode::from(3)
        }
    }
}
