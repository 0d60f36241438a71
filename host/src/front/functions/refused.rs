//! Why something was not deployed, in AWS's words. What only the operator needs is said to them.

use super::super::error::ApiError;
use super::super::names::Named;
use crate::catalog::{DeployError, DirectoryRefusal, Identity, PackageError};
use crate::model::with_causes;
use crate::usage::Say;

const BAD_ZIP: &str =
    "Could not unzip uploaded file. Please check your file, then try to upload again.";
const UNPACKED: &str = "Unzipped size must be smaller than 262144000 bytes";

/// The answer to a request about `named`.
pub(in super::super) fn refused(
    error: DeployError,
    named: &Named,
    identity: &Identity,
) -> ApiError {
    match error {
        DeployError::Exists { name } => {
            ApiError::conflict(format!("Function already exist: {name}"))
        }
        DeployError::NoFunction { .. } => named.not_found(identity),
        DeployError::Busy { .. } => ApiError::conflict(format!(
            "The operation cannot be performed at this time. An update is in progress for \
             resource: {}",
            named.arn(identity)
        )),
        DeployError::NotActive { state, .. } => ApiError::conflict(format!(
            "The operation cannot be performed at this time. The function is currently in the \
             following state: {state}"
        )),
        DeployError::Stale { .. } => ApiError::stale(),
        DeployError::TooLarge { .. } | DeployError::Package(PackageError::TooLarge { .. }) => {
            ApiError::invalid(UNPACKED)
        }
        // The disk's or ours; everything else is the package's.
        DeployError::Package(error @ (PackageError::Write { .. } | PackageError::Read { .. })) => {
            ApiError::failed(&error)
        }
        DeployError::Package(error) => {
            // AWS's words do not say what is wrong with it.
            let why = with_causes(&error);
            Say::silent().warning(&format!(
                "the package of {} is refused, in AWS's words to its caller: failed to {why}",
                named.name
            ));
            ApiError::invalid(BAD_ZIP)
        }
        DeployError::Directory { path, refusal } => {
            let code = match refusal {
                DirectoryRefusal::NotAllowed => "AccessDenied",
                _ => "NoSuchKey",
            };
            ApiError::invalid(format!(
                "Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {}: \
                 {refusal}",
                path.display()
            ))
        }
        DeployError::Object { code, message } => ApiError::invalid(format!(
            "Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}"
        )),
        error @ (DeployError::NoObjectStore | DeployError::Unreachable { .. }) => {
            ApiError::invalid(format!("lambdabox failed to {}", with_causes(&error)))
        }
        DeployError::NoLayer { arn } => {
            ApiError::invalid(format!("Layer version {arn} does not exist."))
        }
        error => ApiError::failed(&error),
    }
}
