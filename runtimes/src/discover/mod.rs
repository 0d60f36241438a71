//! Finding interpreters on this machine, quickly and without trusting more than the search path.
//!
//! What stands in well-known places is resolved by reading links and directories only, because
//! running an interpreter to ask it costs more than the whole cold start may. Only what the search
//! path names and nobody can read off (scripts, foreign shims) is run, once, with a time limit.
//!
//! # Invariants
//! - Everything looked at comes from [`Search`]; tests use a made-up tree.
//! - Nothing outside the search path is ever run: under sudo that would run files of the user's
//!   home as root.
//! - What is returned can be bound into a sandbox: no prefix is `/` or a whole home directory.
//!
//! # Not here
//! Packages of an interpreter (`packages`); binding anything (`host`).
//!
//! # Sources
//! `reference/sandbox.md` section 2, interpreters; CPython `Modules/getpath.py`; pyenv `pyenv-exec`
//! and `pyenv-version-name`.

mod choose;
mod dotnet;
mod error;
mod examine;
mod interpreter;
mod java;
mod node;
mod places;
mod probe;
mod pyenv;
mod python;
mod ruby;
mod search;
mod single;

pub use choose::{Compat, all, find, serving};
pub use error::{DiscoverError, Notes};
pub use interpreter::{Fit, Interpreter};
pub use python::{all_pythons, python};
pub use search::Search;

#[cfg(test)]
mod tests;
