//! `runtime/restore/…`: the place of SnapStart. Both paths are 404 unless the session has them.
//!
//! # Sources
//! `reference/runtime-api.md` 1.7.

use http::HeaderMap;
use hyper::body::Incoming;

use super::init_error;
use super::reply::{self, Reply};
use super::shared::Shared;

/// `GET restore/next`: blocks while the snapshot is taken.
pub(crate) async fn next(shared: &Shared) -> Result<Reply, Reply> {
    shared.session().restore_next()?;
    loop {
        let changed = shared.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
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
