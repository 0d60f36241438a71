//! The outside half of a sandbox: what of Linux has to be made on the host's side.
//!
//! The steps inside, and the processes that take them, are the crate `lambdabox-bootstrap`, which
//! only this module (and `main`, which chooses a life) uses.
//!
//! # Not here
//! When a sandbox is made or ended (`pool`), what runs in it (`catalog`, `runtimes`).

mod ahead;
pub mod cgroup;
mod channel;
mod error;
mod hold;
mod launch;
pub mod lease;
pub mod network;
mod plan;
mod spawner;
pub mod tmp_image;
mod trees;

pub(crate) use ahead::Ahead;
pub use cgroup::{Cgroups, MemoryMeter};
pub use error::SandboxError;
pub(crate) use lambdabox_bootstrap::plan::{Plan, Step};
pub(crate) use lambdabox_bootstrap::spawner::Spawner as StartedSpawner;
pub(crate) use lambdabox_bootstrap::wire::ExitStatus;
pub(crate) use launch::{
    Begun, Output, Process, ProcessKey, ProcessSignal, Program, Sandbox, Word, Workshop,
};
pub use network::datagrams::{Relay, spawn as relay};
pub use network::forward::{Forwarding, spawn as forward};
pub use network::{Connection, Namespaces, Outbound};
pub(crate) use plan::{
    Confinement, HostRoot, Identity, Shell, TmpPlan, XRAY_PORT, Xray, launch_steps,
    loopback_addresses,
};
pub(crate) use spawner::Spawner;
#[cfg(test)]
pub(crate) use spawner::start_program;
pub use tmp_image::{TmpImage, TmpImages};
pub use trees::{Link, Tree};
pub(crate) use trees::{OpenTrees, planned_steps};
