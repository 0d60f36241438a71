//! Who ran: a server on loopback that functions tell their nonces to, each acknowledged.
//!
//! A log line of a host that is killed may be lost with it; what was told here was run.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What a function does to tell it; the host must be started with `--forward PORT`.
pub(crate) const TELL: &str = "
import socket
def tell(port, nonce):
    with socket.create_connection(('127.0.0.1', port), timeout=30) as collector:
        collector.sendall(nonce.encode() + b'\\n')
        if collector.recv(1) != b'.': raise RuntimeError('the collector is gone')
";

/// How often each nonce was told.
#[derive(Clone)]
pub(crate) struct Collector {
    pub(crate) port: u16,
    told: Arc<Mutex<HashMap<String, u32>>>,
}

impl Collector {
    /// Listens until the test's end.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
        let port = listener.local_addr().unwrap().port();
        let told = Arc::new(Mutex::new(HashMap::new()));
        let collector = Self { port, told };
        let collecting = collector.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // One that breaks off has told nothing, and tells it again.
                let _ = collecting.hear(stream);
            }
        });
        collector
    }

    fn hear(&self, stream: TcpStream) -> std::io::Result<()> {
        // One after the other: nobody may hold up the others.
        stream.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        if let Some(nonce) = line.strip_suffix('\n') {
            *self.told.lock().unwrap().entry(nonce.to_owned()).or_default() += 1;
            (&stream).write_all(b".")?;
        }
        Ok(())
    }

    /// Those of these that were never told.
    pub(crate) fn missing<'a>(&self, nonces: impl IntoIterator<Item = &'a String>) -> Vec<String> {
        let told = self.told.lock().unwrap();
        nonces.into_iter().filter(|nonce| !told.contains_key(*nonce)).cloned().collect()
    }

    /// How many nonces were told more than once.
    pub(crate) fn repeated(&self) -> usize {
        self.told.lock().unwrap().values().filter(|times| **times > 1).count()
    }
}
