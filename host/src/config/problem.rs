//! Everything that can be wrong with what the user said, and what to do about each.
//!
//! `Display` says what is wrong in one line, with place, value and limit; [`Problem::hint`] says
//! what to do. A cause is `source()` and is not repeated in the text.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::Setting;
use super::place::{Origin, Place};
use super::setting::{Row, Scope, rows};
use super::strangers::Stranger;

/// Every problem found, in the order of the settings; never empty.
#[derive(Debug)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            write!(f, "{gap}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// One thing that is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message says what its fields are")]
pub enum Problem {
    // Numbers, words, texts.
    #[error("{place} is `{value}`, which is not a whole number ({low} to {high} {unit})")]
    NotANumber { place: String, value: String, low: u32, high: u32, unit: &'static str },
    #[error("{place} is {value}, outside the limits of {low} to {high} {unit}")]
    OutOfRange { place: String, value: String, low: u32, high: u32, unit: &'static str },
    #[error("{place} is `{value}`; it can be {}", choices.join(", "))]
    NotOneOf { place: String, value: String, choices: &'static [&'static str] },
    #[error("{place} is `{value}`, but it must be {rule}")]
    Malformed { place: Place, value: String, rule: &'static str },
    #[error("{one} contradicts {other}")]
    Conflict { one: String, other: String, advice: &'static str },
    #[error("{name} in the environment is not valid UTF-8")]
    NotText { name: String },

    // The function's path.
    #[error("no such file or directory: {}", path.display())]
    NoSuchPath { path: PathBuf },
    #[error("cannot look at {}", path.display())]
    PathUnreadable { path: PathBuf, source: io::Error },
    #[error("{} is neither a file nor a directory", path.display())]
    NotCode { path: PathBuf },
    #[error(
        "refusing to show {} to a function: it is {what}", directory.display()
    )]
    TooBroad { path: PathBuf, directory: PathBuf, what: &'static str, is_file: IsFile },

    // lambdabox.toml.
    #[error("cannot read {}", path.display())]
    FileUnreadable { path: PathBuf, source: io::Error },
    #[error("{}:{line}:{column}: {message}", path.display())]
    Toml { path: PathBuf, line: usize, column: usize, message: String },
    #[error("{}:{line}: unknown key `{key}`", path.display())]
    UnknownKey { path: PathBuf, line: usize, key: String, meant: Option<String>, scope: Scope },
    #[error("{}:{line}: `{key}` is for one call and can only be a flag", path.display())]
    FlagAlone { path: PathBuf, line: usize, key: String },
    #[error("{}:{line}: `{key}` is the machine's and cannot come with a function", path.display())]
    NotOfAFile { path: PathBuf, line: usize, key: String, flag: &'static str },
    #[error("{} {stranger} and would give the function: {}", path.display(), all.join(", "))]
    OfAStranger { path: PathBuf, stranger: Stranger, all: Vec<String> },
    #[error("{}:{line}: `{key}` must be {expected}, but is {found}", path.display())]
    WrongType {
        path: PathBuf,
        line: usize,
        key: String,
        expected: &'static str,
        found: &'static str,
    },

    // The function's environment.
    #[error("the name `{name}` of an environment variable ({origin}) is not one Lambda takes")]
    VariableName { name: String, origin: Origin },
    #[error("{name} ({origin}) is reserved by Lambda and cannot be set")]
    VariableReserved { name: String, origin: Origin, instead: Option<&'static str> },
    #[error("--env {name} copies a variable that is not set here")]
    VariableUnset { name: String },
    #[error("the value of {name} ({origin}) holds a zero byte")]
    VariableZero { name: String, origin: Origin },
    #[error("the environment variables take {bytes} bytes as JSON, over Lambda's limit of {limit}")]
    EnvironmentTooLarge { bytes: usize, limit: usize, largest: String },
    #[error("{}:{line}: {message}", path.display())]
    Dotenv { path: PathBuf, line: usize, message: &'static str },
    #[error("{}: {message}", path.display())]
    SamVariables { path: PathBuf, message: String },

    // The event and the client context.
    #[error("{what} is not valid JSON at line {line}, column {column}: {message}")]
    EventNotJson { what: String, line: usize, column: usize, message: String, bom: Bom },
    #[error("{what} is not valid UTF-8 at byte {position}")]
    EventNotText { what: String, position: usize },
    #[error("{place} is not JSON (line {line}, column {column}: {message}), and not a file either")]
    EventNeither { place: Place, line: usize, column: usize, message: String },
    #[error("{place} names a file that is not there: {}", path.display())]
    NoEventFile { place: Place, path: PathBuf, bare: Option<String> },
    #[error("{place} is empty")]
    EventEmpty { place: Place },
    #[error("{what} is larger than Lambda's limit of {limit} bytes (6 MiB)")]
    EventTooLarge { what: String, limit: usize },
    #[error("cannot read {what}")]
    EventUnreadable { what: String, source: io::Error },
    #[error("{place} is neither a JSON object nor the base64 of one: {message}")]
    ClientContextMalformed { place: Place, message: String },
    #[error("{place} takes {bytes} bytes as base64, over Lambda's limit of {limit}")]
    ClientContextTooLarge { place: Place, bytes: usize, limit: usize },

    // A deployed function.
    #[error("`{name}` is not the name of a function")]
    NotADeployedName { name: String },
    #[error("{flag} is of a function that runs from a path, and there is no path `{name}`")]
    NotOfAnInvocation { flag: String, name: String },
    #[error(
        "{flag} is of a function that runs from a path, and --async invokes `{name}` of a host"
    )]
    NotOfAsync { flag: String, name: String },
    #[error("the event takes {bytes} bytes, over Lambda's limit of {limit} (1 MiB) for --async")]
    AsyncTooLarge { bytes: usize, limit: usize },
    #[error("--async is of a deployed function, and {} is a path", path.display())]
    AsyncOfAPath { path: PathBuf },

    // Keys.
    #[error("--credentials env needs {name}, which is not set here")]
    KeyUnset { name: &'static str },
    #[error("no profile `{profile}` in {} or {}", credentials.display(), config.display())]
    NoProfile { profile: String, credentials: PathBuf, config: PathBuf, known: Vec<String> },
    #[error("profile `{profile}` gets its keys by {way}, which lambdabox does not do itself")]
    ProfileNeedsCli { profile: String, way: &'static str },
    #[error("profile `{profile}` has no {key}")]
    ProfileIncomplete { profile: String, key: &'static str },
    #[error("the credential_process of profile `{profile}` failed: {message}")]
    CredentialProcess { profile: String, message: String },
    #[error("cannot start the credential_process of profile `{profile}`")]
    CredentialProcessStart { profile: String, source: io::Error },
    #[error("no home directory is known, and with it no ~/.aws")]
    NoAwsHome,

    // A host's own.
    #[error(
        "{place} is `{value}`, but it must be an address and port such as {}",
        address_like(place.setting)
    )]
    NotAnAddress { place: Place, value: String },
    #[error("{place} is {value}, which other machines could reach")]
    NotLoopback { place: Place, value: String },
    #[error("{place} allows {}, which is not an absolute path of a directory", path.display())]
    NotACodeDirectory { place: Place, path: PathBuf },

    // Paths and ports.
    #[error("{place}: no such file or directory: {}", path.display())]
    NoSuchSettingPath { place: Place, path: PathBuf },
    #[error("{place}: {} is not {expected}", path.display())]
    WrongPath { place: Place, path: PathBuf, expected: &'static str },
    #[error("{count} layers are more than Lambda's limit of {limit}")]
    TooManyLayers { count: usize, limit: usize, place: Place },
    #[error("{place} is `{value}`, but it must be PORT or PORT:HOSTPORT with ports 1 to 65535")]
    ForwardMalformed { place: String, value: String },
    #[error("{place} cannot forward port {port}: the Runtime API listens there in the sandbox")]
    ForwardRuntimeApi { place: String, port: u16 },
    #[error("{asked} ports are forwarded, but the limit is {limit}")]
    TooManyForwards { asked: usize, limit: usize },
    #[error("port {port} is forwarded to both {one} and {other} of the host")]
    ForwardTwice { port: u16, one: u16, other: u16 },
    #[error("-o: cannot write {}", path.display())]
    OutputUnwritable { path: PathBuf, source: io::Error },
    #[error("{place} is {}, which {stranger}", path.display())]
    DataDirOfAStranger { place: Place, path: PathBuf, stranger: Stranger },
    #[error("no directory for lambdabox's data is known: neither HOME nor XDG_DATA_HOME is set")]
    NoDataDir,
}

/// An address that the setting could have.
fn address_like(setting: Setting) -> &'static str {
    match setting {
        Setting::XrayDaemon => "127.0.0.1:2000",
        Setting::Admin => "127.0.0.1:9002",
        _ => "127.0.0.1:9000",
    }
}

/// Whether a refused path was a file (its directory is what would be shown).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsFile {
    /// A file.
    Yes,
    /// A directory.
    No,
}

/// Whether bytes begin with a byte order mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bom {
    /// They do.
    Present,
    /// They do not.
    Absent,
}

impl Problem {
    /// What to do about it, where that is not plain from the message.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Conflict { advice, .. } => (*advice).to_owned(),
            Self::TooBroad { path, directory, is_file, .. } => match is_file {
                IsFile::Yes => format!(
                    "the directory of the file, {}, would be bound as /var/task; put {} into a \
                     directory of its own",
                    directory.display(),
                    path.file_name().unwrap_or(path.as_os_str()).display()
                ),
                IsFile::No => format!(
                    "{} would be bound as /var/task; name the function's own directory or file",
                    directory.display()
                ),
            },
            Self::UnknownKey { meant: Some(meant), .. } => format!("did you mean `{meant}`?"),
            Self::UnknownKey { scope, .. } => {
                let may = |row: &&Row| *scope == Scope::Host || !row.setting.is_the_machines();
                let known: Vec<_> = rows(*scope).filter(may).map(|row| row.key).collect();
                let table = if *scope == Scope::Function { " and the table [env]" } else { "" };
                format!("known keys are {}{table}", known.join(", "))
            }
            Self::NotOfAFile { key, flag, .. } => {
                format!("set LAMBDABOX_{} or {flag}", key.to_uppercase())
            }
            Self::VariableName { .. } => {
                "a name starts with a letter, has at least two characters, and only letters, \
                 digits and underscores"
                    .into()
            }
            Self::VariableReserved { instead: Some(instead), .. } => (*instead).to_owned(),
            Self::VariableUnset { name } => format!("--env {name}=VALUE sets it"),
            Self::EnvironmentTooLarge { largest, .. } => format!("the largest is {largest}"),
            Self::EventNotJson { bom: Bom::Present, .. } => {
                "it begins with a byte order mark, which JSON does not allow".into()
            }
            Self::NoEventFile { bare: Some(bare), .. } => {
                format!("a file is named as it is here: -e {bare}")
            }
            Self::EventNeither { .. } | Self::NoEventFile { .. } | Self::EventEmpty { .. } => {
                "give JSON in quotes for the shell, such as '{\"name\":\"Ada\"}', a file, or - \
                 for standard input"
                    .into()
            }
            Self::NoProfile { known, .. } if !known.is_empty() => {
                format!("there is {}", known.join(", "))
            }
            Self::ProfileNeedsCli { profile, .. } => format!(
                "eval \"$(aws configure export-credentials --profile {profile} --format env)\", \
                 then --credentials env instead of --profile"
            ),
            Self::ForwardRuntimeApi { .. } => {
                "let the service listen on another port, or forward it as PORT:9001 and use PORT \
                 in the function"
                    .into()
            }
            Self::SamVariables { .. } => {
                "the file holds {\"Parameters\": {\"NAME\": \"value\"}} or \
                 {\"FunctionName\": {\"NAME\": \"value\"}}"
                    .into()
            }
            Self::NotLoopback { .. } => {
                "signatures are not verified yet, so whoever reaches it could run code here; use a \
                 loopback address such as 127.0.0.1"
                    .into()
            }
            Self::NotADeployedName { .. } => {
                "NAME, NAME:QUALIFIER or an ARN; --async invokes deployed functions only".into()
            }
            Self::NotOfAnInvocation { name, .. } | Self::NotOfAsync { name, .. } => {
                format!(
                    "`lambdabox deploy PATH --name {name}` changes a deployed function; an event \
                     goes after -e"
                )
            }
            Self::AsyncOfAPath { .. } => {
                "deploy it first with `lambdabox deploy`, then invoke it by its name".into()
            }
            Self::OfAStranger { .. } => {
                "read it; then --trust-config takes it as if it were yours, and a flag such as \
                 --network none wins over a line of it"
                    .into()
            }
            Self::DataDirOfAStranger { path, stranger: Stranger::Everybody, .. } => {
                format!("chmod o-w {}, or name a directory of your own", path.display())
            }
            Self::DataDirOfAStranger { .. } => {
                "what lies there is run and removed by you; name a directory of your own".into()
            }
            Self::NoDataDir => "set LAMBDABOX_DATA_DIR".into(),
            _ => return None,
        };
        Some(text)
    }
}
