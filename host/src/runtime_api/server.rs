//! The listener and its connections.
//!
//! Every connection is one task that reads, decides and writes; there is no other hop between the
//! runtime's bytes and the owner's channel. Connections over the limit wait in the kernel's backlog.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io, net};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::credentials::ServedCredentials;
use super::extensions::Extensions;
use super::peer::Peer;
use super::session::{Busy, Restore, Session};
use super::shared::Shared;
use super::signal::Signal;
use super::telemetry::{Hub, Phase, SocketAsk, Sockets};
use super::{body, reply, routes};
use crate::model::{Event, Function, Initialization, Invocation, RequestId, ShutdownReason};

/// Connections served at once, besides those of slots. Clients keep one or two; a function must not fill the host's
/// descriptors or memory (each may hold [`MAX_HEADER_BYTES`]).
const MAX_CONNECTIONS: usize = 128;
/// Request line and headers: 1 MiB of X-Ray cause (runtime-api.md 0.1) and everything else.
const MAX_HEADER_BYTES: usize = 1024 * 1024 + 128 * 1024;
/// How long extensions are sent what happened before they are told of the end.
const TOLD_WITHIN: Duration = Duration::from_millis(200);
/// Pause after a failed accept. Nothing tells when the host has descriptors again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// The Runtime API of one runtime process. Dropping it stops serving.
pub struct RuntimeApi {
    shared: Arc<Shared>,
    /// Owns all connections: they end with it.
    accepting: AbortHandle,
}

/// Which extensions a function's environment has.
#[derive(Debug, Clone)]
pub(crate) enum Extending<'a> {
    /// External ones of these names, and internal ones.
    Enabled {
        /// Base names of their files.
        external: &'a [String],
        /// Who makes sockets in the environment's own network; `None` if that is the host's.
        sockets: Option<mpsc::Sender<SocketAsk>>,
    },
    /// The API does not exist.
    Disabled,
}

/// A Runtime API could not be served. `Display` finishes "failed to …".
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The listener could not be given to the event loop.
    #[error("listen for the runtime")]
    Listen {
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no tokio runtime on this thread.
    #[error("serve the Runtime API outside of the event loop")]
    NoEventLoop {
        /// What tokio said.
        source: tokio::runtime::TryCurrentError,
    },
}

impl RuntimeApi {
    /// Serves `listener` on the current tokio runtime. What happens goes into `signals`; see
    /// [`Signal`] for what a full channel means.
    pub(crate) fn serve(
        listener: net::TcpListener,
        peer: Peer,
        function: &Function,
        extending: Extending<'_>,
        credentials: Option<ServedCredentials>,
        signals: mpsc::Sender<Signal>,
    ) -> Result<Self, ApiError> {
        let event_loop = tokio::runtime::Handle::try_current()
            .map_err(|source| ApiError::NoEventLoop { source })?;
        let listen = |source| ApiError::Listen { source };
        listener.set_nonblocking(true).map_err(listen)?;
        let listener = TcpListener::from_std(listener).map_err(listen)?;
        let server = listener.local_addr().map_err(listen)?;
        let (extensions, sockets) = match extending {
            Extending::Enabled { external, sockets } => {
                (Extensions::new(function, external), sockets)
            }
            Extending::Disabled => (Extensions::disabled(), None),
        };
        let sockets = sockets.map_or(Sockets::OfTheHost, Sockets::Inside);
        let restore = match function.initialization {
            Initialization::SnapStart => Restore::Enabled,
            Initialization::OnDemand => Restore::Disabled,
        };
        let (session, slots) = match function.max_concurrency {
            Some(most) => (Session::of_many(extensions), most as usize),
            None => (Session::new(restore, extensions), 0),
        };
        let telemetry = Hub::new(function, sockets);
        let shared = Arc::new(Shared::new(session, slots, telemetry, credentials, signals));
        // Each slot is a connection, and its answer may be another.
        let most = MAX_CONNECTIONS + 2 * slots;
        let serving = accept(listener, server, peer, most, Arc::clone(&shared));
        Ok(Self { shared, accepting: event_loop.spawn(serving).abort_handle() })
    }

    /// Gives the runtime an invocation: releases its `next`, now or when it calls.
    pub fn assign(&self, invocation: Invocation) -> Result<(), Busy> {
        self.shared.telemetry.assigned(&invocation);
        self.shared.session().assign(invocation)?;
        self.shared.changed.notify_waiters();
        Ok(())
    }

    /// The snapshot was taken and restored: the runtime goes on.
    pub(crate) fn restored(&self) {
        self.shared.session().restored();
        self.shared.changed.notify_waiters();
    }

    /// Has whoever asked for it sent what happened then.
    pub(crate) fn tell(&self, event: &Event, at: jiff::Timestamp) {
        self.shared.telemetry.push(event, at);
    }

    /// What the environment's processes do now, for what is sent to them.
    pub(crate) fn is_now(&self, phase: Phase) {
        self.shared.telemetry.is_now(phase);
    }

    /// Tells every extension that wants to know that the environment ends.
    pub fn shut_down_extensions(&self, reason: ShutdownReason, deadline_epoch_ms: u64) {
        let shared = Arc::clone(&self.shared);
        let tell = move || {
            shared.session().extensions.shut_down(reason, deadline_epoch_ms);
            shared.changed.notify_waiters();
        };
        if !self.shared.telemetry.has_subscribers() {
            return tell();
        }
        // Their last chance to hear of what was; the caller must go on, for it makes the sockets.
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            shared.telemetry.sent(TOLD_WITHIN).await;
            tell();
        });
    }

    /// The invocation timed out: it is not handed out any more, later posts are refused (400; 410
    /// for one whose body is under way), and no signal about it follows.
    pub fn expire(&self, request_id: &RequestId) {
        self.shared.session().expire(request_id);
    }

    /// What the runtime calls itself, with its features; `None` before its first request.
    pub fn runtime_release(&self) -> Option<String> {
        self.shared.release().name().map(str::to_owned)
    }

    /// Names of all registered extensions, joined by `;`: whole names, at most 127 characters.
    pub fn extension_names(&self) -> String {
        self.shared.session().extensions.names()
    }

    /// Stops serving and aborts the connections. Signals already queued can still be received.
    pub fn close(&self) {
        self.accepting.abort();
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for RuntimeApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeApi").field("session", &self.shared.session()).finish()
    }
}

async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    peer: Peer,
    most: usize,
    shared: Arc<Shared>,
) {
    let mut connections = JoinSet::new();
    loop {
        // Losing either side loses nothing: accept and join_next are cancel-safe.
        tokio::select! {
            accepted = listener.accept(), if connections.len() < most => match accepted {
                Ok((stream, client)) => {
                    connections.spawn(converse(stream, client, server, peer, Arc::clone(&shared)));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            // A task that panicked was reported by the panic hook; its connection is closed.
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn converse(
    stream: TcpStream,
    client: SocketAddr,
    server: SocketAddr,
    peer: Peer,
    shared: Arc<Shared>,
) {
    // Without it an answer of two segments could wait for the client's delayed ACK. A socket that
    // refuses is gone, which reading will tell.
    let _ = stream.set_nodelay(true);
    let refused = match peer {
        Peer::Any => None,
        Peer::Uid { .. } => {
            let checked = tokio::task::spawn_blocking(move || peer.check(client, server)).await;
            match checked {
                Ok(checked) => checked.err().map(|error| error.to_string()),
                Err(_) => Some("the peer could not be checked".to_owned()),
            }
        }
    };
    let service = service_fn(async |request: http::Request<hyper::body::Incoming>| {
        let (head, mut incoming) = request.into_parts();
        Ok::<_, Infallible>(match &refused {
            None => routes::answer(&shared, &head, &mut incoming).await,
            Some(message) => {
                body::discard(&head.headers, &mut incoming).await;
                reply::foreign_peer(message)
            }
        })
    });
    // Title case as on AWS: shell bootstraps grep for it. No half close: a client that is gone
    // must not keep a `next` suspended.
    let connection = http1::Builder::new()
        .title_case_headers(true)
        .auto_date_header(false)
        .max_buf_size(MAX_HEADER_BYTES)
        .max_header_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    // An error here is the client's: it hung up or does not speak HTTP, and hyper answered it.
    let _ = connection.await;
}
