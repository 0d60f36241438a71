//! What a row holds: the customer's settings as AWS names them, and where the function stands.
//!
//! Serialised as JSON; a field is only ever added with a default.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything stored about one version of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionRecord {
    /// `FunctionName`.
    pub name: String,
    /// `$LATEST`, or the number of a published one.
    pub version: String,
    /// `RevisionId`; another one after every change, the silent ones too.
    pub revision: String,
    /// Which code and configuration this is; another one after every change of them.
    pub deployment: String,
    /// `LastModified`, as AWS writes it.
    pub modified: String,
    /// The customer's settings.
    pub configuration: Configuration,
    /// The package.
    pub code: Code,
    /// Where the function stands.
    pub state: State,
    /// Where its last update stands; `None` before it was first active.
    pub update: Option<LastUpdate>,
    /// `ReservedConcurrentExecutions`; a column of the function, not of the version.
    #[serde(skip)]
    pub reserved: Option<u32>,
    /// Tags; a column of the function.
    #[serde(skip)]
    pub tags: BTreeMap<String, String>,
}

/// What a customer sets, except for the code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "AWS's own members, by their own names and units")]
pub struct Configuration {
    pub runtime: String,
    pub role: String,
    pub handler: String,
    pub description: String,
    pub timeout_seconds: u32,
    pub memory_mb: u32,
    pub ephemeral_storage_mb: u32,
    pub architecture: String,
    /// `None` until Environment was sent, even empty.
    pub environment: Option<BTreeMap<String, String>>,
    pub layers: Vec<LayerUse>,
    pub tracing: String,
    pub dead_letter_target: Option<String>,
    pub kms_key_arn: Option<String>,
    pub vpc: Option<Vpc>,
    pub logging: Logging,
    pub snap_start: String,
    /// `TenancyConfig` with the only mode there is; never changes.
    #[serde(default)]
    pub is_per_tenant: bool,
    /// `CapacityProviderConfig`: many invocations at once.
    #[serde(default)]
    pub capacity_provider: Option<CapacityProvider>,
}

/// `LambdaManagedInstancesCapacityProviderConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapacityProvider {
    /// There is none behind it here.
    pub arn: String,
    /// Invocations at once in one environment.
    pub max_concurrency: u32,
    /// Shown, and of no effect.
    pub gib_per_vcpu: serde_json::Number,
}

/// A stored package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// Of the zip, in hexadecimal; its name among the blobs.
    pub sha256: String,
    /// Size of the zip.
    pub bytes: u64,
    /// Size of what is in it.
    pub unpacked_bytes: u64,
}

/// A layer version as a function uses it, also after the layer version was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerUse {
    /// Of the layer version.
    pub arn: String,
    /// Its package.
    pub code: Code,
}

/// `VpcConfig`: kept and shown; the sandbox's own network placement decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "AWS's own members")]
pub struct Vpc {
    pub subnet_ids: Vec<String>,
    pub security_group_ids: Vec<String>,
    pub ipv6_allowed: bool,
}

/// `LoggingConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "AWS's own members")]
pub struct Logging {
    pub format: String,
    pub application_level: Option<String>,
    pub system_level: Option<String>,
    pub group: String,
}

/// Where a function stands (`State`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It is being made.
    Pending,
    /// It can be invoked.
    Active,
    /// It could not be made.
    Failed {
        /// `StateReason`.
        reason: String,
    },
}

impl State {
    /// The word for a function that can neither be invoked nor changed; `None` for one that can.
    pub fn in_the_way(&self) -> Option<&'static str> {
        match self {
            Self::Active => None,
            Self::Pending => Some("Pending"),
            Self::Failed { .. } => Some("Failed"),
        }
    }
}

/// Where an update stands (`LastUpdateStatus`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastUpdate {
    /// How far it is.
    pub status: UpdateStatus,
    /// `LastUpdateStatusReason` of one that failed.
    pub reason: Option<String>,
}

/// How far an update is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateStatus {
    /// The code before it still serves.
    InProgress,
    /// It serves.
    Successful,
    /// The code before it serves on.
    Failed,
}

/// A layer version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "AWS's own members")]
pub struct LayerRecord {
    pub name: String,
    /// From one; the number of a deleted one is not used again.
    pub version: u64,
    pub description: String,
    pub created: String,
    pub runtimes: Vec<String>,
    pub architectures: Vec<String>,
    pub license: Option<String>,
    pub code: Code,
}

/// A function's URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "AWS's own members")]
pub struct UrlRecord {
    /// First label of its host name: 32 letters and digits.
    pub id: String,
    /// Bare name.
    pub function: String,
    pub auth_type: String,
    /// `None` until it was sent.
    pub invoke_mode: Option<String>,
    pub cors: Option<Cors>,
    pub created: String,
    /// `None` before the first change.
    pub modified: Option<String>,
}

/// `Cors`, with the members that were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "AWS's own members")]
#[serde(rename_all = "PascalCase")]
pub struct Cors {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_credentials: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_headers: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_methods: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_origins: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expose_headers: Option<Vec<String>>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<i64>,
}

/// How many rows a deletion found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dead {
    /// It was there.
    Deleted,
    /// There was nothing.
    Absent,
}
