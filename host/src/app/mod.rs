//! Builds every part once, wires them, and owns start and end.
//!
//! One `invoke` is: resources of this process ([`resources`]), the function on disk turned into a
//! blueprint ([`blueprint`]), and the invocations themselves ([`run`]). [`mod@serve`] is a host of many. [`mod@doctor`] makes nothing: it
//! tells what this machine offers; [`mod@client`] only calls a host.
//!
//! # Invariants
//! - Whatever was made is given back on every way out, Ctrl-C included; what a `kill -9` leaves is
//!   swept by the next start.

mod answers;
mod archive;
mod at_once;
mod blueprint;
mod build;
mod client;
mod deployed;
mod doctor;
mod dotnet;
mod error;
mod host;
mod init;
mod language_loop;
mod official;
mod pooled;
mod python;
mod resources;
mod run;
mod runtime;
mod runtimes;
mod seats;
mod serve;
mod table;
mod timings;
mod tree;

pub use build::build;
pub use client::{ClientCall, Logs, LogsForm, LogsUntil, UsageLines, client};
pub use doctor::{Doctor, Form, doctor};
pub use init::{Init, init};
pub use run::invoke;
pub use runtimes::{Runtimes, runtimes};
pub use serve::serve;
