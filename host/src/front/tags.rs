//! ListTags, TagResource and UntagResource, of functions.
//!
//! # Sources
//! `reference/lambda-service.md` sections 6 and 16.

use http::StatusCode;
use serde_json::json;

use super::error::ApiError;
use super::functions::{MAX_TAGS, TOO_MANY_TAGS, refused, tags};
use super::names::{NAMESPACED, Named};
use super::reply::{self, Answer};
use super::state::{Call, Front};
use super::validate::Violations;

const RESOURCE_PATTERN: &str = r"arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|(capacity-provider|network-connector):[a-zA-Z0-9-_]{1,64})";

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
    let added = tags(&members, &mut violations)?;
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
