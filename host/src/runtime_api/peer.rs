//! Who may talk to a Runtime API.
//!
//! In a network namespace of its own an environment is alone with its API and nothing is checked.
//! With the host's network everybody on the machine can connect, so the client's socket is looked
//! up in the kernel's table and its owner compared. Fails closed.
//!
//! # Sources
//! `reference/sandbox.md` (placement `host`); Linux `net/ipv4/tcp_ipv4.c` for the table's columns.

use std::net::{IpAddr, SocketAddr};
use std::{fs, io};

use thiserror::Error;

/// IPv4 sockets, and IPv6 sockets (Java's talk IPv4 through them).
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];
/// Established, and closed by the client alone: states whose row still carries the owner.
const OWNED_STATES: [&str; 2] = ["01", "04"];

/// Who may talk to a Runtime API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Whoever can connect: the listener is in the environment's own network namespace.
    Any,
    /// Sockets of one user of the host, for the host's own network.
    Uid {
        /// As the host numbers it.
        uid: u32,
    },
}

/// A connection that is not served; the client is told, with 403.
#[derive(Debug, Error)]
pub(crate) enum PeerError {
    #[error("the peer {client} has uid {actual_uid}; this Runtime API is for uid {uid}")]
    Foreign { client: SocketAddr, actual_uid: u32, uid: u32 },
    #[error(
        "the peer {client} is not in the host's socket tables; this Runtime API is for uid {uid}"
    )]
    Unknown { client: SocketAddr, uid: u32 },
    #[error("the owner of the peer {client} cannot be read")]
    Unreadable { client: SocketAddr, source: io::Error },
}

impl Peer {
    /// Reads the kernel's tables; blocks for as long as those are large.
    pub(crate) fn check(self, client: SocketAddr, server: SocketAddr) -> Result<(), PeerError> {
        let Self::Uid { uid } = self else { return Ok(()) };
        for table in TABLES {
            let rows = match fs::read_to_string(table) {
                Ok(rows) => rows,
                // A kernel without IPv6 has one table only.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(PeerError::Unreadable { client, source }),
            };
            match owner(&rows, client, server) {
                Some(actual) if actual == uid => return Ok(()),
                Some(actual_uid) => return Err(PeerError::Foreign { client, actual_uid, uid }),
                None => {}
            }
        }
        Err(PeerError::Unknown { client, uid })
    }
}

/// Uid of the socket whose own address is `client` and whose peer is `server`.
fn owner(table: &str, client: SocketAddr, server: SocketAddr) -> Option<u32> {
    table.lines().skip(1).find_map(|row| {
        let mut columns = row.split_ascii_whitespace().skip(1);
        let (local, remote) = (columns.next()?, columns.next()?);
        let state = columns.next()?;
        let here = is(local, client) && is(remote, server) && OWNED_STATES.contains(&state);
        here.then(|| columns.nth(3)?.parse().ok()).flatten()
    })
}

/// Compares `0100007F:2329`, an address in 32-bit words of the machine's own order.
fn is(column: &str, address: SocketAddr) -> bool {
    let Some((words, port)) = column.split_once(':') else { return false };
    if u16::from_str_radix(port, 16) != Ok(address.port()) {
        return false;
    }
    let (v4, v6) = match address.ip() {
        IpAddr::V4(ip) => (Some(ip), ip.to_ipv6_mapped()),
        IpAddr::V6(ip) => (ip.to_ipv4_mapped(), ip),
    };
    let hex = |octets: &[u8]| -> String {
        let words = octets.as_chunks::<4>().0.iter();
        words.map(|word| format!("{:08X}", u32::from_ne_bytes(*word))).collect()
    };
    v4.is_some_and(|ip| hex(&ip.octets()) == words) || hex(&v6.octets()) == words
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_owner_of_a_connected_socket_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let stream = TcpStream::connect(server).unwrap();
        let client = stream.local_addr().unwrap();
        let uid = rustix::process::geteuid().as_raw();
        assert!(Peer::Uid { uid }.check(client, server).is_ok());
        let refused = Peer::Uid { uid: uid + 1 }.check(client, server).unwrap_err().to_string();
        assert!(
            refused.contains(&format!("has uid {uid}; this Runtime API is for uid {}", uid + 1))
        );
        let nobody = SocketAddr::new(client.ip(), 1);
        assert!(matches!(
            Peer::Uid { uid }.check(nobody, server),
            Err(PeerError::Unknown { uid: asked, .. }) if asked == uid
        ));
    }

    #[test]
    fn an_ipv4_connection_through_an_ipv6_socket_is_recognised() {
        let row = "  sl  local_address\n   0: 0000000000000000FFFF00000100007F:D431 \
                   0000000000000000FFFF00000100007F:2329 01 00000000:00000000 00:00000000 00000000 \
                   993        0 1 1\n";
        let client = "127.0.0.1:54321".parse().unwrap();
        let server = "127.0.0.1:9001".parse().unwrap();
        if cfg!(target_endian = "little") {
            assert_eq!(owner(row, client, server), Some(993));
            assert_eq!(owner(&row.replace(" 01 ", " 06 "), client, server), None);
        }
    }
}
