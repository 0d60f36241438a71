//! Birth, kill, freeze and emptiness through the unified tree, with or without controllers in it.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::group::{Control, Freeze};
use super::watch::{Sign, Watch};
use super::{CgroupError, file, kill};

/// One group's directory in the unified tree.
#[derive(Debug)]
pub(super) struct Unified {
    dir: PathBuf,
}

impl Unified {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }
}

impl Control for Unified {
    fn dir(&self) -> &Path {
        &self.dir
    }

    /// For `clone3(CLONE_INTO_CGROUP)`.
    fn birth(&self) -> Result<Option<OwnedFd>, CgroupError> {
        let dir = File::open(&self.dir)
            .map_err(|source| CgroupError::Read { file: self.dir.clone(), source })?;
        Ok(Some(dir.into()))
    }

    fn kill(&self) -> Result<(), CgroupError> {
        let switch = self.dir.join("cgroup.kill");
        match file::try_write(&switch, "1") {
            Ok(()) => Ok(()),
            // Kernels before 5.14. A process frozen in this tree does die of SIGKILL.
            Err(e) if e.kind() == ErrorKind::NotFound => {
                kill::kill_listed(&self.dir.join("cgroup.procs")).map(drop)
            }
            Err(source) => Err(CgroupError::Write { file: switch, value: "1".to_owned(), source }),
        }
    }

    fn set(&self, freeze: Freeze) -> Result<(), CgroupError> {
        let value = match freeze {
            Freeze::Frozen => "1",
            Freeze::Thawed => "0",
        };
        file::write(&self.dir.join("cgroup.freeze"), value)
    }

    /// The fact (`frozen` in `cgroup.events`), not the request.
    fn frozen(&self) -> Result<bool, CgroupError> {
        Ok(file::read_key(&self.dir.join("cgroup.events"), "frozen")? == 1)
    }

    fn watch_populated(&self) -> Result<Option<Watch>, CgroupError> {
        let file = self.dir.join("cgroup.events");
        let (text, watch) = watch_content(file.clone())?;
        match file::find_key(&text, "populated") {
            Some(0) => Ok(None),
            Some(_) => Ok(Some(watch)),
            None => Err(CgroupError::Unparsable { file, text }),
        }
    }
}

/// The text of a cgroup file and a watch on its next change: the kernel counts changes from the
/// last read of the same descriptor.
pub(super) fn watch_content(path: PathBuf) -> Result<(String, Watch), CgroupError> {
    let read = || {
        let mut opened = File::open(&path)?;
        let mut text = String::new();
        opened.read_to_string(&mut text)?;
        Ok((text, opened))
    };
    match read() {
        Ok((text, opened)) => {
            Ok((text, Watch { fd: opened.into(), sign: Sign::Priority, file: path }))
        }
        Err(source) => Err(CgroupError::Watch { file: path, source }),
    }
}
