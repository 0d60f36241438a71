//! Inside.
pub mod seccomp;
pub mod sys;
