//! The four endpoints of the Extensions API.
//!
//! # Sources
//! `reference/runtime-api.md` 2.1 to 2.4.

use std::time::Instant;

use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method};
use hyper::body::Incoming;
use serde_json::json;
use uuid::Uuid;

use super::registry::{AgentEvent, ExtensionRefusal};
use super::request::{self, AccountId};
use crate::runtime_api::body::{self, BodyError, MAX_CONTROL_BYTES};
use crate::runtime_api::reply::{self, Reply};
use crate::runtime_api::shared::Shared;
use crate::runtime_api::signal::{ReportedError, Signal};

/// Version of the Extensions API, and what its paths have in common.
const PREFIX: &str = "/2020-01-01/extension/";
const IDENTIFIER: HeaderName = HeaderName::from_static("lambda-extension-identifier");
const EVENT_IDENTIFIER: HeaderName = HeaderName::from_static("lambda-extension-event-identifier");

/// A known path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Register,
    Next,
    Report(ReportedError),
}

impl Call {
    /// What a path names, whatever the method.
    pub(crate) fn of(path: &str) -> Option<Self> {
        Some(match path.strip_prefix(PREFIX)? {
            "register" => Self::Register,
            "event/next" => Self::Next,
            "init/error" => Self::Report(ReportedError::Init),
            "exit/error" => Self::Report(ReportedError::Exit),
            _ => return None,
        })
    }

    pub(crate) fn method(self) -> Method {
        match self {
            Self::Next => Method::GET,
            Self::Register | Self::Report(_) => Method::POST,
        }
    }
}

/// `Err` may leave the body unread.
pub(crate) async fn answer(
    shared: &Shared,
    call: Call,
    head: &Parts,
    body: &mut Incoming,
) -> Result<Reply, Reply> {
    match call {
        Call::Register => register(shared, &head.headers, body).await,
        Call::Next => next(shared, &head.headers).await,
        Call::Report(error) => report(shared, error, &head.headers, body).await,
    }
}

async fn register(
    shared: &Shared,
    headers: &HeaderMap,
    body: &mut Incoming,
) -> Result<Reply, Reply> {
    let name = request::name(headers)?;
    let events = request::events(&collect(headers, body).await?)?;
    let permit = shared.permit().await?;
    let mut session = shared.session();
    let (id, signal) = session.extensions.register(name, &events, Instant::now())?;
    permit.send(Signal::Extension(signal));
    let facts = session.extensions.facts().ok_or_else(reply::not_found)?;
    let mut answer = json!({
        "functionName": facts.function_name,
        "functionVersion": facts.function_version,
        "handler": facts.handler,
    });
    if request::account_id(headers) == AccountId::Wanted {
        answer["accountId"] = facts.account_id.clone().into();
    }
    Ok(with_id(reply::json(&answer), IDENTIFIER, id))
}

/// Waits for an event as long as the connection lives.
async fn next(shared: &Shared, headers: &HeaderMap) -> Result<Reply, Reply> {
    let id = request::identifier(headers)?;
    let permit = shared.permit().await?;
    let mut told = {
        let mut session = shared.session();
        let (told, signal) = session.extensions.next(id, Instant::now())?;
        permit.send(Signal::Extension(signal));
        told
    };
    loop {
        if let Some(event) = told {
            return Ok(render(event));
        }
        let mut changed = std::pin::pin!(shared.changed.notified());
        // It hears every change from here on.
        changed.as_mut().enable();
        told = shared.session().extensions.wake(id);
        if told.is_none() {
            changed.await;
            told = shared.session().extensions.wake(id);
        }
    }
}

async fn report(
    shared: &Shared,
    error: ReportedError,
    headers: &HeaderMap,
    body: &mut Incoming,
) -> Result<Reply, Reply> {
    let id = request::identifier(headers)?;
    let error_type = request::error_type(headers)?;
    let message = request::error_message(&collect(headers, body).await?);
    let permit = shared.permit().await?;
    let reported =
        shared.session().extensions.report(id, error, error_type, message, Instant::now())?;
    if let Some(signal) = reported {
        permit.send(Signal::Extension(signal));
    }
    Ok(reply::accepted())
}

/// A body of these APIs.
pub(crate) async fn collect(
    headers: &HeaderMap,
    body: &mut Incoming,
) -> Result<bytes::Bytes, Reply> {
    match body::collect(headers, body, MAX_CONTROL_BYTES).await {
        Ok(whole) => Ok(whole.bytes),
        Err(BodyError::TooLarge { .. }) => Err(reply::too_large(MAX_CONTROL_BYTES)),
        Err(BodyError::Truncated) => Err(reply::truncated()),
    }
}

fn render(event: AgentEvent) -> Reply {
    match event {
        AgentEvent::Invoke { deadline_ms, request_id, arn, trace_id } => {
            let mut body = json!({
                "eventType": "INVOKE",
                "deadlineMs": deadline_ms,
                "requestId": request_id,
                "invokedFunctionArn": arn,
            });
            if let Some(value) = trace_id.filter(|value| !value.is_empty()) {
                body["tracing"] = json!({ "type": "X-Amzn-Trace-Id", "value": value });
            }
            with_id(reply::json(&body), EVENT_IDENTIFIER, Uuid::new_v4())
        }
        AgentEvent::Shutdown { deadline_ms, reason } => reply::json(&json!({
            "eventType": "SHUTDOWN",
            "deadlineMs": deadline_ms,
            "shutdownReason": reason.as_str(),
        })),
    }
}

fn with_id(mut reply: Reply, name: HeaderName, id: Uuid) -> Reply {
    // Hexadecimal digits and hyphens are always a header's value.
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        reply.headers_mut().insert(name, value);
    }
    reply
}

impl From<ExtensionRefusal> for Reply {
    fn from(refusal: ExtensionRefusal) -> Self {
        reply::forbidden(refusal.error_type(), &refusal.to_string())
    }
}
