//! What is refused, in AWS's words.
//!
//! # Sources
//! `reference/runtime-api.md` 1.3 to 1.8, 7.4.

use thiserror::Error;

use crate::model::RequestId;

/// A call that changes nothing. `Display` is the message the runtime gets.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    /// 400: not the id of the invocation the runtime holds.
    #[error("Invalid request ID")]
    InvalidRequestId,
    /// 403.
    #[error(
        "State transition from {from} to {to} failed for runtime. \
         Error: State transition is not allowed"
    )]
    NotAllowed { from: &'static str, to: &'static str },
    /// 403: the state moved while the caller was suspended.
    #[error(
        "State transition from {from} to {to} failed for runtime. \
         Error: Concurrent state modification"
    )]
    Concurrent { from: &'static str, to: &'static str },
    /// 410: another attempt's answer, or the time ran out while the body was being read.
    #[error("Invoke timeout")]
    InvokeTimeout,
    /// The same, of one that has timed out while others run on: its handler is done now.
    #[error("Invoke timeout")]
    Late { request_id: RequestId },
    /// 404: a restore path without snapshots.
    #[error("404 page not found")]
    NoSuchPath,
}

/// The environment cannot take an invocation now.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Busy {
    /// It has one.
    #[error("the environment still has invocation {request_id}")]
    Invocation {
        /// The one it has.
        request_id: RequestId,
    },
    /// Its runtime reported that init failed; it never takes another.
    #[error("the runtime is over, in state {state}")]
    Over {
        /// AWS's name of the state.
        state: &'static str,
    },
}
