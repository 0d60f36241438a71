//! How long a warm round trip takes. Prints; asserts only what no machine is too slow for.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::client::*;
use crate::runtime_api::Signal;

const WARM_UP: usize = 200;
const ROUNDS: usize = 3_000;

/// A runtime of a few lines on a thread of its own, as a process would be.
fn echo(address: std::net::SocketAddr) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = [0; 4096];
    let mut read = |stream: &mut TcpStream| {
        let mut text = String::new();
        while !text.contains("\r\n\r\n") || text.ends_with("\r\n\r\n") {
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => return None,
                Ok(bytes) => text.push_str(std::str::from_utf8(&buffer[..bytes]).unwrap()),
            }
        }
        Some(text)
    };
    loop {
        stream
            .write_all(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        let Some(next) = read(&mut stream) else { return };
        let id = next.split("Lambda-Runtime-Aws-Request-Id: ").nth(1).unwrap();
        let id = id.split("\r\n").next().unwrap();
        let post = format!(
            "POST /2018-06-01/{} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}",
            response_path(id)
        );
        stream.write_all(post.as_bytes()).unwrap();
        if read(&mut stream).is_none() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warm_round_trip_is_far_below_a_millisecond() {
    let mut server = Server::start();
    let address = server.address;
    let runtime = std::thread::spawn(move || echo(address));
    let mut rounds = Vec::with_capacity(ROUNDS);
    for round in 0..WARM_UP + ROUNDS {
        while !matches!(server.signal().await, Signal::Next { .. }) {}
        let began = Instant::now();
        server.api.assign(invocation(ID)).unwrap();
        while !matches!(server.signal().await, Signal::Response { .. }) {}
        if round >= WARM_UP {
            rounds.push(began.elapsed());
        }
    }
    server.api.close();
    runtime.join().unwrap();
    rounds.sort_unstable();
    let at = |percent: usize| rounds[rounds.len() * percent / 100];
    println!("assign -> Response: p50 {:?}, p90 {:?}, p99 {:?}", at(50), at(90), at(99));
    assert!(at(50) < Duration::from_millis(20), "{:?}", at(50));
}
