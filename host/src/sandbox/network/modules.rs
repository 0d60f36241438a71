//! Which features the running kernel has for certain not, nor as a module it could load.
//!
//! # Invariants
//! - Where the lists of modules are not there (a container, a kernel without modules), nothing is said
//!   to be lacking: trying tells.
//!
//! # Sources
//! `depmod(8)`: `modules.dep`, `modules.builtin`; `proc_modules(5)`.

use std::{fs, path::Path};

/// The modules of one kernel.
#[derive(Debug, Clone, Default)]
pub struct KernelModules {
    /// Everything that is listed, or `None` where nothing is.
    listed: Option<String>,
    loaded: String,
}

impl KernelModules {
    /// Reads the lists of kernel `release` below `root`.
    pub fn read(root: &Path, release: &str) -> Self {
        let dir = root.join("lib/modules").join(release);
        let list = |name: &str| fs::read_to_string(dir.join(name)).ok();
        // Without either list a module may be there all the same.
        let listed = list("modules.dep").zip(list("modules.builtin"));
        let loaded = fs::read_to_string(root.join("proc/modules")).unwrap_or_default();
        Self { listed: listed.map(|(loadable, built_in)| loadable + &built_in), loaded }
    }

    /// Whether this kernel can do without doubt nothing of what the module is for.
    pub fn lacks(&self, module: &str) -> bool {
        let file = format!("/{module}.ko");
        let is_loaded =
            || self.loaded.lines().any(|line| line.split_ascii_whitespace().next() == Some(module));
        // Without their compression's suffix, and with a `:` behind loadable ones.
        self.listed.as_ref().is_some_and(|listed| !listed.contains(&file)) && !is_loaded()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_module_that_both_lists_leave_out_is_lacking() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("lib/modules/6.8.0");
        fs::create_dir_all(&dir).unwrap();
        let lacks = |module: &str| KernelModules::read(root.path(), "6.8.0").lacks(module);
        assert!(!lacks("veth"), "nothing is known");
        fs::write(dir.join("modules.dep"), "kernel/drivers/net/veth.ko.zst: kernel/x.ko\n")
            .unwrap();
        assert!(!lacks("tun"), "one list alone proves nothing");
        fs::write(dir.join("modules.builtin"), "kernel/drivers/block/loop.ko\n").unwrap();
        assert!(!lacks("veth") && !lacks("loop"));
        assert!(lacks("tun") && lacks("nf_tables"));
        fs::create_dir(root.path().join("proc")).unwrap();
        fs::write(root.path().join("proc/modules"), "tun 61440 2 - Live 0x0\n").unwrap();
        assert!(!lacks("tun"), "from somewhere else, but it is loaded");
    }
}
