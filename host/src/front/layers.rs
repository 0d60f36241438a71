//! Layer versions as AWS clients publish, read and delete them.
//!
//! # Sources
//! `reference/lambda-service.md` sections 5, 10 and 16.

use http::{HeaderMap, StatusCode};
use lambdabox_runtimes::Catalogue;
use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::functions::{
    ARCHITECTURES, Place, base64_of_hex, check_members, code_of, is_awss, marker, next_marker,
    page_size, refused,
};
use super::names::{LAYER_VERSION_PATTERN, Named, layer_name, layer_version};
use super::reply::{self, Answer};
use super::state::{Call, Front};
use super::validate::Violations;
use crate::catalog::{Identity, MAX_UNPACKED_BYTES};
use crate::store::{LayerRecord, StoreError};

const PAGE: u32 = 50;
const MAX_ITEMS: i64 = 50;
const MAX_RUNTIMES: usize = 15;
const MAX_ARCHITECTURES: usize = 2;
const MAX_DESCRIPTION: usize = 256;
const MAX_LICENSE: usize = 512;
const NO_RESOURCE: &str = "The resource you requested does not exist.";

pub(super) async fn publish(front: &Front, name: &str, call: Call) -> Answer {
    let (mut members, _memory) = front.upload(call.body, "PublishLayerVersion").await?;
    let identity = front.identity();
    let mut violations = Violations::default();
    if !members.has("Content") {
        violations.null("content");
    }
    let description = members.text("Description")?.unwrap_or_default().to_owned();
    violations.length("description", &description, 0..=MAX_DESCRIPTION);
    let license = members.text("LicenseInfo")?.map(str::to_owned);
    if let Some(license) = &license {
        violations.length("licenseInfo", license, 0..=MAX_LICENSE);
    }
    let runtimes = members.texts("CompatibleRuntimes")?.unwrap_or_default();
    let architectures = members.texts("CompatibleArchitectures")?.unwrap_or_default();
    violations.list_length("compatibleRuntimes", &runtimes, 0..=MAX_RUNTIMES);
    if !runtimes.iter().all(|runtime| is_awss(runtime)) {
        violations.list_of("compatibleRuntimes", &runtimes, &Catalogue::embedded().known());
    }
    violations.list_length("compatibleArchitectures", &architectures, 0..=MAX_ARCHITECTURES);
    violations.list_words("compatibleArchitectures", &architectures, &ARCHITECTURES);
    if let Some(Value::Object(content)) = members.0.get("Content") {
        check_members(content, Place::Content, &mut violations);
    }
    violations.finish()?;
    let name = layer_name(name, "PublishLayerVersion", identity)?;
    let content = members.take_object("Content")?.unwrap_or_default();
    let source = code_of(content, Place::Content).await?;
    let nobody = Named { name: name.clone(), qualifier: None };
    let taken = front.deployed.take_in(source).await;
    let taken = taken.map_err(|error| refused(error, &nobody, identity))?;
    if taken.code.unpacked_bytes > MAX_UNPACKED_BYTES {
        return Err(ApiError::invalid(format!(
            "Unzipped size must be smaller than {MAX_UNPACKED_BYTES} bytes"
        )));
    }
    let layer = LayerRecord {
        name,
        version: 0,
        description,
        created: String::new(),
        runtimes,
        architectures,
        license,
        code: taken.code.clone(),
    };
    let published = front.deployed.publish_layer(layer).await;
    let layer = published.map_err(|error| refused(error, &nobody, identity))?;
    Ok(reply::json(StatusCode::CREATED, &whole(front, &layer, &call.headers)))
}

pub(super) async fn get(front: &Front, name: &str, version: &str, call: &Call) -> Answer {
    let name = layer_name(name, "GetLayerVersion", front.identity())?;
    let version = number(version)?;
    shown(front, &name, version, call).await
}

pub(super) async fn get_by_arn(front: &Front, call: &Call) -> Answer {
    let arn = call.query.get("Arn").unwrap_or_default();
    let Some(named) = layer_version(arn) else {
        let mut violations = Violations::default();
        violations.length("arn", arn, 1..=2_048);
        violations.pattern("arn", arn, LAYER_VERSION_PATTERN);
        violations.finish()?;
        return Err(ApiError::not_found(NO_RESOURCE));
    };
    let identity = front.identity();
    if named.account != identity.account || named.region != identity.region {
        return Err(ApiError::not_found(NO_RESOURCE));
    }
    shown(front, named.name, named.version, call).await
}

pub(super) async fn delete(front: &Front, name: &str, version: &str) -> Answer {
    let name = layer_name(name, "DeleteLayerVersion", front.identity())?;
    let version = number(version)?;
    // To delete an absent one is no error.
    front.deployed.store().delete_layer(&name, version).await.map_err(failed)?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn list_versions(front: &Front, name: &str, call: &Call) -> Answer {
    let name = layer_name(name, "ListLayerVersions", front.identity())?;
    check_wanted(call)?;
    let page = page_size(&call.query, PAGE, MAX_ITEMS)? as usize;
    let below = call.query.get("Marker").map(marker).transpose()?;
    let below = below.and_then(|below| below.parse().ok());
    let versions = front.deployed.store().layer_versions(&name, below).await.map_err(failed)?;
    let mut versions: Vec<_> =
        versions.into_iter().filter(|layer| is_wanted(layer, call)).take(page + 1).collect();
    let more = versions.len() > page;
    versions.truncate(page);
    let mut out = Map::new();
    if let Some(last) = versions.last().filter(|_| more) {
        out.insert("NextMarker".to_owned(), next_marker(&last.version.to_string()).into());
    }
    let identity = front.identity();
    let listed: Vec<Value> = versions.iter().map(|layer| listed(layer, identity).into()).collect();
    out.insert("LayerVersions".to_owned(), listed.into());
    Ok(reply::json(StatusCode::OK, &Value::Object(out)))
}

pub(super) async fn list(front: &Front, call: &Call) -> Answer {
    check_wanted(call)?;
    let page = page_size(&call.query, PAGE, MAX_ITEMS)? as usize;
    let after = call.query.get("Marker").map(marker).transpose()?;
    let versions = front.deployed.store().layers(after).await.map_err(failed)?;
    let mut latest: Vec<LayerRecord> = Vec::new();
    for layer in versions.into_iter().filter(|layer| is_wanted(layer, call)) {
        // By name, the newest first.
        if latest.last().is_none_or(|last| last.name != layer.name) {
            latest.push(layer);
        }
    }
    let more = latest.len() > page;
    latest.truncate(page);
    let mut out = Map::new();
    if let Some(last) = latest.last().filter(|_| more) {
        out.insert("NextMarker".to_owned(), next_marker(&last.name).into());
    }
    let identity = front.identity();
    let layers: Vec<Value> = latest
        .iter()
        .map(|layer| {
            json!({
                "LayerName": layer.name,
                "LayerArn": layer_arn(&layer.name, identity),
                "LatestMatchingVersion": Value::from(listed(layer, identity)),
            })
        })
        .collect();
    out.insert("Layers".to_owned(), layers.into());
    Ok(reply::json(StatusCode::OK, &Value::Object(out)))
}

async fn shown(front: &Front, name: &str, version: u64, call: &Call) -> Answer {
    let found = front.deployed.store().layer(name, version).await.map_err(failed)?;
    let layer = found.ok_or_else(|| ApiError::not_found(NO_RESOURCE))?;
    Ok(reply::json(StatusCode::OK, &whole(front, &layer, &call.headers)))
}

/// A layer version with its content.
fn whole(front: &Front, layer: &LayerRecord, headers: &HeaderMap) -> Value {
    let identity = front.identity();
    let mut out = Map::new();
    let content = json!({
        "Location": front.downloads.location(&layer.code.sha256, headers),
        "CodeSha256": base64_of_hex(&layer.code.sha256),
        "CodeSize": layer.code.bytes,
    });
    out.insert("Content".to_owned(), content);
    out.insert("LayerArn".to_owned(), layer_arn(&layer.name, identity).into());
    out.extend(listed(layer, identity));
    Value::Object(out)
}

/// A layer version as lists have it.
fn listed(layer: &LayerRecord, identity: &Identity) -> Map<String, Value> {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| {
        out.insert(name.to_owned(), value);
    };
    let arn = layer_arn(&layer.name, identity);
    put("LayerVersionArn", format!("{arn}:{}", layer.version).into());
    put("Description", layer.description.clone().into());
    put("CreatedDate", layer.created.clone().into());
    put("Version", layer.version.into());
    for (name, list) in
        [("CompatibleRuntimes", &layer.runtimes), ("CompatibleArchitectures", &layer.architectures)]
    {
        if !list.is_empty() {
            put(name, json!(list));
        }
    }
    if let Some(license) = &layer.license {
        put("LicenseInfo", license.clone().into());
    }
    out
}

/// What lists can be narrowed to is of AWS's words.
fn check_wanted(call: &Call) -> Result<(), ApiError> {
    let mut violations = Violations::default();
    if let Some(runtime) = call.query.get("CompatibleRuntime").filter(|text| !is_awss(text)) {
        let known = Catalogue::embedded().known();
        let rule = format!("Member must satisfy enum value set: [{known}]");
        violations.add("compatibleRuntime", runtime, &rule);
    }
    if let Some(architecture) = call.query.get("CompatibleArchitecture") {
        violations.word("compatibleArchitecture", architecture, &ARCHITECTURES);
    }
    violations.finish()
}

fn is_wanted(layer: &LayerRecord, call: &Call) -> bool {
    let has = |name: &str, list: &[String]| {
        call.query.get(name).is_none_or(|word| list.iter().any(|item| item == word))
    };
    has("CompatibleRuntime", &layer.runtimes) && has("CompatibleArchitecture", &layer.architectures)
}

fn number(text: &str) -> Result<u64, ApiError> {
    match text.parse::<i64>() {
        Ok(number) if number >= 1 => Ok(number.unsigned_abs()),
        Ok(_) => Err(ApiError::invalid("Layer Version Cannot be less than 1")),
        Err(_) => Err(ApiError::serialization("STRING_VALUE can not be converted to Long")),
    }
}

fn layer_arn(name: &str, identity: &Identity) -> String {
    format!("arn:aws:lambda:{}:{}:layer:{name}", identity.region, identity.account)
}

fn failed(error: StoreError) -> ApiError {
    ApiError::failed(&error)
}
