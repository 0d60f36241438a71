//! ListTags, TagResource and UntagResource, of functions, and the `Tags` that a new one brings.
//!
//! # Sources
//! `reference/lambda-service.md` sections 6 and 16.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use http::StatusCode;
use serde_json::json;

use super::error::ApiError;
use super::functions::{list_pattern, refused};
use super::members::Members;
use super::names::{NAMESPACED, Named};
use super::reply::{self, Answer};
use super::state::{Call, Front};
use super::validate::Violations;

const MAX_TAGS: usize = 50;
const TOO_MANY_TAGS: &str = "Number of tags exceeds resource tag limit.";
/// Characters of keys and of values.
const KEY: RangeInclusive<usize> = 1..=128;
const VALUE: RangeInclusive<usize> = 0..=256;
const TAG_PATTERN: &str = r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)";
const RESOURCE_PATTERN: &str = r"arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|(capacity-provider|network-connector):[a-zA-Z0-9-_]{1,64})";

/// `Tags` of a request.
pub(super) fn read(
    members: &Members,
    violations: &mut Violations,
) -> Result<BTreeMap<String, String>, ApiError> {
    let tags = members.map("Tags")?.unwrap_or_default();
    if tags.len() > MAX_TAGS {
        return Err(ApiError::invalid(TOO_MANY_TAGS));
    }
    let printed = tags.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>();
    let printed = format!("{{{}}}", printed.join(", "));
    if !tags.iter().all(|(key, _)| is_tag(key, KEY)) {
        let rules = rules(KEY);
        violations.add("tags", &printed, &format!("Map keys must satisfy constraint: [{rules}]"));
    }
    if !tags.iter().all(|(_, value)| is_tag(value, VALUE)) {
        let rules = rules(VALUE);
        violations.add("tags", &printed, &format!("Map value must satisfy constraint: [{rules}]"));
    }
    Ok(tags.into_iter().collect())
}

fn is_tag(text: &str, limits: RangeInclusive<usize>) -> bool {
    let is_separator = |c: char| c.is_whitespace() && !c.is_control();
    let may_be =
        |c: char| c.is_alphabetic() || c.is_numeric() || is_separator(c) || "_.:/=+-@".contains(c);
    limits.contains(&text.chars().count()) && text.chars().all(may_be)
}

fn rules(limits: RangeInclusive<usize>) -> String {
    format!(
        "Member must have length less than or equal to {}, Member must have length greater than or \
         equal to {}, Member must satisfy regular expression pattern: {TAG_PATTERN}",
        limits.end(),
        limits.start()
    )
}

pub(super) async fn list(front: &Front, resource: &str) -> Answer {
    let named = function(front, resource)?;
    let found = front.deployed.find(&named.name).await;
    let record = found.map_err(|error| refused(error, &named, front.identity()))?;
    Ok(reply::json(StatusCode::OK, &json!({ "Tags": record.tags })))
}

pub(super) async fn add(front: &Front, resource: &str, call: Call) -> Answer {
    let members = front.settings(call.body).await?;
    let mut violations = Violations::default();
    if !members.has("Tags") {
        violations.null("tags");
    }
    let added = read(&members, &mut violations)?;
    violations.finish()?;
    let named = function(front, resource)?;
    if added.is_empty() {
        return Err(ApiError::invalid("An error occurred and the request cannot be processed."));
    }
    let found = front.deployed.find(&named.name).await;
    let record = found.map_err(|error| refused(error, &named, front.identity()))?;
    let new = added.keys().filter(|key| !record.tags.contains_key(*key)).count();
    if record.tags.len() + new > MAX_TAGS {
        return Err(ApiError::invalid(TOO_MANY_TAGS));
    }
    let tagged = front.deployed.tag(&named.name, |tags| tags.extend(added)).await;
    tagged.map_err(|error| refused(error, &named, front.identity()))?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn remove(front: &Front, resource: &str, call: &Call) -> Answer {
    let keys = call.query.all("tagKeys");
    let mut violations = Violations::default();
    if keys.is_empty() {
        violations.null("tagKeys");
    }
    if !keys.iter().all(|key| is_tag(key, KEY)) {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        list_pattern(&mut violations, "tagKeys", &keys, KEY, TAG_PATTERN);
    }
    violations.finish()?;
    let named = function(front, resource)?;
    let tagged = front
        .deployed
        .tag(&named.name, |tags| tags.retain(|key, _| !keys.contains(&key.as_str())))
        .await;
    tagged.map_err(|error| refused(error, &named, front.identity()))?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// The function of an ARN; nothing else that can have tags is here.
fn function(front: &Front, resource: &str) -> Result<Named, ApiError> {
    let parts: Vec<&str> = resource.splitn(6, ':').collect();
    let what = match parts.as_slice() {
        ["arn", _, "lambda", _, _, what] => what.split_once(':').map(|(kind, _)| kind),
        _ => None,
    };
    match what {
        Some("function") => {}
        Some("event-source-mapping" | "code-signing-config" | "capacity-provider") => {
            return Err(ApiError::not_found("The resource you requested does not exist."));
        }
        _ => {
            let mut violations = Violations::default();
            violations.pattern("resource", resource, RESOURCE_PATTERN);
            violations.finish()?;
        }
    }
    let named = Named::read(resource, None, NAMESPACED, front.identity())?;
    match named.qualifier {
        None => Ok(named),
        Some(_) => Err(ApiError::invalid(
            "Tags on function aliases and versions are not supported. Please specify a function \
             ARN.",
        )),
    }
}
