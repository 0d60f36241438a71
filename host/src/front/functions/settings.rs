//! The members that create and update have in common: read, checked, and laid over what there is.
//!
//! # Sources
//! `reference/lambda-service.md` sections 4 and 5; patterns of the service model.

use super::super::error::ApiError;
use super::super::members::Members;
use super::super::names::{
    LAYER_VERSION_PATTERN, check_layer_account, check_region, layer_version,
};
use super::super::state::Front;
use super::super::validate::Violations;
use super::runtime::{self, Intent, Taken};
use super::{capacity, variables};
use crate::catalog::{DeployError, MAX_LAYERS};
use crate::model::{EPHEMERAL_STORAGE_MB, MEMORY_MB, TIMEOUT_SECS};
use crate::store::{CapacityProvider, Configuration, LayerUse, Logging, Vpc};

const ROLE_PATTERN: &str = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+";
const ARN_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()";
const HANDLER_PATTERN: &str = r"[^\s]+";
const LOG_GROUP_PATTERN: &str = r"[\.\-_/#A-Za-z0-9]+";
const SUBNET_PATTERN: &str = "subnet-[0-9a-z]*";
const SECURITY_GROUP_PATTERN: &str = "sg-[0-9a-zA-Z]*";
const MAX_HANDLER: usize = 128;
const MAX_DESCRIPTION: usize = 256;
const MAX_LOG_GROUP: usize = 512;
const MAX_SUBNETS: usize = 16;
const MAX_SECURITY_GROUPS: usize = 5;
/// Members of the model that mean something lambdabox has not.
const NOT_YET: [&str; 6] = [
    "FileSystemConfigs",
    "ImageConfig",
    "CodeSigningConfigArn",
    "DurableConfig",
    "RuntimeConfig",
    "AcceleratorConfig",
];

/// What a request sets; absent members change nothing.
#[derive(Debug, Default)]
pub(super) struct Settings {
    runtime: Option<String>,
    role: Option<String>,
    handler: Option<String>,
    description: Option<String>,
    timeout_seconds: Option<u32>,
    memory_mb: Option<u32>,
    ephemeral_storage_mb: Option<u32>,
    environment: Option<Vec<(String, String)>>,
    layers: Option<Vec<String>>,
    tracing: Option<String>,
    dead_letter_target: Option<String>,
    kms_key_arn: Option<String>,
    vpc: Option<Vpc>,
    logging: Option<LoggingAsked>,
    snap_start: Option<String>,
    capacity_provider: Option<CapacityProvider>,
}

#[derive(Debug, Default)]
struct LoggingAsked {
    format: Option<String>,
    application_level: Option<String>,
    system_level: Option<String>,
    group: Option<String>,
}

impl Settings {
    /// Reads the members and notes which of the model's rules they break.
    pub(super) fn read(members: &Members, violations: &mut Violations) -> Result<Self, ApiError> {
        let text = |name| Ok::<_, ApiError>(members.text(name)?.map(str::to_owned));
        let settings = Self {
            runtime: text("Runtime")?,
            role: text("Role")?,
            handler: text("Handler")?,
            description: text("Description")?,
            timeout_seconds: number(
                members.integer("Timeout")?,
                "timeout",
                TIMEOUT_SECS,
                violations,
            ),
            memory_mb: number(members.integer("MemorySize")?, "memorySize", MEMORY_MB, violations),
            ephemeral_storage_mb: match members.object("EphemeralStorage")? {
                None => None,
                Some(storage) => {
                    let (size, path) = (storage.integer("Size")?, "ephemeralStorage.size");
                    if size.is_none() {
                        violations.null(path);
                    }
                    number(size, path, EPHEMERAL_STORAGE_MB, violations)
                }
            },
            environment: match members.object("Environment")? {
                None => None,
                Some(environment) => Some(environment.map("Variables")?.unwrap_or_default()),
            },
            layers: members.texts("Layers")?,
            tracing: nested(members, "TracingConfig", "Mode")?,
            dead_letter_target: nested(members, "DeadLetterConfig", "TargetArn")?,
            kms_key_arn: text("KMSKeyArn")?,
            vpc: vpc(members)?,
            logging: logging(members)?,
            snap_start: nested(members, "SnapStart", "ApplyOn")?,
            capacity_provider: capacity::read(members, violations)?,
        };
        settings.check(violations);
        if let Some(name) = NOT_YET.into_iter().find(|name| is_set(members, name)) {
            return Err(not_yet(name));
        }
        // Creation has taken it out.
        if is_set(members, "TenancyConfig") {
            let text = "The tenancy configuration is set when a function is created, and stays.";
            return Err(ApiError::invalid(text));
        }
        Ok(settings)
    }

    fn check(&self, violations: &mut Violations) {
        if let Some(role) = &self.role
            && !is_role(role)
        {
            violations.pattern("role", role, ROLE_PATTERN);
        }
        if let Some(handler) = &self.handler {
            violations.length("handler", handler, 0..=MAX_HANDLER);
            if handler.is_empty() || handler.contains(char::is_whitespace) {
                violations.pattern("handler", handler, HANDLER_PATTERN);
            }
        }
        if let Some(description) = &self.description {
            violations.length("description", description, 0..=MAX_DESCRIPTION);
        }
        if let Some(environment) = &self.environment {
            variables::check_names(environment, violations);
        }
        let arns = [
            ("deadLetterConfig.targetArn", &self.dead_letter_target),
            ("kMSKeyArn", &self.kms_key_arn),
        ];
        for (path, arn) in arns {
            if let Some(arn) = arn.as_ref().filter(|arn| !arn.is_empty() && !is_arn(arn)) {
                violations.pattern(path, arn, ARN_PATTERN);
            }
        }
        if let Some(mode) = &self.tracing {
            violations.word("tracingConfig.mode", mode, &["Active", "PassThrough"]);
        }
        if let Some(apply_on) = &self.snap_start {
            violations.word("snapStart.applyOn", apply_on, &["PublishedVersions", "None"]);
        }
        if let Some(vpc) = &self.vpc {
            let subnets = ("vpcConfig.subnetIds", &vpc.subnet_ids, "subnet-", SUBNET_PATTERN);
            let groups = (
                "vpcConfig.securityGroupIds",
                &vpc.security_group_ids,
                "sg-",
                SECURITY_GROUP_PATTERN,
            );
            for ((path, ids, prefix, pattern), most) in
                [(subnets, MAX_SUBNETS), (groups, MAX_SECURITY_GROUPS)]
            {
                violations.list_length(path, ids, 0..=most);
                let is_id = |id: &String| {
                    id.strip_prefix(prefix)
                        .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_alphanumeric()))
                };
                if !ids.iter().all(is_id) {
                    list_pattern(violations, path, ids, 0..=1_024, pattern);
                }
            }
        }
        if let Some(layers) = &self.layers
            && !layers.iter().all(|arn| layer_version(arn).is_some())
        {
            list_pattern(violations, "layers", layers, 1..=2_048, LAYER_VERSION_PATTERN);
        }
        if let Some(logging) = &self.logging {
            logging.check(violations);
        }
    }

    /// Lays the settings over `configuration`, with the rules that need more than the request.
    pub(super) async fn apply(
        self,
        front: &Front,
        intent: Intent,
        name: &str,
        configuration: &mut Configuration,
    ) -> Result<(), ApiError> {
        if let Some(runtime) = self.runtime {
            let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
            if let Taken::Deprecated(day) = runtime::check(&runtime, intent, &today)? {
                (front.say)(&format!(
                    "function {name}: AWS calls {runtime} deprecated since {day}"
                ));
            }
            configuration.runtime = runtime;
        }
        if let Some(environment) = self.environment {
            configuration.environment = Some(variables::checked(environment)?);
        }
        if let Some(layers) = self.layers {
            configuration.layers = layer_uses(front, &layers).await?;
        }
        let set = &mut *configuration;
        let replace = |old: &mut String, new: Option<String>| {
            if let Some(new) = new {
                *old = new;
            }
        };
        replace(&mut set.role, self.role);
        replace(&mut set.handler, self.handler);
        replace(&mut set.description, self.description);
        replace(&mut set.tracing, self.tracing);
        replace(&mut set.snap_start, self.snap_start);
        runtime::check_snap_start(&set.runtime, &set.snap_start)?;
        set.timeout_seconds = self.timeout_seconds.unwrap_or(set.timeout_seconds);
        set.memory_mb = self.memory_mb.unwrap_or(set.memory_mb);
        set.ephemeral_storage_mb = self.ephemeral_storage_mb.unwrap_or(set.ephemeral_storage_mb);
        // An empty text takes away.
        let clear = |old: &mut Option<String>, new: Option<String>| {
            if let Some(new) = new {
                *old = Some(new).filter(|new| !new.is_empty());
            }
        };
        if self.dead_letter_target.as_ref().is_some_and(|arn| !arn.is_empty()) {
            (front.say)(&format!(
                "function {name}: DeadLetterConfig is kept and shown, but nothing is sent there yet"
            ));
        }
        clear(&mut set.dead_letter_target, self.dead_letter_target);
        clear(&mut set.kms_key_arn, self.kms_key_arn);
        if self.vpc.is_some() {
            set.vpc = self.vpc;
        }
        if let Some(logging) = self.logging {
            logging.apply(&mut set.logging)?;
        }
        if let Some(provider) = self.capacity_provider {
            set.capacity_provider = Some(provider);
        }
        // Records of many at once are told apart in JSON only.
        if set.capacity_provider.is_some() && set.logging.format != "JSON" {
            let format = Some("JSON".to_owned());
            LoggingAsked { format, ..LoggingAsked::default() }.apply(&mut set.logging)?;
        }
        Ok(())
    }
}

impl LoggingAsked {
    fn check(&self, violations: &mut Violations) {
        let levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
        if let Some(format) = &self.format {
            violations.word("loggingConfig.logFormat", format, &["JSON", "Text"]);
        }
        if let Some(level) = &self.application_level {
            violations.word("loggingConfig.applicationLogLevel", level, &levels);
        }
        if let Some(level) = &self.system_level {
            violations.word("loggingConfig.systemLogLevel", level, &levels[1..4]);
        }
        if let Some(group) = &self.group {
            violations.length("loggingConfig.logGroup", group, 1..=MAX_LOG_GROUP);
            let is_group = |c: char| c.is_ascii_alphanumeric() || "._-/#".contains(c);
            if !group.chars().all(is_group) {
                violations.pattern("loggingConfig.logGroup", group, LOG_GROUP_PATTERN);
            }
        }
    }

    /// JSON has levels, INFO unless said; Text has none.
    fn apply(self, logging: &mut Logging) -> Result<(), ApiError> {
        if let Some(format) = self.format {
            logging.format = format;
        }
        if let Some(group) = self.group {
            logging.group = group;
        }
        if logging.format == "JSON" {
            let level = |asked: Option<String>, old: &mut Option<String>| {
                *old = asked.or(old.take()).or(Some("INFO".to_owned()));
            };
            level(self.application_level, &mut logging.application_level);
            level(self.system_level, &mut logging.system_level);
        } else if self.application_level.is_some() || self.system_level.is_some() {
            return Err(ApiError::invalid(
                "LogLevel is not supported when LogFormat is set to \"Text\". Remove LogLevel from \
                 your request or change the LogFormat to \"JSON\" and try again.",
            ));
        } else {
            (logging.application_level, logging.system_level) = (None, None);
        }
        Ok(())
    }
}

async fn layer_uses(front: &Front, arns: &[String]) -> Result<Vec<LayerUse>, ApiError> {
    if arns.len() > MAX_LAYERS {
        return Err(ApiError::invalid(format!("Cannot reference more than {MAX_LAYERS} layers.")));
    }
    let mut uses = Vec::new();
    let identity = front.identity();
    for (index, arn) in arns.iter().enumerate() {
        let Some(named) = layer_version(arn) else { continue };
        check_region(named.region, identity)?;
        check_layer_account(named.account, "GetLayerVersion", arn, identity)?;
        let layer = |arn: &String| layer_version(arn).map(|named| named.layer_arn().to_owned());
        if let Some(other) = arns[..index].iter().find(|other| layer(other) == layer(arn)) {
            return Err(ApiError::invalid(format!(
                "Two different versions of the same layer are not allowed to be referenced in the \
                 same function. {other} and {arn} are versions of the same layer."
            )));
        }
        let found = front.deployed.layer_use(arn, named.name, named.version).await;
        uses.push(found.map_err(|error| match error {
            DeployError::NoLayer { arn } => {
                ApiError::invalid(format!("Layer version {arn} does not exist."))
            }
            error => ApiError::failed(&error),
        })?);
    }
    Ok(uses)
}

pub(super) fn not_yet(member: &str) -> ApiError {
    ApiError::invalid(format!("lambdabox does not have {member} yet."))
}

/// A member that is there and not empty, as deploy tools like to send them.
pub(super) fn is_set(members: &Members, name: &str) -> bool {
    members.0.get(name).is_some_and(|value| match value {
        serde_json::Value::Null => false,
        serde_json::Value::Array(items) => !items.is_empty(),
        serde_json::Value::Object(items) => items.values().any(|item| !item.is_null()),
        _ => true,
    })
}

fn number(
    value: Option<i64>,
    path: &str,
    limits: std::ops::RangeInclusive<u32>,
    violations: &mut Violations,
) -> Option<u32> {
    let value = value?;
    violations.number(path, value, i64::from(*limits.start())..=i64::from(*limits.end()));
    u32::try_from(value).ok()
}

fn nested(members: &Members, name: &str, member: &str) -> Result<Option<String>, ApiError> {
    let Some(object) = members.object(name)? else { return Ok(None) };
    Ok(object.text(member)?.map(str::to_owned))
}

fn vpc(members: &Members) -> Result<Option<Vpc>, ApiError> {
    let Some(vpc) = members.object("VpcConfig")? else { return Ok(None) };
    Ok(Some(Vpc {
        subnet_ids: vpc.texts("SubnetIds")?.unwrap_or_default(),
        security_group_ids: vpc.texts("SecurityGroupIds")?.unwrap_or_default(),
        ipv6_allowed: vpc.boolean("Ipv6AllowedForDualStack")?.unwrap_or(false),
    }))
}

fn logging(members: &Members) -> Result<Option<LoggingAsked>, ApiError> {
    let Some(logging) = members.object("LoggingConfig")? else { return Ok(None) };
    let text = |name| Ok::<_, ApiError>(logging.text(name)?.map(str::to_owned));
    Ok(Some(LoggingAsked {
        format: text("LogFormat")?,
        application_level: text("ApplicationLogLevel")?,
        system_level: text("SystemLogLevel")?,
        group: text("LogGroup")?,
    }))
}

/// A list of which one member is not of its pattern, printed as AWS prints lists.
pub(in super::super) fn list_pattern(
    violations: &mut Violations,
    path: &str,
    list: &[String],
    limits: std::ops::RangeInclusive<usize>,
    pattern: &str,
) {
    violations.list(
        path,
        list,
        &format!(
            "Member must satisfy constraint: [Member must have length less than or equal to {}, \
             Member must have length greater than or equal to {}, Member must satisfy regular \
             expression pattern: {pattern}, Member must not be null]",
            limits.end(),
            limits.start()
        ),
    );
}

/// `arn:aws:iam::000000000000:role/name`.
fn is_role(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = parts.as_slice() else { return false };
    let name = resource.strip_prefix("role").unwrap_or_default();
    partition
        .strip_prefix("aws")
        .is_some_and(|p| p.chars().all(|c| c.is_ascii_alphabetic() || c == '-'))
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && !name.trim_start_matches('/').is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-/".contains(c))
}

fn is_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(4, ':').collect();
    matches!(parts.as_slice(), ["arn", partition, service, _]
        if partition.starts_with("aws") && !service.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_arns_of_roles() {
        for good in
            ["arn:aws:iam::123456789012:role/r", "arn:aws-us-gov:iam::123456789012:role/a/b.c"]
        {
            assert!(is_role(good), "{good}");
        }
        for bad in [
            "r",
            "arn:aws:iam::1:role/r",
            "arn:aws:iam::123456789012:user/r",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/a b",
        ] {
            assert!(!is_role(bad), "{bad}");
        }
    }

    #[test]
    fn json_logs_have_levels_and_text_has_none() {
        let mut logging = Logging {
            format: "Text".to_owned(),
            application_level: None,
            system_level: None,
            group: "g".to_owned(),
        };
        let json = LoggingAsked { format: Some("JSON".to_owned()), ..LoggingAsked::default() };
        json.apply(&mut logging).unwrap();
        assert_eq!(logging.application_level.as_deref(), Some("INFO"));
        let level =
            LoggingAsked { system_level: Some("WARN".to_owned()), ..LoggingAsked::default() };
        level.apply(&mut logging).unwrap();
        assert_eq!(logging.system_level.as_deref(), Some("WARN"));
        let text = LoggingAsked { format: Some("Text".to_owned()), ..LoggingAsked::default() };
        text.apply(&mut logging).unwrap();
        assert_eq!((logging.application_level, logging.system_level), (None, None));
    }
}
