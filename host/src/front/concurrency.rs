//! Put, Get and DeleteFunctionConcurrency.
//!
//! # Sources
//! `reference/lambda-service.md` section 12.

use http::StatusCode;
use serde_json::json;

use super::error::ApiError;
use super::functions::refused;
use super::names::{CREATE, Named, function_arn};
use super::reply::{self, Answer};
use super::state::{Call, Front};
use super::validate::Violations;
use crate::catalog::DeployError;

/// What must stay for functions without a reservation.
const UNRESERVED_AT_LEAST: u32 = 100;

pub(super) async fn put(front: &Front, name: &str, call: Call) -> Answer {
    let members = front.settings(call.body).await?;
    let asked = members.integer("ReservedConcurrentExecutions")?;
    let mut violations = Violations::default();
    match asked {
        None => violations.null("reservedConcurrentExecutions"),
        Some(asked) => violations.number("reservedConcurrentExecutions", asked, 0..=i64::MAX),
    }
    violations.finish()?;
    let named = unqualified(front, name)?;
    let reserved = u32::try_from(asked.unwrap_or_default()).map_err(|_| too_much())?;
    let most = front.concurrency.saturating_sub(UNRESERVED_AT_LEAST);
    match front.deployed.reserve(&named.name, Some(reserved), most).await {
        Ok(()) => {
            let answer = json!({ "ReservedConcurrentExecutions": reserved });
            Ok(reply::json(StatusCode::OK, &answer))
        }
        Err(DeployError::TooMuchReserved) => Err(too_much()),
        // This one names the version (section 5).
        Err(DeployError::NoFunction { .. }) => {
            let arn = function_arn(&named.name, front.identity());
            Err(ApiError::not_found(format!("Function not found: {arn}:$LATEST")))
        }
        Err(error) => Err(refused(error, &named, front.identity())),
    }
}

pub(super) async fn get(front: &Front, name: &str) -> Answer {
    let named = unqualified(front, name)?;
    let found = front.deployed.find(&named.name).await;
    let record = found.map_err(|error| refused(error, &named, front.identity()))?;
    Ok(reply::json(
        StatusCode::OK,
        &match record.reserved {
            Some(reserved) => json!({ "ReservedConcurrentExecutions": reserved }),
            None => json!({}),
        },
    ))
}

pub(super) async fn delete(front: &Front, name: &str) -> Answer {
    let named = unqualified(front, name)?;
    let taken = front.deployed.reserve(&named.name, None, u32::MAX).await;
    taken.map_err(|error| refused(error, &named, front.identity()))?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

fn unqualified(front: &Front, name: &str) -> Result<Named, ApiError> {
    let named = Named::read(name, None, CREATE, front.identity())?;
    match named.qualifier {
        None => Ok(named),
        Some(_) => Err(ApiError::invalid(
            "This operation is permitted on Lambda functions only. Aliases and versions do not \
             support this operation. Please specify either a function name or an unqualified \
             function ARN.",
        )),
    }
}

fn too_much() -> ApiError {
    ApiError::invalid_unsaid(format!(
        "Specified ReservedConcurrentExecutions for function decreases account's \
         UnreservedConcurrentExecution below its minimum value of [{UNRESERVED_AT_LEAST}]."
    ))
}
