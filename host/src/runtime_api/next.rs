//! `GET invocation/next`: the long poll that hands out events.
//!
//! # Sources
//! `reference/runtime-api.md` 1.2 and 1.3.

use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http_body_util::Full;

use super::reply::{self, Reply};
use super::session::Next;
use super::shared::{Shared, Slot};
use crate::model::Invocation;

/// The attempt's id, sent here and echoed by newer runtimes (1.3).
pub(crate) const INVOCATION_ID: HeaderName =
    HeaderName::from_static("lambda-runtime-invocation-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
const DEADLINE: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
const ARN: HeaderName = HeaderName::from_static("lambda-runtime-invoked-function-arn");
const TRACE_ID: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");
const CLIENT_CONTEXT: HeaderName = HeaderName::from_static("lambda-runtime-client-context");
const COGNITO: HeaderName = HeaderName::from_static("lambda-runtime-cognito-identity");
const TENANT: HeaderName = HeaderName::from_static("lambda-runtime-aws-tenant-id");
/// Headers of a next with everything.
const MAX_HEADERS: usize = 9;

/// Waits for an event as long as the connection lives. One that comes while an answer is still streamed
/// waits for its end, too: AWS's client for Node.js asks so after a handler failed in its stream.
pub(crate) async fn next(shared: &Shared) -> Result<Reply, Reply> {
    if shared.session().is_of_many() {
        return one_of_many(shared).await;
    }
    let mut suspended = false;
    loop {
        // Made before the state is looked at: it hears every assignment from here on.
        let changed = shared.changed.notified();
        let permit = shared.permit().await?;
        let now = Instant::now();
        let stepped = {
            let mut session = shared.session();
            let stepped = if suspended {
                session.wake(now)
            } else if session.is_streaming() {
                // It asks again when the stream is over.
                None
            } else {
                suspended = true;
                Some(session.next(now)?)
            };
            let signal = match &stepped {
                Some(Next::Wait { signal } | Next::Event { signal, .. }) => signal.clone(),
                None => None,
            };
            match signal {
                Some(signal) => permit.send(signal),
                // Any number may wait here, and must not hold the places of those who have news.
                None => drop(permit),
            }
            stepped
        };
        if let Some(Next::Event { invocation, .. }) = stepped {
            return event(&invocation).ok_or_else(reply::internal);
        }
        changed.await;
    }
}

/// The same where any number of them may wait: it is told that this one does before it looks.
async fn one_of_many(shared: &Shared) -> Result<Reply, Reply> {
    let slot = Slot::reserve(shared).await?;
    let permit = shared.permit().await?;
    let refused = {
        // Signals are sent in the order of the changes.
        let mut session = shared.session();
        match session.next(Instant::now()) {
            Ok(Next::Wait { signal: Some(signal) }) => {
                permit.send(signal);
                None
            }
            Ok(_) => {
                drop(permit);
                None
            }
            Err(refusal) => Some(refusal),
        }
    };
    if let Some(refusal) = refused {
        slot.end();
        return Err(refusal.into());
    }
    loop {
        // As above.
        let changed = shared.changed.notified();
        let permit = shared.permit().await?;
        let woken = {
            let mut session = shared.session();
            let woken = session.wake(Instant::now());
            match &woken {
                Some(Next::Event { signal: Some(signal), .. }) => permit.send(signal.clone()),
                // As above.
                _ => drop(permit),
            }
            woken
        };
        if let Some(Next::Event { invocation, .. }) = woken {
            slot.end();
            return event(&invocation).ok_or_else(reply::internal);
        }
        changed.await;
    }
}

/// The event with its headers; `None` if one of them cannot be sent. Optional ones are left out when empty: clients parse what is there.
fn event(invocation: &Invocation) -> Option<Reply> {
    let mut headers = HeaderMap::with_capacity(MAX_HEADERS);
    let mut put = |name: HeaderName, text: &str| -> Option<()> {
        if !text.is_empty() {
            headers.insert(name, value(text)?);
        }
        Some(())
    };
    put(CONTENT_TYPE, &invocation.content_type)?;
    put(REQUEST_ID, &invocation.request_id.0)?;
    put(DEADLINE, &invocation.deadline_epoch_ms.to_string())?;
    put(ARN, &invocation.arn)?;
    put(INVOCATION_ID, &invocation.attempt_id)?;
    put(TRACE_ID, invocation.trace_id.as_deref().unwrap_or_default())?;
    put(CLIENT_CONTEXT, invocation.client_context.as_deref().unwrap_or_default())?;
    put(COGNITO, invocation.cognito_identity.as_deref().unwrap_or_default())?;
    put(TENANT, invocation.tenant_id.as_deref().unwrap_or_default())?;
    let mut reply = Reply::new(Full::new(invocation.payload.clone()));
    *reply.headers_mut() = headers;
    Some(reply)
}

/// A header's value. Line breaks become blanks and DEL an escape, which JSON text does not mind.
fn value(text: &str) -> Option<HeaderValue> {
    let plain = |text: &[u8]| HeaderValue::from_maybe_shared(Bytes::copy_from_slice(text)).ok();
    plain(text.as_bytes())
        .or_else(|| plain(text.replace(['\r', '\n'], " ").replace('\u{7f}', "\\u007f").as_bytes()))
}
