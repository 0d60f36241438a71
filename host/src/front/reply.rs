//! Answers as HTTP.

use std::io;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use serde_json::Value;

use super::error::ApiError;

/// A body of bytes at hand, or of a file that is read on the way.
pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// What an operation comes to.
pub(crate) type Answer = Result<Response<Body>, ApiError>;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
pub(crate) const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A JSON answer.
pub(crate) fn json(status: StatusCode, value: &Value) -> Response<Body> {
    bytes(status, value.to_string().into())
}

/// Bytes that are JSON, as somebody else wrote them.
pub(crate) fn bytes(status: StatusCode, bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(full(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response
}

/// An error as AWS writes it.
pub(crate) fn error(error: &ApiError) -> Response<Body> {
    let status = StatusCode::from_u16(error.status).expect("every error has a status of HTTP");
    let mut response = bytes(status, error.body().into());
    response.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(error.kind));
    response
}

/// A body of bytes at hand.
pub(crate) fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}
