//! A function version as it is deployed.

use std::path::PathBuf;

use super::{Function, Tenancy};

/// What environments of a version are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// Invocations of whoever calls.
    #[default]
    Serving,
    /// One invocation of the host's own, answered with what makes the version's other starts faster. It
    /// is no use of the function: neither counted nor logged.
    Archive,
}

/// What execution environments are made for.
///
/// Whoever runs environments of a version keeps it: its directories are removed only once nobody
/// does.
#[derive(Debug, Clone)]
pub struct Version {
    /// What to run and within which limits.
    pub function: Function,
    /// The unpacked package, to be shown read-only.
    pub code: PathBuf,
    /// Unpacked layers, first at the bottom.
    pub layers: Vec<PathBuf>,
    /// Changes with code or configuration: environments of another revision are other environments.
    pub revision: String,
    /// `ReservedConcurrentExecutions`; `None` shares what is left of the account's.
    pub reserved_concurrency: Option<u32>,
    /// What they are for.
    pub purpose: Purpose,
    /// Who shares its environments.
    pub tenancy: Tenancy,
}
