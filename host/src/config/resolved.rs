//! An invocation as it will be made: every value checked, with its unit, nothing left to look up.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;

use super::collector::Collector;
use super::credentials::Credentials;
use super::forward::Forward;
use crate::model::{LogFormat, LogLevels, Network};

/// How much processor time a function gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cpu {
    /// In proportion to its memory, as on AWS.
    Proportional,
    /// All there is.
    Unlimited,
}

/// Whether an SDK installed on the host is offered to the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sdk {
    /// Where there is one for the same interpreter, last on the path.
    Auto,
    /// Never.
    Off,
}

/// Which loop talks to the Runtime API in a managed runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuntimeClient {
    /// Ours.
    Managed,
    /// AWS's published client, from the package.
    Official,
}

/// Whether an interpreter of another version may stand in for the runtime's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuntimeCompat {
    /// Never.
    Exact,
    /// The nearest one, if there is none of the version itself.
    Near,
}

/// What becomes of the sandbox afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Nothing is left.
    Remove,
    /// It stays for looking into, and its place is printed.
    Keep,
}

/// What becomes of keys, files and networks that a file hands over which somebody else could have written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrangersFile {
    /// Nothing is run.
    Refused,
    /// The caller has read it.
    Trusted,
}

/// Whether there is a `/dev/shm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DevShm {
    /// As on AWS.
    Absent,
    /// For programs that do not run without.
    Present,
}

/// How much of the sandbox there is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// All of it, or the function does not run.
    Full,
    /// All but the limits on memory and processor time, which take control groups.
    NoLimits,
}

/// When output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// On terminals.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// How much is said on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    /// Errors and warnings only.
    Quiet,
    /// The function's log and what was decided for the user.
    Normal,
    /// Also what it was decided from.
    Verbose,
}

/// Whether to run the function or to show how it would be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Explain {
    /// Run it.
    Run,
    /// Print the steps of its sandbox instead.
    Explain,
}

/// A package that is made first. Flags alone ask for it: a file that comes with a function must not
/// choose what runs on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// A shell's command; what the project's kind takes if absent.
    pub command: Option<String>,
    /// A directory or a zip, absolute; in the project if absent.
    pub output: Option<PathBuf>,
}

/// One `lambdabox invoke`.
#[derive(Debug, Clone)]
pub struct Invoke {
    /// The file, directory or zip, absolute; it exists and may be shown to a function.
    pub path: PathBuf,
    /// `_HANDLER`; found in the package if absent.
    pub handler: Option<String>,
    /// AWS's runtime identifier; found in the package if absent.
    pub runtime: Option<String>,
    /// Name of the function; after the package if absent.
    pub function_name: Option<String>,
    /// Memory cap, MB.
    pub memory_mb: u32,
    /// Longest time one invocation may take.
    pub timeout: Duration,
    /// Size of `/tmp`, MB.
    pub ephemeral_storage_mb: u32,
    /// Network placement; `nat` where it can be had if absent.
    pub network: Option<Network>,
    /// Region.
    pub region: String,
    /// Keys. Variables of the same names in `environment` win over them, as they do over `region`.
    pub credentials: Credentials,
    /// The customer's variables, names checked, keys and region among them only if the user set them.
    pub environment: BTreeMap<String, String>,
    /// Layers, first at the bottom: directories or zips that exist, absolute.
    pub layers: Vec<PathBuf>,
    /// Ports of the host's loopback let in.
    pub forwards: Vec<Forward>,
    /// The event, JSON, bytes as given.
    pub event: Bytes,
    /// Client context, JSON text of an object.
    pub client_context: Option<String>,
    /// Where spans of invocations go, if anywhere.
    pub collector: Option<Collector>,
    /// Where the function's X-Ray segments go, if anywhere.
    pub xray_daemon: Option<SocketAddr>,
    /// Whose the invocation is.
    pub tenant_id: Option<String>,
    /// Form of the log.
    pub log_format: LogFormat,
    /// What of it is logged, in JSON.
    pub log_levels: LogLevels,
    /// Invocations at once in one environment.
    pub max_concurrency: Option<u32>,
    /// Processor time.
    pub cpu: Cpu,
    /// Whether an installed SDK is offered.
    pub sdk: Sdk,
    /// A virtual environment to add: a directory with `pyvenv.cfg`, absolute.
    pub venv: Option<PathBuf>,
    /// Which loop; as the package has it if absent.
    pub runtime_client: Option<RuntimeClient>,
    /// Whether another version may stand in.
    pub runtime_compat: RuntimeCompat,
    /// How often in the same environment, from one.
    pub repeat: u32,
    /// Where the response goes instead of standard output, absolute.
    pub output: Option<PathBuf>,
    /// What becomes of the sandbox.
    pub keep: Keep,
    /// How much of the sandbox there is to be.
    pub isolation: Isolation,
    /// Whether there is a `/dev/shm`.
    pub dev_shm: DevShm,
    /// When output is coloured; `NO_COLOR` is already in it.
    pub color: Color,
    /// How much is said.
    pub verbosity: Verbosity,
    /// Where lambdabox keeps state, absolute; it need not exist.
    pub data_dir: PathBuf,
    /// Whether to run at all.
    pub explain: Explain,
    /// What is built of `path` first, and then run in its place.
    pub build: Option<Build>,
}
