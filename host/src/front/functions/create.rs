//! CreateFunction.
//!
//! # Sources
//! `reference/lambda-service.md` sections 3 to 6 and 16.

use http::StatusCode;
use serde_json::Value;

use super::super::error::ApiError;
use super::super::members::Members;
use super::super::names::{CREATE, LATEST, Named};
use super::super::reply::{self, Answer};
use super::super::state::{Call, Front};
use super::super::tags;
use super::super::validate::Violations;
use super::code::{Place, check_members, code_of};
use super::refused::refused;
use super::runtime::Intent;
use super::settings::{Settings, is_set, not_yet};
use super::shape::{View, configuration};
use crate::catalog::{DeployError, MAX_UNPACKED_BYTES};
use crate::store::{Configuration, FunctionRecord, Logging, State};

/// Longest bare name.
const MAX_NAME: usize = 64;
pub(in super::super) const ARCHITECTURES: [&str; 2] = ["x86_64", "arm64"];
/// AWS's defaults (section 4).
const DEFAULT_TIMEOUT_SECONDS: u32 = 3;
const DEFAULT_MEMORY_MB: u32 = 128;
const DEFAULT_EPHEMERAL_STORAGE_MB: u32 = 512;

pub(in super::super) async fn create(front: &Front, call: Call) -> Answer {
    let (mut members, _memory) = front.upload(call.body, "CreateFunction").await?;
    let identity = front.identity();
    let mut violations = Violations::default();
    members.text("FunctionName")?;
    for (member, path) in [("FunctionName", "functionName"), ("Role", "role"), ("Code", "code")] {
        if !members.has(member) {
            violations.null(path);
        }
    }
    let tenancy = members.take_object("TenancyConfig")?;
    let is_per_tenant = tenancy.is_some();
    if let Some(tenancy) = tenancy {
        match tenancy.text("TenantIsolationMode")? {
            None => violations.null("tenancyConfig.tenantIsolationMode"),
            Some(mode) => {
                violations.word("tenancyConfig.tenantIsolationMode", mode, &["PER_TENANT"]);
            }
        }
    }
    let settings = Settings::read(&members, &mut violations)?;
    let architecture = architecture(&members, &mut violations)?;
    if let Some(package_type) = members.text("PackageType")? {
        violations.word("packageType", package_type, &["Image", "Zip"]);
    }
    let tags = tags::read(&members, &mut violations)?;
    if let Some(Value::Object(code)) = members.0.get("Code") {
        check_members(code, Place::Code, &mut violations);
    }
    violations.finish()?;
    let named = named(front, members.text("FunctionName")?.unwrap_or_default())?;
    refuse_publishing(&members)?;
    if members.text("PackageType")? == Some("Image") {
        return Err(ApiError::invalid("lambdabox does not run container images yet."));
    }
    if !members.has("Runtime") || !members.has("Handler") {
        return Err(ApiError::invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment \
             packages.",
        ));
    }
    let mut set = Configuration { is_per_tenant, ..defaults(&named.name, architecture) };
    settings.apply(front, Intent::Create, &named.name, &mut set).await?;
    let code = members.take_object("Code")?.unwrap_or_default();
    let source = code_of(code, Place::Code).await?;
    // Before megabytes are unpacked for nothing; the store decides for good.
    let failed = |error| refused(error, &named, identity);
    match front.deployed.find(&named.name).await {
        Ok(_) => return Err(failed(DeployError::Exists { name: named.name.clone() })),
        Err(DeployError::NoFunction { .. }) => {}
        Err(error) => return Err(failed(error)),
    }
    let taken = front.deployed.take_in(source).await.map_err(failed)?;
    let record = FunctionRecord {
        name: named.name.clone(),
        version: LATEST.to_owned(),
        revision: String::new(),
        deployment: String::new(),
        modified: String::new(),
        configuration: set,
        code: taken.code.clone(),
        state: State::Pending,
        update: None,
        reserved: None,
        tags,
    };
    check_unpacked(&record)?;
    let record = front.deployed.create(record).await.map_err(failed)?;
    let shown = configuration(&record, named.arn(identity), identity, View::Whole);
    Ok(reply::json(StatusCode::CREATED, &shown))
}

/// The name, whose length is told by another exception than everything else about it.
fn named(front: &Front, text: &str) -> Result<Named, ApiError> {
    let too_long = |name: &str| {
        ApiError::invalid(format!(
            "1 validation error detected: Value '{name}' at 'functionName' failed to satisfy \
             constraint: Member must have length less than or equal to {MAX_NAME}"
        ))
    };
    if text.len() > MAX_NAME && text.chars().all(super::super::names::is_name) {
        return Err(too_long(text));
    }
    let named = Named::read(text, None, CREATE, front.identity())?;
    if named.name.len() > MAX_NAME {
        return Err(too_long(&named.name));
    }
    if named.qualifier.is_some() {
        return Err(ApiError::invalid(
            "A function is created without a version or alias; leave out what follows its name.",
        ));
    }
    Ok(named)
}

/// Versions come in a later release; an answer that has not published would be a lie.
pub(super) fn refuse_publishing(members: &Members) -> Result<(), ApiError> {
    if members.boolean("Publish")? == Some(true) {
        return Err(ApiError::invalid("lambdabox does not publish versions yet."));
    }
    if is_set(members, "PublishTo") {
        return Err(not_yet("PublishTo"));
    }
    Ok(())
}

/// Code and layers together.
pub(super) fn check_unpacked(record: &FunctionRecord) -> Result<(), ApiError> {
    let layers: u64 = record.configuration.layers.iter().map(|used| used.code.unpacked_bytes).sum();
    match layers + record.code.unpacked_bytes > MAX_UNPACKED_BYTES {
        true => Err(ApiError::invalid(format!(
            "Unzipped size must be smaller than {MAX_UNPACKED_BYTES} bytes"
        ))),
        false => Ok(()),
    }
}

/// `Architectures`: exactly one of two.
pub(super) fn architecture(
    members: &Members,
    violations: &mut Violations,
) -> Result<Option<String>, ApiError> {
    let Some(list) = members.texts("Architectures")? else { return Ok(None) };
    violations.list_length("architectures", &list, 1..=1);
    violations.list_words("architectures", &list, &ARCHITECTURES);
    Ok(list.into_iter().next())
}

fn defaults(name: &str, architecture: Option<String>) -> Configuration {
    Configuration {
        runtime: String::new(),
        role: String::new(),
        handler: String::new(),
        description: String::new(),
        timeout_seconds: DEFAULT_TIMEOUT_SECONDS,
        memory_mb: DEFAULT_MEMORY_MB,
        ephemeral_storage_mb: DEFAULT_EPHEMERAL_STORAGE_MB,
        architecture: architecture.unwrap_or_else(|| "x86_64".to_owned()),
        environment: None,
        layers: Vec::new(),
        tracing: "PassThrough".to_owned(),
        dead_letter_target: None,
        kms_key_arn: None,
        vpc: None,
        logging: Logging {
            format: "Text".to_owned(),
            application_level: None,
            system_level: None,
            group: format!("/aws/lambda/{name}"),
        },
        snap_start: "None".to_owned(),
        is_per_tenant: false,
        capacity_provider: None,
    }
}
