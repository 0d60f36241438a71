//! Chooses a life: the inside of sandboxes, or the program people call.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use lambdabox::app;
use lambdabox::cli::{self, Call};
use lambdabox_bootstrap::spawner::{self, Spawner};

/// What the first argument must be for a spawner to be of use.
const RUNS_FUNCTIONS: [&str; 3] = ["invoke", "serve", "up"];

fn main() -> ExitCode {
    if let Some(code) = spawner::live_if_asked() {
        return ExitCode::from(u8::try_from(code).unwrap_or(1));
    }
    // First thing, while there is one thread; it starts up while the arguments are read.
    let runs_functions = std::env::args_os()
        .nth(1)
        .is_some_and(|word| RUNS_FUNCTIONS.iter().any(|known| word == *known));
    let started = runs_functions.then(spawner::start);
    cli::run(std::env::args_os(), |call| match call {
        Call::Build(config) => app::build(&config),
        Call::Init(asked) => app::init(&asked),
        Call::Doctor(asked) => app::doctor(&asked),
        Call::Runtimes(asked) => app::runtimes(&asked),
        Call::Client(asked) => app::client(&asked),
        Call::Invoke(config) => with(started, |started| app::invoke(&config, started)),
        Call::Serve(config) => with(started, |started| app::serve(&config, started)),
    })
}

/// Runs with the process that makes sandboxes, forked now if the first argument did not tell.
fn with(started: Option<io::Result<Spawner>>, run: impl FnOnce(Spawner) -> ExitCode) -> ExitCode {
    match started.unwrap_or_else(spawner::start) {
        Ok(started) => run(started),
        Err(error) => {
            let line = format!("error: failed to fork the process that makes sandboxes: {error}\n");
            // The status says it to whom standard error cannot; `eprintln!` would panic.
            let _unheard = io::stderr().write_all(line.as_bytes());
            ExitCode::from(3)
        }
    }
}
