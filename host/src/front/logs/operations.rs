//! From a header to the operation it names, and its answer as AWS JSON 1.1.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::Value;

use super::super::body::Unread;
use super::super::members::Members;
use super::super::reply::{self, Answer, Body};
use super::super::routes::Route;
use super::super::state::{Call, Front};
use super::asked::Asked;
use super::error::LogsError;
use super::{events, groups};

const TARGET: &str = "x-amz-target";
const SERVICE: &str = "Logs_20140328.";
const JSON_1_1: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
/// More than any request of these has.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// The operation that the head names, if it is one of CloudWatch Logs.
pub(crate) fn route(head: &Parts) -> Option<Route> {
    let target = head.headers.get(TARGET)?.to_str().ok()?.strip_prefix(SERVICE)?;
    let is_ours = head.method == Method::POST && head.uri.path() == "/";
    is_ours.then(|| Route::Logs(target.to_owned()))
}

/// Answers one.
pub(crate) async fn answer(front: &Front, operation: &str, call: Call) -> Answer {
    let answered = match front.bodies.read(call.body, MAX_BODY_BYTES, 1).await {
        Ok(read) => act(front, operation, &read.bytes).await,
        Err(Unread::TooLarge { .. }) => Err(LogsError::serialization("the request is too large")),
        Err(Unread::Error(error)) => return Err(error),
    };
    Ok(match answered {
        // A page is a megabyte, and its reader may be slow.
        Ok(value) => json(StatusCode::OK, front.answers.count(value.to_string().into())),
        Err(error) => error.response(),
    })
}

async fn act(front: &Front, operation: &str, body: &[u8]) -> Result<Value, LogsError> {
    let members = Members::parse(body).map_err(LogsError::of_members)?;
    let members = Asked(members);
    front.answers.room().await;
    match operation {
        "DescribeLogGroups" => groups::describe_groups(front, &members).await,
        "DescribeLogStreams" => groups::describe_streams(front, &members).await,
        "GetLogEvents" => events::get(front, &members).await,
        "FilterLogEvents" => events::filter(front, &members).await,
        "StartLiveTail" => Err(LogsError::unknown(
            "lambdabox has no StartLiveTail; `aws logs tail --follow` follows a log",
        )),
        other => Err(LogsError::unknown(format!(
            "lambdabox has no operation {other} of CloudWatch Logs; it has DescribeLogGroups, \
             DescribeLogStreams, GetLogEvents and FilterLogEvents"
        ))),
    }
}

pub(super) fn json(status: StatusCode, body: Bytes) -> Response<Body> {
    let mut response = reply::bytes(status, body);
    response.headers_mut().insert(CONTENT_TYPE, JSON_1_1);
    response
}
