//! Whether somebody else could have written what is about to be believed.
//!
//! # Not here
//! What of it matters (`file`), and where the program keeps its own (`resolve`).

use std::fmt;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::caller::Caller;

/// Others may write to it.
const OTHERS_WRITE: u32 = 0o002;
/// Of a directory: what lies in it is its owner's alone to replace.
const STICKY: u32 = 0o1000;

/// Who could have written it besides the caller and root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stranger {
    /// It belongs to this user.
    Owner(u32),
    /// Its bits let everybody.
    Everybody,
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(uid) => write!(f, "belongs to uid {uid}"),
            Self::Everybody => f.write_str("can be written by everybody"),
        }
    }
}

/// Who may change what `data` is about. Whoever typed `sudo` is the caller, too.
pub(super) fn of(data: &Metadata, caller: &Caller) -> Option<Stranger> {
    let behind_sudo = || caller.text("SUDO_UID").and_then(|uid| uid.parse().ok());
    let uid = data.uid();
    let is_callers =
        [0, caller.uid].contains(&uid) || caller.uid == 0 && behind_sudo() == Some(uid);
    match (is_callers, data.mode() & OTHERS_WRITE) {
        (false, _) => Some(Stranger::Owner(uid)),
        (true, 0) => None,
        (true, _) => Some(Stranger::Everybody),
    }
}

/// The same of a file, which who may write to its directory could replace.
pub(super) fn of_file(path: &Path, data: &Metadata, caller: &Caller) -> Option<Stranger> {
    of(data, caller).or_else(|| {
        let directory = fs::metadata(path.parent()?).ok()?;
        let stranger = of(&directory, caller)?;
        let keeps = stranger == Stranger::Everybody && directory.mode() & STICKY != 0;
        (!keeps).then_some(stranger)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown};

    use super::*;
    use crate::config::tests::caller;

    const SOMEBODY: u32 = 1_880_000_001;

    #[test]
    fn a_file_is_the_callers_if_nobody_else_may_write_or_replace_it() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, "").unwrap();
        let own = nix::unistd::geteuid().as_raw();
        let me = |env: &[(&str, &str)]| Caller { uid: own, ..caller("/", env) };
        let look = |env: &[(&str, &str)]| of_file(&file, &fs::metadata(&file).unwrap(), &me(env));
        let bits = |path: &Path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode));
        assert_eq!(look(&[]), None);
        bits(&file, 0o666).unwrap();
        assert_eq!(look(&[]), Some(Stranger::Everybody));
        bits(&file, 0o664).unwrap();
        bits(place.path(), 0o777).unwrap();
        assert_eq!(look(&[]), Some(Stranger::Everybody), "by its directory");
        bits(place.path(), 0o1777).unwrap();
        assert_eq!(look(&[]), None, "as in /tmp");
        if chown(&file, Some(SOMEBODY), None).is_err() {
            println!("SKIP a_file_is_the_callers_…: only root can give a file away");
            return;
        }
        assert_eq!(look(&[]), Some(Stranger::Owner(SOMEBODY)));
        assert_eq!(look(&[("SUDO_UID", "1880000001")]), None);
        assert_eq!(look(&[("SUDO_UID", "1880000002")]), Some(Stranger::Owner(SOMEBODY)));
        chown(&file, Some(own), None).unwrap();
        chown(place.path(), Some(SOMEBODY), None).unwrap();
        assert_eq!(look(&[]), Some(Stranger::Owner(SOMEBODY)), "by its directory");
    }
}
