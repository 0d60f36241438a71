//! The list of settings: one row each, and every spelling of its name follows from the row.
//!
//! A setting is what `lambdabox.toml` may hold, of a function, or `config.toml`, of a host. What only makes sense for one call (`--repeat`,
//! `-o`, `--keep`) is a flag alone and not in this list. `[env]` is a table of its own, see `raw`.

/// How a value is written in `lambdabox.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A string.
    Text,
    /// A whole number (a string of digits is taken too).
    Number,
    /// `true` or `false`.
    Switch,
    /// A string that names a file or directory, relative to the file it stands in.
    Path,
    /// One such string or an array of them; separated by `:` in a variable, as in `PATH`.
    Paths,
    /// An array of strings or numbers; separated by `,` in a variable.
    List,
}

/// What can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// `module.function`, or a custom runtime's own text.
    Handler,
    /// AWS's runtime identifier.
    Runtime,
    /// Memory cap, MB.
    MemorySize,
    /// Longest time of one invocation, whole seconds.
    Timeout,
    /// Size of `/tmp`, MB.
    EphemeralStorage,
    /// `none`, `nat` or `host`.
    Network,
    /// Region the function believes to be in.
    Region,
    /// Profile of the AWS files whose keys the function gets.
    Profile,
    /// `placeholder` or `env`.
    Credentials,
    /// `AWS_LAMBDA_FUNCTION_NAME`.
    FunctionName,
    /// JSON for the context object.
    ClientContext,
    /// Whose the invocation is.
    TenantId,
    /// `text` or `json`.
    LogFormat,
    /// Least important line of the function's own that is logged, in JSON.
    ApplicationLogLevel,
    /// Least important line of the platform's that is logged, in JSON.
    SystemLogLevel,
    /// Invocations at once in one environment.
    MaxConcurrency,
    /// `proportional` or `unlimited`.
    Cpu,
    /// Layers, first at the bottom.
    Layers,
    /// Services of the host's loopback the function may reach.
    Forwards,
    /// `auto` or `off`.
    Sdk,
    /// A virtual environment to add.
    Venv,
    /// `managed` or `official`.
    RuntimeClient,
    /// `exact` or `near`.
    RuntimeCompat,
    /// The event: JSON text, a file, or `-`.
    Event,
    /// Files of `NAME=value` lines.
    EnvFile,
    /// SAM's JSON file of variables.
    EnvVars,
    /// Whether `/dev/shm` exists.
    DevShm,
    /// `auto`, `always` or `never`.
    Color,
    /// Where state is kept.
    DataDir,
    /// A host's own settings, instead of `/etc/lambdabox/config.toml`.
    Config,
    /// Where a host answers AWS clients.
    Listen,
    /// Where a host answers its operator.
    Admin,
    /// Directories below which code may be deployed as it lies.
    AllowCode,
    /// Web pages that may call.
    AllowOrigin,
    /// How long a host that is to end waits for what it accepted, seconds.
    DrainTimeout,
    /// Memory that environments together may take, MB.
    MemoryBudget,
    /// How long an idle environment is kept, seconds.
    IdleTimeout,
    /// After how many idle milliseconds an environment is frozen, or `off`.
    FreezeAfter,
    /// `ConcurrentExecutions` of the account.
    Concurrency,
    /// Size of all logs together, MB.
    LogSize,
    /// How long a log is kept, days.
    LogDays,
    /// How fast streamed answers flow: `unlimited` or `aws`.
    StreamBandwidth,
    /// Where the host's spans go.
    OtlpEndpoint,
    /// Where functions' X-Ray segments go.
    XrayDaemon,
    /// Which host is called.
    EndpointUrl,
}

/// Whose settings a row is among.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Of one function: `lambdabox.toml`.
    Function,
    /// Of a host: `config.toml`.
    Host,
    /// Of either.
    Both,
    /// Of a call of a host: in no file, or whoever wrote a function would choose where it goes.
    Client,
}

impl Scope {
    /// Whether a row of this scope is among the settings of `of`.
    pub(crate) fn is_among(self, of: Self) -> bool {
        self == Self::Both || self == of
    }
}

/// One row.
pub(crate) struct Row {
    /// Which.
    pub(crate) setting: Setting,
    /// Name in `lambdabox.toml`.
    pub(crate) key: &'static str,
    /// Name of the long flag.
    pub(crate) flag: &'static str,
    /// How it is written.
    pub(crate) kind: Kind,
    /// What holds when nobody says anything, as a TOML value; `Err` explains in words.
    pub(crate) default: Result<&'static str, &'static str>,
    /// Whose it is.
    pub(crate) scope: Scope,
}

const fn host(row: Row) -> Row {
    Row { scope: Scope::Host, ..row }
}

const fn both(row: Row) -> Row {
    Row { scope: Scope::Both, ..row }
}

const fn client(row: Row) -> Row {
    Row { scope: Scope::Client, ..row }
}

const fn row(
    setting: Setting,
    key: &'static str,
    flag: &'static str,
    kind: Kind,
    default: Result<&'static str, &'static str>,
) -> Row {
    Row { setting, key, flag, kind, default, scope: Scope::Function }
}

/// Every setting, in the order of [`Setting`]. Numbers are AWS's defaults.
pub(crate) const ROWS: [Row; 45] = [
    row(Setting::Handler, "handler", "--handler", Kind::Text, Err("found in the package")),
    row(Setting::Runtime, "runtime", "--runtime", Kind::Text, Err("found in the package")),
    row(Setting::MemorySize, "memory_size", "--memory-size", Kind::Number, Ok("128")),
    row(Setting::Timeout, "timeout", "--timeout", Kind::Number, Ok("3")),
    row(
        Setting::EphemeralStorage,
        "ephemeral_storage",
        "--ephemeral-storage",
        Kind::Number,
        Ok("512"),
    ),
    both(row(Setting::Network, "network", "--network", Kind::Text, Err("nat where it can be had"))),
    both(row(Setting::Region, "region", "--region", Kind::Text, Ok("\"us-east-1\""))),
    both(row(Setting::Profile, "profile", "--profile", Kind::Text, Err("none"))),
    both(row(
        Setting::Credentials,
        "credentials",
        "--credentials",
        Kind::Text,
        Ok("\"placeholder\""),
    )),
    row(
        Setting::FunctionName,
        "function_name",
        "--function-name",
        Kind::Text,
        Err("named after the package"),
    ),
    row(Setting::ClientContext, "client_context", "--client-context", Kind::Text, Err("none")),
    row(Setting::TenantId, "tenant_id", "--tenant-id", Kind::Text, Err("none")),
    row(Setting::LogFormat, "log_format", "--log-format", Kind::Text, Ok("\"text\"")),
    row(
        Setting::ApplicationLogLevel,
        "application_log_level",
        "--application-log-level",
        Kind::Text,
        Err("info, of a log in JSON"),
    ),
    row(
        Setting::SystemLogLevel,
        "system_log_level",
        "--system-log-level",
        Kind::Text,
        Err("info, of a log in JSON"),
    ),
    row(
        Setting::MaxConcurrency,
        "max_concurrency",
        "--max-concurrency",
        Kind::Number,
        Err("one after another"),
    ),
    both(row(Setting::Cpu, "cpu", "--cpu", Kind::Text, Ok("\"proportional\""))),
    row(Setting::Layers, "layers", "--layer", Kind::Paths, Ok("[]")),
    both(row(Setting::Forwards, "forwards", "--forward", Kind::List, Ok("[]"))),
    both(row(Setting::Sdk, "sdk", "--sdk", Kind::Text, Ok("\"auto\""))),
    row(Setting::Venv, "venv", "--venv", Kind::Path, Err("none")),
    row(
        Setting::RuntimeClient,
        "runtime_client",
        "--runtime-client",
        Kind::Text,
        Ok("\"managed\""),
    ),
    both(row(
        Setting::RuntimeCompat,
        "runtime_compat",
        "--runtime-compat",
        Kind::Text,
        Ok("\"exact\""),
    )),
    row(Setting::Event, "event", "--event", Kind::Text, Ok("\"{}\"")),
    row(Setting::EnvFile, "env_file", "--env-file", Kind::Paths, Ok("[]")),
    row(Setting::EnvVars, "env_vars", "--env-vars", Kind::Path, Err("none")),
    row(Setting::DevShm, "dev_shm", "--dev-shm", Kind::Switch, Ok("false")),
    both(row(Setting::Color, "color", "--color", Kind::Text, Ok("\"auto\""))),
    both(row(
        Setting::DataDir,
        "data_dir",
        "--data-dir",
        Kind::Path,
        Err("the user's data directory"),
    )),
    host(row(Setting::Config, "config", "--config", Kind::Path, Err("/etc/lambdabox/config.toml"))),
    host(row(Setting::Listen, "listen", "--listen", Kind::Text, Ok("\"127.0.0.1:9000\""))),
    host(row(Setting::Admin, "admin", "--admin", Kind::Text, Ok("\"127.0.0.1:9002\""))),
    host(row(Setting::AllowCode, "allow_code", "--allow-code", Kind::Paths, Ok("[]"))),
    host(row(Setting::AllowOrigin, "allow_origin", "--allow-origin", Kind::List, Ok("[]"))),
    host(row(Setting::DrainTimeout, "drain_timeout", "--drain-timeout", Kind::Number, Ok("30"))),
    host(row(
        Setting::MemoryBudget,
        "memory_budget",
        "--memory-budget",
        Kind::Number,
        Err("what the machine has less a reserve"),
    )),
    host(row(Setting::IdleTimeout, "idle_timeout", "--idle-timeout", Kind::Number, Ok("600"))),
    host(row(Setting::FreezeAfter, "freeze_after", "--freeze-after", Kind::Text, Ok("\"50\""))),
    host(row(Setting::Concurrency, "concurrency", "--concurrency", Kind::Number, Ok("1000"))),
    host(row(Setting::LogSize, "log_size", "--log-size", Kind::Number, Ok("1024"))),
    host(row(Setting::LogDays, "log_days", "--log-days", Kind::Number, Ok("30"))),
    host(row(
        Setting::StreamBandwidth,
        "stream_bandwidth",
        "--stream-bandwidth",
        Kind::Text,
        Ok("\"unlimited\""),
    )),
    both(row(
        Setting::OtlpEndpoint,
        "otlp_endpoint",
        "--otlp-endpoint",
        Kind::Text,
        Err("OTEL_EXPORTER_OTLP_ENDPOINT"),
    )),
    both(row(Setting::XrayDaemon, "xray_daemon", "--xray-daemon", Kind::Text, Err("none"))),
    client(row(
        Setting::EndpointUrl,
        "endpoint_url",
        "--endpoint-url",
        Kind::Text,
        Ok("\"http://127.0.0.1:9000\""),
    )),
];

/// Flags that `lambdabox.toml` cannot hold, so that a key of that name gets a fitting answer.
pub(crate) const FLAGS_ALONE: [&str; 12] = [
    "repeat",
    "output",
    "keep",
    "quiet",
    "verbose",
    "print_config",
    "explain",
    "path",
    "isolation",
    "trust_config",
    "build",
    "build_cmd",
];

impl Setting {
    /// Whether it says what of the machine is lambdabox's own. A file comes with a function, and whoever
    /// wrote that would choose which directory is written to, cleaned and trusted.
    pub(crate) fn is_the_machines(self) -> bool {
        self == Self::DataDir
    }

    /// Every setting, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.setting)
    }

    /// The row of this setting.
    pub(crate) fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// Whose it is.
    pub fn scope(self) -> Scope {
        self.row().scope
    }

    /// Name in `lambdabox.toml`.
    pub fn key(self) -> &'static str {
        self.row().key
    }

    /// Name on the command line, with its dashes.
    pub fn flag(self) -> &'static str {
        self.row().flag
    }

    /// Name in the environment: `LAMBDABOX_` and the long flag.
    pub fn variable(self) -> String {
        let name = self.flag().trim_start_matches('-').replace('-', "_").to_ascii_uppercase();
        format!("{VARIABLE_PREFIX}{name}")
    }

    /// The setting that the file of `scope` calls `key`.
    pub(crate) fn of_key(key: &str, scope: Scope) -> Option<Self> {
        rows(scope).find(|row| row.key == key).map(|row| row.setting)
    }
}

/// The rows of one file.
pub(crate) fn rows(scope: Scope) -> impl Iterator<Item = &'static Row> {
    // `--config` names the file, so it is not a part of it.
    ROWS.iter().filter(move |row| row.scope.is_among(scope) && row.setting != Setting::Config)
}

/// How every variable of ours begins.
pub(crate) const VARIABLE_PREFIX: &str = "LAMBDABOX_";

/// Likeness from which a name is offered as "did you mean" (1 is equal; clap draws its line at 0.7).
const ALIKE: f64 = 0.8;

/// The candidate closest to `wrong`, if any is close; case, `-` and `_` do not count.
pub(crate) fn nearest<'a>(
    wrong: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let plain = |s: &str| s.replace(['-', '_'], "").to_ascii_lowercase();
    let wrong = plain(wrong);
    candidates
        .map(|candidate| (strsim::jaro_winkler(&wrong, &plain(candidate)), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_stands_at_its_settings_place() {
        for (index, row) in ROWS.iter().enumerate() {
            assert_eq!(row.setting as usize, index, "{}", row.key);
        }
    }

    #[test]
    fn variables_are_named_after_the_long_flag() {
        assert_eq!(Setting::MemorySize.variable(), "LAMBDABOX_MEMORY_SIZE");
        assert_eq!(Setting::Layers.variable(), "LAMBDABOX_LAYER");
        assert_eq!(Setting::DataDir.variable(), "LAMBDABOX_DATA_DIR");
    }

    #[test]
    fn a_mistyped_name_finds_the_one_that_was_meant() {
        let keys = || ROWS.iter().map(|row| row.key);
        for (wrong, meant) in [
            ("memory-size", Some("memory_size")),
            ("MemorySize", Some("memory_size")),
            ("memory", Some("memory_size")),
            ("layer", Some("layers")),
            ("forward", Some("forwards")),
            ("timout", Some("timeout")),
            ("zebra", None),
        ] {
            assert_eq!(nearest(wrong, keys()), meant, "{wrong}");
        }
    }
}
