//! Clients by the thousand, and such as neither read nor write: the host's memory stays bounded, and
//! nobody else waits for them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::runtime::Runtime;

use super::held::Held;
use crate::harness::{Caller, Host, stretched, wait_until};

const IDLE: usize = 10_000;
/// Most memory of the host for each connection that does nothing, bytes.
const IDLE_MOST_BYTES: u64 = 16 * 1024;
/// What one call among bad clients may take.
const CALL_WITHIN: Duration = Duration::from_secs(20);
/// Readers that do not read, and what each is answered.
const SLOW_READERS: usize = 120;
const ANSWER_BYTES: usize = 5 << 20;
/// Most memory of the host for answers that nobody takes, KiB: its own bound, and what it needs for
/// the few that are on their way.
const ANSWERS_MOST_KIB: u64 = (256 + 64) * 1024;
/// Senders that stop in the middle of a large body: of more than all bodies together may take.
const SLOW_SENDERS: usize = 400;
const SENDERS_MOST_KIB: u64 = 64 * 1024;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A host with a function that answers as many bytes as it is asked for.
fn host_of_answers(data: &std::path::Path) -> Host {
    let host = Host::start(data, &[]);
    let source = "def handler(event, context):\n    return 'x' * event\n";
    runtime().block_on(async {
        let mut caller = Caller::connect(host.port).await.unwrap();
        caller.create("answers", source, &json!({ "MemorySize": 256 })).await;
    });
    host
}

/// One call of somebody who does nothing wrong.
#[track_caller]
fn expect_served(host: &Host) {
    let since = Instant::now();
    runtime().block_on(async {
        let mut caller = Caller::connect(host.port).await.unwrap();
        let answer = caller.invoke("answers", &json!(3)).await.unwrap();
        assert_eq!((answer.status, answer.json()), (200, json!("xxx")));
    });
    assert!(since.elapsed() < stretched(CALL_WITHIN), "{:?}", since.elapsed());
}

/// This process may have so many files open; else the reason why not.
fn allow_files(files: u64) -> Result<(), String> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if hard < files {
        return Err(format!("{hard} open files are allowed here, {files} are needed"));
    }
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(|error| error.to_string())
}

#[test]
fn ten_thousand_idle_connections_take_little_and_disturb_nobody() {
    // Of the host; the test itself needs no more.
    if let Err(reason) = allow_files(u64::try_from(IDLE).unwrap() + 3_000) {
        skip!("{reason}");
    }
    let data = tempfile::tempdir().unwrap();
    let host = host_of_answers(data.path());
    expect_served(&host);
    let before = Held::by(&host);
    let mut idle = Vec::with_capacity(IDLE);
    let connecting = Instant::now();
    while idle.len() < IDLE {
        let mut stream = TcpStream::connect(("127.0.0.1", host.port)).unwrap();
        // Every second one has begun to say something.
        if idle.len() % 2 == 0 {
            stream.write_all(b"GET /2015-03-31/functions HTTP/1.1\r\nHost:").unwrap();
        }
        idle.push(stream);
    }
    let all = u64::try_from(IDLE).unwrap();
    wait_until(Duration::from_secs(30), || Held::by(&host).descriptors >= before.descriptors + all);
    let held = Held::by(&host);
    eprintln!("{IDLE} connections in {:?}: {before:?}, then {held:?}", connecting.elapsed());
    for _ in 0..10 {
        expect_served(&host);
    }
    let more_kib = held.resident_kib.saturating_sub(before.resident_kib);
    assert!(more_kib * 1024 < all * IDLE_MOST_BYTES, "{more_kib} KiB for {IDLE} connections");
    drop(idle);
    let closed = wait_until(Duration::from_secs(60), || {
        Held::by(&host).descriptors < before.descriptors + 64
    });
    assert!(closed, "{before:?} before, {:?} after they hung up", Held::by(&host));
    host.end().expect_code(0);
}

#[test]
fn answers_that_nobody_reads_take_bounded_memory_and_disturb_nobody() {
    let data = tempfile::tempdir().unwrap();
    let host = host_of_answers(data.path());
    expect_served(&host);
    let before = Held::by(&host);
    let mut readers = Vec::new();
    let mut most_kib = 0;
    for _ in 0..SLOW_READERS {
        let mut stream = TcpStream::connect(("127.0.0.1", host.port)).unwrap();
        let event = ANSWER_BYTES.to_string();
        let request = format!(
            "POST /2015-03-31/functions/answers/invocations HTTP/1.1\r\nHost: localhost\r\n\
             Content-Length: {}\r\n\r\n{event}",
            event.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        // Its answer is on its way when a byte of it is there, and is not taken.
        let mut first = [0];
        stream.peek(&mut first).unwrap();
        most_kib = most_kib.max(Held::by(&host).resident_kib);
        readers.push(stream);
    }
    expect_served(&host);
    let more_kib = most_kib.saturating_sub(before.resident_kib);
    eprintln!("{SLOW_READERS} readers of {ANSWER_BYTES} bytes: at most {more_kib} KiB more");
    assert!(more_kib < ANSWERS_MOST_KIB, "{more_kib} KiB for answers that nobody reads");
    // One that reads after all, and in time, gets all of it.
    let mut stream = readers.pop().unwrap();
    let mut answer = Vec::new();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    while answer.len() < ANSWER_BYTES {
        let mut part = vec![0; 1 << 20];
        let length = stream.read(&mut part).unwrap();
        assert_ne!(length, 0, "cut off after {} bytes", answer.len());
        answer.extend_from_slice(&part[..length]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
    drop(readers);
    host.end().expect_code(0);
}

#[test]
fn bodies_that_never_end_take_bounded_memory_and_disturb_nobody() {
    let data = tempfile::tempdir().unwrap();
    let host = host_of_answers(data.path());
    expect_served(&host);
    let before = Held::by(&host);
    let mut senders = Vec::new();
    for _ in 0..SLOW_SENDERS {
        let mut stream = TcpStream::connect(("127.0.0.1", host.port)).unwrap();
        let head = "POST /2015-03-31/functions/answers/invocations HTTP/1.1\r\nHost: localhost\r\n\
                    Content-Length: 900000\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&[b' '; 1024]).unwrap();
        senders.push(stream);
    }
    for _ in 0..10 {
        expect_served(&host);
    }
    let held = Held::by(&host);
    eprintln!("{SLOW_SENDERS} slow senders: {before:?}, then {held:?}");
    let more_kib = held.resident_kib.saturating_sub(before.resident_kib);
    assert!(more_kib < SENDERS_MOST_KIB, "{more_kib} KiB for bodies that do not come");
    // Each is told in the end that it was too slow.
    let mut answer = [0; 12];
    senders[0].set_read_timeout(Some(stretched(Duration::from_secs(60)))).unwrap();
    senders[0].read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    host.end().expect_code(0);
}
