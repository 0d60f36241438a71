//! A host's service API over HTTP: one request, and what came of it.
//!
//! # Sources
//! `reference/lambda-service.md` section 1.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use http::{Method, Request, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::error::ClientError;
use crate::config::Endpoint;

/// What a segment of a path holds as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const REQUEST_ID: &str = "x-amzn-requestid";
const ERROR_TYPE: &str = "x-amzn-errortype";
/// An upload's pieces, between which progress is told.
const PIECE_BYTES: usize = 64 * 1024;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// One host.
pub(super) struct Api {
    pub(super) endpoint: Endpoint,
    client: Client<HttpConnector, Body>,
}

/// What is done with what a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Delete,
}

impl Verb {
    fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Delete => Method::DELETE,
        }
    }
}

/// An answer that is no error.
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Api {
    pub(super) fn new(endpoint: &Endpoint) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { endpoint: endpoint.clone(), client }
    }

    /// `GET`; `what` finishes "the host refused to …".
    pub(super) async fn get(&self, what: &str, path: &str) -> Result<Value, ClientError> {
        self.json(what, Verb::Get, path, None).await
    }

    /// A call that sends JSON or nothing, and gets JSON or nothing.
    pub(super) async fn json(
        &self,
        what: &str,
        verb: Verb,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ClientError> {
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let answer = self.send(what, verb, path, &[], full(bytes)).await?;
        self.parsed(&answer)
    }

    /// The same with a large body, of which `sent` is told as it goes.
    pub(super) async fn upload(
        &self,
        what: &str,
        verb: Verb,
        path: &str,
        body: &Value,
        mut sent: impl FnMut(u64) + Send + 'static,
    ) -> Result<Value, ClientError> {
        let bytes = Bytes::from(body.to_string());
        let length = bytes.len();
        let pieces = stream::unfold(bytes, move |mut left| {
            let piece = left.split_to(left.len().min(PIECE_BYTES));
            sent(piece.len() as u64);
            let next = (!piece.is_empty()).then(|| (Ok(Frame::data(piece)), left));
            std::future::ready(next)
        });
        let body = StreamBody::new(pieces).boxed_unsync();
        let length = [(CONTENT_LENGTH.as_str(), length.to_string())];
        let answer = self.send(what, verb, path, &length, body).await?;
        self.parsed(&answer)
    }

    /// A call with headers of its own, whose answer is bytes.
    pub(super) async fn call(
        &self,
        what: &str,
        path: &str,
        headers: &[(&str, String)],
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        self.send(what, Verb::Post, path, headers, full(body)).await
    }

    async fn send(
        &self,
        what: &str,
        verb: Verb,
        path: &str,
        headers: &[(&str, String)],
        body: Body,
    ) -> Result<Answer, ClientError> {
        let url = format!("{}{path}", self.endpoint.url);
        let broken = |source| ClientError::Broken { url: url.clone(), source };
        let mut request = Request::builder().method(verb.method()).uri(&url);
        request = request.header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(body).map_err(|error| broken(error.into()))?;
        let response = self.client.request(request).await.map_err(|source| {
            let endpoint = self.endpoint.clone();
            match source.is_connect() {
                true => ClientError::NoHost { endpoint, source },
                false => broken(source.into()),
            }
        })?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| broken(error.into()))?.to_bytes();
        let answer = Answer { headers: head.headers, body };
        if answer.header(REQUEST_ID).is_none() {
            return Err(self.not_a_host(head.status));
        }
        match head.status.is_success() {
            true => Ok(answer),
            false => Err(refused(what, head.status, &answer)),
        }
    }

    fn parsed(&self, answer: &Answer) -> Result<Value, ClientError> {
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.body).map_err(|_| self.not_a_host(StatusCode::OK))
    }

    fn not_a_host(&self, status: StatusCode) -> ClientError {
        ClientError::NotAHost { endpoint: self.endpoint.clone(), status: status.as_u16() }
    }
}

/// The path of a function, or of something about it.
pub(super) fn function_path(name: &str, about: &str) -> String {
    format!("/2015-03-31/functions/{}{about}", segment(name))
}

/// A name as a segment of a path.
pub(super) fn segment(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).boxed_unsync()
}

fn refused(what: &str, status: StatusCode, answer: &Answer) -> ClientError {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let said = ["message", "Message"].iter().find_map(|name| body[*name].as_str());
    let kind = answer.header(ERROR_TYPE).and_then(|kind| kind.split(':').next());
    ClientError::Refused {
        what: what.to_owned(),
        status: status.as_u16(),
        kind: kind.unwrap_or("an error without a name").to_owned(),
        message: said.unwrap_or("it does not say why").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_arns_are_one_segment() {
        assert_eq!(segment("hello-1_a"), "hello-1_a");
        let path = function_path("function:f:$LATEST", "/code");
        assert_eq!(path, "/2015-03-31/functions/function%3Af%3A%24LATEST/code");
    }
}
