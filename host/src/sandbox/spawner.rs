//! The host's side of the one process that forks sandboxes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lambdabox_bootstrap::plan::{Namespace, Step};
use lambdabox_bootstrap::wire::{FromSpawner, MAX_DESCRIPTORS, ToSpawner};
use tokio::sync::Mutex;

use super::channel::Channel;
use super::error::SandboxError;

/// A running spawner. Dropping it ends the spawner and with it every sandbox, once an answer that is on
/// its way is there.
#[derive(Debug)]
pub(crate) struct Spawner {
    /// Requests and answers alternate, so the lock is held until the answer is there, whoever still wants
    /// it.
    channel: Arc<Mutex<Channel>>,
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
            Some((FromSpawner::Running, _)) => {
                Ok(Self { channel: Arc::new(Mutex::new(channel)), pid })
            }
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

    /// Dropping the future loses its own answer only: a sandbox that nobody wants any more ends by itself,
    /// because its control socket is closed.
    async fn exchange(
        &self,
        request: &ToSpawner,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(FromSpawner, Vec<OwnedFd>), SandboxError> {
        let channel = Arc::clone(&self.channel).lock_owned().await;
        channel.send(request, descriptors).await.map_err(SandboxError::Spawner)?;
        // A task of its own takes the answer off the socket, or the next to ask would get it. What comes
        // along with one that nobody waits for is closed.
        let answered = tokio::spawn(async move { channel.receive::<FromSpawner>().await });
        let answered = answered.await.unwrap_or_else(|lost| Err(lost.into()));
        match answered.map_err(SandboxError::Spawner)? {
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

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use lambdabox_bootstrap::spawner::message_pair;

    use super::*;

    /// A spawner, and the end of its socket that the real one has.
    fn pair() -> (Spawner, Channel) {
        let (ours, theirs) = message_pair().unwrap();
        let channel = Arc::new(Mutex::new(Channel::new(ours).unwrap()));
        (Spawner { channel, pid: 0 }, Channel::new(theirs).unwrap())
    }

    async fn request(peer: &Channel) -> ToSpawner {
        peer.receive().await.unwrap().unwrap().0
    }

    #[tokio::test]
    async fn an_answer_that_nobody_waits_for_is_not_the_next_askers() {
        let (spawner, peer) = pair();
        tokio::select! {
            answered = spawner.open_tmp(1, 4_096) => panic!("nobody has answered: {answered:?}"),
            asked = request(&peer) => assert!(matches!(asked, ToSpawner::OpenTmp { .. })),
        }
        let (mut reader, unwanted) = io::pipe().unwrap();
        let served = async {
            peer.send(&FromSpawner::Opened, &[unwanted.as_fd()]).await.unwrap();
            drop(unwanted);
            assert!(matches!(request(&peer).await, ToSpawner::CloseTmp { environment: 2 }));
            peer.send(&FromSpawner::TmpClosed, &[]).await.unwrap();
        };
        // Asked first: the late answer must not be taken for this one's.
        let (closed, ()) = tokio::join!(spawner.close_tmp(2), served);
        closed.unwrap();
        // Its end is where all write ends are closed.
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    }

    #[tokio::test]
    async fn whoever_stops_waiting_before_it_is_asked_asks_nothing() {
        let (spawner, peer) = pair();
        let served = async {
            assert!(matches!(request(&peer).await, ToSpawner::CloseTmp { environment: 1 }));
            tokio::select! {
                biased;
                _ = spawner.close_tmp(2) => panic!("its turn has not come"),
                () = tokio::task::yield_now() => {}
            }
            peer.send(&FromSpawner::TmpClosed, &[]).await.unwrap();
            assert!(matches!(request(&peer).await, ToSpawner::CloseTmp { environment: 3 }));
            peer.send(&FromSpawner::TmpClosed, &[]).await.unwrap();
        };
        let asked = async {
            spawner.close_tmp(1).await.unwrap();
            spawner.close_tmp(3).await.unwrap();
        };
        tokio::join!(asked, served);
    }

    #[tokio::test]
    async fn a_spawner_that_has_gone_is_an_error() {
        let (spawner, peer) = pair();
        drop(peer);
        assert!(matches!(spawner.close_tmp(1).await, Err(SandboxError::Spawner(_))));
    }
}
