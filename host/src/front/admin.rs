//! The operator's listener: whether this host is ready, what its pool does, metrics, usage.
//!
//! # Invariants
//! - It has a thread of its own, and waits for nobody for long: it answers also while everything else is
//!   busy, then with what it last heard.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::json;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::answers::Answers;
use super::guard::Guard;
use super::listener::{ListenError, Serving, listen};
use super::query::Query;
use super::reply;
use crate::invoke::Stop;
use crate::model::with_causes;
use crate::pool::{Pool, Snapshot};
use crate::store::{Records, Store};
use crate::usage::{Metrics, QueueState, UsageBy, usage_report};

/// How long others may take to say how they are.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// How long what was just used may take to be among the totals.
const COUNTED_WITHIN: Duration = Duration::from_secs(5);
/// Prometheus' text format.
const METRICS_TEXT: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// How far the host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// It does not answer yet.
    Starting,
    /// It answers.
    Ready,
    /// It refuses what is new.
    Draining,
}

impl Readiness {
    fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

/// Whom the operator hears of.
#[derive(Debug)]
pub struct Sources {
    /// Environments.
    pub(crate) pool: Pool,
    /// Accepted events.
    pub(crate) store: Store,
    /// Logs and usage.
    pub(crate) records: Records,
    /// What was counted.
    pub(crate) metrics: Arc<Metrics>,
}

/// Answers the operator.
#[derive(Debug)]
pub struct Admin {
    readiness: watch::Receiver<Readiness>,
    sources: Sources,
    guard: Guard,
    /// What was last heard, for when nobody answers in time.
    last: Mutex<Heard>,
}

#[derive(Debug, Clone, Default)]
struct Heard {
    pool: Snapshot,
    queue: QueueState,
}

/// A thread that listens already, and will answer.
#[derive(Debug)]
pub struct AdminThread {
    /// Where it listens, its port known.
    pub address: SocketAddr,
    start: oneshot::Sender<(Admin, Stop)>,
    ended: oneshot::Receiver<()>,
}

impl AdminThread {
    /// Listens on `address`, whose port may be 0 for any.
    ///
    /// # Errors
    /// What the kernel said.
    pub async fn listen(address: SocketAddr) -> Result<Self, ListenError> {
        let (told, listening) = oneshot::channel();
        let (start, started) = oneshot::channel::<(Admin, Stop)>();
        let (end, ended) = oneshot::channel();
        let failed = |source| ListenError { address, source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(failed)?;
        let live = move || {
            runtime.block_on(async move {
                let on = listen(address).await;
                // Whoever waits has gone if it is not heard.
                let _unheard = told.send(on.as_ref().map(|on| on.address).map_err(|_| ()));
                match on {
                    Ok(on) => {
                        // Nobody starts it if the host could not start.
                        if let Ok((admin, stop)) = started.await {
                            admin.serve(on, stop).await;
                        }
                        Ok(())
                    }
                    Err(error) => Err(error),
                }
            })
        };
        let live = move || {
            let lived = live();
            // Told by dropping if nobody waits.
            let _unheard = end.send(());
            lived
        };
        let thread = thread::Builder::new().name("admin".to_owned()).spawn(live).map_err(failed)?;
        match listening.await {
            Ok(Ok(address)) => Ok(Self { address, start, ended }),
            _ => match thread.join() {
                Ok(Err(error)) => Err(error),
                Ok(Ok(())) => Err(failed(std::io::ErrorKind::Other.into())),
                Err(panicked) => std::panic::resume_unwind(panicked),
            },
        }
    }

    /// Answers until `stop`, which comes last of all: a host that drains says so. The future ends with it.
    pub fn serve(self, admin: Admin, stop: Stop) -> impl Future<Output = ()> {
        // It waits for this.
        let _started = self.start.send((admin, stop)).is_ok();
        async move {
            // Its end is told by dropping, too.
            let _ended = self.ended.await;
        }
    }
}

impl Admin {
    /// Tells what `readiness` holds, and what `sources` say.
    pub fn new(readiness: watch::Receiver<Readiness>, sources: Sources) -> Self {
        Self { readiness, sources, guard: Guard::default(), last: Mutex::default() }
    }

    async fn serve(self, on: Serving, stop: Stop) {
        let admin = Arc::new(self);
        let answer = move |request: Request<Incoming>| {
            let admin = Arc::clone(&admin);
            async move { admin.answer(&request).await }
        };
        on.serve(answer, &Answers::default(), stop).await;
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<reply::Body> {
        if let Err(refused) = self.guard.check(request.headers()) {
            return reply::error(&refused);
        }
        match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/ready") => {
                let readiness = *self.readiness.borrow();
                let status = match readiness {
                    Readiness::Ready => StatusCode::OK,
                    _ => StatusCode::SERVICE_UNAVAILABLE,
                };
                reply::json(status, &json!({ "status": readiness.word() }))
            }
            (&Method::GET | &Method::HEAD, "/pool") => {
                reply::json(StatusCode::OK, &json!(self.pool().await.0))
            }
            (&Method::GET | &Method::HEAD, "/metrics") => self.metrics().await,
            (&Method::GET | &Method::HEAD, "/usage") => self.usage(request.uri().query()).await,
            _ => {
                let message = "there are /ready, /pool, /metrics and /usage";
                reply::json(StatusCode::NOT_FOUND, &json!({ "message": message }))
            }
        }
    }

    /// What the pool does, and whether that is what it last said instead.
    async fn pool(&self) -> (Snapshot, bool) {
        match timeout(ANSWER_WITHIN, self.sources.pool.snapshot()).await {
            Ok(pool) => {
                self.last().pool = pool.clone();
                (pool, false)
            }
            Err(_late) => (self.last().pool.clone(), true),
        }
    }

    async fn queue(&self) -> QueueState {
        if let Ok(Ok((events, accepted_ms))) =
            timeout(ANSWER_WITHIN, self.sources.store.queue_depth()).await
        {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let accepted = accepted_ms.map_or(now, Duration::from_millis);
            self.last().queue = QueueState { events, oldest: now.saturating_sub(accepted) };
        }
        self.last().queue
    }

    async fn metrics(&self) -> Response<reply::Body> {
        let ((pool, is_late), queue) = tokio::join!(self.pool(), self.queue());
        let lost = self.sources.records.lost();
        let text = self.sources.metrics.text(&pool, is_late, queue, lost);
        let mut response = reply::bytes(StatusCode::OK, Bytes::from(text));
        response.headers_mut().insert(CONTENT_TYPE, METRICS_TEXT);
        response
    }

    async fn usage(&self, query: Option<&str>) -> Response<reply::Body> {
        let query = Query::parse(query);
        let by = match query.get("by") {
            None => UsageBy::FunctionAndDay,
            Some("function") => UsageBy::Function,
            Some("day") => UsageBy::Day,
            Some(_) => {
                let message = "by is function or day; without it, both";
                return reply::json(StatusCode::BAD_REQUEST, &json!({ "message": message }));
            }
        };
        // What is late is in the next answer.
        let _in_time = timeout(COUNTED_WITHIN, self.sources.records.flush()).await;
        match self.sources.records.usage().await {
            Ok(rows) => {
                let report = usage_report(&rows, by, &self.pool().await.0);
                reply::json(StatusCode::OK, &report)
            }
            Err(error) => {
                let message = format!("failed to {}", with_causes(&error));
                reply::json(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "message": message }))
            }
        }
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Heard> {
        // Each change is whole.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
