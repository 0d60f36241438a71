//! What discovery hands out: where an interpreter is and what it needs to be bound with it.

use std::path::PathBuf;

/// How well an interpreter serves the identifier it is offered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It has the identifier's version.
    Exact,
    /// It has another version, the nearest there is.
    Near,
}

/// An interpreter that can run functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// AWS's identifier it serves, such as `python3.11`.
    pub identifier: String,
    /// Whether it has that identifier's version.
    pub fit: Fit,
    /// The part of its version that identifiers name: `3.11` of Python, `20` of Node.js.
    pub release: String,
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
