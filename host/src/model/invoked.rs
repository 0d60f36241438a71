//! What became of an invocation that was asked for.

use super::{Outcome, Report};

/// How much of the log an invoker may see (`X-Amz-Log-Result`; lambda-service.md 7).
pub const LOG_TAIL_BYTES: usize = 4_096;

/// An invocation that has an outcome.
#[derive(Debug, Clone)]
pub struct Invoked {
    /// The one answer.
    pub outcome: Outcome,
    /// The last [`LOG_TAIL_BYTES`] of its lines, START to REPORT; none where that was not waited for.
    pub log_tail: Vec<u8>,
    /// Its figures, if they were waited for.
    pub report: Option<Report>,
}

/// Why an invocation was not run at all. It can be tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The function's own limit is reached.
    #[error("the function's reserved concurrency is in use")]
    ReservedConcurrency,
    /// The limit of all functions without one of their own is reached.
    #[error("the account's unreserved concurrency is in use")]
    AccountConcurrency,
    /// The host's memory budget is in use, and nothing idle could be ended for it.
    #[error("{needed_mb} MB are needed and {free_mb} MB of the host's budget are free")]
    NoMemory {
        /// What one more environment takes.
        needed_mb: u32,
        /// What there is.
        free_mb: u32,
    },
    /// The host drains.
    #[error("the host is shutting down")]
    ShuttingDown,
    /// No environment could be made; the text is for the operator.
    #[error("an execution environment could not be made: {0}")]
    Sandbox(String),
}
