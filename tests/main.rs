//! End-to-end tests: every test drives the real program, as its user would.
//!
//! Filed by quality. `conformance`: is it Lambda? `lifecycle`: does an environment live and end as it
//! should? `security`: does the sandbox hold? `faults`: does nothing stay behind? `packages`: do the
//! libraries people use run? `style`: does the tree keep its own rules?
//!
//! # Invariants
//! - A test asserts an effect that can be observed from outside, never only a message.
//! - A test waits for a condition, never for a duration.
//! - A test that cannot run calls `skip!` with its reason and is counted by `scripts/test`.
//!
//! # Not here
//! Rules of pure code: they have unit tests beside them.
//!
//! # Sources
//! `SPECIFICATION.md` names the test behind each promise.
#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

#[macro_use]
mod harness;

mod conformance;
mod faults;
mod lifecycle;
mod packages;
mod security;
mod style;
