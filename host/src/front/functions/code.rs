//! `Code` of a request: where the package comes from.
//!
//! # Sources
//! `reference/lambda-service.md` section 4, "`Code` on create", and 1, "Oversize requests".

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value};

use super::super::error::ApiError;
use super::super::members::Members;
use super::super::state::off_thread;
use super::super::validate::Violations;
use crate::catalog::{Object, Source};

/// A zip sent with the request (Lambda quotas: 50 MB).
const MAX_ZIP_BYTES: usize = 52_428_800;
/// The bucket that stands for directories of this machine, as users of other emulators know it.
const HOT_RELOAD: &str = "hot-reload";

/// `S3ObjectStorageMode`: taken as it is now, or read from the bucket at each start.
const STORAGE_MODES: [&str; 2] = ["COPY", "REFERENCE"];
const BUCKET_PATTERN: &str = r"[0-9A-Za-z\.\-_]*(?<!\.)";
const MAX_KEY: usize = 1_024;

/// Where the members stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Place {
    /// In `Code`: CreateFunction.
    Code,
    /// In `Content`: PublishLayerVersion.
    Content,
    /// In the request itself: UpdateFunctionCode.
    Request,
}

/// Notes which of the model's rules the members break. A package is not looked at.
pub(in super::super) fn check_members(
    members: &Map<String, Value>,
    place: Place,
    violations: &mut Violations,
) {
    let path = |name: &str| match place {
        Place::Code => format!("code.{name}"),
        Place::Content => format!("content.{name}"),
        Place::Request => name.to_owned(),
    };
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    if let Some(bucket) = text("S3Bucket") {
        violations.length(&path("s3Bucket"), bucket, 3..=63);
        let is_bucket = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if !bucket.chars().all(is_bucket) || bucket.ends_with('.') {
            violations.pattern(&path("s3Bucket"), bucket, BUCKET_PATTERN);
        }
    }
    for (name, member) in [("s3Key", "S3Key"), ("s3ObjectVersion", "S3ObjectVersion")] {
        if let Some(text) = text(member) {
            violations.length(&path(name), text, 1..=MAX_KEY);
        }
    }
    if let Some(mode) = text("S3ObjectStorageMode") {
        violations.word(&path("s3ObjectStorageMode"), mode, &STORAGE_MODES);
    }
}

/// The one source that these members name.
pub(in super::super) async fn code_of(
    mut members: Members,
    place: Place,
) -> Result<Source, ApiError> {
    if members.text("S3ObjectStorageMode")? == Some("REFERENCE") {
        return Err(ApiError::invalid(
            "lambdabox does not have S3ObjectStorageMode REFERENCE yet; COPY takes the object as \
             it is now.",
        ));
    }
    let zip = members.take_text("ZipFile")?;
    let bucket = members.text("S3Bucket")?;
    let key = members.text("S3Key")?;
    if members.has("ImageUri") {
        return Err(ApiError::invalid(match place {
            Place::Request => {
                "Please don't provide ImageUri when updating a function with packageType Zip."
            }
            Place::Code | Place::Content => {
                "lambdabox does not run container images yet; provide a zip"
            }
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
