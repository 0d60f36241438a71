//! Does the sandbox hold against a function that means harm?
//!
//! # Invariants
//! - Each test asserts the effect (what could be read, written, killed or kept), so it fails where the
//!   protection is absent, whatever the messages say.
//! - Each attack is tried by every kind of caller and tells how it went ([`attack`]).
//!
//! # Sources
//! `SECURITY.md`; `reference/sandbox.md`.

#[macro_use]
mod attack;

mod entry;
mod escapes;
mod exhaustion;
mod filesystem;
mod hostile;
mod machine;
mod neighbours;
mod output;
mod privileges;
mod proc;
mod rootless;
mod services;
mod syscalls;

use attack::{all_refused, guard};
