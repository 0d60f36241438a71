//! The conversation with the process in an execution environment: Lambda's Runtime API.
//!
//! One [`RuntimeApi`] serves one runtime process for its life. What the runtime may do when is the
//! pure `session`, and extensions the pure registry of `extensions`; the other files translate HTTP to it and back. What happened goes to the owner
//! as [`Signal`]s, in order. [`OutputCollector`] is the other ear: what the process writes.
//!
//! # Invariants
//! - An invocation that was handed out yields at most one of `Response`, `ResponseTooLarge`, `Error`.
//! - No state changes unless its signal has a place in the owner's queue: a full queue makes the
//!   runtime wait for its answer, nothing is dropped.
//! - Everything a function can make grow is bounded: connections, headers, bodies, log lines.
//!
//! # Not here
//! Timeouts, process deaths, the wording of failures (`pool`); rendering of logs (`usage`).
//!
//! # Sources
//! `reference/runtime-api.md` sections 0 to 3.

mod body;
mod credentials;
mod error;
mod extensions;
mod frames;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod init_error;
mod lines;
mod next;
mod output;
mod peer;
mod release;
mod reply;
mod response;
mod restore;
mod routes;
mod server;
mod session;
mod shared;
mod signal;
mod telemetry;
mod xray;

#[cfg(test)]
mod tests;

pub(crate) use credentials::ServedCredentials;
pub use output::{OutputCollector, OutputError};
pub use peer::Peer;
pub(crate) use response::TRUNCATED;
pub(crate) use server::Extending;
pub use server::{ApiError, RuntimeApi};
pub use session::Busy;
pub use signal::{ExtensionSignal, ReportedError, Signal, Waiting};
pub use telemetry::{Described, platform_record};
pub(crate) use telemetry::{Phase, SocketAsk};
