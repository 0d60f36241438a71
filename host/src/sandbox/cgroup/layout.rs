//! Which cgroup hierarchies this machine has, read from mountinfo.

use std::fs;
use std::path::{Path, PathBuf};

use super::CgroupError;

/// Where groups can be made. Paths are mount points, except [`Layout::V2`]'s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// v1 controllers beside a unified tree that has none of them.
    Hybrid {
        /// Limits.
        limits: V1Mounts,
        /// Birth, kill and freeze.
        unified: PathBuf,
    },
    /// v1 only.
    V1 {
        /// Limits.
        limits: V1Mounts,
        /// Kill and freeze.
        freezer: PathBuf,
    },
    /// v2 only.
    V2 {
        /// The group delegated to us: the top on a bare system or in a container of its own,
        /// a scope with `Delegate=yes` under systemd.
        parent: PathBuf,
    },
}

/// Mount points of the v1 controllers that limit; two may be one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V1Mounts {
    /// `memory`.
    pub memory: PathBuf,
    /// `cpu`.
    pub cpu: PathBuf,
    /// `pids`.
    pub pids: PathBuf,
}

impl Layout {
    /// Reads `self/mountinfo` and, on v2, `self/cgroup` below `proc_root`.
    ///
    /// # Errors
    /// If they cannot be read, or a controller is mounted nowhere.
    pub fn detect(proc_root: &Path) -> Result<Self, CgroupError> {
        let read = |name: &str| {
            let file = proc_root.join("self").join(name);
            fs::read_to_string(&file).map_err(|source| CgroupError::Detect { file, source })
        };
        let mounts: Vec<Mount> = read("mountinfo")?.lines().filter_map(Mount::parse).collect();
        let v1 = |controller: &'static str| {
            let mount = mounts.iter().find(|m| !m.unified && m.has(controller));
            mount.map(|m| m.point.clone()).ok_or(CgroupError::NoController { controller })
        };
        let unified = mounts.iter().find(|m| m.unified);
        match (v1("memory"), unified) {
            (Ok(memory), unified) => {
                let limits = V1Mounts { memory, cpu: v1("cpu")?, pids: v1("pids")? };
                Ok(match unified {
                    Some(mount) => Self::Hybrid { limits, unified: mount.point.clone() },
                    None => Self::V1 { limits, freezer: v1("freezer")? },
                })
            }
            (Err(_), Some(mount)) => Ok(Self::V2 { parent: mount.own_group(&read("cgroup")?) }),
            (Err(missing), None) => Err(missing),
        }
    }

    /// Every tree a group has a directory in, each once. The one that kills comes first: it is made
    /// first and removed last, so that what remains of a half-made group can be killed.
    pub(super) fn trees(&self) -> Vec<&Path> {
        let mut trees: Vec<&Path> = Vec::with_capacity(4);
        let (control, limits) = match self {
            Self::Hybrid { limits, unified } => (unified, Some(limits)),
            Self::V1 { limits, freezer } => (freezer, Some(limits)),
            Self::V2 { parent } => (parent, None),
        };
        trees.push(control);
        if let Some(V1Mounts { memory, cpu, pids }) = limits {
            for tree in [memory, cpu, pids] {
                if !trees.contains(&tree.as_path()) {
                    trees.push(tree);
                }
            }
        }
        trees
    }
}

/// One line of mountinfo, as far as it is about cgroups.
struct Mount {
    root: PathBuf,
    point: PathBuf,
    unified: bool,
    /// v1: the controllers are among the superblock options.
    options: String,
}

impl Mount {
    /// `id parent dev root point options [tags] - type source superblock-options`
    fn parse(line: &str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut file_system = file_system.split(' ');
        let unified = match file_system.next()? {
            "cgroup" => false,
            "cgroup2" => true,
            _ => return None,
        };
        let options = file_system.nth(1)?.to_owned();
        let mut mount = mount.split(' ').skip(3);
        let root = PathBuf::from(crate::sandbox::lease::unescape_mount(mount.next()?));
        let point = PathBuf::from(crate::sandbox::lease::unescape_mount(mount.next()?));
        Some(Self { root, point, unified, options })
    }

    fn has(&self, controller: &str) -> bool {
        self.options.split(',').any(|option| option == controller)
    }

    /// Our own v2 group as a path here. Outside of what is mounted, the mount's top.
    fn own_group(&self, proc_cgroup: &str) -> PathBuf {
        let own = proc_cgroup.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
        match Path::new(own).strip_prefix(&self.root) {
            Ok(below) if !below.as_os_str().is_empty() => self.point.join(below),
            _ => self.point.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1_LINES: &str = "\
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
";
    const UNIFIED_LINE: &str =
        "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

    fn detect(mountinfo: &str, cgroup: &str) -> Result<Layout, CgroupError> {
        let proc = tempfile::tempdir().unwrap();
        fs::create_dir(proc.path().join("self")).unwrap();
        fs::write(proc.path().join("self/mountinfo"), mountinfo).unwrap();
        fs::write(proc.path().join("self/cgroup"), cgroup).unwrap();
        Layout::detect(proc.path())
    }

    fn v1_mounts() -> V1Mounts {
        V1Mounts {
            memory: "/sys/fs/cgroup/memory".into(),
            cpu: "/sys/fs/cgroup/cpu,cpuacct".into(),
            pids: "/sys/fs/cgroup/pids".into(),
        }
    }

    #[test]
    fn v1_with_a_unified_tree_is_hybrid() {
        let layout = detect(&format!("{V1_LINES}{UNIFIED_LINE}"), "0::/\n").unwrap();
        let unified = "/sys/fs/cgroup/unified".into();
        assert_eq!(layout, Layout::Hybrid { limits: v1_mounts(), unified });
    }

    #[test]
    fn v1_alone_kills_through_the_freezer() {
        let layout = detect(V1_LINES, "4:memory:/\n").unwrap();
        let freezer = "/sys/fs/cgroup/freezer".into();
        assert_eq!(layout, Layout::V1 { limits: v1_mounts(), freezer });
    }

    #[test]
    fn v2_alone_works_below_our_own_group() {
        let line = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
        for (own, parent) in [
            ("0::/\n", "/sys/fs/cgroup"),
            ("0::/user.slice/box.scope\n", "/sys/fs/cgroup/user.slice/box.scope"),
        ] {
            assert_eq!(detect(line, own).unwrap(), Layout::V2 { parent: parent.into() });
        }
    }

    #[test]
    fn a_v2_mount_of_a_subtree_is_counted_from_its_root() {
        let line = "30 23 0:26 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let parent = "/sys/fs/cgroup/in".into();
        assert_eq!(detect(line, "0::/docker/x/in\n").unwrap(), Layout::V2 { parent });
    }

    #[test]
    fn controllers_in_one_hierarchy_make_one_directory() {
        let line = "32 31 0:29 / /cg\\040all rw - cgroup cgroup rw,memory,cpu,pids,freezer\n";
        let layout = detect(line, "").unwrap();
        assert_eq!(layout.trees(), [Path::new("/cg all")]);
    }

    #[test]
    fn a_missing_controller_is_named() {
        let lines: String =
            V1_LINES.lines().filter(|l| !l.contains("pids")).map(|l| format!("{l}\n")).collect();
        assert!(matches!(
            detect(&lines, ""),
            Err(CgroupError::NoController { controller: "pids" })
        ));
        assert!(matches!(detect("", ""), Err(CgroupError::NoController { controller: "memory" })));
    }
}
