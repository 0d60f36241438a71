//! Standard error, written by a thread of its own.
//!
//! Whoever reads it may be slow, or not read at all: a pager, a full pipe. Then this thread waits, and
//! nobody else: timers, deadlines and Ctrl-C go on. What waits to be written is counted, so that who
//! reads the function's output can stop reading it ([`waiting_bytes`]), and the function then waits as
//! it would for a terminal.
//!
//! # Invariants
//! - Lines come out in the order of the calls, each call's whole.
//! - Nothing that was handed over is dropped; [`written`] tells when all is out.
//! - Without [`start`] every call writes by itself.
//!
//! # Not here
//! The limit on what may wait (`pool`), and how long the end of the process waits (`app`).

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Sender};
use std::thread;

use tokio::sync::watch;

/// The one of this process, as standard error is.
static WRITER: OnceLock<Writer> = OnceLock::new();

struct Writer {
    /// The thread holds the other end and takes all there is.
    chunks: Sender<Vec<u8>>,
    /// Bytes that were handed over and are not written yet.
    waiting: watch::Sender<usize>,
}

/// Starts the thread; once is enough.
///
/// # Errors
/// There can be no thread.
pub(crate) fn start() -> io::Result<()> {
    let (chunks, taken) = mpsc::channel::<Vec<u8>>();
    let waiting = watch::Sender::new(0);
    let counted = waiting.clone();
    thread::Builder::new().name("stderr".into()).spawn(move || {
        for chunk in taken {
            // A log that nobody reads any more must not stop the function.
            let _unread = io::stderr().lock().write_all(&chunk);
            counted.send_modify(|bytes| *bytes -= chunk.len());
        }
    })?;
    // A second writer would end with its only sender, here.
    let _started_before = WRITER.set(Writer { chunks, waiting });
    Ok(())
}

/// Hands bytes over, without waiting for them to be written.
pub(crate) fn write(bytes: Vec<u8>) {
    let Some(writer) = WRITER.get() else {
        // Nobody is left to tell if standard error is closed, and the call itself goes on.
        let _unheard = io::stderr().lock().write_all(&bytes);
        return;
    };
    // Counted first, or it could be written before it waits.
    writer.waiting.send_modify(|waiting| *waiting += bytes.len());
    // The thread lives as long as the process.
    let _taken = writer.chunks.send(bytes);
}

/// How much waits, and news of it.
pub(crate) fn waiting_bytes() -> watch::Receiver<usize> {
    match WRITER.get() {
        Some(writer) => writer.waiting.subscribe(),
        None => watch::Sender::new(0).subscribe(),
    }
}

/// Whether less than this waits: for who would rather leave something out than wait.
pub(crate) fn has_room(most_bytes: usize) -> bool {
    WRITER.get().is_none_or(|writer| *writer.waiting.borrow() < most_bytes)
}

/// Waits until everything has been written that was handed over.
pub(crate) async fn written() {
    // Its sender lives as long as the process, or nothing ever waits.
    let _none_left = waiting_bytes().wait_for(|bytes| *bytes == 0).await.map(drop);
}
