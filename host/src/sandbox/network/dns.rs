//! Answers names for an environment that cannot reach the host's nameservers itself.
//!
//! Its sockets were made inside the environment's namespace on 127.0.0.1:53 and handed out, so the
//! host keeps no port open for it and the firewall needs no hole. Questions and answers are passed on
//! as they are: no parsing, no cache.
//!
//! # Invariants
//! - At most [`MAX_QUESTIONS`] are open at a time; more are dropped, as a busy resolver does, and the
//!   client asks again.
//! - Each question has a socket of its own, so an answer can only be of the server asked for it.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::UdpSocket,
    task::{AbortHandle, JoinSet},
    time::timeout,
};

use super::{forward, wire::DnsSockets};
use crate::model::patience;

/// The port of DNS (RFC 1035 section 4.2).
pub(crate) const PORT: u16 = 53;

/// Far above what one function asks at once; each holds a descriptor of the host's.
const MAX_QUESTIONS: usize = 64;

/// How long one server is given; glibc gives up on us after 5 s (`RES_TIMEOUT`), so two are tried.
const PATIENCE: Duration = Duration::from_secs(2);

/// A datagram cannot be longer; EDNS clients offer 1,232 or 4,096.
const MAX_DATAGRAM_BYTES: usize = 65_535;

/// A running forwarder. Dropping it closes its sockets.
#[derive(Debug)]
pub(crate) struct DnsForwarding {
    udp: AbortHandle,
    _tcp: forward::Forwarding,
}

impl Drop for DnsForwarding {
    fn drop(&mut self) {
        self.udp.abort();
    }
}

/// Serves the sockets made inside until the result is dropped.
pub(crate) fn spawn((udp, tcp): DnsSockets, servers: Vec<SocketAddr>) -> io::Result<DnsForwarding> {
    let tcp = forward::spawn_relay(tcp, servers.clone(), None)?;
    udp.set_nonblocking(true)?;
    let inside = Arc::new(UdpSocket::from_std(udp)?);
    let servers: Arc<[SocketAddr]> = servers.into();
    let task = tokio::spawn(async move {
        let mut questions = JoinSet::new();
        let mut buffer = vec![0; MAX_DATAGRAM_BYTES];
        loop {
            tokio::select! {
                received = inside.recv_from(&mut buffer) => {
                    // The environment's namespace is gone, or a client's port was closed: the
                    // former ends us by drop, the latter is its own affair.
                    let Ok((length, client)) = received else { continue };
                    if questions.len() < MAX_QUESTIONS {
                        let question = buffer[..length].to_vec();
                        questions.spawn(answer(question, client, inside.clone(), servers.clone()));
                    }
                }
                Some(_) = questions.join_next() => {}
            }
        }
    });
    Ok(DnsForwarding { udp: task.abort_handle(), _tcp: tcp })
}

/// Asks the servers in order; an unanswered question is the client's to repeat.
async fn answer(
    question: Vec<u8>,
    client: SocketAddr,
    inside: Arc<UdpSocket>,
    servers: Arc<[SocketAddr]>,
) {
    for server in servers.iter() {
        if let Ok(Ok(answer)) = timeout(patience(PATIENCE), ask(*server, &question)).await {
            // A client that closed its port does not want the answer any more.
            let _: io::Result<usize> = inside.send_to(&answer, client).await;
            return;
        }
    }
}

async fn ask(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut buffer = vec![0; MAX_DATAGRAM_BYTES];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // The first two bytes are the question's number (RFC 1035 section 4.1.1).
        if length >= 2 && question.get(..2) == Some(&buffer[..2]) {
            buffer.truncate(length);
            return Ok(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_question_goes_past_a_closed_server_and_a_stray_answer() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let closed = {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.local_addr().unwrap()
        };
        let servers = vec![closed, server.local_addr().unwrap()];
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            let (length, client) = server.recv_from(&mut buffer).await.unwrap();
            server.send_to(b"\xff\xffstray", client).await.unwrap();
            buffer[2..length].reverse();
            server.send_to(&buffer[..length], client).await.unwrap();
        });
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = udp.local_addr().unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let _forwarding = spawn((udp, tcp), servers).unwrap();

        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.send_to(b"\x12\x34abc", at).await.unwrap();
        let mut buffer = [0; 512];
        let length = client.recv(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"\x12\x34cba");
    }
}
