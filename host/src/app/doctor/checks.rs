//! From facts to a judgement, each with the command that mends it. Pure.
//!
//! # Invariants
//! - An id is for programs and keeps its meaning; the words of a fact are for people and may change.
//! - A check that would only repeat what another says to be missing is left out.

mod cgroups;
mod means;
mod namespaces;
mod network;
mod process;

use super::facts::Facts;
use crate::config::Isolation;

/// How it stands. In order of gravity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Status {
    /// As it should be.
    Ok,
    /// Functions run, with less.
    Warn,
    /// No function runs.
    Missing,
}

impl Status {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Missing => "missing",
        }
    }
}

/// One judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) id: &'static str,
    pub(super) status: Status,
    pub(super) fact: String,
    /// The one command that mends it, where there is one.
    pub(super) remedy: Option<String>,
    /// Where the fact was read.
    pub(super) read: &'static str,
}

/// What a check is about, before it is judged.
#[derive(Debug, Clone, Copy)]
struct About {
    id: &'static str,
    read: &'static str,
}

impl About {
    fn ok(self, fact: impl Into<String>) -> Check {
        let Self { id, read } = self;
        Check { id, status: Status::Ok, fact: fact.into(), remedy: None, read }
    }

    fn warn(self, fact: impl Into<String>, remedy: impl Into<String>) -> Check {
        Check { status: Status::Warn, remedy: Some(remedy.into()), ..self.ok(fact) }
    }

    fn missing(self, fact: impl Into<String>, remedy: impl Into<String>) -> Check {
        Check { status: Status::Missing, remedy: Some(remedy.into()), ..self.ok(fact) }
    }
}

/// Every check, from what all else rests on to what is merely welcome.
pub(super) fn all(facts: &Facts, isolation: Isolation) -> Vec<Check> {
    let mut checks = vec![
        process::kernel(facts),
        process::privileges(facts),
        process::ids(facts),
        namespaces::namespaces(facts),
        namespaces::user_namespaces(facts),
        process::proc(facts),
        process::seccomp(facts),
    ];
    let groups = cgroups::all(facts);
    match isolation {
        Isolation::Full => checks.extend(groups),
        Isolation::NoLimits => checks.extend(groups.into_iter().map(done_without)),
    }
    checks.push(means::tmp(facts));
    checks.extend(network::all(facts));
    checks.push(means::python(facts));
    checks
}

/// What is missing for limits is none of a function's that has none.
fn done_without(check: Check) -> Check {
    match check.status {
        Status::Ok | Status::Warn => check,
        Status::Missing => Check {
            status: Status::Warn,
            fact: format!("isolation is reduced, memory and CPU are not limited: {}", check.fact),
            ..check
        },
    }
}

/// The gravest.
pub(super) fn worst(checks: &[Check]) -> Status {
    checks.iter().map(|check| check.status).max().unwrap_or(Status::Ok)
}

/// A command that needs root, as this user types it.
fn as_root(facts: &Facts, command: &str) -> String {
    if facts.uid == 0 { command.to_owned() } else { format!("sudo {command}") }
}

/// How a container gets what it lacks: cgroups of the host's own tree, and every capability.
const PRIVILEGED: &str = "docker run --privileged --cgroupns=host (podman takes the same)";

/// For what neither a package nor a module brings.
const A_KERNEL_WITH_IT: &str = "boot a kernel of a distribution, which has it";
