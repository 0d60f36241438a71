//! CloudWatch Logs' reading half, so that its clients (`aws logs tail`, boto3) read functions' logs.
//!
//! AWS JSON 1.1: every operation is a POST to `/` and is named by `X-Amz-Target`.
//!
//! # Not here
//! Writing and arranging logs: they are the functions', kept as the host's settings say. Refused by name.
//!
//! # Sources
//! CloudWatch Logs API reference and botocore's model of it, 2014-03-28; AWS JSON 1.1 protocol.

mod error;
mod events;
mod groups;
mod json_pattern;
mod pattern;

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::Value;

use super::body::Unread;
use super::members::Members;
use super::reply::{self, Answer, Body};
use super::routes::Route;
use super::state::{Call, Front};
use error::LogsError;

const TARGET: &str = "x-amz-target";
const SERVICE: &str = "Logs_20140328.";
const JSON_1_1: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
/// More than any request of these has.
const MAX_BODY_BYTES: usize = 256 * 1024;
const FUNCTIONS: &str = "/aws/lambda/";

/// The operation that the head names, if it is one of CloudWatch Logs.
pub(super) fn route(head: &Parts) -> Option<Route> {
    let target = head.headers.get(TARGET)?.to_str().ok()?.strip_prefix(SERVICE)?;
    let is_ours = head.method == Method::POST && head.uri.path() == "/";
    is_ours.then(|| Route::Logs(target.to_owned()))
}

/// Answers one.
pub(super) async fn answer(front: &Front, operation: &str, call: Call) -> Answer {
    let answered = match front.bodies.read(call.body, MAX_BODY_BYTES, 1).await {
        Ok(read) => act(front, operation, &read.bytes).await,
        Err(Unread::TooLarge { .. }) => Err(LogsError::serialization("the request is too large")),
        Err(Unread::Error(error)) => return Err(error),
    };
    Ok(answered.map_or_else(|error| error.response(), |value| json(StatusCode::OK, &value)))
}

async fn act(front: &Front, operation: &str, body: &[u8]) -> Result<Value, LogsError> {
    let members = Members::parse(body).map_err(LogsError::of_members)?;
    let members = Asked(members);
    match operation {
        "DescribeLogGroups" => groups::describe_groups(front, &members).await,
        "DescribeLogStreams" => groups::describe_streams(front, &members).await,
        "GetLogEvents" => events::get(front, &members).await,
        "FilterLogEvents" => events::filter(front, &members).await,
        "StartLiveTail" => Err(LogsError::unknown(
            "lambdabox has no StartLiveTail; `aws logs tail --follow` and `lambdabox logs -f` follow \
             a log",
        )),
        other => Err(LogsError::unknown(format!(
            "lambdabox has no operation {other} of CloudWatch Logs; it has DescribeLogGroups, \
             DescribeLogStreams, GetLogEvents and FilterLogEvents"
        ))),
    }
}

fn json(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = reply::json(status, value);
    response.headers_mut().insert(CONTENT_TYPE, JSON_1_1);
    response
}

/// A request's members, checked as this service does.
struct Asked(Members);

impl Asked {
    fn text(&self, name: &str) -> Result<Option<String>, LogsError> {
        Ok(self.0.text(name).map_err(LogsError::of_members)?.map(str::to_owned))
    }

    fn texts(&self, name: &str) -> Result<Option<Vec<String>>, LogsError> {
        self.0.texts(name).map_err(LogsError::of_members)
    }

    fn is_set(&self, name: &str) -> Result<bool, LogsError> {
        Ok(self.0.boolean(name).map_err(LogsError::of_members)?.unwrap_or(false))
    }

    /// Milliseconds since the epoch.
    fn moment(&self, name: &str) -> Result<Option<u64>, LogsError> {
        let Some(number) = self.0.integer(name).map_err(LogsError::of_members)? else {
            return Ok(None);
        };
        let moment = u64::try_from(number).map_err(|_| {
            LogsError::validation(
                name,
                &number.to_string(),
                "Member must have value greater than or \
                                                              equal to 0",
            )
        })?;
        Ok(Some(moment))
    }

    fn limit(&self, most: usize) -> Result<usize, LogsError> {
        let number = self.0.integer("limit").map_err(LogsError::of_members)?;
        let Some(number) = number else { return Ok(most) };
        let rule = |rule: &str| Err(LogsError::validation("limit", &number.to_string(), rule));
        match usize::try_from(number) {
            Ok(limit) if (1..=most).contains(&limit) => Ok(limit),
            Ok(limit) if limit > most => {
                rule(&format!("Member must have value less than or equal to {most}"))
            }
            _ => rule("Member must have value greater than or equal to 1"),
        }
    }

    /// The group that is meant, by its name or its ARN.
    fn group(&self) -> Result<String, LogsError> {
        match (self.text("logGroupName")?, self.text("logGroupIdentifier")?) {
            (Some(_), Some(_)) => Err(LogsError::invalid(
                "LogGroup name and LogGroup identifier can not be both present in the request.",
            )),
            (Some(name), None) => Ok(name),
            (None, Some(identifier)) => Ok(name_of(&identifier)),
            (None, None) => Err(LogsError::invalid(
                "Either logGroupName or logGroupIdentifier must be specified",
            )),
        }
    }
}

/// `…:log-group:NAME` or `…:log-group:NAME:*` is NAME.
fn name_of(identifier: &str) -> String {
    let name = identifier.split_once(":log-group:").map_or(identifier, |(_, name)| name);
    name.strip_suffix(":*").unwrap_or(name).to_owned()
}

/// Without `:*`.
fn arn(front: &Front, group: &str) -> String {
    let identity = front.identity();
    format!("arn:aws:logs:{}:{}:log-group:{group}", identity.region, identity.account)
}

/// A group without events: a function that has not run.
async fn is_function(front: &Front, group: &str) -> bool {
    match group.strip_prefix(FUNCTIONS) {
        Some(name) => front.deployed.find(name).await.is_ok(),
        None => false,
    }
}
