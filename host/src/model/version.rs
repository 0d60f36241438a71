//! A function version as it is deployed.

use std::path::PathBuf;

use super::{Function, Tenancy};

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
    /// Who shares its environments.
    pub tenancy: Tenancy,
}
