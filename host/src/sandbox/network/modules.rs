//! Which features the running kernel has for certain not, nor as a module it could load.
//!
//! # Invariants
//! - Where the lists of modules are not there (a container, a kernel without modules), nothing is said
//!   to be lacking: trying tells.
//!
//! # Sources
//! `depmod(8)`: `modules.dep`, `modules.builtin`; `proc_modules(5)`.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The modules of one kernel.
#[derive(Debug, Clone)]
pub struct KernelModules {
    loaded: PathBuf,
    lists: PathBuf,
}

impl KernelModules {
    /// Of the machine below `root`, whose kernel is `release`.
    pub fn of(root: &Path, release: &str) -> Self {
        Self { loaded: root.join("proc/modules"), lists: root.join("lib/modules").join(release) }
    }

    /// Of the kernel that runs.
    pub fn running() -> Self {
        let names = rustix::system::uname();
        Self::of(Path::new("/"), &names.release().to_string_lossy())
    }

    /// Whether this kernel can do without doubt nothing of what the module is for.
    pub fn lacks(&self, module: &str) -> bool {
        // Short, and mostly enough: the lists are half a megabyte.
        let loaded = fs::read_to_string(&self.loaded).unwrap_or_default();
        if loaded.lines().any(|line| line.split_ascii_whitespace().next() == Some(module)) {
            return false;
        }
        let list = |name: &str| fs::read_to_string(self.lists.join(name)).ok();
        // Without either list a module may be there all the same.
        let Some((loadable, built_in)) = list("modules.dep").zip(list("modules.builtin")) else {
            return false;
        };
        // Without their compression's suffix, and with a `:` behind loadable ones.
        let file = format!("/{module}.ko");
        !loadable.contains(&file) && !built_in.contains(&file)
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
        let lacks = |module: &str| KernelModules::of(root.path(), "6.8.0").lacks(module);
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
