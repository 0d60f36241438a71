//! The system calls a function may make, and the program that tells the kernel.
//!
//! An allow-list: [`table`] says which calls are answered how, [`verdict`] what an answer is, and
//! [`compile`] turns both into the small program that [`crate::sys::install_seccomp`] hands to the
//! kernel. All of it is data and pure code; nothing here makes a system call.
//!
//! # Invariants
//! - A call that is not in the table is answered ENOSYS, as a kernel without it would: so a newer
//!   kernel's calls are closed until somebody decides, and libraries fall back.
//! - No answer kills. A function that is refused lives on to say so in its log.
//! - The program is the same for every environment. It refuses what making a sandbox needs, so it is
//!   the last step of the plan, taken by the init before it starts anything.
//!
//! # Not here
//! Installing (`sys`), when in the order of steps it happens (`plan`), what a function may reach once
//! a call is allowed (namespaces, mounts, capabilities).
//!
//! # Sources
//! seccomp(2), `Documentation/userspace-api/seccomp_filter.rst`; sandbox.md 5; performance.md 2.11.

mod compile;
mod table;
mod verdict;

pub use compile::{Filter, Instruction, describe, filter};
