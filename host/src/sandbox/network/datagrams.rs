//! Datagrams from an environment to one address of the operator's: X-Ray's daemon.
//!
//! The socket was made inside the environment's namespace and handed out, as listeners are
//! ([`super::forward`]). One way only: that daemon answers nobody.
//!
//! # Invariants
//! - Nothing waits: a datagram that cannot be passed on is lost, as datagrams are.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

/// Largest datagram of X-Ray's protocol, and of UDP.
const MOST_BYTES: usize = 64 * 1024;

/// After an error of the socket, which could be there again at once.
const PAUSE: Duration = Duration::from_millis(50);

/// A running relay. Dropping it closes the socket.
#[derive(Debug)]
pub struct Relay {
    task: AbortHandle,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes on what comes to `inside` until the result is dropped. Must be called within a tokio runtime.
///
/// # Errors
/// A socket cannot be made or registered.
pub fn spawn(inside: std::net::UdpSocket, to: SocketAddr) -> io::Result<Relay> {
    inside.set_nonblocking(true)?;
    let inside = UdpSocket::from_std(inside)?;
    let any = match to {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let outside = std::net::UdpSocket::bind(any)?;
    outside.connect(to)?;
    outside.set_nonblocking(true)?;
    let outside = UdpSocket::from_std(outside)?;
    let task = tokio::spawn(async move {
        let mut datagram = vec![0; MOST_BYTES];
        loop {
            // An error is that of a datagram before it, which nobody listened to.
            let Ok((bytes, _)) = inside.recv_from(&mut datagram).await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let _lost = outside.try_send(&datagram[..bytes]);
        }
    });
    Ok(Relay { task: task.abort_handle() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn datagrams_arrive_whole_and_a_daemon_that_is_not_there_stops_nothing() {
        let daemon = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = daemon.local_addr().unwrap();
        drop(daemon);
        let inside = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = inside.local_addr().unwrap();
        let _relay = spawn(inside, to).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for _ in 0..10 {
            client.send_to(b"lost", address).await.unwrap();
            tokio::task::yield_now().await;
        }
        let daemon = UdpSocket::bind(to).await.unwrap();
        let whole = vec![7; 60_000];
        let mut heard = vec![0; MOST_BYTES];
        let arrives = async {
            loop {
                client.send_to(&whole, address).await.unwrap();
                let waited = std::time::Duration::from_millis(100);
                let came = tokio::time::timeout(waited, daemon.recv(&mut heard)).await;
                if let Ok(Ok(bytes)) = came
                    && bytes == whole.len()
                {
                    return;
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), arrives).await.unwrap();
    }
}
