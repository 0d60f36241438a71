//! What discovery hands out: where an interpreter is and what it needs to be bound with it.

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
