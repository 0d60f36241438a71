//! Runs a program under the functions' filter: `with_seccomp PROGRAM [ARGUMENT...]`.
//! With no arguments it says what the filter is and what it costs.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use lambdabox_bootstrap::seccomp::{describe, filter};
use lambdabox_bootstrap::sys::install_seccomp;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else { return costs() };
    rustix::thread::set_no_new_privs(true)?;
    install_seccomp(&filter().program)?;
    Err(Command::new(program).args(arguments).exec())
}

fn costs() -> io::Result<()> {
    const ROUNDS: usize = 200;
    println!("{}", describe());
    let mut making = Vec::new();
    let mut installing = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let filter = filter();
        making.push(started.elapsed());
        // A thread each, because filters add up.
        let thread = std::thread::spawn(move || -> io::Result<Duration> {
            rustix::thread::set_no_new_privs(true)?;
            let started = Instant::now();
            install_seccomp(&filter.program)?;
            Ok(started.elapsed())
        });
        installing.push(thread.join().expect("the thread does not panic")?);
    }
    for (what, mut times) in [("making", making), ("installing", installing)] {
        times.sort();
        println!("{what}: median {:?}, p90 {:?}", times[ROUNDS / 2], times[ROUNDS * 9 / 10]);
    }
    Ok(())
}
