//! GetLogEvents and FilterLogEvents.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::state::Front;
use super::asked::{Asked, is_function};
use super::error::LogsError;
use super::groups::bad_token;
use super::pattern::Pattern;

use crate::store::{Direction, LogEvent, LogPage, LogQuery, Position, Streams};

/// Most events of one answer, and their text.
const MOST_EVENTS: usize = 10_000;
const MOST_BYTES: usize = 1_048_576;
/// Most streams that can be named.
const MOST_STREAMS: usize = 100;
/// Longest pattern.
const MOST_PATTERN: usize = 1_024;
/// Digits of an event's id, as AWS has them.
const ID_DIGITS: usize = 56;

/// Events of one stream, the last ones unless asked otherwise, always from old to new.
pub(super) async fn get(front: &Front, asked: &Asked) -> Result<Value, LogsError> {
    let group = asked.group()?;
    let Some(stream) = asked.text("logStreamName")? else {
        let rule = "Member must not be null";
        return Err(LogsError::validation("logStreamName", "null", rule));
    };
    let token = asked.text("nextToken")?.map(|token| Place::parse(&token)).transpose()?;
    let from_head = match asked.is_set("startFromHead")? {
        true => Direction::Forward,
        false => Direction::Backward,
    };
    let place = token.unwrap_or(Place { direction: from_head, position: None });
    let query = LogQuery {
        group: group.clone(),
        streams: Streams::Named(vec![stream]),
        from_ms: asked.moment("startTime")?.unwrap_or(0),
        until_ms: asked.moment("endTime")?.unwrap_or(u64::MAX),
        direction: place.direction,
        beyond: place.position,
        limit: asked.limit(MOST_EVENTS)?,
        limit_bytes: MOST_BYTES,
        keep: Arc::new(|_: &str| true),
    };
    let mut page = match found(front, query).await? {
        Some(page) => page,
        None if has_group(front, &group).await? => return Err(LogsError::no_stream()),
        None => return Err(LogsError::no_group()),
    };
    if place.direction == Direction::Backward {
        page.events.reverse();
    }
    // An empty page leads to itself: what comes later is found by the same token.
    let first = page.events.first().map(|event| event.position).or(place.position);
    let last = page.events.last().map(|event| event.position).or(place.position);
    let at = |direction, position| Place { direction, position }.token();
    let events: Vec<Value> = page
        .events
        .iter()
        .map(|event| {
            json!({
                "timestamp": event.at_ms,
                "message": event.text,
                "ingestionTime": event.ingested_ms,
            })
        })
        .collect();
    Ok(json!({
        "events": events,
        "nextForwardToken": at(Direction::Forward, last),
        "nextBackwardToken": at(Direction::Backward, first),
    }))
}

/// Events of a group that fit, from old to new.
pub(super) async fn filter(front: &Front, asked: &Asked) -> Result<Value, LogsError> {
    let group = asked.group()?;
    let named = asked.texts("logStreamNames")?;
    let prefix = asked.text("logStreamNamePrefix")?;
    let streams = match (named, prefix) {
        (Some(_), Some(_)) => {
            return Err(LogsError::invalid(
                "logStreamNamePrefix and logStreamNames can not be both present in the request.",
            ));
        }
        (Some(named), None) if named.is_empty() || named.len() > MOST_STREAMS => {
            let rule = format!("Member must have length between 1 and {MOST_STREAMS}");
            let value = format!("{} names", named.len());
            return Err(LogsError::validation("logStreamNames", &value, &rule));
        }
        (Some(named), None) => Streams::Named(named),
        (None, Some(prefix)) => Streams::Prefix(prefix),
        (None, None) => Streams::All,
    };
    let pattern = asked.text("filterPattern")?.unwrap_or_default();
    if pattern.len() > MOST_PATTERN {
        let rule = format!("Member must have length less than or equal to {MOST_PATTERN}");
        return Err(LogsError::validation("filterPattern", &pattern, &rule));
    }
    let pattern = Pattern::parse(&pattern).map_err(LogsError::invalid)?;
    let beyond = match asked.text("nextToken")? {
        None => None,
        Some(token) => Some(position(&token).ok_or_else(bad_token)?),
    };
    // Of this operation the end belongs to the range.
    let until_ms = asked.moment("endTime")?.map_or(u64::MAX, |end| end.saturating_add(1));
    let query = LogQuery {
        group: group.clone(),
        streams,
        from_ms: asked.moment("startTime")?.unwrap_or(0),
        until_ms,
        direction: Direction::Forward,
        beyond,
        limit: asked.limit(MOST_EVENTS)?,
        limit_bytes: MOST_BYTES,
        keep: Arc::new(move |text: &str| pattern.fits(text)),
    };
    let page = match found(front, query).await? {
        Some(page) => page,
        None if has_group(front, &group).await? => return Err(LogsError::no_stream()),
        None if is_function(front, &group).await => LogPage::default(),
        None => return Err(LogsError::no_group()),
    };
    let events: Vec<Value> = page.events.iter().map(filtered).collect();
    let mut out = Map::new();
    out.insert("events".to_owned(), events.into());
    // Deprecated, and always empty on AWS.
    out.insert("searchedLogStreams".to_owned(), json!([]));
    if let Some(next) = page.next {
        out.insert("nextToken".to_owned(), id(next).into());
    }
    Ok(Value::Object(out))
}

fn filtered(event: &LogEvent) -> Value {
    json!({
        "logStreamName": event.stream,
        "timestamp": event.at_ms,
        "message": event.text,
        "ingestionTime": event.ingested_ms,
        "eventId": id(event.position),
    })
}

async fn found(front: &Front, query: LogQuery) -> Result<Option<LogPage>, LogsError> {
    // Who has just called sees what it wrote.
    front.records.flush().await;
    front.records.log_events(query).await.map_err(|error| LogsError::store(&error))
}

async fn has_group(front: &Front, group: &str) -> Result<bool, LogsError> {
    let order = crate::store::StreamOrder::LastEvent { after: None };
    let found = front.records.log_streams(group.to_owned(), order, true, 1).await;
    Ok(found.map_err(|error| LogsError::store(&error))?.is_some())
}

/// Where a reader of one stream is, and which way it goes.
struct Place {
    direction: Direction,
    /// At the end it comes from if absent.
    position: Option<Position>,
}

impl Place {
    /// `f/DIGITS/s` or `b/DIGITS/s`, as AWS writes it.
    fn token(&self) -> String {
        let way = match self.direction {
            Direction::Forward => "f",
            Direction::Backward => "b",
        };
        format!("{way}/{}/s", self.position.map_or_else(|| "0".repeat(ID_DIGITS), id))
    }

    fn parse(token: &str) -> Result<Self, LogsError> {
        let parts: Vec<&str> = token.split('/').collect();
        let direction = match parts.first() {
            Some(&"f") => Direction::Forward,
            Some(&"b") => Direction::Backward,
            _ => return Err(bad_token()),
        };
        let [_, digits, "s"] = parts.as_slice() else { return Err(bad_token()) };
        let position = position(digits).ok_or_else(bad_token)?;
        let is_end = position == Position { chunk: 0, index: 0 };
        Ok(Self { direction, position: (!is_end).then_some(position) })
    }
}

/// An event's id: its place as a number of AWS's length.
fn id(position: Position) -> String {
    let number = (u128::from(position.chunk) << 32) | u128::from(position.index);
    format!("{number:0ID_DIGITS$}")
}

fn position(digits: &str) -> Option<Position> {
    let is_id = digits.len() == ID_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u128 = is_id.then(|| digits.parse().ok())??;
    let chunk = u64::try_from(number >> 32).ok()?;
    let index = u32::try_from(number & u128::from(u32::MAX)).ok()?;
    Some(Position { chunk, index })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_lead_back_to_where_they_were_made() {
        let position = Position { chunk: 7, index: 3 };
        for direction in [Direction::Forward, Direction::Backward] {
            let token = Place { direction, position: Some(position) }.token();
            assert_eq!(token.len(), ID_DIGITS + 4, "{token}");
            let back = Place::parse(&token).unwrap();
            assert_eq!((back.direction, back.position), (direction, Some(position)));
        }
        assert_eq!(super::position(&id(position)), Some(position));
        for token in ["", "f//s", "f/1/s", "x/0/s", "f/0"] {
            assert!(Place::parse(token).is_err(), "{token}");
        }
    }
}
