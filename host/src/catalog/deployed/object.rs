//! Code that is in S3: fetched once, when it is deployed, from where the host's `AWS_ENDPOINT_URL_S3`
//! leads.
//!
//! # Invariants
//! - No more than a package may be is ever written, and nothing is waited for without a bound.
//!
//! # Sources
//! `reference/lambda-service.md` sections 4 and 5 ("S3 code missing").

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rusty_s3::{Bucket, Credentials, S3Action as _, UrlStyle};
use serde::Deserialize;
use tokio::time::timeout;

use super::super::package::MAX_UNPACKED_BYTES;
use super::error::DeployError;
use super::packages::Packages;
use crate::config::ObjectStore;
use crate::model::{patience, with_causes};

/// How long a signature is good; it is used at once.
const GOOD_FOR: Duration = Duration::from_secs(300);
/// Longest wait for the answer, and between two pieces of it.
const PIECE_WITHIN: Duration = Duration::from_secs(20);
/// The longest error that is read.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// An object, perhaps in one of its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// `S3Bucket`.
    pub bucket: String,
    /// `S3Key`.
    pub key: String,
    /// `S3ObjectVersion`.
    pub version: Option<String>,
}

/// S3's own error, in its words.
#[derive(Debug, Deserialize)]
struct Refusal {
    #[serde(rename = "Code")]
    code: String,
    #[serde(rename = "Message", default)]
    message: String,
}

/// The object as a file without a name.
pub(super) async fn fetch(
    store: Option<&ObjectStore>,
    region: &str,
    object: &Object,
    packages: &Packages,
) -> Result<File, DeployError> {
    let store = store.ok_or(DeployError::NoObjectStore)?;
    let unreachable = |why: String| DeployError::Unreachable { url: store.url.clone(), why };
    let url = signed(store, region, object).map_err(unreachable)?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let uri = url.parse().map_err(|error| unreachable(format!("{error}")))?;
    let answer = timeout(patience(PIECE_WITHIN), client.get(uri)).await;
    let answer = answer.map_err(|_| unreachable("it did not answer in time".to_owned()))?;
    let answer = answer.map_err(|error| unreachable(with_causes(&error)))?;
    let (head, mut body) = answer.into_parts();
    if !head.status.is_success() {
        return Err(refusal(head.status, &mut body).await);
    }
    let failed = |source: io::Error| {
        let path = packages.path("");
        DeployError::from(super::super::PackageError::Write { path, source })
    };
    let mut file = packages.file()?;
    let mut bytes = 0;
    while let Some(piece) = next(&mut body).await.map_err(unreachable)? {
        bytes += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        if bytes > MAX_UNPACKED_BYTES {
            return Err(DeployError::TooLarge { bytes, limit: MAX_UNPACKED_BYTES });
        }
        file.write_all(&piece).map_err(failed)?;
    }
    file.rewind().map_err(failed)?;
    Ok(file)
}

/// Where the object is, with a signature.
fn signed(store: &ObjectStore, region: &str, object: &Object) -> Result<String, String> {
    let url = store.url.parse().map_err(|error| format!("{error}"))?;
    let bucket = Bucket::new(url, UrlStyle::Path, object.bucket.clone(), region.to_owned());
    let bucket = bucket.map_err(|error| error.to_string())?;
    let (key, secret) = (&store.keys.access_key_id, &store.keys.secret_access_key);
    let keys = match &store.keys.session_token {
        Some(token) => Credentials::new_with_token(key, secret, token),
        None => Credentials::new(key, secret),
    };
    let mut get = bucket.get_object(Some(&keys), &object.key);
    if let Some(version) = &object.version {
        get.query_mut().insert("versionId", version.as_str());
    }
    Ok(get.sign(GOOD_FOR).to_string())
}

async fn next(body: &mut Incoming) -> Result<Option<Bytes>, String> {
    loop {
        let Ok(frame) = timeout(patience(PIECE_WITHIN), body.frame()).await else {
            return Err("it stopped sending".to_owned());
        };
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(with_causes(&error)),
            Some(Ok(frame)) => {
                if let Ok(piece) = frame.into_data() {
                    return Ok(Some(piece));
                }
            }
        }
    }
}

async fn refusal(status: StatusCode, body: &mut Incoming) -> DeployError {
    let mut text = Vec::new();
    // What there is of it is told, if it breaks off.
    while let Ok(Some(piece)) = next(body).await {
        text.extend_from_slice(&piece);
        if text.len() > MAX_ERROR_BYTES {
            break;
        }
    }
    let said = quick_xml::de::from_reader::<_, Refusal>(text.as_slice());
    let Refusal { code, message } = said.unwrap_or_else(|_| Refusal {
        code: status.as_str().to_owned(),
        message: status.canonical_reason().unwrap_or_default().to_owned(),
    });
    DeployError::Object { code, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3s_error_is_read_with_its_entities() {
        let text = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code>\
            <Message>The &quot;key&quot; does not exist.</Message><Key>k</Key></Error>";
        let read: Refusal = quick_xml::de::from_reader(&text[..]).unwrap();
        assert_eq!(
            (read.code.as_str(), read.message.as_str()),
            ("NoSuchKey", "The \"key\" does not exist.")
        );
    }
}
