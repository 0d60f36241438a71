//! `--forward PORT[:HOSTPORT]`: one service of the host's loopback, reachable from inside.
//!
//! The listener was made inside the environment's namespace and handed out; what connects to it from
//! inside is connected here to the same service on the host, 127.0.0.1 first, then `::1`, because
//! either may be what the service listens on. Bytes are copied both ways until both sides ended;
//! one side's end of input is passed on while the other still talks (half-close).
//!
//! # Not here
//! Which ports (`config`), the listener (`bootstrap`), refusing port 9001 (`cli`).
//!
//! # Invariants
//! - A client whose service is not there sees a reset, never a silent connection.
//! - At most [`MAX_CONNECTIONS`] at a time; more wait in the listener's own queue.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};

/// Each connection takes two of the host's descriptors; an environment may open 1,024 of its own.
const MAX_CONNECTIONS: usize = 128;

/// A running forward. Dropping it closes the listener and every connection.
#[derive(Debug)]
pub struct Forwarding {
    task: AbortHandle,
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves `listener` until the result is dropped. Must be called within a tokio runtime.
///
/// `notices` hears once, at the first refused connection, that nothing listens on the host's port;
/// its reader may be gone or behind, then the sentence waits for the next refusal.
///
/// # Errors
/// The listener cannot be made non-blocking or registered.
pub fn spawn(
    listener: std::net::TcpListener,
    host_port: u16,
    notices: mpsc::Sender<String>,
) -> io::Result<Forwarding> {
    let targets = [
        SocketAddr::from((Ipv4Addr::LOCALHOST, host_port)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, host_port)),
    ];
    let sentence =
        format!("nothing listens on 127.0.0.1:{host_port} or [::1]:{host_port} of the host");
    spawn_relay(listener, targets.to_vec(), Some((notices, sentence)))
}

/// Connects each client of `listener` to the first of `targets` that answers.
pub(super) fn spawn_relay(
    listener: std::net::TcpListener,
    targets: Vec<SocketAddr>,
    mut refusal: Option<(mpsc::Sender<String>, String)>,
) -> io::Result<Forwarding> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    // Dropped with the task, and with it every connection.
    let mut connections: JoinSet<Served> = JoinSet::new();
    let task = tokio::spawn(async move {
        loop {
            let has_room = connections.len() < MAX_CONNECTIONS;
            tokio::select! {
                // Dropping a pending accept leaves the client in the queue.
                accepted = listener.accept(), if has_room => match accepted {
                    Ok((client, _)) => {
                        connections.spawn(serve(client, targets.clone()));
                    }
                    // The client went away while it waited.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    // Out of descriptors or memory: go on when a connection has given some back,
                    // end (clients then see a reset) if none is ours to wait for.
                    Err(_) => {
                        let Some(served) = connections.join_next().await else { return };
                        say(&mut refusal, served);
                    }
                },
                Some(served) = connections.join_next() => say(&mut refusal, served),
            }
        }
    });
    Ok(Forwarding { task: task.abort_handle() })
}

/// How one connection went.
enum Served {
    /// It was connected; how it ended is the two sides' affair.
    Connected,
    /// Nothing listens on any target.
    Refused,
    /// It could not be tried, for want of descriptors or ports.
    Failed(io::Error),
}

/// Sends one sentence at the first refusal or failure. A full channel keeps it for the next one.
fn say(
    refusal: &mut Option<(mpsc::Sender<String>, String)>,
    served: Result<Served, tokio::task::JoinError>,
) {
    let Some((notices, sentence)) = refusal else { return };
    let sentence = match served {
        Ok(Served::Refused) => sentence.clone(),
        Ok(Served::Failed(error)) => format!("a forward to the host failed: {error}"),
        // Tasks are only cancelled together with this one.
        Ok(Served::Connected) | Err(_) => return,
    };
    if notices.try_send(sentence).is_ok() {
        *refusal = None;
    }
}

async fn serve(mut client: TcpStream, targets: Vec<SocketAddr>) -> Served {
    let mut served = Served::Refused;
    for target in targets {
        match TcpStream::connect(target).await {
            Ok(service) => {
                copy(&mut client, service).await;
                return Served::Connected;
            }
            Err(error) if is_nobody_there(&error) => {}
            Err(error) => served = Served::Failed(error),
        }
    }
    // A plain close would look like a service that answered nothing. If the option cannot be set
    // the client is gone, or sees that close.
    let _: io::Result<()> = client.set_zero_linger();
    served
}

/// Refused, or no such address because IPv6 is off.
fn is_nobody_there(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::Unsupported
    ) || error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT)
}

async fn copy(client: &mut TcpStream, mut service: TcpStream) {
    if let Err(error) = copy_bidirectional(client, &mut service).await
        && error.kind() == io::ErrorKind::ConnectionReset
    {
        // A reset of one side is passed on as one; if it cannot be, an ordinary close is.
        let _: (io::Result<()>, io::Result<()>) =
            (client.set_zero_linger(), service.set_zero_linger());
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::watch,
    };

    use super::*;

    /// A listener as if made inside, and its address.
    fn inside() -> (std::net::TcpListener, SocketAddr) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// A service that reads to the end of input, then answers what it read; its port, and how many
    /// clients it has met.
    async fn echo_after_end_of_input(at: &str) -> (u16, watch::Receiver<usize>) {
        let service = TcpListener::bind(at).await.unwrap();
        let port = service.local_addr().unwrap().port();
        let (met, seen) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = service.accept().await.unwrap();
                met.send_modify(|met| *met += 1);
                tokio::spawn(async move {
                    let mut text = Vec::new();
                    // A client that broke off wants no answer.
                    if stream.read_to_end(&mut text).await.is_ok() {
                        drop(stream.write_all(&text).await);
                    }
                });
            }
        });
        (port, seen)
    }

    async fn ask(address: SocketAddr, text: &[u8]) -> io::Result<Vec<u8>> {
        let mut client = TcpStream::connect(address).await?;
        client.write_all(text).await?;
        client.shutdown().await?;
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn an_answer_arrives_after_the_client_has_ended_its_input() {
        for at in ["127.0.0.1:0", "[::1]:0"] {
            if at.starts_with('[') && std::net::TcpListener::bind(at).is_err() {
                println!("SKIP: no IPv6 loopback here");
                continue;
            }
            let (port, _met) = echo_after_end_of_input(at).await;
            let (listener, address) = inside();
            let (notices, mut heard) = mpsc::channel(1);
            let _forwarding = spawn(listener, port, notices).unwrap();
            let text = vec![7; 300_000];
            assert_eq!(ask(address, &text).await.unwrap(), text, "{at}");
            assert!(heard.try_recv().is_err());
        }
    }

    #[tokio::test]
    async fn a_refused_client_sees_a_reset_and_the_notice_is_said_once() {
        let port = {
            let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            unused.local_addr().unwrap().port()
        };
        let (listener, address) = inside();
        let (notices, mut heard) = mpsc::channel(8);
        let forwarding = spawn(listener, port, notices).unwrap();
        for _ in 0..3 {
            let mut client = TcpStream::connect(address).await.unwrap();
            let error = client.read(&mut [0]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
        let notice = heard.recv().await.unwrap();
        assert_eq!(
            notice,
            format!("nothing listens on 127.0.0.1:{port} or [::1]:{port} of the host")
        );
        drop(forwarding);
        assert_eq!(heard.recv().await, None, "said once, and the task is gone");
    }

    #[tokio::test]
    async fn dropping_a_forwarding_ends_its_connections_and_its_listener() {
        let (port, _met) = echo_after_end_of_input("127.0.0.1:0").await;
        let (listener, address) = inside();
        let forwarding = spawn(listener, port, mpsc::channel(1).0).unwrap();
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"x").await.unwrap();
        drop(forwarding);
        // Either end is an end; what must not happen is waiting for ever.
        let ended = client.read(&mut [0]).await;
        assert!(matches!(ended, Ok(0) | Err(_)));
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn clients_above_the_limit_wait_until_others_end() {
        let (port, mut met) = echo_after_end_of_input("127.0.0.1:0").await;
        let (listener, address) = inside();
        let _forwarding = spawn(listener, port, mpsc::channel(1).0).unwrap();
        let mut holders = Vec::new();
        for number in 1..=MAX_CONNECTIONS {
            holders.push(TcpStream::connect(address).await.unwrap());
            met.wait_for(|met| *met == number).await.unwrap();
        }
        let mut waiting = JoinSet::new();
        for _ in 0..20 {
            waiting.spawn(ask(address, b"hello"));
        }
        // Another listener's round trip gives the relay every chance to take one too many.
        let (control, _met) = echo_after_end_of_input("127.0.0.1:0").await;
        ask(SocketAddr::from((Ipv4Addr::LOCALHOST, control)), b"x").await.unwrap();
        assert_eq!(*met.borrow(), MAX_CONNECTIONS);
        drop(holders);
        while let Some(answer) = waiting.join_next().await {
            assert_eq!(answer.unwrap().unwrap(), b"hello");
        }
        assert_eq!(*met.borrow(), MAX_CONNECTIONS + 20);
    }
}
