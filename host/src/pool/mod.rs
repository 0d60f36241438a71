//! Which execution environment serves an invocation, and how one lives.
//!
//! # Not here
//! Choosing among several environments comes with `serve`; one `invoke` has exactly one.

mod blueprint;
mod environment;
mod life;
mod signals;
mod start;
mod variables;

pub use blueprint::CpuShare;
pub(crate) use blueprint::{Blueprint, NetworkLaid, Tmp};
pub(crate) use environment::{Environment, Log};
pub(crate) use life::INIT_LIMIT;
