//! `.lambdabox/` in a project: where it is built, one build at a time, and what was made of it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::lchown;
use std::path::{Path, PathBuf};

use super::error::BuildError;
use super::recipe::Places;
use crate::usage::Say;

/// The directory's name.
pub(super) const NAME: &str = ".lambdabox";
/// Where a package goes if nobody says otherwise.
const DEFAULT_OUTPUT: &str = "build";
/// Outputs elsewhere that lambdabox has made, one a line; those may be made again.
const MADE_LIST: &str = "made";

/// The user behind sudo, for whom is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) name: String,
    pub(super) home: PathBuf,
}

impl Owner {
    /// Nobody if this process is not root's by sudo. `home` is that of sudo's user.
    pub(super) fn behind_sudo(home: Option<PathBuf>) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let number = |name| std::env::var(name).ok()?.parse::<u32>().ok().filter(|id| *id != 0);
        Some(Self {
            uid: number("SUDO_UID")?,
            gid: number("SUDO_GID")?,
            name: std::env::var("SUDO_USER").ok()?,
            home: home?,
        })
    }
}

/// The directory, held by this build.
pub(super) struct Home {
    directory: PathBuf,
    root: PathBuf,
    owner: Option<Owner>,
    /// Released with it.
    _lock: File,
}

impl Home {
    /// Makes the directory, and waits until no other build has it.
    pub(super) fn open(root: &Path, owner: Option<Owner>, say: &Say) -> Result<Self, BuildError> {
        let directory = root.join(NAME);
        match fs::symlink_metadata(&directory) {
            Ok(found) if found.is_dir() => {}
            // A link could lead root to somebody else's files.
            Ok(_) => return Err(BuildError::NotOurs { path: directory }),
            Err(_) => {
                fs::create_dir(&directory).map_err(BuildError::file("make", &directory))?;
                let ignored = directory.join(".gitignore");
                fs::write(&ignored, "*\n").map_err(BuildError::file("write", &ignored))?;
                given(&directory, owner.as_ref())?;
            }
        }
        let file = directory.join("lock");
        let lock = File::create(&file).map_err(BuildError::file("write", &file))?;
        if lock.try_lock().is_err() {
            say.notice(&format!("waiting for another build of {}", root.display()));
            lock.lock().map_err(BuildError::file("lock", &file))?;
        }
        Ok(Self { directory, root: root.to_owned(), owner, _lock: lock })
    }

    pub(super) fn default_output(root: &Path) -> PathBuf {
        root.join(NAME).join(DEFAULT_OUTPUT)
    }

    pub(super) fn owner(&self) -> Option<&Owner> {
        self.owner.as_ref()
    }

    /// Empty places to build in; what a build that was interrupted has left is gone.
    pub(super) fn places(&self) -> Result<Places, BuildError> {
        let own = self.directory.join("making");
        removed(&own)?;
        let places = Places {
            root: self.root.clone(),
            package: own.join("package"),
            scratch: own.join("scratch"),
            own,
        };
        for directory in [&places.own, &places.package, &places.scratch] {
            fs::create_dir(directory).map_err(BuildError::file("make", directory))?;
        }
        Ok(places)
    }

    /// Gives everything that was made to whom it is for.
    pub(super) fn give(&self, path: &Path) -> Result<(), BuildError> {
        given(path, self.owner.as_ref())
    }

    /// Refuses an output that is there and was not made by a build of this project.
    pub(super) fn may_write(&self, output: &Path) -> Result<(), BuildError> {
        let is_empty = |path: &Path| fs::read_dir(path).is_ok_and(|mut d| d.next().is_none());
        if fs::symlink_metadata(output).is_err()
            || is_empty(output)
            || output == Self::default_output(&self.root)
            || self.made().iter().any(|made| made == output)
        {
            return Ok(());
        }
        Err(BuildError::NotOurs { path: output.to_owned() })
    }

    /// Remembers an output, so that it may be made again.
    pub(super) fn remember(&self, output: &Path) -> Result<(), BuildError> {
        if self.made().iter().any(|made| made == output) {
            return Ok(());
        }
        let list = self.directory.join(MADE_LIST);
        let file = File::options().create(true).append(true).open(&list);
        let written = file.and_then(|mut file| writeln!(file, "{}", output.display()));
        written.map_err(BuildError::file("write", &list))?;
        self.give(&list)
    }

    fn made(&self) -> Vec<PathBuf> {
        let text = fs::read_to_string(self.directory.join(MADE_LIST)).unwrap_or_default();
        text.lines().map(PathBuf::from).collect()
    }
}

/// Removes a file or a tree, if it is there.
pub(super) fn removed(path: &Path) -> Result<(), BuildError> {
    let result = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    result.map_err(BuildError::file("remove", path))
}

fn given(path: &Path, owner: Option<&Owner>) -> Result<(), BuildError> {
    let Some(owner) = owner else { return Ok(()) };
    handed(path, owner).map_err(BuildError::file("give to the user", path))
}

fn handed(path: &Path, owner: &Owner) -> io::Result<()> {
    lchown(path, Some(owner.uid), Some(owner.gid))?;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            handed(&entry?.path(), owner)?;
        }
    }
    Ok(())
}
