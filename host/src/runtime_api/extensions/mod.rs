//! The Extensions API: what an extension may call when, and the calls.
//!
//! | file | what |
//! |---|---|
//! | `registry` | who is registered and where each stands: pure |
//! | `request` | bodies and headers, parsed |
//! | `calls` | the four endpoints |
//!
//! # Not here
//! When an environment is free, what an extension's end means (`pool::life`); telemetry.
//!
//! # Sources
//! `reference/runtime-api.md` section 2.

mod calls;
mod registry;
pub(crate) mod request;

pub(crate) use calls::{Call, answer, collect};
#[cfg(any(test, fuzzing))]
pub(crate) use registry::Invocations;
pub(crate) use registry::{ExtensionRefusal, Extensions};
pub(crate) use request::identifier;
