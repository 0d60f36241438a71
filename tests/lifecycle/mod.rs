//! Does an environment live and end as it should?
//!
//! # Not here
//! What a hostile function tries (`security`), a host that dies (`faults`).
//!
//! # Sources
//! `reference/runtime-api.md` 2.8, 4.1, 5.2; AWS Lambda Developer Guide, "execution environment
//! lifecycle".

mod exits;
mod init;
mod pool;
mod signals;
mod timeouts;
mod warm;
