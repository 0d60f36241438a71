//! A group of our own where systemd runs: a scope with delegation, asked for over its bus.
//!
//! systemd owns the v2 tree and may move or remove what it did not make. So root asks the system's
//! manager and everybody else the user's; with `Delegate=yes` the scope is ours to divide. Our
//! processes move to a leaf of it, because a group with controllers in its children has none of its
//! own.
//!
//! # Invariants
//! - The host and its spawner are both inside: an ordinary user may only move processes, or have them
//!   born, between groups below one that is theirs.
//! - The scope is removed by systemd, with everything below it, when its last process has ended; so a
//!   host that was killed leaves no group behind.
//!
//! # Not here
//! Which machines need it (`cgroups`).
//!
//! # Sources
//! `sd_booted(3)`, `org.freedesktop.systemd1(5)`, systemd's "Control Group APIs and Delegation";
//! `reference/sandbox.md` 4.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use zbus::zvariant::{OwnedObjectPath, Value};
use zbus::{Connection, MatchRule, MessageStream, connection};

use super::error::ScopeError;
use super::{CgroupError, file};
use crate::model::patience;

const SERVICE: &str = "org.freedesktop.systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const OBJECT: &str = "/org/freedesktop/systemd1";
/// Where our own processes live in the scope; environments live in `lambdabox` beside it.
const LEAF: &str = "host";
/// Longest wait for systemd. It answers in milliseconds; a busy start of the machine takes seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// systemd's "infinity": the scope's default would limit all environments together.
const NO_LIMIT: u64 = u64::MAX;

/// How the names of our scopes begin and end.
const NAME: &str = "lambdabox-";
const SCOPE: &str = ".scope";

/// A property of a unit to be made.
type Property<'a> = (&'a str, Value<'a>);

/// Whether systemd manages this machine (or container); `root` is `/`.
pub(crate) fn systemd_runs(root: &Path) -> bool {
    root.join("run/systemd/system").is_dir()
}

/// The scopes of other instances beside the one that `own` is, or is in, living and dead.
pub(super) fn others(own: &Path) -> Vec<PathBuf> {
    let is_scope = |name: &str| name.starts_with(NAME) && name.ends_with(SCOPE);
    let named = |path: &Path| path.file_name().and_then(|n| n.to_str()).is_some_and(is_scope);
    let Some(slice) = own.parent().filter(|_| named(own)) else { return Vec::new() };
    let Ok(entries) = fs::read_dir(slice) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.filter(|path| path != own && named(path)).collect()
}

/// Moves the processes, which are ours, into a new scope. `/proc/self/cgroup` names it afterwards.
pub(super) async fn enter(processes: &[i32]) -> Result<(), CgroupError> {
    let bus = Bus::ours();
    let asked = async {
        let connection = bus.connect().await?;
        start(&connection, processes).await
    };
    let result = match tokio::time::timeout(patience(ANSWER_WITHIN), asked).await {
        Ok(result) => result,
        Err(_) => Err(ScopeError::NoAnswer { waited: patience(ANSWER_WITHIN) }),
    };
    result.map_err(|source| CgroupError::Scope { bus: bus.to_string(), source })
}

/// Whether a group below the top has these processes and no other. At the top anybody's may stay; the
/// kernel gives it no `cgroup.type`.
pub(crate) fn holds_only(group: &Path, processes: &[i32]) -> Result<bool, CgroupError> {
    if !group.join("cgroup.type").exists() {
        return Ok(false);
    }
    let held = file::read_pids(&group.join("cgroup.procs"))?;
    Ok(!held.is_empty() && held.iter().all(|pid| processes.contains(pid)))
}

/// Moves them on into a leaf of the group, so that it can be divided.
pub(super) fn settle(group: &Path, processes: &[i32]) -> Result<(), CgroupError> {
    let leaf = group.join(LEAF);
    match fs::create_dir(&leaf) {
        // Of an earlier instance in the same container.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => {
            made.map_err(|source| CgroupError::NotDelegated { cgroup: group.to_owned(), source })?
        }
    }
    let procs = leaf.join("cgroup.procs");
    processes.iter().try_for_each(|pid| file::write(&procs, &pid.to_string()))
}

/// The manager that is asked.
enum Bus {
    System,
    /// Of the environment, as a session sets it.
    Session,
    /// Where the user's systemd has it, whatever a session says: `su` and `sudo` set no variable.
    User(PathBuf),
}

impl Bus {
    fn ours() -> Self {
        let uid = rustix::process::geteuid();
        if uid.is_root() {
            return Self::System;
        }
        // Told first: the variable may name a bus without systemd, or, after `su`, somebody else's.
        let own = PathBuf::from(format!("/run/user/{}/bus", uid.as_raw()));
        match std::env::var_os("DBUS_SESSION_BUS_ADDRESS") {
            Some(_) if !own.exists() => Self::Session,
            _ => Self::User(own),
        }
    }

    async fn connect(&self) -> zbus::Result<Connection> {
        match self {
            Self::System => Connection::system().await,
            Self::Session => Connection::session().await,
            Self::User(socket) => {
                let address = format!("unix:path={}", socket.display());
                connection::Builder::address(address.as_str())?.build().await
            }
        }
    }
}

impl std::fmt::Display for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::System => write!(f, "the system bus"),
            Self::Session => write!(f, "the user's bus"),
            Self::User(socket) => write!(f, "the user's bus {}", socket.display()),
        }
    }
}

/// Starts the scope and waits until the processes are in it.
async fn start(connection: &Connection, processes: &[i32]) -> Result<(), ScopeError> {
    let ended = MatchRule::builder()
        .msg_type(zbus::message::Type::Signal)
        .sender(SERVICE)?
        .interface(MANAGER)?
        .member("JobRemoved")?
        .build();
    // Listened for first: the job may end before its name is known.
    let mut jobs = MessageStream::for_match_rule(ended, connection, None).await?;
    let aux: [(&str, Vec<Property<'_>>); 0] = [];
    let body = (name(), "fail", properties(processes), &aux[..]);
    let answer = connection
        .call_method(Some(SERVICE), OBJECT, Some(MANAGER), "StartTransientUnit", &body)
        .await?;
    let ours: OwnedObjectPath = answer.body().deserialize()?;
    while let Some(job) = jobs.next().await {
        let body = job?.body();
        let (_id, path, _unit, result): (u32, OwnedObjectPath, String, String) =
            body.deserialize()?;
        if path == ours {
            return if result == "done" { Ok(()) } else { Err(ScopeError::Refused { result }) };
        }
    }
    Err(ScopeError::Closed)
}

/// A name no other scope has: process ids come again.
fn name() -> String {
    format!("{NAME}{}-{}{SCOPE}", std::process::id(), uuid::Uuid::new_v4().simple())
}

fn properties(processes: &[i32]) -> Vec<Property<'static>> {
    let pids: Vec<u32> = processes.iter().map(|pid| pid.unsigned_abs()).collect();
    vec![
        ("Description", Value::from("Functions run by lambdabox")),
        ("PIDs", Value::from(pids)),
        ("Delegate", Value::from(true)),
        ("TasksMax", Value::from(NO_LIMIT)),
        // A failed one must not stay in the list of units.
        ("CollectMode", Value::from("inactive-or-failed")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_runs_where_its_directory_is() {
        let root = tempfile::tempdir().unwrap();
        assert!(!systemd_runs(root.path()));
        fs::create_dir_all(root.path().join("run/systemd/system")).unwrap();
        assert!(systemd_runs(root.path()));
    }

    #[test]
    fn only_a_group_below_the_top_without_strangers_is_settled_in() {
        let group = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(group.path().join(name), text).unwrap();
        write("cgroup.procs", "7\n8\n");
        assert!(!holds_only(group.path(), &[7, 8]).unwrap(), "the top has no type");
        write("cgroup.type", "domain\n");
        assert!(holds_only(group.path(), &[7, 8]).unwrap());
        assert!(!holds_only(group.path(), &[7]).unwrap(), "8 is a stranger");
        write("cgroup.procs", "");
        assert!(!holds_only(group.path(), &[7, 8]).unwrap(), "we live elsewhere");
    }

    #[test]
    fn a_scope_that_is_not_ours_to_divide_is_no_place_to_settle() {
        let root = tempfile::tempdir().unwrap();
        let gone = root.path().join("gone.scope");
        let refused = settle(&gone, &[1]).unwrap_err();
        assert!(
            matches!(&refused, CgroupError::NotDelegated { cgroup, .. } if *cgroup == gone),
            "{refused}"
        );
    }

    #[test]
    fn scopes_of_other_instances_are_found_beside_ours_only() {
        let slice = tempfile::tempdir().unwrap();
        for name in ["lambdabox-1-a.scope", "lambdabox-2-b.scope", "other.scope", "lambdabox-3"] {
            fs::create_dir(slice.path().join(name)).unwrap();
        }
        let found = others(&slice.path().join("lambdabox-1-a.scope"));
        assert_eq!(found, [slice.path().join("lambdabox-2-b.scope")]);
        assert!(others(&slice.path().join("other.scope")).is_empty(), "not one of ours");
    }

    #[test]
    fn scopes_of_one_process_have_different_names() {
        assert_ne!(name(), name());
        assert!(name().starts_with("lambdabox-") && name().ends_with(".scope"));
    }
}
