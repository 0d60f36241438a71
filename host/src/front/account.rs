//! GetAccountSettings.
//!
//! # Sources
//! `reference/lambda-service.md` section 16.

use http::StatusCode;
use serde_json::json;

use super::error::ApiError;
use super::reply::{self, Answer};
use super::state::Front;
use crate::catalog::MAX_UNPACKED_BYTES;

const TOTAL_CODE_BYTES: u64 = 80_530_636_800;
const ZIPPED_BYTES: u64 = 52_428_800;

pub(super) async fn get(front: &Front) -> Answer {
    let store = front.deployed.store();
    let failed = |error| ApiError::failed(&error);
    let (functions, bytes) = store.usage().await.map_err(failed)?;
    let reserved = store.reserved().await.map_err(failed)?;
    let settings = json!({
        "AccountLimit": {
            "TotalCodeSize": TOTAL_CODE_BYTES,
            "CodeSizeUnzipped": MAX_UNPACKED_BYTES,
            "CodeSizeZipped": ZIPPED_BYTES,
            "ConcurrentExecutions": front.concurrency,
            "UnreservedConcurrentExecutions": u64::from(front.concurrency).saturating_sub(reserved),
        },
        "AccountUsage": { "TotalCodeSize": bytes, "FunctionCount": functions },
    });
    Ok(reply::json(StatusCode::OK, &settings))
}
