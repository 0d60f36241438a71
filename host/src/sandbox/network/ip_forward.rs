//! `net.ipv4.ip_forward`, switched on while at least one lambdabox process needs it.
//!
//! The first that finds it off writes down what it found, in a record beside the leases; each that
//! needs it adds its slot; the last to leave, or the sweep of a killed one, puts everything back.
//! The record is changed under an exclusive lock of its file and by whole replacement of its text.
//!
//! Switching `ip_forward` writes *every* interface's own `forwarding`; putting it back clears them
//! all. Those that were on before are in the record and are set again. So is `accept_redirects` of all
//! interfaces, which the kernel sets to the opposite each time.
//!
//! # Invariants
//! - Who finds it on and no record, records nothing and puts nothing back: somebody else's choice.
//! - The record is written before the switch: a kill in between restores what already holds.
//! - A record of an earlier boot counts for nothing.
//!
//! # Known limits
//! - A program that starts while lambdabox runs, needs forwarding and finds it on (Docker) loses it
//!   when the last lambdabox leaves. There is no trace by which that could be told.
//! - Switching it on, the kernel ends large receive offload (LRO) of every interface, and nobody begins
//!   it again: `ethtool -K INTERFACE lro on`, where a card has it.
//!
//! # Sources
//! `inet_forward_change` of Linux's `net/ipv4/devinet.c`.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::error::NatError;

/// Where the kernel keeps it, for the network namespace of the calling thread.
pub(crate) const SYSCTL_ROOT: &str = "/proc/sys/net/ipv4";

const RECORD: &str = "ip_forward.json";

/// Whether ICMP redirects are believed, on all interfaces at once.
const ACCEPT_REDIRECTS: &str = "conf/all/accept_redirects";

/// The file in the state directory.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    /// `/proc/sys/kernel/random/boot_id` when it was written.
    boot: String,
    /// What to put back; `None` if nobody switched anything.
    before: Option<Before>,
    /// Slots of the processes that need forwarding.
    holders: Vec<u16>,
}

/// The machine as it was with `ip_forward` off.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Before {
    /// Entries of `conf/` whose own `forwarding` was on all the same.
    forwarding: Vec<String>,
    /// Interfaces there were; nothing was forwarded between them, and nothing will be.
    interfaces: Vec<String>,
    /// `conf/all/accept_redirects`; `None` where there is no such file, or in an older record.
    #[serde(default)]
    accept_redirects: Option<String>,
}

/// What taking hold found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// It is off, and this process is to call [`switch_on`] once its rules are loaded.
    pub(crate) is_off: bool,
    /// Interfaces to keep apart, because it is lambdabox that switched forwarding on.
    pub(crate) keep_apart: Vec<String>,
}

/// Writes this slot down as one that needs forwarding. Does not switch anything yet.
pub(crate) fn hold(root: &Path, state_dir: &Path, slot: u16) -> Result<Held, NatError> {
    let mut file = LockedRecord::open(state_dir)?;
    let mut record = file.read()?;
    let is_off = is_off(root)?;
    if is_off && record.before.is_none() {
        record.before = Some(look(root)?);
    }
    if !record.holders.contains(&slot) {
        record.holders.push(slot);
    }
    file.write(&record)?;
    let keep_apart = record.before.map(|before| before.interfaces).unwrap_or_default();
    Ok(Held { is_off, keep_apart })
}

/// Switches forwarding on. Only after [`hold`], and after the rules that keep interfaces apart.
pub(crate) fn switch_on(root: &Path) -> Result<(), NatError> {
    write(&root.join("ip_forward"), "1")
}

/// Strikes this slot from the record; the last one puts back what was. True if it did.
pub(crate) fn release(root: &Path, state_dir: &Path, slot: u16) -> Result<bool, NatError> {
    // Whoever holds has made the record: without one there is nothing to strike, and none to leave.
    if !state_dir.join(RECORD).exists() {
        return Ok(false);
    }
    let mut file = LockedRecord::open(state_dir)?;
    let mut record = file.read()?;
    record.holders.retain(|holder| *holder != slot);
    let mut restored = false;
    if record.holders.is_empty()
        && let Some(before) = record.before.take()
        && !is_off(root)?
    {
        write(&root.join("ip_forward"), "0")?;
        // After it, since that write sets it.
        if let Some(value) = &before.accept_redirects {
            write(&root.join(ACCEPT_REDIRECTS), value)?;
        }
        for name in &before.forwarding {
            let path = root.join("conf").join(name).join("forwarding");
            // The interface may be gone by now.
            if path.exists() {
                write(&path, "1")?;
            }
        }
        restored = true;
    }
    file.write(&record)?;
    Ok(restored)
}

/// Whether forwarding is off.
pub(crate) fn is_off(root: &Path) -> Result<bool, NatError> {
    Ok(read(&root.join("ip_forward"))?.trim() == "0")
}

fn look(root: &Path) -> Result<Before, NatError> {
    let conf = root.join("conf");
    let failed = |source| NatError::File { what: "list", path: conf.clone(), source };
    let accept_redirects = match read(&root.join(ACCEPT_REDIRECTS)) {
        Ok(text) => Some(text.trim().to_owned()),
        Err(NatError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let mut before = Before { forwarding: Vec::new(), interfaces: Vec::new(), accept_redirects };
    for entry in fs::read_dir(&conf).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        match fs::read_to_string(entry.path().join("forwarding")) {
            Ok(text) if text.trim() == "1" => before.forwarding.push(name.clone()),
            Ok(_) => {}
            // An interface that went away between the listing and the reading.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        }
        if !matches!(name.as_str(), "all" | "default" | "lo") {
            before.interfaces.push(name);
        }
    }
    before.interfaces.sort();
    Ok(before)
}

/// The record, locked until dropped.
struct LockedRecord {
    file: File,
    path: PathBuf,
}

impl LockedRecord {
    fn open(state_dir: &Path) -> Result<Self, NatError> {
        let path = state_dir.join(RECORD);
        let failed = |what, source| NatError::File { what, path: path.clone(), source };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|source| failed("open", source))?;
        flock(&file, FlockOperation::LockExclusive)
            .map_err(|source| failed("lock", source.into()))?;
        Ok(Self { file, path })
    }

    fn read(&mut self) -> Result<Record, NatError> {
        let mut text = String::new();
        self.file.read_to_string(&mut text).map_err(|source| NatError::File {
            what: "read",
            path: self.path.clone(),
            source,
        })?;
        let boot = read(Path::new("/proc/sys/kernel/random/boot_id"))?.trim().to_owned();
        let fresh = Record { boot: boot.clone(), ..Record::default() };
        if text.trim().is_empty() {
            return Ok(fresh);
        }
        let record: Record = serde_json::from_str(&text)
            .map_err(|source| NatError::Record { path: self.path.clone(), source })?;
        Ok(if record.boot == boot { record } else { fresh })
    }

    fn write(&mut self, record: &Record) -> Result<(), NatError> {
        let failed = |source| NatError::File { what: "write", path: self.path.clone(), source };
        // An empty file says the same as a record without holders, and leaves nothing to explain.
        let text = if record.holders.is_empty() && record.before.is_none() {
            String::new()
        } else {
            serde_json::to_string(record).map_err(|error| failed(error.into()))?
        };
        let old_bytes = self.file.metadata().map_err(failed)?.len();
        self.file.rewind().map_err(failed)?;
        self.file.write_all(covering(&text, old_bytes).as_bytes()).map_err(failed)?;
        self.file.set_len(text.len() as u64).map_err(failed)
    }
}

/// The text with as many spaces as hide the rest of a longer one: a kill before the file is cut leaves
/// a record that can be read.
fn covering(text: &str, old_bytes: u64) -> String {
    let width = usize::try_from(old_bytes).unwrap_or_default();
    format!("{text}{}", " ".repeat(width.saturating_sub(text.len())))
}

fn read(path: &Path) -> Result<String, NatError> {
    fs::read_to_string(path).map_err(|source| NatError::File {
        what: "read",
        path: path.to_owned(),
        source,
    })
}

fn write(path: &Path, value: &str) -> Result<(), NatError> {
    fs::write(path, value).map_err(|source| NatError::File {
        what: "write",
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A tree like `/proc/sys/net/ipv4`, without the kernel's copying between its files.
    fn machine(ip_forward: &str, interfaces: &[(&str, &str)]) -> (TempDir, TempDir) {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("ip_forward"), ip_forward).unwrap();
        for (name, forwarding) in interfaces {
            let directory = root.path().join("conf").join(name);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("forwarding"), forwarding).unwrap();
        }
        (root, tempfile::tempdir().unwrap())
    }

    fn value(root: &TempDir) -> String {
        fs::read_to_string(root.path().join("ip_forward")).unwrap()
    }

    #[test]
    fn the_last_of_two_holders_puts_back_what_the_first_found() {
        let (root, state) = machine("0\n", &[("all", "0"), ("eth0", "0"), ("wg0", "1")]);
        let first = hold(root.path(), state.path(), 3).unwrap();
        assert_eq!(first, Held { is_off: true, keep_apart: vec!["eth0".into(), "wg0".into()] });
        switch_on(root.path()).unwrap();
        let second = hold(root.path(), state.path(), 4).unwrap();
        assert_eq!(second, Held { is_off: false, keep_apart: first.keep_apart });
        assert!(!release(root.path(), state.path(), 3).unwrap());
        assert_eq!(value(&root), "1");
        fs::write(root.path().join("conf/wg0/forwarding"), "0").unwrap();
        assert!(release(root.path(), state.path(), 4).unwrap());
        assert_eq!(value(&root), "0");
        assert_eq!(fs::read_to_string(root.path().join("conf/wg0/forwarding")).unwrap(), "1");
        assert_eq!(fs::read_to_string(state.path().join(RECORD)).unwrap(), "");
    }

    #[test]
    fn redirects_are_believed_afterwards_as_they_were_before() {
        for value in ["0", "1"] {
            let (root, state) = machine("0\n", &[("all", "0"), ("eth0", "0")]);
            let redirects = root.path().join(ACCEPT_REDIRECTS);
            fs::write(&redirects, format!("{value}\n")).unwrap();
            hold(root.path(), state.path(), 3).unwrap();
            switch_on(root.path()).unwrap();
            // What the kernel makes of it when forwarding goes off.
            fs::write(&redirects, "1\n").unwrap();
            assert!(release(root.path(), state.path(), 3).unwrap());
            assert_eq!(fs::read_to_string(&redirects).unwrap().trim(), value);
        }
    }

    #[test]
    fn a_record_that_does_not_know_of_redirects_is_read() {
        let (root, state) = machine("1", &[("all", "1"), ("eth0", "1")]);
        let redirects = root.path().join(ACCEPT_REDIRECTS);
        fs::write(&redirects, "0").unwrap();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let old = format!(
            r#"{{"boot":"{}","before":{{"forwarding":[],"interfaces":["eth0"]}},"holders":[1]}}"#,
            boot.trim()
        );
        fs::write(state.path().join(RECORD), old).unwrap();
        assert!(release(root.path(), state.path(), 1).unwrap());
        assert_eq!(value(&root), "0");
        assert_eq!(fs::read_to_string(&redirects).unwrap(), "0", "left alone");
    }

    #[test]
    fn a_kill_before_the_file_is_cut_leaves_a_record_that_can_be_read() {
        let (root, state) = machine("0", &[("eth0", "0")]);
        let path = state.path().join(RECORD);
        hold(root.path(), state.path(), 3).unwrap();
        let short = fs::read_to_string(&path).unwrap();
        hold(root.path(), state.path(), 1004).unwrap();
        let long = fs::read_to_string(&path).unwrap();
        for text in [short.as_str(), ""] {
            let killed = covering(text, long.len() as u64);
            assert_eq!(killed.len(), long.len(), "nothing of the longer one shows");
            fs::write(&path, killed).unwrap();
            hold(root.path(), state.path(), 3).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), short, "and it is cut in the end");
        }
        assert_eq!(covering(&long, short.len() as u64), long);
    }

    #[test]
    fn forwarding_that_was_on_already_is_left_on_and_nothing_is_kept_apart() {
        let (root, state) = machine("1\n", &[("eth0", "1"), ("docker0", "1")]);
        let held = hold(root.path(), state.path(), 3).unwrap();
        assert_eq!(held, Held { is_off: false, keep_apart: vec![] });
        assert!(!release(root.path(), state.path(), 3).unwrap());
        assert_eq!(value(&root), "1\n");
    }

    #[test]
    fn sweeping_a_killed_holder_puts_back_and_twice_does_no_harm() {
        let (root, state) = machine("0", &[("eth0", "0")]);
        hold(root.path(), state.path(), 9).unwrap();
        switch_on(root.path()).unwrap();
        assert!(release(root.path(), state.path(), 9).unwrap());
        assert!(!release(root.path(), state.path(), 9).unwrap());
        assert_eq!(value(&root), "0");
    }

    #[test]
    fn where_nobody_ever_held_a_sweep_leaves_no_record() {
        let (root, state) = machine("0", &[("eth0", "0")]);
        assert!(!release(root.path(), state.path(), 9).unwrap());
        assert!(!state.path().join(RECORD).exists());
    }

    #[test]
    fn a_record_of_an_earlier_boot_counts_for_nothing() {
        let (root, state) = machine("1", &[("eth0", "1")]);
        let old = r#"{"boot":"x","before":{"forwarding":[],"interfaces":["eth0"]},"holders":[1]}"#;
        fs::write(state.path().join(RECORD), old).unwrap();
        hold(root.path(), state.path(), 2).unwrap();
        assert!(!release(root.path(), state.path(), 2).unwrap());
        assert_eq!(value(&root), "1");
    }

    #[test]
    fn a_record_that_is_not_ours_is_named() {
        let (root, state) = machine("0", &[("eth0", "0")]);
        fs::write(state.path().join(RECORD), "hello").unwrap();
        let error = hold(root.path(), state.path(), 2).unwrap_err();
        assert!(matches!(error, NatError::Record { path, .. } if path.ends_with(RECORD)));
    }
}
