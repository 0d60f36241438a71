//! What of the host's loopback is let in: its resolver, and a port that was named.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    thread,
};

use tokio::sync::mpsc;

use super::lab::Lab;
use crate::sandbox::network::{Nat, Resolver, forward};

#[test]
fn names_are_answered_where_the_host_has_only_a_loopback_resolver() {
    let Some(mut lab) = Lab::build() else { return };
    lab.add("a");
    let stub = lab.inside("host", || UdpSocket::bind("127.0.0.1:53").unwrap());
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = stub.recv_from(&mut buffer) {
            buffer[length] = b'!';
            stub.send_to(&buffer[..=length], client).unwrap();
        }
    });
    let resolver = Resolver {
        text: "nameserver 127.0.0.1\n".into(),
        notice: None,
        forward_to: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 53))],
    };
    lab.as_host(async || {
        let (nat, _) =
            Nat::open_with(lab.means.clone(), 5, lab.state.path(), resolver).await.unwrap();
        let wire = lab.connect(&nat, 1, "a").await;
        let client = lab.inside("a", || UdpSocket::bind("127.0.0.1:0").unwrap());
        client.set_nonblocking(true).unwrap();
        let client = tokio::net::UdpSocket::from_std(client).unwrap();
        client.send_to(b"\x00\x07name", "127.0.0.1:53").await.unwrap();
        let mut buffer = [0; 512];
        let length = client.recv(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"\x00\x07name!");
        drop(wire);
        nat.close().await.unwrap();
    });
}

#[test]
fn a_forward_reaches_the_hosts_loopback_from_a_namespace_without_a_wire() {
    let Some(mut lab) = Lab::build() else { return };
    lab.add("a");
    let listener = lab.inside("a", || TcpListener::bind("127.0.0.1:5432").unwrap());
    lab.as_host(async || {
        let (notices, _heard) = mpsc::channel(1);
        let forwarding = forward::spawn(listener, 8080, notices).unwrap();
        let asked = async {
            let from_a =
                lab.inside("a", || std::net::TcpStream::connect("127.0.0.1:5432").unwrap());
            from_a.set_nonblocking(true).unwrap();
            let mut client = tokio::net::TcpStream::from_std(from_a).unwrap();
            let mut answer = String::new();
            tokio::io::AsyncReadExt::read_to_string(&mut client, &mut answer).await.unwrap();
            answer
        };
        assert_eq!(asked.await, "127.0.0.1");
        drop(forwarding);
    });
}
