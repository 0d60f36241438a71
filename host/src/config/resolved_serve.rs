//! A host as it will be: every value checked, with its unit.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::collector::Collector;
use super::credentials::Credentials;
use super::forward::Forward;
use super::object_store::ObjectStore;
use super::resolved::{Color, Cpu, Isolation, RuntimeCompat, Sdk, Verbosity};
use crate::model::{Bandwidth, Network};

/// When an idle environment is stopped from running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreezeAfter {
    /// Never.
    Off,
    /// After this, which may be nothing.
    Idle(Duration),
}

/// What `lambdabox serve` does.
#[derive(Debug, Clone)]
pub struct Serve {
    /// Where AWS clients are answered: loopback; port 0 is any.
    pub listen: SocketAddr,
    /// Where the operator is answered: loopback; port 0 is any.
    pub admin: SocketAddr,
    /// Where state is kept, absolute; it need not exist.
    pub data_dir: PathBuf,
    /// Directories below which code may be deployed as it lies, without symbolic links.
    pub allow_code: Vec<PathBuf>,
    /// Values of `Origin` that may call.
    pub allow_origin: Vec<String>,
    /// How long the end waits for what was accepted.
    pub drain_timeout: Duration,
    /// Memory of all environments together, MB; by the machine if absent.
    pub memory_budget_mb: Option<u32>,
    /// How long an idle environment is kept.
    pub idle_timeout: Duration,
    /// When an idle environment is frozen.
    pub freeze_after: FreezeAfter,
    /// Invocations at once of all functions.
    pub concurrency: u32,
    /// Size of all logs together.
    pub log_bytes: u64,
    /// How long a log is kept.
    pub log_age: Duration,
    /// How fast streamed answers flow.
    pub stream_bandwidth: Bandwidth,
    /// Region of every ARN.
    pub region: String,
    /// Where functions' network reaches; as can be had if absent.
    pub network: Option<Network>,
    /// Ports of the host's loopback let in to every function.
    pub forwards: Vec<Forward>,
    /// Keys every function gets.
    pub credentials: Credentials,
    /// Where spans of invocations go, if anywhere.
    pub collector: Option<Collector>,
    /// Where functions' X-Ray segments go, if anywhere.
    pub xray_daemon: Option<SocketAddr>,
    /// Where code in S3 is read from, if anywhere.
    pub object_store: Option<ObjectStore>,
    /// How much of the sandbox there is to be.
    pub isolation: Isolation,
    /// Processor time.
    pub cpu: Cpu,
    /// Whether an installed SDK is offered.
    pub sdk: Sdk,
    /// Whether another version of an interpreter may stand in.
    pub runtime_compat: RuntimeCompat,
    /// When output is coloured.
    pub color: Color,
    /// How much is said.
    pub verbosity: Verbosity,
}
