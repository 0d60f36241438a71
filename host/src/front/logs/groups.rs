//! DescribeLogGroups and DescribeLogStreams.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::super::state::Front;
use super::asked::{Asked, arn, is_function, name_of};
use super::error::LogsError;
use crate::store::StreamOrder;

/// Most groups and streams of one answer.
const MOST: usize = 50;

pub(super) async fn describe_groups(front: &Front, asked: &Asked) -> Result<Value, LogsError> {
    let prefix = asked.text("logGroupNamePrefix")?;
    let part = asked.text("logGroupNamePattern")?;
    if prefix.is_some() && part.is_some() {
        return Err(LogsError::invalid(
            "logGroupNamePrefix and logGroupNamePattern can not be both present in the request.",
        ));
    }
    let limit = asked.limit(MOST)?;
    let after = asked.text("nextToken")?.map(|token| parsed(&token)).transpose()?;
    let after = match after {
        None => String::new(),
        Some(Value::String(name)) => name,
        Some(_) => return Err(bad_token()),
    };
    let named = asked.texts("logGroupIdentifiers")?;
    let only = |class: Option<String>| class.is_none_or(|class| class == "STANDARD");
    if !only(asked.text("logGroupClass")?) {
        return Ok(json!({ "logGroups": [] }));
    }
    front.records.flush().await;
    let (prefix, part) = (prefix.unwrap_or_default(), part.unwrap_or_default());
    let found = front.records.log_groups(prefix, part, after, limit + 1).await;
    let mut found = found.map_err(|error| LogsError::store(&error))?;
    let next = (found.len() > limit).then(|| {
        found.truncate(limit);
        token(&json!(found.last().map(|group| &group.name)))
    });
    if let Some(named) = named {
        let names: Vec<String> = named.iter().map(|one| name_of(one)).collect();
        found.retain(|group| names.contains(&group.name));
    }
    let groups = found.iter().map(|group| {
        let arn = arn(front, &group.name);
        json!({
            "logGroupName": group.name,
            "creationTime": group.created_ms,
            "metricFilterCount": 0,
            "arn": format!("{arn}:*"),
            "storedBytes": group.bytes,
            "logGroupClass": "STANDARD",
            "logGroupArn": arn,
        })
    });
    let groups: Vec<Value> = groups.collect();
    Ok(with_next("logGroups", groups, next))
}

pub(super) async fn describe_streams(front: &Front, asked: &Asked) -> Result<Value, LogsError> {
    let group = asked.group()?;
    let prefix = asked.text("logStreamNamePrefix")?;
    let is_descending = asked.is_set("descending")?;
    let limit = asked.limit(MOST)?;
    let after = asked.text("nextToken")?.map(|token| parsed(&token)).transpose()?;
    let order = match asked.text("orderBy")?.as_deref() {
        None | Some("LogStreamName") => {
            let after = match after {
                None => None,
                Some(Value::String(name)) => Some(name),
                Some(_) => return Err(bad_token()),
            };
            StreamOrder::Name { prefix: prefix.unwrap_or_default(), after }
        }
        Some("LastEventTime") if prefix.is_some() => {
            return Err(LogsError::invalid(
                "Cannot order by LastEventTime with a logStreamNamePrefix.",
            ));
        }
        Some("LastEventTime") => {
            let after = after.map(serde_json::from_value).transpose().map_err(|_| bad_token())?;
            StreamOrder::LastEvent { after }
        }
        Some(other) => {
            let rule = "Member must satisfy enum value set: [LogStreamName, LastEventTime]";
            return Err(LogsError::validation("orderBy", other, rule));
        }
    };
    let by_time = matches!(order, StreamOrder::LastEvent { .. });
    front.records.flush().await;
    let found = front.records.log_streams(group.clone(), order, is_descending, limit + 1).await;
    let mut found = match found.map_err(|error| LogsError::store(&error))? {
        Some(found) => found,
        None if is_function(front, &group).await => Vec::new(),
        None => return Err(LogsError::no_group()),
    };
    let next = (found.len() > limit).then(|| {
        found.truncate(limit);
        let last = found.last().map(|stream| match by_time {
            true => json!([stream.last_ms, stream.name]),
            false => json!(stream.name),
        });
        token(&json!(last))
    });
    let group = arn(front, &group);
    let streams = found.iter().map(|stream| {
        json!({
            "logStreamName": stream.name,
            "creationTime": stream.created_ms,
            "firstEventTimestamp": stream.first_ms,
            "lastEventTimestamp": stream.last_ms,
            "lastIngestionTime": stream.ingested_ms,
            "arn": format!("{group}:log-stream:{}", stream.name),
            // As on AWS since 2019.
            "storedBytes": 0,
        })
    });
    let streams: Vec<Value> = streams.collect();
    Ok(with_next("logStreams", streams, next))
}

fn with_next(name: &str, items: Vec<Value>, next: Option<String>) -> Value {
    let mut out = Map::new();
    out.insert(name.to_owned(), items.into());
    if let Some(next) = next {
        out.insert("nextToken".to_owned(), next.into());
    }
    Value::Object(out)
}

/// Where to go on, opaque to clients.
fn token(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn parsed(token: &str) -> Result<Value, LogsError> {
    let decoded = URL_SAFE_NO_PAD.decode(token).ok();
    decoded.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or_else(bad_token)
}

pub(super) fn bad_token() -> LogsError {
    LogsError::invalid("The specified nextToken is invalid.")
}
