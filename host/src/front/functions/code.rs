//! `Code` of a request: where the package comes from.
//!
//! # Sources
//! `reference/lambda-service.md` section 4, "`Code` on create", and 1, "Oversize requests".

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::super::error::ApiError;
use super::super::members::Members;
use super::super::state::off_thread;
use crate::catalog::{Object, Source};

/// A zip sent with the request (Lambda quotas: 50 MB).
const MAX_ZIP_BYTES: usize = 52_428_800;
/// The bucket that stands for directories of this machine, as users of other emulators know it.
const HOT_RELOAD: &str = "hot-reload";

/// Whether the members stand in `Code` or in the request itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Flat {
    /// In an object of their own: create, and layers.
    No,
    /// In the request: update.
    Yes,
}

/// The one source that these members name.
pub(in super::super) async fn code_of(
    mut members: Members,
    flat: Flat,
) -> Result<Source, ApiError> {
    let zip = members.take_text("ZipFile")?;
    let bucket = members.text("S3Bucket")?;
    let key = members.text("S3Key")?;
    if members.has("ImageUri") {
        return Err(ApiError::invalid(match flat {
            Flat::Yes => {
                "Please don't provide ImageUri when updating a function with packageType Zip."
            }
            Flat::No => "lambdabox does not run container images yet; provide a zip",
        }));
    }
    match (zip, bucket, key) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => Err(ApiError::invalid(
            "Please do not provide other FunctionCode parameters when providing a ZipFile.",
        )),
        (Some(text), None, None) => {
            let bytes = off_thread(move || STANDARD.decode(text)).await;
            let bytes = bytes.map_err(|_| {
                ApiError::serialization("Failed to decode the Base64 blob of ZipFile")
            })?;
            match bytes.len() {
                0..=MAX_ZIP_BYTES => Ok(Source::Zip(Bytes::from(bytes))),
                _ => Err(ApiError::too_large(format!(
                    "Zipped size must be smaller than {MAX_ZIP_BYTES} bytes"
                ))),
            }
        }
        (None, Some(HOT_RELOAD), Some(path)) => Ok(Source::Directory(PathBuf::from(path))),
        (None, Some(bucket), Some(key)) => Ok(Source::Object(Object {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version: members.text("S3ObjectVersion")?.map(str::to_owned),
        })),
        (None, None, None) => Err(ApiError::invalid("Please provide a source for function code.")),
        (None, ..) => Err(ApiError::invalid(
            "Both S3Bucket and S3Key are needed to find the function's code.",
        )),
    }
}
