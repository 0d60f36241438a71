//! The outside half of a sandbox.

pub mod network;
