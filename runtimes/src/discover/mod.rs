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

mod error;
mod examine;
mod places;
mod probe;
mod pyenv;
mod python;
mod search;

pub use error::{DiscoverError, Notes};
pub use python::{all_pythons, python};
pub use search::Search;

use std::path::PathBuf;

/// An interpreter that can run functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// AWS's identifier for it, such as `python3.11`.
    pub identifier: String,
    /// As exact as could be read off without running it: `3.11.7`, or `3.11`.
    pub version: String,
    /// The program itself, every link resolved.
    pub executable: PathBuf,
    /// Directory it is installed in; what `/var/lang` stands for.
    pub prefix: PathBuf,
    /// Directories to bind read-only at the same path; empty if it lives in `/usr`.
    pub prefixes: Vec<PathBuf>,
    /// Directories its packages are in, in the order it would search them itself.
    pub site_packages: Vec<PathBuf>,
    /// Where it was found, such as a shim or a virtual environment on the search path.
    pub found_at: PathBuf,
}

impl Interpreter {
    /// `X.Y` of its version.
    pub fn minor_version(&self) -> &str {
        self.identifier.strip_prefix("python").unwrap_or(&self.identifier)
    }
}

#[cfg(test)]
mod tests;
