//! From settings as written to [`Invoke`]: every check once, every problem kept.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{AccessFlags, access};

use super::check::{choice, existing_path, is_absent, number, number_text, text};
use super::environment::{self, Variables};
use super::notice::Notice;
use super::place::{Origin, Place};
use super::print;
use super::problem::{Problem, Problems};
use super::raw::{Raw, Value, merge};
use super::resolved::{
    Build, Color, Cpu, DevShm, Explain, Invoke, Isolation, Keep, RuntimeClient, RuntimeCompat, Sdk,
    StrangersFile, Verbosity,
};
use super::{Caller, Credentials, CredentialsOrigin, Setting};
use super::{
    client_context, code_path, collector, credentials, event, file, forward, logging, strangers,
    variables,
};
use crate::model::{
    EPHEMERAL_STORAGE_MB, LogFormat, MAX_CONCURRENCY, MEMORY_MB, Network, TIMEOUT_SECS,
    is_tenant_id,
};

/// AWS's defaults (Lambda API reference, CreateFunction).
const DEFAULT_MEMORY_MB: u32 = 128;
const DEFAULT_TIMEOUT_SECS: u32 = 3;
const DEFAULT_EPHEMERAL_STORAGE_MB: u32 = 512;
const DEFAULT_REGION: &str = "us-east-1";
/// Layers a function may have (Lambda quotas).
pub(super) const MAX_LAYERS: usize = 5;
/// Longest bare function name (lambda-service.md 3).
const MAX_FUNCTION_NAME_BYTES: usize = 64;
/// Longest handler (lambda-service.md 5).
const MAX_HANDLER_BYTES: usize = 128;
/// Longest region we take; AWS's own are below half of it.
const MAX_REGION_BYTES: usize = 64;
/// Where state is kept by root.
const SYSTEM_DATA_DIR: &str = "/var/lib/lambdabox";

/// What the command line said.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The function; the working directory if absent.
    pub path: Option<PathBuf>,
    /// Settings given as flags or positional arguments.
    pub settings: Raw,
    /// `--env`, as typed.
    pub env: Vec<String>,
    /// `--repeat`, as typed.
    pub repeat: Option<String>,
    /// `-o`; `-` is standard output.
    pub output: Option<PathBuf>,
    /// `--keep`.
    pub keep: Keep,
    /// `-q` or `-v`.
    pub verbosity: Verbosity,
    /// `--explain`.
    pub explain: Explain,
    /// `--isolation`, as typed. A flag alone: a file that comes with a function must not lower it.
    pub isolation: Option<String>,
    /// `--trust-config`.
    pub strangers_file: StrangersFile,
    /// `--build` or `--build-cmd`, its output as typed. A flag alone, as it runs commands on the host.
    pub build: Option<Build>,
}

/// What will be done, and what the user should know about it.
#[derive(Debug)]
pub struct Resolved {
    /// What will be done.
    pub invoke: Invoke,
    /// What is said about it on standard error before it starts.
    pub notices: Vec<Notice>,
    /// Every setting with its place, for [`Resolved::print_config`].
    effective: Raw,
    variables: Variables,
}

impl Resolved {
    /// Every effective setting as TOML, each with a comment that tells where it came from.
    pub fn print_config(&self) -> String {
        print::config(&self.effective, &self.variables, &self.invoke)
    }
}

/// Collects problems while the other checks go on; a failed one continues with a stand-in.
pub(super) struct Checks {
    pub(super) problems: Vec<Problem>,
}

impl Checks {
    pub(super) fn or<T>(&mut self, checked: Result<T, Problem>, stand_in: T) -> T {
        match checked {
            Ok(value) => value,
            Err(problem) => {
                self.problems.push(problem);
                stand_in
            }
        }
    }
}

/// Reads variables and file, merges all layers and checks the result.
///
/// Standard input is read only if the event is to come from there.
///
/// # Errors
/// Everything that is wrong, together.
pub fn resolve(asked: Asked, caller: &Caller, stdin: &mut dyn Read) -> Result<Resolved, Problems> {
    let mut checks = Checks { problems: Vec::new() };
    let mut notices = Vec::new();
    let code = match code_path::check(asked.path.as_deref(), caller) {
        Ok(code) => Some(code),
        Err(problem) => {
            checks.problems.push(problem);
            None
        }
    };
    let from_variables = variables::read(caller, &mut checks.problems, &mut notices);
    let from_file = code
        .as_ref()
        .and_then(|code| file::find(&code.directory, caller, &mut checks.problems, &mut notices));
    if let (Some(found), Some(code)) = (&from_file, &code) {
        // One that lies with the function is expected; one further up may surprise.
        let said = format!("settings of {}", found.path.display());
        let own = found.path.parent() == Some(code.directory.as_path());
        notices.push(if own { Notice::detail(said) } else { Notice::normal(said) });
    }
    let file = from_file.as_ref().map(|found| (found.path.clone(), found.stranger));
    let file_layer = from_file.map(|found| found.raw).unwrap_or_default();
    let mut raw = merge([asked.settings, from_variables, file_layer]);
    json_of_many(&mut raw);
    if let Some((path, stranger)) = file {
        let stranger = stranger.filter(|_| asked.strangers_file == StrangersFile::Refused);
        match file::handed_over(&path, stranger, &raw) {
            Ok(notice) => notices.extend(notice),
            // The rest would read the files and run the programs that it names.
            Err(problem) => {
                checks.problems.push(problem);
                return Err(Problems(checks.problems));
            }
        }
    }

    let path = code.as_ref().map(|code| code.path.as_path());
    let variables =
        environment::gather(&raw, &asked.env, path, caller, &mut checks.problems, &mut notices);
    environment::check(&variables, &mut checks.problems);
    fill_in(&mut raw, &variables, caller, &mut checks);

    let network = checks.or(network(&raw), None);
    let credentials = checks.or(
        credentials::read(&raw, caller, &mut notices).and_then(|got| unmixed(got, &variables)),
        Credentials::placeholder(),
    );
    let forwards = forward::read(&raw, &variables, network, &mut checks.problems, &mut notices);
    let memory_mb = number(&raw, Setting::MemorySize, MEMORY_MB, "MB", DEFAULT_MEMORY_MB);
    let timeout = number(&raw, Setting::Timeout, TIMEOUT_SECS, "seconds", DEFAULT_TIMEOUT_SECS);
    let ephemeral_storage_mb = number(
        &raw,
        Setting::EphemeralStorage,
        EPHEMERAL_STORAGE_MB,
        "MB",
        DEFAULT_EPHEMERAL_STORAGE_MB,
    );
    let repeat = asked
        .repeat
        .as_deref()
        .map_or(Ok(1), |text| number_text("--repeat", text, 1..=u32::MAX, "times"));
    let log_format = checks.or(logging::log_format(&raw), LogFormat::Text);
    let invoke = Invoke {
        path: code.map(|code| code.path).unwrap_or_default(),
        handler: checks.or(handler(&raw), None),
        runtime: checks.or(
            text(&raw, Setting::Runtime, "a runtime such as python3.13", |t| !t.trim().is_empty()),
            None,
        ),
        function_name: checks.or(function_name(&raw), None),
        memory_mb: checks.or(memory_mb, DEFAULT_MEMORY_MB),
        timeout: Duration::from_secs(checks.or(timeout, DEFAULT_TIMEOUT_SECS).into()),
        ephemeral_storage_mb: checks.or(ephemeral_storage_mb, DEFAULT_EPHEMERAL_STORAGE_MB),
        network,
        region: checks.or(region(&raw), String::new()),
        credentials,
        environment: variables.iter().map(|(n, v)| (n.clone(), v.value.clone())).collect(),
        layers: layers(&raw, caller, &mut checks.problems),
        forwards,
        client_context: checks.or(client_context::read(&raw), None),
        collector: checks.or(collector::read(&raw, caller, &mut notices), None),
        xray_daemon: checks.or(collector::xray_daemon(&raw), None),
        log_format,
        log_levels: logging::log_levels(&raw, log_format, &mut checks),
        tenant_id: checks.or(tenant_id(&raw), None),
        max_concurrency: checks.or(max_concurrency(&raw), None),
        cpu: checks.or(cpu(&raw), Cpu::Proportional),
        sdk: checks.or(sdk(&raw), Sdk::Auto),
        venv: checks.or(venv(&raw, caller), None),
        runtime_client: checks.or(runtime_client(&raw), None),
        runtime_compat: checks.or(runtime_compat(&raw), RuntimeCompat::Exact),
        repeat: checks.or(repeat, 1),
        output: checks.or(output(asked.output.as_deref(), caller), None),
        keep: asked.keep,
        isolation: checks.or(isolation(asked.isolation.as_deref()), Isolation::Full),
        dev_shm: checks.or(dev_shm(&raw), DevShm::Absent),
        color: checks.or(color(&raw, caller), Color::Auto),
        verbosity: asked.verbosity,
        data_dir: data_dir(&raw, caller),
        explain: asked.explain,
        build: asked.build.map(|build| Build {
            output: build.output.map(|output| caller.cwd.join(output)),
            ..build
        }),
        // Last, so that nobody types an event into a terminal for a call that cannot be made.
        event: match checks.problems.is_empty() || !is_stdin(&raw) {
            true => checks.or(event::read(&raw, caller, stdin), Default::default()),
            false => Default::default(),
        },
    };
    match checks.problems.is_empty() {
        true => Ok(Resolved { invoke, notices, effective: raw, variables }),
        false => Err(Problems(checks.problems)),
    }
}

fn is_stdin(raw: &Raw) -> bool {
    raw.text(Setting::Event).is_some_and(|(text, _)| text == "-")
}

/// Defaults that depend on the surroundings, noted as if they had been written.
fn fill_in(raw: &mut Raw, variables: &Variables, caller: &Caller, checks: &mut Checks) {
    const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
    if raw.get(Setting::Region).is_none() {
        // What the function is told by --env is where it is; then where the caller is.
        let told = REGIONS.iter().find_map(|name| {
            let variable = variables.get(*name).filter(|variable| !variable.value.is_empty())?;
            Some((variable.value.clone(), variable.origin.clone()))
        });
        let callers = || {
            REGIONS.iter().find_map(|name| {
                let region = caller.text(name)?.to_owned();
                Some((region, Origin::Variable((*name).to_owned())))
            })
        };
        if let Some((region, origin)) = told.or_else(callers) {
            raw.set(Setting::Region, Value::Text(region), origin);
        }
    }
    fill_in_data_dir(raw, caller, &mut checks.problems);
}

/// Where state is kept unless somebody said so.
pub(super) fn fill_in_data_dir(raw: &mut Raw, caller: &Caller, problems: &mut Vec<Problem>) {
    if raw.get(Setting::DataDir).is_some() {
        check_data_dir(raw, caller, problems);
        return;
    }
    let directory = match (caller.uid, caller.path("XDG_DATA_HOME"), &caller.home) {
        (0, _, _) => Some(PathBuf::from(SYSTEM_DATA_DIR)),
        (_, Some(data), _) => Some(data.join("lambdabox")),
        (_, None, Some(home)) => Some(home.join(".local/share/lambdabox")),
        (_, None, None) => None,
    };
    match directory {
        Some(path) => {
            let path = Value::Text(path.to_string_lossy().into_owned());
            raw.set(Setting::DataDir, path, Origin::Default);
        }
        None => problems.push(Problem::NoDataDir),
    }
}

/// One that others may write to would have them say what is run, and what is removed.
fn check_data_dir(raw: &Raw, caller: &Caller, problems: &mut Vec<Problem>) {
    let Some((text, place)) = raw.text(Setting::DataDir) else { return };
    if text.is_empty() {
        // A variable of a shell that is not set; the working directory was not meant.
        let (value, rule) = (String::new(), "a directory");
        return problems.push(Problem::Malformed { place, value, rule });
    }
    let path = data_dir(raw, caller);
    // One that is not there will be made by us.
    let found = fs::metadata(&path).ok().and_then(|data| strangers::of(&data, caller));
    if let Some(stranger) = found {
        problems.push(Problem::DataDirOfAStranger { place, path, stranger });
    }
}

/// Keys must not be half a profile's and half the user's own.
fn unmixed(credentials: Credentials, variables: &Variables) -> Result<Credentials, Problem> {
    let asked = match &credentials.origin {
        CredentialsOrigin::Placeholder => return Ok(credentials),
        CredentialsOrigin::Profile(name) => format!("profile {name}"),
        CredentialsOrigin::Environment => "--credentials env".to_owned(),
    };
    const KEYS: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
    match KEYS.iter().find_map(|name| variables.get_key_value(*name)) {
        None => Ok(credentials),
        Some((name, variable)) => Err(Problem::Conflict {
            one: format!("{name} ({})", variable.origin),
            other: asked,
            advice: "keys come from one place; leave out the one that is not meant",
        }),
    }
}

pub(super) fn handler(raw: &Raw) -> Result<Option<String>, Problem> {
    const RULE: &str = "1 to 128 characters without blanks, such as app.handler (an event goes \
                        after -e)";
    let holds = |text: &str| {
        (1..=MAX_HANDLER_BYTES).contains(&text.len())
            && !text.contains(char::is_whitespace)
            && !text.starts_with(['{', '['])
    };
    text(raw, Setting::Handler, RULE, holds)
}

pub(super) fn function_name(raw: &Raw) -> Result<Option<String>, Problem> {
    text(raw, Setting::FunctionName, "1 to 64 letters, digits, `-` and `_`", |name| {
        (1..=MAX_FUNCTION_NAME_BYTES).contains(&name.len()) && name.chars().all(is_name_character)
    })
}

pub(super) fn region(raw: &Raw) -> Result<String, Problem> {
    let holds = |text: &str| {
        (1..=MAX_REGION_BYTES).contains(&text.len()) && text.chars().all(is_name_character)
    };
    let region = text(raw, Setting::Region, "a region such as us-east-1", holds)?;
    Ok(region.unwrap_or_else(|| DEFAULT_REGION.to_owned()))
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

pub(super) fn network(raw: &Raw) -> Result<Option<Network>, Problem> {
    let values = [Some(Network::None), Some(Network::Nat), Some(Network::Host)];
    choice(raw, Setting::Network, &["none", "nat", "host"], &values, None)
}

/// Where many run at once the log is JSON, whose records say what they are of.
fn json_of_many(raw: &mut Raw) {
    if raw.get(Setting::MaxConcurrency).is_some() && raw.get(Setting::LogFormat).is_none() {
        let origin = raw.origin(Setting::MaxConcurrency);
        raw.set(Setting::LogFormat, Value::Text("json".to_owned()), origin);
    }
}

pub(super) fn max_concurrency(raw: &Raw) -> Result<Option<u32>, Problem> {
    if raw.get(Setting::MaxConcurrency).is_none() {
        return Ok(None);
    }
    number(raw, Setting::MaxConcurrency, MAX_CONCURRENCY, "invocations at once", 1).map(Some)
}

pub(super) fn tenant_id(raw: &Raw) -> Result<Option<String>, Problem> {
    const RULE: &str = "1 to 256 letters, digits, blanks and ._:/=+-@";
    let Some((text, place)) = raw.text(Setting::TenantId) else { return Ok(None) };
    match is_tenant_id(text) {
        true => Ok(Some(text.to_owned())),
        false => Err(Problem::Malformed { place, value: text.to_owned(), rule: RULE }),
    }
}

pub(super) fn cpu(raw: &Raw) -> Result<Cpu, Problem> {
    let values = [Cpu::Proportional, Cpu::Unlimited];
    choice(raw, Setting::Cpu, &["proportional", "unlimited"], &values, Cpu::Proportional)
}

/// What `--isolation` says, for the command that has no other setting.
pub fn isolation_of(typed: Option<&str>) -> Result<Isolation, Problems> {
    isolation(typed).map_err(|wrong| Problems(vec![wrong]))
}

pub(super) fn isolation(typed: Option<&str>) -> Result<Isolation, Problem> {
    const WORDS: &[&str] = &["full", "no-limits"];
    match typed.map(str::trim) {
        None => Ok(Isolation::Full),
        Some(word) if word.eq_ignore_ascii_case(WORDS[0]) => Ok(Isolation::Full),
        Some(word) if word.eq_ignore_ascii_case(WORDS[1]) => Ok(Isolation::NoLimits),
        Some(word) => Err(Problem::NotOneOf {
            place: "--isolation".to_owned(),
            value: word.to_owned(),
            choices: WORDS,
        }),
    }
}

pub(super) fn sdk(raw: &Raw) -> Result<Sdk, Problem> {
    choice(raw, Setting::Sdk, &["auto", "off"], &[Sdk::Auto, Sdk::Off], Sdk::Auto)
}

fn runtime_client(raw: &Raw) -> Result<Option<RuntimeClient>, Problem> {
    let values = [Some(RuntimeClient::Managed), Some(RuntimeClient::Official)];
    choice(raw, Setting::RuntimeClient, &["managed", "official"], &values, None)
}

pub(super) fn runtime_compat(raw: &Raw) -> Result<RuntimeCompat, Problem> {
    let values = [RuntimeCompat::Exact, RuntimeCompat::Near];
    choice(raw, Setting::RuntimeCompat, &["exact", "near"], &values, RuntimeCompat::Exact)
}

fn dev_shm(raw: &Raw) -> Result<DevShm, Problem> {
    let values = [DevShm::Present, DevShm::Absent];
    choice(raw, Setting::DevShm, &["true", "false"], &values, DevShm::Absent)
}

pub(super) fn color(raw: &Raw, caller: &Caller) -> Result<Color, Problem> {
    let values = [Color::Auto, Color::Always, Color::Never];
    let color = choice(raw, Setting::Color, &["auto", "always", "never"], &values, Color::Auto)?;
    // no-color.org: set and not empty, and what the user says to the program itself is stronger.
    let plain = caller.text("NO_COLOR").is_some() || caller.text("TERM") == Some("dumb");
    Ok(if color == Color::Auto && plain { Color::Never } else { color })
}

/// The colour of a command that has no other setting: by flag, variable, then the device.
///
/// # Errors
/// A value that is none of the words.
pub fn color_of(flags: &Raw, caller: &Caller) -> Result<Color, Problems> {
    // Variables about functions are none of its business, wrong ones neither.
    let from_variables = variables::read(caller, &mut Vec::new(), &mut Vec::new());
    color(&merge([flags.clone(), from_variables]), caller).map_err(|wrong| Problems(vec![wrong]))
}

/// The colour to report problems in, when there may be no valid setting of it.
pub fn color_of_problems(flags: &Raw, caller: &Caller) -> Color {
    // A wrong value is among the problems that are about to be reported.
    color_of(flags, caller).unwrap_or(Color::Never)
}

pub(super) fn layers(raw: &Raw, caller: &Caller, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let Some((texts, place)) = raw.list(Setting::Layers) else { return Vec::new() };
    if texts.len() > MAX_LAYERS {
        let (count, limit) = (texts.len(), MAX_LAYERS);
        problems.push(Problem::TooManyLayers { count, limit, place: place.clone() });
    }
    let mut layers = Vec::new();
    for text in texts {
        match existing_path(text, &place, &caller.cwd) {
            Ok((path, metadata)) if metadata.is_dir() || metadata.is_file() => layers.push(path),
            Ok((path, _)) => {
                let (place, expected) = (place.clone(), "a directory or a zip");
                problems.push(Problem::WrongPath { place, path, expected });
            }
            Err(problem) => problems.push(problem),
        }
    }
    layers
}

fn venv(raw: &Raw, caller: &Caller) -> Result<Option<PathBuf>, Problem> {
    let Some((text, place)) = raw.text(Setting::Venv) else { return Ok(None) };
    let (path, _) = existing_path(text, &place, &caller.cwd)?;
    match path.join("pyvenv.cfg").is_file() {
        true => Ok(Some(path)),
        false => {
            let expected = "a virtual environment (it has no pyvenv.cfg)";
            Err(Problem::WrongPath { place, path, expected })
        }
    }
}

/// The file need not exist, but it must be possible to write it; better known before the function
/// has run than after.
pub(super) fn output(given: Option<&Path>, caller: &Caller) -> Result<Option<PathBuf>, Problem> {
    let Some(given) = given.filter(|given| *given != Path::new("-")) else { return Ok(None) };
    let path = caller.cwd.join(given);
    let refuse = |source| Problem::OutputUnwritable { path: path.clone(), source };
    let writable = |path: &Path, mode| access(path, mode).map_err(|error| refuse(error.into()));
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => {
            return Err(refuse(io::ErrorKind::IsADirectory.into()));
        }
        Ok(_) => writable(&path, AccessFlags::W_OK)?,
        // A new file: its directory must be there, be one, and take it.
        Err(error) if is_absent(&error) => {
            let directory = path.parent().unwrap_or(Path::new("/")).join(".");
            writable(&directory, AccessFlags::W_OK | AccessFlags::X_OK)?;
        }
        Err(source) => return Err(refuse(source)),
    }
    Ok(Some(path))
}

pub(super) fn data_dir(raw: &Raw, caller: &Caller) -> PathBuf {
    // Absent only if `fill_in` found none, which is a problem already noted.
    raw.text(Setting::DataDir)
        .map(|(text, Place { origin, .. })| origin.base(&caller.cwd).join(text))
        .unwrap_or_default()
}
