//! The message sockets to the spawner and to each init, for async code.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lambdabox_bootstrap::wire;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::unix::AsyncFd;

/// Gives a descriptor to the event loop.
#[expect(
    deprecated,
    reason = "the replacement is unsafe, for types whose descriptor may change; an OwnedFd's cannot"
)]
pub(super) fn watched(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(descriptor)
}

/// One end of a message socket. Dropping it is how the other end learns that we are gone.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: AsyncFd<OwnedFd>,
}

impl Channel {
    /// Wraps a socket; needs a running tokio runtime.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Self { socket: watched(socket)? })
    }

    /// Sends one message with descriptors, waiting while the other end is behind.
    pub(crate) async fn send<M: Serialize>(
        &self,
        message: &M,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        loop {
            let mut ready = self.socket.writable().await?;
            let tried = ready.try_io(|socket| wire::send(socket.as_fd(), message, descriptors));
            if let Ok(result) = tried {
                return result;
            }
        }
    }

    /// The next message with its descriptors; `None` when the other end has ended.
    ///
    /// Dropping the future loses nothing: a message is taken in one call or not at all.
    pub(crate) async fn receive<M: DeserializeOwned>(
        &self,
    ) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
        loop {
            let mut ready = self.socket.readable().await?;
            match ready.try_io(|socket| wire::receive(socket.as_fd())) {
                // The other end went without reading everything of ours. The kernel says so before it
                // gives out what that end had to say, such as why it went; the next call has it.
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => {}
                Ok(result) => return result,
                Err(_would_block) => {}
            }
        }
    }
}
