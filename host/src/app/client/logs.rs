//! `lambdabox logs`: what a function wrote, read as CloudWatch Logs' clients read it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::error::AppError;
use super::api::Api;
use super::output::{Reader, print, reader};
use crate::config::HostCall;
use crate::usage::Say;

/// Between two looks at a log that is followed.
const PAUSE: Duration = Duration::from_millis(300);
/// How much later than it happened an event may be found.
const LATE: SignedDuration = SignedDuration::from_secs(60);

/// Whose log, and which part of it.
#[derive(Debug)]
pub struct Logs {
    /// The host.
    pub host: HostCall,
    /// A function, its ARN or a log group.
    pub name: String,
    /// Where to begin.
    pub since: Timestamp,
    /// As it was said, for a log that has nothing.
    pub since_words: String,
    /// A filter pattern; empty for everything.
    pub filter: String,
    /// Whether to go on.
    pub until: LogsUntil,
    /// How lines are printed.
    pub form: LogsForm,
}

/// Where a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogsUntil {
    /// With what there is.
    Now,
    /// With whoever reads it.
    Interrupted,
}

/// How events are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogsForm {
    /// As they were written.
    Text,
    /// The same after the time.
    Stamped,
    /// An object of JSON on each line.
    Json,
}

pub(super) async fn logs(asked: &Logs, say: Say) -> Result<u8, AppError> {
    let api = Api::new(&asked.host.endpoint);
    let group = group_of(&asked.name);
    let mut since = asked.since;
    // The last event that was seen: it is as good as a token of the host's.
    let mut last: Option<String> = None;
    let mut has_any = false;
    loop {
        let looked_at = Timestamp::now();
        let mut token = last.clone();
        loop {
            let mut body = json!({
                "logGroupName": group,
                "startTime": since.as_millisecond().max(0),
                "filterPattern": asked.filter,
            });
            if let Some(token) = &token {
                body["nextToken"] = json!(token);
            }
            let page = filter(&api, &asked.name, &body).await?;
            let events = page["events"].as_array().cloned().unwrap_or_default();
            has_any |= !events.is_empty();
            let lines: String = events.iter().map(|event| line(event, asked.form)).collect();
            if print(&lines)? == Reader::Gone {
                return Ok(0);
            }
            if let Some(id) = events.last().and_then(|event| event["eventId"].as_str()) {
                last = Some(id.to_owned());
            }
            token = page["nextToken"].as_str().map(str::to_owned);
            match &token {
                Some(token) => last = Some(token.clone()),
                None => break,
            }
        }
        if asked.until == LogsUntil::Now {
            break;
        }
        // A log that is silent would never find out by writing.
        if reader() == Reader::Gone {
            return Ok(0);
        }
        // What was looked at in vain need not be looked at again.
        since = since.max(looked_at.saturating_sub(LATE).unwrap_or(since));
        tokio::time::sleep(PAUSE).await;
    }
    if !has_any {
        say.notice(&format!(
            "nothing fits in the log of {} since {}; --since 1d looks further back",
            asked.name, asked.since_words
        ));
    }
    Ok(0)
}

async fn filter(api: &Api, name: &str, body: &Value) -> Result<Value, AppError> {
    Ok(api.logs(&format!("read the log of {name}"), "FilterLogEvents", body).await?)
}

/// A name or an ARN is a function's; what has a slash is a group.
fn group_of(name: &str) -> String {
    if name.contains('/') {
        return name.to_owned();
    }
    let name = name.rsplit_once(":function:").map_or(name, |(_, name)| name);
    // A qualifier says nothing: all versions share a group.
    let name = name.split(':').next().unwrap_or(name);
    format!("/aws/lambda/{name}")
}

fn line(event: &Value, form: LogsForm) -> String {
    let message = event["message"].as_str().unwrap_or_default();
    let message = message.strip_suffix('\n').unwrap_or(message);
    let at = event["timestamp"].as_i64().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let at = format!("{:.3}", at.unwrap_or_default());
    match form {
        LogsForm::Text => format!("{message}\n"),
        LogsForm::Stamped => format!("{at} {message}\n"),
        LogsForm::Json => {
            let object = json!({
                "timestamp": at,
                "stream": event["logStreamName"],
                "message": message,
                "id": event["eventId"],
            });
            format!("{object}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_named_in_any_way_that_it_has() {
        for (name, group) in [
            ("hello", "/aws/lambda/hello"),
            ("hello:$LATEST", "/aws/lambda/hello"),
            ("arn:aws:lambda:us-east-1:000000000000:function:hello:7", "/aws/lambda/hello"),
            ("/my/own", "/my/own"),
        ] {
            assert_eq!(group_of(name), group);
        }
    }

    #[test]
    fn a_line_is_printed_as_it_was_written_unless_more_is_asked_for() {
        let event = json!({
            "timestamp": 1_700_000_000_123_i64,
            "message": "a\tb\n",
            "logStreamName": "s",
            "eventId": "7",
        });
        assert_eq!(line(&event, LogsForm::Text), "a\tb\n");
        assert_eq!(line(&event, LogsForm::Stamped), "2023-11-14T22:13:20.123Z a\tb\n");
        assert_eq!(
            line(&event, LogsForm::Json),
            "{\"timestamp\":\"2023-11-14T22:13:20.123Z\",\"stream\":\"s\",\"message\":\"a\\tb\",\
             \"id\":\"7\"}\n"
        );
    }
}
