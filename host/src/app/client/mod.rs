//! Commands that call a host: each is what an AWS client would do, on the service's own API.
//!
//! # Invariants
//! - A host is only ever asked through its API, never through its files: it may be another user's, or
//!   on another machine.
//! - Who cannot be reached is said with the address and who named it.
//!
//! # Not here
//! Which host (`config`), what it answers and why (`front`).

mod api;
mod call;
mod deploy;
mod error;
mod ignored;
mod invoke;
mod layers;
mod list;
mod logs;
mod operator;
mod output;
mod packing;
mod progress;
mod remove;
mod wanted;

pub use call::{ClientCall, client};
pub(super) use error::ClientError;
pub use logs::{Logs, LogsForm, LogsUntil};
pub use operator::UsageLines;
