//! The inside of a lambdabox sandbox: the ordered steps, and the processes that apply them.
//!
//! This crate runs in two processes, both single-threaded and without async: the *spawner*, which
//! is the only one that forks sandboxes, and the *init*, process 1 of each sandbox. The host talks
//! to both through [`wire`] messages.
//!
//! # Not here
//! Lambda. This crate knows Linux only; what a function is stands in `host`.

mod enter;
pub mod firewall;
mod idmap;
mod init;
pub mod plan;
pub mod seccomp;
pub mod spawner;
pub mod sys;
mod tmp;
pub mod wire;

pub use enter::{open_bound, open_bound_as};
