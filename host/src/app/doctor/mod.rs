//! `lambdabox doctor`: what this machine offers, what is missing, and the command that adds it.
//!
//! Three parts: [`facts`] reads what the kernel says, [`checks`] judges it, [`render`] prints it.
//!
//! # Invariants
//! - Nothing is changed: it reads, and as an ordinary user too. Two programs are run: one for its version,
//!   `nft` to ask whether the kernel would take our rules. An ordinary user's rules are tried in a network
//!   namespace that ends with the trial.
//! - Everything is read below one root, so that each kind of machine is a directory in a test.
//! - The judgement is of this release and of this caller: exit status 0 says that `invoke`, typed the
//!   same way by the same user, can run a function.
//!
//! # Not here
//! Why a given start failed: each step of the plan has its own remedy (`lambdabox-bootstrap`).
//!
//! # Sources
//! `reference/sandbox.md` 1 to 4 and 6, `reference/components.md` 7 and 8.

mod asked;
mod checks;
mod facts;
mod mounts;
mod network_facts;
mod render;
#[cfg(test)]
mod tests;

pub use asked::{Doctor, Form, doctor};
