//! Real servers on the loopback address, and waiting for conditions.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::machine::stretched;

/// Between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Waits until the condition holds; false if it did not within the limit, which is stretched where
/// the machine is slow.
pub(crate) fn wait_until(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + stretched(limit);
    loop {
        if holds() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// A server on loopback, ended with the test.
pub(crate) struct Server {
    address: SocketAddr,
    child: Option<Child>,
}

impl Server {
    /// Answers every HTTP request with 200 and this body, on this address (`127.0.0.1:0`, `[::1]:0`).
    pub(crate) fn http(bind: &str, body: &'static str) -> Self {
        let listener = TcpListener::bind(bind).expect("loopback can be bound");
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || answer(stream, body));
            }
        });
        Self { address, child: None }
    }

    /// A child process that listens on this port; waits until it accepts.
    pub(crate) fn process(mut command: Command, port: u16) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let server = Self { address, child: Some(child) };
        let up = wait_until(Duration::from_secs(60), || TcpStream::connect(address).is_ok());
        assert!(up, "no server came up on {address}");
        server
    }

    /// A port that was free a moment ago.
    pub(crate) fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("our own child can be killed");
            child.wait().expect("our own child can be reaped");
        }
    }
}

fn answer(stream: TcpStream, body: &str) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    // The end of the request's head: an empty line, or the peer's leaving.
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let mut stream = stream;
    if let Err(gone) = stream.write_all(format!("{head}{body}").as_bytes()) {
        eprintln!("the client left before its answer: {gone}");
    }
}
