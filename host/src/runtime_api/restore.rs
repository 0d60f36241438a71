//! `runtime/restore/…`: the place of SnapStart. Both paths are 404 unless the session has them.
//!
//! # Sources
//! `reference/runtime-api.md` 1.7.

use std::time::Instant;

use http::HeaderMap;
use hyper::body::Incoming;

use super::init_error;
use super::reply::{self, Reply};
use super::shared::Shared;
use super::signal::Signal;

/// `GET restore/next`: blocks while the snapshot is taken.
pub(crate) async fn next(shared: &Shared) -> Result<Reply, Reply> {
    let permit = shared.permit().await?;
    {
        let mut session = shared.session();
        session.restore_next()?;
        let extensions = session.extensions.waiting();
        permit.send(Signal::RestoreReady { at: Instant::now(), extensions });
    }
    loop {
        let changed = shared.changed.notified();
        if shared.session().is_restored()? {
            return Ok(reply::restored());
        }
        changed.await;
    }
}

/// `POST restore/error`: an after-restore hook failed.
pub(crate) async fn error(
    shared: &Shared,
    headers: &HeaderMap,
    incoming: &mut Incoming,
) -> Result<Reply, Reply> {
    let ticket = shared.session().begin_restore_error()?;
    init_error::report(shared, ticket, headers, incoming).await
}
