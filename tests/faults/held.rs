//! What a host's process holds at one moment.

use std::fs;

use crate::harness::{Host, pool_of};

#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) resident_kib: u64,
    pub(super) descriptors: u64,
    /// Execution environments it has.
    pub(super) environments: u64,
}

impl Held {
    pub(super) fn by(host: &Host) -> Self {
        let pid = host.pid();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let resident_kib = resident.trim().trim_end_matches(" kB").parse().unwrap();
        let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        let pool = pool_of(host);
        let counts = pool["environments"].as_object().unwrap();
        let environments = counts.values().filter_map(serde_json::Value::as_u64).sum();
        Self { resident_kib, descriptors: open.try_into().unwrap(), environments }
    }
}
