//! The host's side of the one process that forks sandboxes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lambdabox_bootstrap::plan::{Namespace, Step};
use lambdabox_bootstrap::wire::{FromSpawner, MAX_DESCRIPTORS, ToSpawner};
use tokio::sync::Mutex;

use super::channel::Channel;
use super::error::SandboxError;

/// A running spawner. Dropping it ends the spawner and with it every sandbox.
#[derive(Debug)]
pub(crate) struct Spawner {
    /// Requests and answers alternate, so whoever asks holds the lock until the answer is there.
    channel: Mutex<Channel>,
    pid: i32,
}

impl Spawner {
    /// Takes over what `main` started, and waits until it runs.
    pub(crate) async fn adopt(
        started: lambdabox_bootstrap::spawner::Spawner,
    ) -> Result<Self, SandboxError> {
        let pid = started.pid;
        let channel = Channel::new(started.socket).map_err(SandboxError::Spawner)?;
        match channel.receive().await.map_err(SandboxError::Spawner)? {
            Some((FromSpawner::Running, _)) => Ok(Self { channel: Mutex::new(channel), pid }),
            Some((FromSpawner::Failed(failure), _)) => Err(SandboxError::Step(failure)),
            other => Err(SandboxError::Spawner(unexpected(&other))),
        }
    }

    /// The user namespace that owns the namespaces of every sandbox. The function's own is one below.
    pub(crate) fn user_namespace(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/user", self.pid))
    }

    /// Clones a sandbox's init; the answer is its process id and pidfd.
    pub(crate) async fn make(
        &self,
        namespaces: Vec<Namespace>,
        prepare: Vec<Step>,
        control: OwnedFd,
        birth: Option<BorrowedFd<'_>>,
        tasks: &[BorrowedFd<'_>],
    ) -> Result<(i32, OwnedFd), SandboxError> {
        let request = ToSpawner::Make { namespaces, prepare, birth: birth.is_some() };
        let mut descriptors = vec![control.as_fd()];
        descriptors.extend(birth);
        descriptors.extend(tasks);
        match self.ask(&request, &descriptors).await? {
            (FromSpawner::Made { pid }, Some(pidfd)) => Ok((pid, pidfd)),
            other => Err(SandboxError::Spawner(unexpected(&other))),
        }
    }

    /// A user namespace for showing one owner's files as another's.
    pub(crate) async fn id_map(&self, from: (u32, u32), to: u32) -> Result<OwnedFd, SandboxError> {
        match self.ask(&ToSpawner::IdMap { from, to }, &[]).await? {
            (FromSpawner::IdMapped, Some(namespace)) => Ok(namespace),
            other => Err(SandboxError::Spawner(unexpected(&other))),
        }
    }

    /// Trees of the host, detached and read-only, for a host that has not the right to open them.
    pub(crate) async fn open_trees(&self, paths: &[&Path]) -> Result<Vec<OwnedFd>, SandboxError> {
        let mut trees = Vec::with_capacity(paths.len());
        for paths in paths.chunks(MAX_DESCRIPTORS) {
            let bytes = paths.iter().map(|path| path.as_os_str().as_bytes().to_vec()).collect();
            match self.exchange(&ToSpawner::OpenTrees { paths: bytes }, &[]).await? {
                (FromSpawner::Opened, opened) if opened.len() == paths.len() => {
                    trees.extend(opened);
                }
                (FromSpawner::NotOpened { index, errno }, _) => {
                    let path = paths.get(index).copied().unwrap_or(Path::new("")).to_owned();
                    let source = io::Error::from_raw_os_error(errno);
                    return Err(SandboxError::Tree { path, source });
                }
                other => return Err(SandboxError::Spawner(unexpected(&other))),
            }
        }
        Ok(trees)
    }

    /// The `/tmp` in memory of an environment of an ordinary user's, made the first time.
    pub(crate) async fn open_tmp(
        &self,
        environment: u32,
        bytes: u64,
    ) -> Result<OwnedFd, SandboxError> {
        match self.ask(&ToSpawner::OpenTmp { environment, bytes }, &[]).await? {
            (FromSpawner::Opened, Some(tree)) => Ok(tree),
            other => Err(SandboxError::Spawner(unexpected(&other))),
        }
    }

    /// Frees it.
    pub(crate) async fn close_tmp(&self, environment: u32) -> Result<(), SandboxError> {
        match self.exchange(&ToSpawner::CloseTmp { environment }, &[]).await? {
            (FromSpawner::TmpClosed, _) => Ok(()),
            other => Err(SandboxError::Spawner(unexpected(&other))),
        }
    }

    /// For requests whose answer is one descriptor.
    async fn ask(
        &self,
        request: &ToSpawner,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(FromSpawner, Option<OwnedFd>), SandboxError> {
        let (answer, descriptors) = self.exchange(request, descriptors).await?;
        Ok((answer, descriptors.into_iter().next()))
    }

    async fn exchange(
        &self,
        request: &ToSpawner,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(FromSpawner, Vec<OwnedFd>), SandboxError> {
        let channel = self.channel.lock().await;
        channel.send(request, descriptors).await.map_err(SandboxError::Spawner)?;
        match channel.receive().await.map_err(SandboxError::Spawner)? {
            Some((FromSpawner::Failed(failure), _)) => Err(SandboxError::Step(failure)),
            Some(answered) => Ok(answered),
            None => Err(SandboxError::Spawner(io::ErrorKind::BrokenPipe.into())),
        }
    }
}

fn unexpected(answer: &dyn std::fmt::Debug) -> io::Error {
    io::Error::other(format!("unexpected answer {answer:?}"))
}

/// A spawner for tests of this library, which have threads and so must not fork: the built program is
/// started as one, its socket where it looks for it.
#[cfg(test)]
pub(crate) fn start_program(
    program: &std::path::Path,
) -> io::Result<lambdabox_bootstrap::spawner::Spawner> {
    let (socket, theirs) = lambdabox_bootstrap::spawner::message_pair()?;
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "exec \"$0\" bootstrap 3<&0 </dev/null"]).arg(program).stdin(theirs);
    let child = shell.spawn()?;
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    Ok(lambdabox_bootstrap::spawner::Spawner { socket, pid })
}
