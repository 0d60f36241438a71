//! GetFunction, GetFunctionConfiguration, ListFunctions and DeleteFunction.
//!
//! # Sources
//! `reference/lambda-service.md` sections 2 (notes), 4, 5 and 16.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::super::error::ApiError;
use super::super::names::{LATEST, NAMESPACED, Named, function_arn, is_region};
use super::super::query::Query;
use super::super::reply::{self, Answer};
use super::super::state::{Call, Front};
use super::super::validate::Violations;
use super::refused::refused;
use super::shape::{View, configuration};
use crate::store::FunctionRecord;

/// Functions on one page, whatever was asked for.
const PAGE: u32 = 50;
const MAX_ITEMS: i64 = 10_000;
const MASTER_REGION_PATTERN: &str = r"ALL|(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}";

pub(in super::super) async fn get(front: &Front, name: &str, call: &Call) -> Answer {
    let (named, record) = find(front, name, &call.query).await?;
    let identity = front.identity();
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| {
        out.insert(name.to_owned(), value);
    };
    let arn = named.qualified_arn(identity);
    put("Configuration", configuration(&record, arn, identity, View::Whole));
    let location = front.downloads.location(&record.code.sha256, &call.headers);
    put("Code", json!({ "RepositoryType": "S3", "Location": location }));
    if !record.tags.is_empty() {
        put("Tags", json!(record.tags));
    }
    if let Some(reserved) = record.reserved {
        put("Concurrency", json!({ "ReservedConcurrentExecutions": reserved }));
    }
    Ok(reply::json(StatusCode::OK, &Value::Object(out)))
}

pub(in super::super) async fn get_configuration(front: &Front, name: &str, call: &Call) -> Answer {
    let (named, record) = find(front, name, &call.query).await?;
    let identity = front.identity();
    let arn = named.qualified_arn(identity);
    let shown = configuration(&record, arn, identity, View::Whole);
    Ok(reply::json(StatusCode::OK, &shown))
}

pub(in super::super) async fn list(front: &Front, call: &Call) -> Answer {
    let identity = front.identity();
    let page = page_size(&call.query, PAGE, MAX_ITEMS)?;
    let mut violations = Violations::default();
    let version = call.query.get("FunctionVersion");
    if let Some(version) = version {
        violations.word("functionVersion", version, &["ALL"]);
    }
    let master = call.query.get("MasterRegion");
    if let Some(master) = master.filter(|master| *master != "ALL" && !is_region(master)) {
        violations.pattern("masterRegion", master, MASTER_REGION_PATTERN);
    }
    violations.finish()?;
    if master.is_some() {
        // Only what another region replicates to this one, and there is no other region.
        return Ok(reply::json(StatusCode::OK, &json!({ "Functions": [] })));
    }
    let after = call.query.get("Marker").map(marker).transpose()?;
    let found = front.deployed.store().functions(LATEST, after, page + 1).await;
    let mut records = found.map_err(|error| ApiError::failed(&error))?;
    let more = records.len() > page as usize;
    records.truncate(page as usize);
    let shown: Vec<Value> = records
        .iter()
        .map(|record| {
            let mut arn = function_arn(&record.name, identity);
            if version.is_some() {
                arn.push(':');
                arn.push_str(LATEST);
            }
            configuration(record, arn, identity, View::Listed)
        })
        .collect();
    let mut out = Map::new();
    if let Some(last) = records.last().filter(|_| more) {
        out.insert("NextMarker".to_owned(), next_marker(&last.name).into());
    }
    out.insert("Functions".to_owned(), shown.into());
    Ok(reply::json(StatusCode::OK, &Value::Object(out)))
}

pub(in super::super) async fn delete(front: &Front, name: &str, call: &Call) -> Answer {
    let identity = front.identity();
    let named = Named::read(name, call.query.get("Qualifier"), NAMESPACED, identity)?;
    let whole = Named { qualifier: None, ..named.clone() };
    match named.qualifier.as_deref() {
        None => {
            let failed = |error| refused(error, &whole, identity);
            let record = front.deployed.find(&named.name).await.map_err(failed)?;
            front.deployed.delete(&named.name).await.map_err(failed)?;
            // Environments of a capacity provider may take longer to end, so AWS only promises.
            if record.configuration.capacity_provider.is_some() {
                return Ok(reply::empty(StatusCode::ACCEPTED));
            }
        }
        Some(LATEST) => {
            return Err(ApiError::invalid(
                "$LATEST version cannot be deleted without deleting the function.",
            ));
        }
        Some(qualifier) => {
            let found = front.deployed.find(&named.name).await;
            found.map_err(|error| refused(error, &whole, identity))?;
            if !qualifier.bytes().all(|b| b.is_ascii_digit()) {
                return Err(ApiError::invalid("Deletion of aliases is not currently supported."));
            }
            // No version is published: to delete an absent one is no error.
        }
    }
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

async fn find(
    front: &Front,
    name: &str,
    query: &Query,
) -> Result<(Named, FunctionRecord), ApiError> {
    let identity = front.identity();
    let named = Named::read(name, query.get("Qualifier"), NAMESPACED, identity)?;
    if !named.is_latest() {
        return Err(named.not_found(identity));
    }
    let found = front.deployed.find(&named.name).await;
    let record = found.map_err(|error| refused(error, &named, identity))?;
    Ok((named, record))
}

/// `MaxItems`, and never more than the service's own page.
pub(in super::super) fn page_size(query: &Query, page: u32, most: i64) -> Result<u32, ApiError> {
    let Some(text) = query.get("MaxItems") else { return Ok(page) };
    let Ok(number) = text.parse::<i64>() else {
        return Err(ApiError::serialization("STRING_VALUE can not be converted to Integer"));
    };
    let mut violations = Violations::default();
    violations.number("maxItems", number, 1..=most);
    violations.finish()?;
    Ok(u32::try_from(number).unwrap_or(page).min(page))
}

/// Where the next page begins; opaque to callers.
pub(in super::super) fn next_marker(name: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(name)
}

/// The name in a marker of ours.
pub(in super::super) fn marker(text: &str) -> Result<String, ApiError> {
    use base64::Engine as _;
    let decoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok();
    decoded
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| ApiError::invalid("The provided Marker is invalid."))
}
