//! Ways from the host into the environment's own network.
//!
//! A socket belongs to the network namespace it was made in, whoever connects it: the sandbox's first
//! process makes one on request and hands it out.
//!
//! # Sources
//! `reference/sandbox.md` section 3, "Sockets on request".

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};

/// One wanted; whoever makes it drops this if it cannot.
pub(crate) type SocketAsk = oneshot::Sender<OwnedFd>;

/// Where an environment's sinks listen.
#[derive(Debug, Clone)]
pub(crate) enum Sockets {
    /// In the host's own network.
    OfTheHost,
    /// In one of its own. The environment's owner holds the other end.
    Inside(mpsc::Sender<SocketAsk>),
}

impl Sockets {
    /// Connects to a port of the environment's loopback. While the environment is frozen this waits.
    pub(super) async fn connect(&self, port: u16) -> io::Result<TcpStream> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let asks = match self {
            Self::OfTheHost => return TcpStream::connect(address).await,
            Self::Inside(asks) => asks,
        };
        let gone = || io::Error::other("the environment makes no socket");
        let (ask, made) = oneshot::channel();
        asks.send(ask).await.map_err(|_| gone())?;
        let socket = made.await.map_err(|_| gone())?;
        let socket = std::net::TcpStream::from(socket);
        socket.set_nonblocking(true)?;
        TcpSocket::from_std_stream(socket).connect(address).await
    }
}
