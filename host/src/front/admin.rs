//! The operator's listener: whether this host is ready, and what its pool does. Metrics come beside.

use std::sync::Arc;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::json;
use tokio::sync::watch;

use super::answers::Answers;
use super::guard::Guard;
use super::listener::Serving;
use super::reply;
use crate::invoke::Stop;
use crate::pool::Pool;

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

/// Answers the operator.
#[derive(Debug)]
pub struct Admin {
    readiness: watch::Receiver<Readiness>,
    pool: Option<Pool>,
    guard: Guard,
}

impl Admin {
    /// Tells what `readiness` holds.
    pub fn new(readiness: watch::Receiver<Readiness>) -> Self {
        Self { readiness, pool: None, guard: Guard::default() }
    }

    /// Tells what this pool does, too.
    pub(crate) fn with_pool(self, pool: Pool) -> Self {
        Self { pool: Some(pool), ..self }
    }

    /// Answers until `stop`, which comes last of all: a host that drains says so.
    pub async fn serve(self, on: Serving, stop: Stop) {
        let admin = Arc::new(self);
        let answer = move |request: Request<Incoming>| {
            let admin = Arc::clone(&admin);
            async move { admin.answer(&request).await }
        };
        on.serve(answer, &Answers::default(), stop).await;
    }

    async fn answer(&self, request: &Request<Incoming>) -> http::Response<reply::Body> {
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
            (&Method::GET | &Method::HEAD, "/pool") if let Some(pool) = &self.pool => {
                reply::json(StatusCode::OK, &json!(pool.snapshot().await))
            }
            _ => {
                let message = "there are /ready and /pool";
                reply::json(StatusCode::NOT_FOUND, &json!({ "message": message }))
            }
        }
    }
}
