//! A function's name and an event become exactly one outcome, now or later.
//!
//! [`Service`] resolves the name and hands the invocation to whoever runs environments
//! ([`Invoker`]); [`Queue`] does the same for accepted events, which wait in the store.
//!
//! # Invariants
//! - An invocation that was begun runs to its end, also if its caller is gone.
//! - An accepted event leaves the queue only after it ran, or when it never can.
//!
//! # Not here
//! HTTP (`front`), environments (`pool`), retries after a function's error (a later issue).
//!
//! # Sources
//! `reference/lambda-service.md` sections 7, 12 and 13.

mod integration;
mod invoker;
mod queue;
mod sampling;
mod service;
mod streaming;
#[cfg(test)]
mod tests;

pub use integration::{HTTP_INTEGRATION, Prelude, PreludeReader};
pub use invoker::{Invoker, Ran};
pub use queue::{Queue, Stop};
pub use service::{InvokeError, Request, Service};
pub use streaming::{Step, Streaming};
