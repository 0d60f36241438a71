//! `FunctionConfiguration` as it goes out. Absent values are left out, never null.
//!
//! # Sources
//! `reference/lambda-service.md` sections 2 (notes), 4 and 6.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::capacity;
use crate::catalog::Identity;
use crate::store::{FunctionRecord, State, UpdateStatus};

/// Which of the members an answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// All.
    Whole,
    /// Of a list: nothing about where the function stands.
    Listed,
}

const CREATING: &str = "The function is being created.";

/// The configuration of a function, named by `arn`.
pub(super) fn configuration(
    record: &FunctionRecord,
    arn: String,
    identity: &Identity,
    view: View,
) -> Value {
    let set = &record.configuration;
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| {
        out.insert(name.to_owned(), value);
    };
    put("FunctionName", record.name.clone().into());
    put("FunctionArn", arn.into());
    put("Runtime", set.runtime.clone().into());
    put("Role", set.role.clone().into());
    put("Handler", set.handler.clone().into());
    put("CodeSize", record.code.bytes.into());
    put("Description", set.description.clone().into());
    put("Timeout", set.timeout_seconds.into());
    put("MemorySize", set.memory_mb.into());
    put("LastModified", record.modified.clone().into());
    put("CodeSha256", base64_of_hex(&record.code.sha256).into());
    put("Version", record.version.clone().into());
    if let Some(vpc) = &set.vpc {
        put(
            "VpcConfig",
            json!({
                "SubnetIds": vpc.subnet_ids,
                "SecurityGroupIds": vpc.security_group_ids,
                "VpcId": "",
                "Ipv6AllowedForDualStack": vpc.ipv6_allowed,
            }),
        );
    }
    if let Some(target) = &set.dead_letter_target {
        put("DeadLetterConfig", json!({ "TargetArn": target }));
    }
    if let Some(variables) = &set.environment {
        put("Environment", json!({ "Variables": variables }));
    }
    if let Some(key) = &set.kms_key_arn {
        put("KMSKeyArn", key.clone().into());
    }
    put("TracingConfig", json!({ "Mode": set.tracing }));
    put("RevisionId", record.revision.clone().into());
    if !set.layers.is_empty() {
        let layers = set.layers.iter();
        let layers = layers.map(|used| json!({ "Arn": used.arn, "CodeSize": used.code.bytes }));
        put("Layers", layers.collect());
    }
    put("PackageType", "Zip".into());
    put("Architectures", json!([set.architecture]));
    put("EphemeralStorage", json!({ "Size": set.ephemeral_storage_mb }));
    put("SnapStart", json!({ "ApplyOn": set.snap_start, "OptimizationStatus": "Off" }));
    if set.is_per_tenant {
        put("TenancyConfig", json!({ "TenantIsolationMode": "PER_TENANT" }));
    }
    if let Some(provider) = &set.capacity_provider {
        put("CapacityProviderConfig", capacity::shown(provider));
    }
    let mut logging = Map::new();
    logging.insert("LogFormat".to_owned(), set.logging.format.clone().into());
    for (name, level) in [
        ("ApplicationLogLevel", &set.logging.application_level),
        ("SystemLogLevel", &set.logging.system_level),
    ] {
        if let Some(level) = level {
            logging.insert(name.to_owned(), level.clone().into());
        }
    }
    logging.insert("LogGroup".to_owned(), set.logging.group.clone().into());
    put("LoggingConfig", Value::Object(logging));
    if view == View::Whole {
        put("RuntimeVersionConfig", json!({ "RuntimeVersionArn": runtime_arn(record, identity) }));
        standing(record, &mut put);
    }
    Value::Object(out)
}

/// `State*` and `LastUpdateStatus*`.
fn standing(record: &FunctionRecord, put: &mut impl FnMut(&str, Value)) {
    match &record.state {
        State::Active => put("State", "Active".into()),
        State::Pending => {
            put("State", "Pending".into());
            put("StateReason", CREATING.into());
            put("StateReasonCode", "Creating".into());
        }
        State::Failed { reason } => {
            put("State", "Failed".into());
            put("StateReason", reason.clone().into());
            put("StateReasonCode", "InternalError".into());
        }
    }
    let Some(update) = &record.update else { return };
    match update.status {
        UpdateStatus::Successful => put("LastUpdateStatus", "Successful".into()),
        UpdateStatus::InProgress => {
            put("LastUpdateStatus", "InProgress".into());
            put("LastUpdateStatusReason", CREATING.into());
            put("LastUpdateStatusReasonCode", "Creating".into());
        }
        UpdateStatus::Failed => {
            put("LastUpdateStatus", "Failed".into());
            let reason = update.reason.clone().unwrap_or_default();
            put("LastUpdateStatusReason", reason.into());
            put("LastUpdateStatusReasonCode", "InternalError".into());
        }
    }
}

/// Which build of a runtime a function has; ours changes with lambdabox.
fn runtime_arn(record: &FunctionRecord, identity: &Identity) -> String {
    let runtime = &record.configuration.runtime;
    let build = format!("lambdabox {} {runtime}", env!("CARGO_PKG_VERSION"));
    let hash: String = Sha256::digest(build).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("arn:aws:lambda:{}::runtime:{hash}", identity.region)
}

/// A hash as AWS writes it (`CodeSha256`).
pub(in super::super) fn base64_of_hex(hex: &str) -> String {
    let digit = |c: u8| char::from(c).to_digit(16).unwrap_or_default();
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(*high) * 16 + digit(*low)).unwrap_or_default(),
        _ => 0,
    };
    STANDARD.encode(hex.as_bytes().chunks(2).map(byte).collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_base64_of_their_bytes() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(base64_of_hex(hex), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }
}
