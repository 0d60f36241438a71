//! The outside half of a sandbox.

pub mod cgroup;
pub mod lease;
