//! What lambdabox looks at of whoever started it. Handed in, so that no check reads a global.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;

use nix::unistd::{Uid, User};

/// The caller's surroundings.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The environment.
    pub env: BTreeMap<OsString, OsString>,
    /// Working directory, absolute.
    pub cwd: PathBuf,
    /// `$HOME`, or the home of the password database.
    pub home: Option<PathBuf>,
    /// Real uid.
    pub uid: u32,
}

impl Caller {
    /// Of this process.
    ///
    /// # Errors
    /// If the working directory is gone or cannot be named.
    pub fn of_process() -> io::Result<Self> {
        let env: BTreeMap<_, _> = std::env::vars_os().collect();
        let uid = Uid::current();
        let said = env.get(OsStr::new("HOME")).map(PathBuf::from).filter(|home| home.is_absolute());
        let home = match said {
            Some(home) => Some(home),
            None => User::from_uid(uid)?.map(|user| user.dir),
        };
        Ok(Self { env, cwd: std::env::current_dir()?, home, uid: uid.as_raw() })
    }

    /// A variable, if it is set, not empty and text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.env.get(OsStr::new(name)).and_then(|v| v.to_str()).filter(|v| !v.is_empty())
    }

    /// A variable that names a path, if it is set and not empty.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.env.get(OsStr::new(name)).filter(|v| !v.is_empty()).map(|v| self.cwd.join(v))
    }
}
