//! One walk over a directory: who can read it, how much it is, and which links leave it.
//!
//! # Invariants
//! - Nothing is opened but directories, nothing is followed, nothing is changed.
//! - The walk ends: past [`MAX_SURVEYED`] entries it stops and answers with what is safe for all.
//!
//! # Sources
//! `reference/sandbox.md` section 2, "Code": plain bind, id-mapped bind, copy.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path};

use super::error::PackageError;

/// Entries looked at. A function's directory has fewer; one that has more is somebody's whole work
/// tree, and seconds would go by before its function starts.
pub(super) const MAX_SURVEYED: usize = 200_000;
/// Warnings that name a link, before the rest is only counted.
const MAX_NAMED_LINKS: usize = 5;
/// Where links may lead, because a sandbox has the same there (`reference/sandbox.md` section 2).
const SAME_INSIDE: &[&str] = &["/usr", "/lib", "/lib64", "/bin", "/sbin", "/dev", "/proc"];
/// Where links may lead unless they lead to something of the host's, which is not there inside.
const OWN_INSIDE: &[&str] = &["/var/task", "/opt", "/tmp"];

/// Whose rights are needed to read all of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nobody's: a plain bind will do.
    Everybody,
    /// One owner's, with what others may read anyway: an id-mapped bind will do.
    OwnerOnly {
        /// The owner.
        uid: u32,
        /// The owner's group.
        gid: u32,
    },
    /// Several owners', or more than any owner has: only a copy will do.
    Mixed,
}

/// What a walk found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Whose rights are needed.
    pub access: Access,
    /// Sum of the files' sizes.
    pub bytes: u64,
    /// Files, directories and links.
    pub entries: usize,
    /// Things worth saying: links that leave the tree, directories nobody could look into.
    pub warnings: Vec<String>,
}

/// Walks a tree.
///
/// # Errors
/// [`PackageError::Read`] if `root` itself cannot be read.
pub fn survey(root: &Path) -> Result<Survey, PackageError> {
    survey_within(root, MAX_SURVEYED)
}

fn survey_within(root: &Path, most: usize) -> Result<Survey, PackageError> {
    let unreadable = |source| PackageError::Read { path: root.to_owned(), source };
    let top = fs::metadata(root).map_err(unreadable)?;
    let mut walk =
        Walk { root, access: needed(&top), bytes: 0, entries: 0, links: 0, warnings: Vec::new() };
    let mut ahead = vec![(root.to_owned(), fs::read_dir(root).map_err(unreadable)?)];
    while let Some((directory, mut entries)) = ahead.pop() {
        while let Some(entry) = entries.next() {
            // What vanishes or cannot be read while we look is not there for the function either.
            let Ok(entry) = entry else { break };
            let Ok(meta) = entry.metadata() else { continue };
            walk.entries += 1;
            if walk.entries > most {
                return Ok(walk.cut_short(&top, most));
            }
            if meta.is_symlink() {
                walk.link(&entry.path());
                continue;
            }
            if !meta.is_dir() && !meta.is_file() {
                continue;
            }
            walk.access = walk.access.and(needed(&meta));
            if meta.is_file() {
                walk.bytes = walk.bytes.saturating_add(meta.len());
                continue;
            }
            let inside = entry.path();
            match fs::read_dir(&inside) {
                Ok(below) => {
                    ahead.push((directory.clone(), entries));
                    ahead.push((inside, below));
                    break;
                }
                Err(error) => walk.warnings.push(format!(
                    "{} cannot be looked into ({error}); the function will not see what is in it",
                    inside.display()
                )),
            }
        }
    }
    Ok(walk.done())
}

struct Walk<'a> {
    root: &'a Path,
    access: Access,
    bytes: u64,
    entries: usize,
    /// Links that leave the tree.
    links: usize,
    warnings: Vec<String>,
}

impl Walk<'_> {
    fn link(&mut self, link: &Path) {
        let Ok(target) = fs::read_link(link) else { return };
        if !leaves(self.root, link, &target) {
            return;
        }
        self.links += 1;
        if self.links <= MAX_NAMED_LINKS {
            self.warnings.push(format!(
                "{} is a symbolic link to {}, outside {}: the function will not find it",
                link.display(),
                target.display(),
                self.root.display()
            ));
        }
    }

    /// An id-mapped bind serves a tree that all may read as well, so it is the guess to make.
    fn cut_short(mut self, top: &Metadata, most: usize) -> Survey {
        if self.access == Access::Everybody {
            self.access = Access::OwnerOnly { uid: top.uid(), gid: top.gid() };
        }
        self.warnings.push(format!(
            "{} holds more than {most} files; only these were looked at. Put the function into a \
             directory of its own",
            self.root.display()
        ));
        self.done()
    }

    fn done(mut self) -> Survey {
        if self.links > MAX_NAMED_LINKS {
            let more = self.links - MAX_NAMED_LINKS;
            self.warnings.push(format!("{more} more symbolic links lead outside"));
        }
        let Self { access, bytes, entries, warnings, .. } = self;
        Survey { access, bytes, entries, warnings }
    }
}

impl Access {
    /// What two parts of a tree need together.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (one, Self::Everybody) | (Self::Everybody, one) => one,
            (Self::OwnerOnly { uid: one, gid }, Self::OwnerOnly { uid: other, .. })
                if one == other =>
            {
                Self::OwnerOnly { uid: one, gid }
            }
            _ => Self::Mixed,
        }
    }
}

/// Whose rights one entry needs. What its owner can execute, the function must be able to.
fn needed(meta: &Metadata) -> Access {
    let mode = meta.mode();
    let owner = mode >> 6 & 0o7;
    let wanted = if meta.is_dir() { 0o5 } else { 0o4 | owner & 0o1 };
    if mode & wanted == wanted {
        Access::Everybody
    } else if owner & wanted == wanted {
        Access::OwnerOnly { uid: meta.uid(), gid: meta.gid() }
    } else {
        Access::Mixed
    }
}

/// Whether a link's text leads out of the tree to where a sandbox has nothing.
fn leaves(root: &Path, link: &Path, target: &Path) -> bool {
    if target.is_absolute() {
        let within = |places: &[&str]| places.iter().any(|place| target.starts_with(place));
        return !within(SAME_INSIDE) && (!within(OWN_INSIDE) || target.exists());
    }
    let place = link.strip_prefix(root).ok().and_then(Path::parent);
    let mut depth = place.map_or(0, |place| place.components().count());
    for component in target.components() {
        match component {
            Component::ParentDir if depth == 0 => return true,
            Component::ParentDir => depth -= 1,
            Component::Normal(_) => depth += 1,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::time::Instant;

    use super::*;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::TempDir::new().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(dir.path().join("lib")).unwrap();
        for (file, mode) in [("app.py", 0o644), ("lib/run", 0o755)] {
            fs::write(dir.path().join(file), "12345").unwrap();
            fs::set_permissions(dir.path().join(file), Permissions::from_mode(mode)).unwrap();
        }
        dir
    }

    fn chmod(dir: &tempfile::TempDir, file: &str, mode: u32) {
        fs::set_permissions(dir.path().join(file), Permissions::from_mode(mode)).unwrap();
    }

    fn owner(dir: &tempfile::TempDir) -> Access {
        let meta = fs::metadata(dir.path()).unwrap();
        Access::OwnerOnly { uid: meta.uid(), gid: meta.gid() }
    }

    #[test]
    fn a_tree_all_may_read_needs_nobodys_rights() {
        let dir = tree();
        let found = survey(dir.path()).unwrap();
        let expected =
            Survey { access: Access::Everybody, bytes: 10, entries: 3, warnings: Vec::new() };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_private_file_directory_or_root_needs_its_owners() {
        for (path, mode) in [("app.py", 0o600), ("lib", 0o700), (".", 0o700), ("lib/run", 0o744)] {
            let dir = tree();
            chmod(&dir, path, mode);
            assert_eq!(survey(dir.path()).unwrap().access, owner(&dir), "{path}");
        }
    }

    #[test]
    fn a_file_not_even_its_owner_may_read_needs_a_copy() {
        let dir = tree();
        chmod(&dir, "app.py", 0o000);
        assert_eq!(survey(dir.path()).unwrap().access, Access::Mixed);
        let one = Access::OwnerOnly { uid: 1, gid: 1 };
        assert_eq!(one.and(Access::OwnerOnly { uid: 2, gid: 1 }), Access::Mixed);
    }

    #[test]
    fn links_that_leave_the_tree_are_named_and_others_are_not() {
        let dir = tree();
        symlink("../shared.py", dir.path().join("shared.py")).unwrap();
        symlink("../app.py", dir.path().join("lib/app.py")).unwrap();
        symlink("/usr/bin/python3", dir.path().join("lib/python")).unwrap();
        symlink("/home/ada/x", dir.path().join("lib/x")).unwrap();
        symlink("/tmp/made-by-the-function", dir.path().join("cache")).unwrap();
        let warnings = survey(dir.path()).unwrap().warnings;
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings.iter().any(|text| text.contains("shared.py is a symbolic link to ../")));
        assert!(warnings.iter().any(|text| text.contains("/home/ada/x")));
    }

    #[test]
    fn many_links_are_counted_not_listed() {
        let dir = tree();
        for number in 0..9 {
            symlink("/home/x", dir.path().join(format!("l{number}"))).unwrap();
        }
        let warnings = survey(dir.path()).unwrap().warnings;
        assert_eq!(warnings.len(), MAX_NAMED_LINKS + 1);
        assert_eq!(warnings[MAX_NAMED_LINKS], "4 more symbolic links lead outside");
    }

    #[test]
    fn a_walk_that_is_cut_short_asks_for_what_serves_any_tree() {
        let dir = tree();
        let found = survey_within(dir.path(), 2).unwrap();
        assert_eq!(found.access, owner(&dir));
        assert!(found.warnings[0].contains("more than 2 files"), "{:?}", found.warnings);
    }

    #[test]
    fn pipes_and_sockets_are_passed_over() {
        let dir = tree();
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("s")).unwrap();
        chmod(&dir, "s", 0o000);
        assert_eq!(survey(dir.path()).unwrap().access, Access::Everybody);
    }

    #[test]
    fn a_large_tree_is_walked_whole() {
        let dir = tree();
        for directory in 0..100 {
            let inside = dir.path().join(format!("d{directory}/e"));
            fs::create_dir_all(&inside).unwrap();
            for file in 0..50 {
                fs::write(inside.join(format!("{file}")), "x").unwrap();
            }
        }
        let start = Instant::now();
        let found = survey(dir.path()).unwrap();
        println!("{} entries in {:?}", found.entries, start.elapsed());
        assert_eq!((found.entries, found.bytes), (3 + 200 + 5000, 10 + 5000));
    }
}
