//! `POST runtime/init/error`: the runtime could not start.
//!
//! # Sources
//! `reference/runtime-api.md` 1.6.

use std::time::Instant;

use http::HeaderMap;
use hyper::body::Incoming;

use super::body::{self, BodyError};
use super::error;
use super::reply::{self, Reply};
use super::session::Ticket;
use super::shared::{Post, Shared};
use crate::model::MAX_PAYLOAD_BYTES;

pub(crate) async fn init_error(
    shared: &Shared,
    headers: &HeaderMap,
    incoming: &mut Incoming,
) -> Result<Reply, Reply> {
    let ticket = shared.session().begin_init_error()?;
    report(shared, ticket, headers, incoming).await
}

/// Reads and reports the error under `ticket`. One that is cut off or too large was not made: the
/// runtime's exit, which follows, says the rest.
pub(crate) async fn report(
    shared: &Shared,
    ticket: Ticket,
    headers: &HeaderMap,
    incoming: &mut Incoming,
) -> Result<Reply, Reply> {
    let post = Post::new(shared, ticket);
    match body::collect(headers, incoming, MAX_PAYLOAD_BYTES).await {
        Ok(whole) => {
            let (payload, _) = error::split_cause(headers, whole.bytes);
            let error_type = error::error_type(headers);
            let at = Instant::now();
            post.finish(|session, ticket| {
                session.finish_init_error(ticket, error_type, payload, at)
            })
            .await?;
            Ok(reply::accepted())
        }
        Err(BodyError::TooLarge { .. }) => Ok(reply::too_large(MAX_PAYLOAD_BYTES)),
        Err(BodyError::Truncated) => Ok(reply::truncated()),
    }
}
