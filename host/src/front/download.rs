//! Where `Code.Location` leads: packages, by a token that is good for ten minutes.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue};
use http::{HeaderMap, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use uuid::Uuid;

use super::error::ApiError;
use super::reply::Answer;
use super::routes::DOWNLOADS;
use super::state::Front;

/// How long a location is good (lambda-service.md 4).
const GOOD_FOR: Duration = Duration::from_secs(600);
/// Locations at one time; the oldest goes first.
const MAX_TOKENS: usize = 10_000;
const PIECE_BYTES: usize = 64 * 1024;

/// The tokens handed out.
#[derive(Debug, Default)]
pub(crate) struct Downloads {
    tokens: Mutex<HashMap<String, Granted>>,
}

#[derive(Debug)]
struct Granted {
    sha256: String,
    until: Instant,
}

impl Downloads {
    /// A location of the package, on the address the caller used.
    pub(crate) fn location(&self, sha256: &str, headers: &HeaderMap) -> String {
        let token = Uuid::new_v4().simple().to_string();
        let now = Instant::now();
        // A panic leaves a map of whole entries.
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, granted| granted.until > now);
        if tokens.len() >= MAX_TOKENS {
            let oldest = tokens.iter().min_by_key(|(_, granted)| granted.until);
            if let Some(oldest) = oldest.map(|(token, _)| token.clone()) {
                tokens.remove(&oldest);
            }
        }
        let granted = Granted { sha256: sha256.to_owned(), until: now + GOOD_FOR };
        tokens.insert(token.clone(), granted);
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        format!("http://{host}/{DOWNLOADS}/code/{token}")
    }

    /// The package of a token.
    pub(crate) async fn answer(&self, front: &Front, token: &str) -> Answer {
        let sha256 = {
            let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            let granted = tokens.get(token).filter(|granted| granted.until > Instant::now());
            granted.map(|granted| granted.sha256.clone())
        };
        let gone = || ApiError::denied("Request has expired");
        let path = front.deployed.blob_path(&sha256.ok_or_else(gone)?);
        let file = File::open(&path).await.map_err(|_| gone())?;
        let bytes = file.metadata().await.map_err(|_| gone())?.len();
        let pieces = stream::try_unfold(file, async |mut file| {
            let mut piece = vec![0; PIECE_BYTES];
            let read = file.read(&mut piece).await?;
            piece.truncate(read);
            let frame = Frame::data(Bytes::from(piece));
            Ok::<_, io::Error>((read > 0).then_some((frame, file)))
        });
        let mut response = Response::new(StreamBody::new(pieces).boxed());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/zip"));
        headers.insert(CONTENT_LENGTH, bytes.into());
        Ok(response)
    }
}
