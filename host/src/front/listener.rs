//! A listener and its connections: bounded, timed, and ended in order.
//!
//! # Invariants
//! - A connection over the limit waits in the kernel's backlog.
//! - A request that was wholly received is carried out, also for a client that has hung up.
//! - When the host ends, no connection is accepted, and each that is open ends after the answer it is
//!   at. Serving ends when every request is carried out.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, getrlimit};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::answers::Answers;
use super::paced::Paced;
use super::reply::Body;
use crate::invoke::Stop;

/// Connections served at once, if there are descriptors for them.
const MAX_CONNECTIONS: usize = 16_384;
/// Of the process' descriptors, how many are left for everything else: environments, files.
const OTHER_DESCRIPTORS: usize = 2_048;
/// Always served at once, however few descriptors there are.
const MIN_CONNECTIONS: usize = 64;
/// Request line and headers: a client context of 3.6 kB, a path with an ARN, a signature.
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// From connection or last answer to a whole head; ends idle connections too.
const HEAD_WITHIN: Duration = Duration::from_secs(60);
/// Pause after a failed accept. Nothing tells when the host has descriptors again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Held by each request until it is carried out.
type AtWork = mpsc::Sender<Infallible>;

/// An address could not be listened on. `Display` finishes "failed to …".
#[derive(Debug, thiserror::Error)]
#[error("listen on {address}")]
pub struct ListenError {
    /// Which.
    pub(super) address: SocketAddr,
    /// What the kernel said.
    pub(super) source: io::Error,
}

impl ListenError {
    /// What the operator can do.
    pub fn remedy(&self) -> Option<&'static str> {
        let is_taken = self.source.kind() == io::ErrorKind::AddrInUse;
        is_taken.then_some(
            "another program listens there, maybe another `lambdabox serve`; --listen and --admin \
             take other addresses, and port 0 is any that is free",
        )
    }
}

/// A listener that serves until it is told to stop.
#[derive(Debug)]
pub struct Serving {
    /// Where it listens, its port known.
    pub address: SocketAddr,
    listener: TcpListener,
}

/// Listens on `address`, whose port may be 0 for any.
///
/// # Errors
/// What the kernel said.
pub async fn listen(address: SocketAddr) -> Result<Serving, ListenError> {
    let failed = |source| ListenError { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Serving { address, listener })
}

impl Serving {
    /// Answers requests until the host is to end; ends when the last connection has.
    pub(super) async fn serve<S, F>(self, answer: S, answers: &Answers, mut stop: Stop)
    where
        S: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let answer = Arc::new(answer);
        let most = most_connections();
        let mut connections = JoinSet::new();
        let (at_work, mut none_at_work) = mpsc::channel(1);
        while !*stop.borrow() {
            // Losing any side loses nothing: each is cancel-safe.
            tokio::select! {
                accepted = self.listener.accept(), if connections.len() < most => match accepted {
                    Ok((stream, _)) => {
                        // Without it an answer of two segments could wait for the client's delayed
                        // ACK. A socket that refuses is gone, which reading will tell.
                        let _ = stream.set_nodelay(true);
                        let (answer, at_work) = (Arc::clone(&answer), at_work.clone());
                        let stream = Paced::new(stream, answers.clone());
                        connections.spawn(converse(stream, answer, stop.clone(), at_work));
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
                // A task that panicked was reported by the panic hook; its connection is closed.
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                // The sender gone is the host gone.
                changed = stop.changed() => if changed.is_err() { break },
            }
        }
        // New connections are refused by the kernel from here on.
        drop(self.listener);
        while connections.join_next().await.is_some() {}
        // What nobody waits for any more is finished too. Nothing is ever sent.
        drop(at_work);
        let _none = none_at_work.recv().await;
    }
}

async fn converse<S, F>(stream: Paced, answer: Arc<S>, mut stop: Stop, at_work: AtWork)
where
    S: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let service = service_fn(|request| {
        let (answering, at_work) = (answer(request), at_work.clone());
        // A task of its own: hyper drops what answers a client that has hung up, and a request that was
        // wholly received is carried out.
        let answering = tokio::spawn(async move {
            let response = answering.await;
            drop(at_work);
            response
        });
        async move {
            match answering.await {
                Ok(response) => Ok::<_, Infallible>(response),
                Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(MAX_HEADER_BYTES)
        .max_header_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // An error of a connection is the client's: it hung up or does not speak HTTP, and hyper has
    // answered it.
    tokio::select! {
        _ended = connection.as_mut() => return,
        // The sender gone is the host gone.
        _stopped = stop.wait_for(|stopped| *stopped) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ended = connection.await;
}

fn most_connections() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
    descriptors.saturating_sub(OTHER_DESCRIPTORS).clamp(MIN_CONNECTIONS, MAX_CONNECTIONS)
}
