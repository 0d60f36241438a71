//! The command line: what is typed, turned into one call of the program behind it.
//!
//! It parses, asks `config` to check, prints what the user should know, and calls the function it
//! was given. What it prints itself (help, version, completions, the manual page, the effective
//! configuration) goes to standard output, everything about a call to standard error.
//!
//! # Invariants
//! - No flag is judged here: values pass as text to `config`, so that all problems come together.
//! - Bad usage and bad configuration end with [`EXIT_USAGE`], before anything was started.
//!
//! # Not here
//! Checking values (`config`), doing what was asked (`app`), the function's own log (`usage`).

mod args;
mod build;
mod client;
mod doctor;
mod documents;
mod invoke;
mod observe;
mod reach;
mod run;
mod serve;
#[cfg(test)]
mod tests;
mod words;

pub use run::{Call, EXIT_USAGE, run};
