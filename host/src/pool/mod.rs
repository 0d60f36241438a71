//! Which execution environment serves an invocation, and how one lives.
//!
//! # Not here
//! Choosing among several environments comes with `serve`; one `invoke` has exactly one.

mod environment;
mod life;
mod signals;
mod variables;

pub use environment::CpuShare;
pub(crate) use environment::{Blueprint, Environment, Log, NetworkLaid, Tmp};
pub(crate) use life::INIT_LIMIT;
