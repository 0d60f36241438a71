//! What a function is, as far as running it is concerned.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::{ApplicationLevel, LogLevels, TracingMode};

/// Memory a function may ask for, in MB (Lambda quotas).
pub const MEMORY_MB: RangeInclusive<u32> = 128..=10_240;
/// Time a function may take, in seconds (Lambda quotas).
pub const TIMEOUT_SECS: RangeInclusive<u32> = 1..=900;
/// Size of `/tmp`, in MB (Lambda quotas).
pub const EPHEMERAL_STORAGE_MB: RangeInclusive<u32> = 512..=10_240;
/// Invocations at once that one environment may be given (`PerExecutionEnvironmentMaxConcurrency`).
pub const MAX_CONCURRENCY: RangeInclusive<u32> = 1..=1_600;
/// Memory at which a function has one whole vCPU (Lambda developer guide, "memory").
pub const MIB_PER_VCPU: u32 = 1_769;

/// Tells a runtime its application level (runtime-api.md 4.3).
pub const APPLICATION_LEVEL_VARIABLE: &str = "AWS_LAMBDA_LOG_LEVEL";

/// Where a function's network reaches; the counterpart of a VPC setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Loopback only.
    None,
    /// An address of its own, outbound allowed, the host's own services out of reach.
    Nat,
    /// The host's own network: reduced isolation, repeated in REPORT.
    Host,
}

/// Form of the log lines (`LoggingConfig.LogFormat`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogFormat {
    /// Lambda's plain lines.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// The value of `AWS_LAMBDA_LOG_FORMAT`.
    pub fn as_aws(self) -> &'static str {
        match self {
            Self::Text => "Text",
            Self::Json => "JSON",
        }
    }
}

/// How an environment comes to be (`AWS_LAMBDA_INITIALIZATION_TYPE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Initialization {
    /// When it is needed.
    #[default]
    OnDemand,
    /// By an init that ends in a snapshot, and its restore.
    SnapStart,
}

/// What `SnapStart.ApplyOn` says: there is one version, and it is the one that would be published.
impl From<&str> for Initialization {
    fn from(apply_on: &str) -> Self {
        match apply_on {
            "PublishedVersions" => Self::SnapStart,
            _ => Self::OnDemand,
        }
    }
}

impl Initialization {
    /// The literal of variable and telemetry.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OnDemand => "on-demand",
            Self::SnapStart => "snap-start",
        }
    }
}

/// One published state of a function: what to run and within which limits.
#[derive(Debug, Clone)]
pub struct Function {
    /// `FunctionName`.
    pub name: String,
    /// `$LATEST` or a number.
    pub version: String,
    /// Account that owns it, twelve digits.
    pub account: String,
    /// Region in its ARN and environment.
    pub region: String,
    /// AWS's runtime identifier, such as `python3.11`.
    pub runtime: String,
    /// `_HANDLER`.
    pub handler: String,
    /// Memory cap, MB.
    pub memory_mb: u32,
    /// Longest time one invocation may take.
    pub timeout: Duration,
    /// Size of `/tmp`, MB.
    pub ephemeral_storage_mb: u32,
    /// Form of the log.
    pub log_format: LogFormat,
    /// Where the log goes, such as `/aws/lambda/hello`.
    pub log_group: String,
    /// What of it is logged, in JSON.
    pub log_levels: LogLevels,
    /// What becomes of its invokers' traces.
    pub tracing: TracingMode,
    /// How its environments come to be.
    pub initialization: Initialization,
    /// How many invocations an environment runs at once, as on Managed Instances; `None` is Lambda's
    /// usual way, one after another.
    pub max_concurrency: Option<u32>,
    /// The customer's own variables, already checked against reserved names.
    pub environment: BTreeMap<String, String>,
}

impl Function {
    /// The ARN as an invoker without a qualifier names it.
    pub fn arn(&self) -> String {
        format!("arn:aws:lambda:{}:{}:function:{}", self.region, self.account, self.name)
    }

    /// What is logged: the customer's own `AWS_LAMBDA_LOG_LEVEL` is what the runtime goes by, too.
    pub fn effective_levels(&self) -> LogLevels {
        let own = self.environment.get(APPLICATION_LEVEL_VARIABLE);
        let own = own.and_then(|name| ApplicationLevel::named(name));
        LogLevels { application: own.unwrap_or(self.log_levels.application), ..self.log_levels }
    }

    /// How its environments come to be (`AWS_LAMBDA_INITIALIZATION_TYPE`).
    pub fn initialization_type(&self) -> &'static str {
        match self.max_concurrency {
            Some(_) => "lambda-managed-instances",
            None => self.initialization.as_str(),
        }
    }

    /// True for `provided`, `provided.al2` and `provided.al2023`: the user's own `bootstrap` runs.
    pub fn is_custom_runtime(&self) -> bool {
        self.runtime == "provided" || self.runtime.starts_with("provided.")
    }
}
