//! One subscriber's task: batches, from its queue to its sink.
//!
//! # Invariants
//! - It begins nothing while the gate is closed, and its limits count open time only.
//! - A batch is sent at least once, or counted as dropped.
//!
//! # Sources
//! `reference/runtime-api.md` 3.2.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::event::dropped;
use super::gate::{self, Phase};
use super::queue::{Dropped, Queue};
use super::sockets::Sockets;
use super::subscription::{Buffering, Destination};

/// How long a sink may take to accept a batch.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(5);
/// Pauses before a batch is sent again; after the last it is dropped.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1_600)];
/// Most that is read of what a sink answers; its status is all that counts.
const ANSWER_MOST_BYTES: usize = 64 * 1024;

/// What waits for one subscriber, and word of it.
#[derive(Debug)]
pub(super) struct Mailbox {
    queue: Mutex<Queue>,
    pushed: Notify,
    /// True while a batch is on its way.
    sending: watch::Sender<bool>,
}

impl Mailbox {
    pub(super) fn new(buffering: Buffering) -> Self {
        Self {
            queue: Mutex::new(Queue::new(buffering)),
            pushed: Notify::new(),
            sending: watch::channel(false).0,
        }
    }

    pub(super) fn push(&self, event: Arc<str>, now: Instant) {
        self.queue().push(event, now);
        self.pushed.notify_one();
    }

    /// Waits until nothing waits and nothing is on its way.
    pub(super) async fn sent(&self) {
        let mut sending = self.sending.subscribe();
        loop {
            // The sender is ours.
            let _idle = sending.wait_for(|sending| !*sending).await.is_ok();
            if self.queue().is_empty() {
                return;
            }
            self.pushed.notify_one();
            let _begun = sending.changed().await;
        }
    }

    /// Waits for the next batch that is due, and takes it, with what is to be counted if it is not delivered: its
    /// events and those that its last one tells of.
    async fn batch(&self, gate: &mut watch::Receiver<Phase>) -> (Vec<Arc<str>>, Dropped) {
        loop {
            let phase = gate::open(gate).await;
            let due = {
                let mut queue = self.queue();
                let now = Instant::now();
                let due = queue.due();
                let is_due = phase == Phase::Ending || due.is_none_or(|due| due <= now);
                if !queue.is_empty() && (queue.is_full() || is_due) {
                    // Under the lock, so that nobody sees neither of the two.
                    self.sending.send_replace(true);
                    let (mut batch, missing) = queue.take(now);
                    let at_stake = Dropped {
                        records: missing.records + batch.len(),
                        bytes: missing.bytes + batch.iter().map(|event| event.len()).sum::<usize>(),
                    };
                    if missing != Dropped::default() {
                        batch.push(dropped(missing, Timestamp::now()).into());
                    }
                    return (batch, at_stake);
                }
                due
            };
            let time = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            // Whatever loses is looked at again in the next round.
            tokio::select! {
                () = self.pushed.notified() => {}
                () = time => {}
                changed = gate.changed() => if changed.is_err() {
                    std::future::pending::<()>().await;
                },
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Counters and a list; a panic elsewhere cannot make them wrong enough to matter.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Delivers until it is aborted.
pub(super) async fn deliver(
    mailbox: Arc<Mailbox>,
    destination: Destination,
    sockets: Sockets,
    connected: Option<TcpStream>,
    mut gate: watch::Receiver<Phase>,
) {
    let mut sink = Sink { destination, sockets, tcp: connected, http: None };
    loop {
        let (batch, at_stake) = mailbox.batch(&mut gate).await;
        if !send(&mut sink, &batch, &mut gate).await {
            mailbox.queue().drop_records(at_stake);
        }
        mailbox.sending.send_replace(false);
    }
}

/// Sends one batch, again if need be; false if it is to be dropped.
async fn send(sink: &mut Sink, batch: &[Arc<str>], gate: &mut watch::Receiver<Phase>) -> bool {
    let body = sink.body(batch);
    for pause in PAUSES.into_iter().map(Some).chain([None]) {
        let mut clock = gate.clone();
        let sent = tokio::select! {
            sent = sink.send(body.clone()) => sent,
            () = gate::open_time(&mut clock, ACCEPTED_WITHIN) => {
                Err(io::Error::from(io::ErrorKind::TimedOut))
            }
        };
        if sent.is_ok() {
            return true;
        }
        sink.close();
        if let Some(pause) = pause {
            gate::open_time(gate, pause).await;
        }
    }
    false
}

/// Where batches go, and the connection to it.
struct Sink {
    destination: Destination,
    sockets: Sockets,
    tcp: Option<TcpStream>,
    http: Option<Http>,
}

/// A connection that is kept.
struct Http {
    sender: SendRequest<Full<Bytes>>,
    connection: AbortHandle,
}

impl Drop for Http {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Sink {
    /// A batch as the destination takes it: a JSON array, or a line for each event.
    fn body(&self, batch: &[Arc<str>]) -> Bytes {
        let text = match &self.destination {
            Destination::Http { .. } => format!("[{}]", batch.join(",")),
            Destination::Tcp { .. } => batch.iter().flat_map(|event| [event, "\n"]).collect(),
        };
        text.into()
    }

    fn close(&mut self) {
        (self.tcp, self.http) = (None, None);
    }

    async fn send(&mut self, body: Bytes) -> io::Result<()> {
        let port = self.destination.port();
        let Destination::Http { method, host, path, .. } = &self.destination else {
            let stream = match &mut self.tcp {
                Some(stream) => stream,
                none => none.insert(self.sockets.connect(port).await?),
            };
            return stream.write_all(&body).await;
        };
        if self.http.as_ref().is_none_or(|http| http.sender.is_closed()) {
            let stream = self.sockets.connect(port).await?;
            let (sender, connection) =
                handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
            // Its end is what the sender says.
            let connection = tokio::spawn(async move { drop(connection.await) }).abort_handle();
            self.http = Some(Http { sender, connection });
        }
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, format!("{host}:{port}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(io::Error::other)?;
        let Some(http) = &mut self.http else { return Err(io::ErrorKind::NotConnected.into()) };
        http.sender.ready().await.map_err(io::Error::other)?;
        let answer = http.sender.send_request(request).await.map_err(io::Error::other)?;
        let status = answer.status();
        // So that the connection can be used again; a longer answer costs the connection.
        if Limited::new(answer.into_body(), ANSWER_MOST_BYTES).collect().await.is_err() {
            self.http = None;
        }
        match status.is_success() {
            true => Ok(()),
            false => Err(io::Error::other(format!("the sink answered {status}"))),
        }
    }
}
