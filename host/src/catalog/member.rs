//! Names and links of archive members: pure checks, made before anything is written.
//!
//! # Invariants
//! - A [`MemberPath`] is relative, has only plain components, and cannot leave the directory it is
//!   joined to.
//! - [`check_links`] resolves as the kernel would, link by link: comparing texts alone takes
//!   `a/b/..` for `a` even where `b` leads elsewhere.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::error::MemberFault;

/// The kernel's own limit (path_resolution(7)): a longer chain is an error to whoever follows it.
const MAX_LINKS_FOLLOWED: usize = 40;

/// Where a member goes below the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MemberPath {
    /// Relative and plain; empty for the root itself (`./`).
    pub(super) path: PathBuf,
    /// The name ended in a slash.
    pub(super) names_directory: bool,
}

impl MemberPath {
    /// Checks a name as it stands in the archive. `.` components are dropped: `zip -r x.zip ./`.
    pub(super) fn parse(raw: &[u8]) -> Result<Self, MemberFault> {
        let name = std::str::from_utf8(raw).map_err(|_| MemberFault::NotUtf8)?;
        if name.is_empty() || name.contains('\0') {
            return Err(MemberFault::NoName);
        }
        if name.starts_with('/') {
            return Err(MemberFault::Absolute);
        }
        let mut path = PathBuf::new();
        for component in name.split('/') {
            match component {
                "" | "." => {}
                ".." => return Err(MemberFault::Parent),
                plain => path.push(plain),
            }
        }
        Ok(Self { path, names_directory: name.ends_with('/') })
    }
}

/// The target of a link as the archive stores it.
pub(super) fn link_target(raw: &[u8]) -> Result<PathBuf, MemberFault> {
    if raw.is_empty() || raw.contains(&0) || raw.len() >= MAX_TARGET_BYTES {
        return Err(MemberFault::LinkUnusable);
    }
    Ok(PathBuf::from(OsStr::from_bytes(raw)))
}

/// `PATH_MAX` of Linux.
pub(super) const MAX_TARGET_BYTES: usize = 4096;

/// Checks that no link leads out of the root, by whatever chain; names the first that does.
pub(super) fn check_links(links: &HashMap<PathBuf, PathBuf>) -> Result<(), (PathBuf, MemberFault)> {
    for (link, target) in links {
        if leads_out(link, target, links) {
            let target = target.display().to_string();
            return Err((link.clone(), MemberFault::LinkOutside { target }));
        }
    }
    Ok(())
}

fn leads_out(link: &Path, target: &Path, links: &HashMap<PathBuf, PathBuf>) -> bool {
    let mut at: PathBuf = link.parent().map(Path::to_owned).unwrap_or_default();
    // Components still to walk, the next one last.
    let mut ahead: Vec<PathBuf> = Vec::new();
    let mut followed = 0;
    push_reversed(target, &mut ahead);
    while let Some(step) = ahead.pop() {
        match step.components().next() {
            Some(Component::Normal(name)) => at.push(name),
            Some(Component::ParentDir) => {
                if !at.pop() {
                    return true;
                }
            }
            Some(Component::RootDir | Component::Prefix(_)) => return true,
            Some(Component::CurDir) | None => {}
        }
        if let Some(next) = links.get(&at) {
            followed += 1;
            if followed > MAX_LINKS_FOLLOWED {
                return false;
            }
            at.pop();
            push_reversed(next, &mut ahead);
        }
    }
    false
}

fn push_reversed(path: &Path, ahead: &mut Vec<PathBuf>) {
    ahead.extend(path.components().rev().map(|c| PathBuf::from(c.as_os_str())));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str) -> Result<PathBuf, MemberFault> {
        MemberPath::parse(name.as_bytes()).map(|member| member.path)
    }

    fn links(pairs: &[(&str, &str)]) -> Result<(), (PathBuf, MemberFault)> {
        check_links(&pairs.iter().map(|(a, b)| (a.into(), b.into())).collect())
    }

    #[test]
    fn plain_names_are_kept_and_dots_dropped() {
        assert_eq!(parse("./a//b/./c.py").unwrap(), Path::new("a/b/c.py"));
        assert_eq!(parse("./").unwrap(), Path::new(""));
        assert!(MemberPath::parse(b"a/").unwrap().names_directory);
        assert_eq!(parse("..a/b..").unwrap(), Path::new("..a/b.."));
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        assert_eq!(parse("../x"), Err(MemberFault::Parent));
        assert_eq!(parse("a/../../x"), Err(MemberFault::Parent));
        assert_eq!(
            parse("a/../b"),
            Err(MemberFault::Parent),
            "harmless, and nobody's tool makes it"
        );
        assert_eq!(parse("/etc/passwd"), Err(MemberFault::Absolute));
        assert_eq!(parse("a\0b"), Err(MemberFault::NoName));
        assert_eq!(parse(""), Err(MemberFault::NoName));
        assert_eq!(MemberPath::parse(b"caf\xe9"), Err(MemberFault::NotUtf8));
    }

    #[test]
    fn links_inside_the_tree_are_fine() {
        assert!(links(&[("a/b", "../c"), ("lib64", "lib"), ("x", "."), ("y", "gone/..")]).is_ok());
        assert!(links(&[("a", "b"), ("b", "a")]).is_ok(), "a circle leads nowhere");
    }

    #[test]
    fn links_out_of_the_tree_are_refused() {
        for (link, target) in [("a", "../x"), ("a/b", "../../x"), ("a", "/etc/passwd"), ("a", "..")]
        {
            assert!(links(&[(link, target)]).is_err(), "{link} -> {target}");
        }
    }

    #[test]
    fn a_link_that_leads_out_by_way_of_another_is_refused() {
        // By text `x` is `a/secret`; through `a/b/c`, which is the root, it is `../secret`.
        assert!(links(&[("a/b/c", "../.."), ("x", "a/b/c/../secret")]).is_err());
        assert!(links(&[("a/b/c", "../.."), ("x", "a/b/c/secret")]).is_ok());
    }
}
