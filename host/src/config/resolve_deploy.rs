//! From what was said about a function to what `lambdabox deploy` tells a host.
//!
//! # Invariants
//! - What nobody said is `None`: on an existing function it stays as it is, of a new one it is AWS's
//!   default.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::check::{existing_path, number, number_text, text};
use super::endpoint::{self, Endpoint};
use super::environment;
use super::logging::{self, log_format};
use super::notice::Notice;
use super::problem::{Problem, Problems};
use super::raw::{Raw, merge};
use super::resolve::{
    Checks, MAX_LAYERS, color, function_name, handler, max_concurrency, runtime_compat,
};
use super::resolved::{Build, Color, RuntimeCompat, Verbosity};
use super::{Caller, Setting, code_path, file, variables};
use crate::model::{
    ApplicationLevel, EPHEMERAL_STORAGE_MB, LogFormat, MEMORY_MB, SystemLevel, TIMEOUT_SECS,
};

/// Longest description (lambda-service.md 5).
const MAX_DESCRIPTION: usize = 256;
/// Settings of a function that only `invoke` has: a host decides them for all its functions.
const OF_INVOKE_ALONE: [(Setting, &str); 3] = [
    (Setting::Venv, "pack its packages with the function, or as a layer"),
    (Setting::DevShm, "no deployed function has a /dev/shm"),
    (Setting::RuntimeClient, "a host takes the client by what is in the package"),
];

/// What the command line said.
#[derive(Debug, Clone)]
pub struct AskedDeploy {
    /// The function; the working directory if absent.
    pub path: Option<PathBuf>,
    /// Settings given as flags or positional arguments.
    pub settings: Raw,
    /// `--env`, as typed.
    pub env: Vec<String>,
    /// `--description`.
    pub description: Option<String>,
    /// `--reserved-concurrency`, as typed.
    pub reserved_concurrency: Option<String>,
    /// `--build` or `--build-cmd`. A flag alone, as it runs commands on the host.
    pub build: Option<Build>,
    /// `-q` or `-v`.
    pub verbosity: Verbosity,
}

/// Where a layer comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerSource {
    /// A directory or zip, published if its content is new.
    Local(PathBuf),
    /// A version that is published already.
    Arn(String),
}

/// What `lambdabox deploy` does.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each is what the member of the API with its name is")]
pub struct Deploy {
    /// Absolute, as given otherwise.
    pub path: PathBuf,
    /// After the package, if absent.
    pub name: Option<String>,
    pub handler: Option<String>,
    pub runtime: Option<String>,
    /// How an interpreter of this machine is chosen when no runtime was said.
    pub runtime_compat: RuntimeCompat,
    pub description: Option<String>,
    pub memory_mb: Option<u32>,
    pub timeout_seconds: Option<u32>,
    pub ephemeral_storage_mb: Option<u32>,
    pub log_format: Option<LogFormat>,
    /// Least important line of its own that is logged.
    pub application_log_level: Option<ApplicationLevel>,
    /// Least important line of the platform's that is logged.
    pub system_log_level: Option<SystemLevel>,
    pub max_concurrency: Option<u32>,
    pub environment: Option<BTreeMap<String, String>>,
    pub layers: Option<Vec<LayerSource>>,
    pub reserved_concurrency: Option<u32>,
    /// What is deployed is made by this first.
    pub build: Option<Build>,
    /// The host.
    pub endpoint: Endpoint,
    /// When output is coloured.
    pub color: Color,
    /// How much is said.
    pub verbosity: Verbosity,
}

/// What will be done, and what the user should know about it.
#[derive(Debug)]
pub struct ResolvedDeploy {
    /// What will be done.
    pub deploy: Deploy,
    /// What is said about it on standard error before it starts.
    pub notices: Vec<Notice>,
}

/// Reads variables and file, merges all layers and checks the result.
///
/// # Errors
/// Everything that is wrong, together.
pub fn resolve_deploy(asked: AskedDeploy, caller: &Caller) -> Result<ResolvedDeploy, Problems> {
    let mut checks = Checks { problems: Vec::new() };
    let mut notices = Vec::new();
    let code = code_path::check(asked.path.as_deref(), caller).map(Some);
    let code = checks.or(code, None);
    let from_variables = variables::read(caller, &mut checks.problems, &mut notices);
    let found = code
        .as_ref()
        .and_then(|code| file::find(&code.directory, caller, &mut checks.problems, &mut notices));
    if let Some(found) = &found {
        notices.push(Notice::normal(format!("settings of {}", found.path.display())));
    }
    let from_file = found.map(|found| found.raw).unwrap_or_default();
    let raw = merge([asked.settings, from_variables, from_file]);
    for (setting, instead) in OF_INVOKE_ALONE {
        if raw.get(setting).is_some() {
            let text = format!("{} is left out: {instead}", setting.key());
            notices.push(Notice::warning(text));
        }
    }
    let path = code.as_ref().map(|code| code.path.as_path());
    let deploy = Deploy {
        path: path.map(Path::to_owned).unwrap_or_default(),
        name: checks.or(function_name(&raw), None),
        handler: checks.or(handler(&raw), None),
        runtime: checks.or(
            text(&raw, Setting::Runtime, "a runtime such as python3.13", |t| !t.trim().is_empty()),
            None,
        ),
        runtime_compat: checks.or(runtime_compat(&raw), RuntimeCompat::Exact),
        description: checks.or(description(asked.description), None),
        memory_mb: said(&mut checks, &raw, Setting::MemorySize, MEMORY_MB, "MB"),
        timeout_seconds: said(&mut checks, &raw, Setting::Timeout, TIMEOUT_SECS, "seconds"),
        ephemeral_storage_mb: said(
            &mut checks,
            &raw,
            Setting::EphemeralStorage,
            EPHEMERAL_STORAGE_MB,
            "MB",
        ),
        log_format: raw
            .get(Setting::LogFormat)
            .map(|_| checks.or(log_format(&raw), LogFormat::Text)),
        application_log_level: raw
            .get(Setting::ApplicationLogLevel)
            .map(|_| checks.or(logging::application(&raw), ApplicationLevel::default())),
        system_log_level: raw
            .get(Setting::SystemLogLevel)
            .map(|_| checks.or(logging::system(&raw), SystemLevel::default())),
        max_concurrency: checks.or(max_concurrency(&raw), None),
        environment: environment_of(&raw, &asked.env, path, caller, &mut checks, &mut notices),
        layers: layers(&raw, caller, &mut checks.problems),
        reserved_concurrency: asked.reserved_concurrency.as_deref().and_then(|text| {
            let flag = "--reserved-concurrency";
            let number = number_text(flag, text, 0..=u32::MAX, "invocations at once");
            checks.or(number.map(Some), None)
        }),
        build: asked.build,
        endpoint: checks.or(endpoint::read(&raw, caller), Endpoint::default()),
        color: checks.or(color(&raw, caller), Color::Auto),
        verbosity: asked.verbosity,
    };
    match checks.problems.is_empty() {
        true => Ok(ResolvedDeploy { deploy, notices }),
        false => Err(Problems(checks.problems)),
    }
}

/// A number that was written somewhere.
fn said(
    checks: &mut Checks,
    raw: &Raw,
    setting: Setting,
    limits: std::ops::RangeInclusive<u32>,
    unit: &'static str,
) -> Option<u32> {
    raw.get(setting)?;
    let stand_in = *limits.start();
    Some(checks.or(number(raw, setting, limits, unit, stand_in), stand_in))
}

fn description(text: Option<String>) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if text.chars().count() > MAX_DESCRIPTION => {
            let low = 0;
            let high = u32::try_from(MAX_DESCRIPTION).expect("a small number");
            let value = text.chars().count().to_string();
            let place = "the length of --description".to_owned();
            Err(Problem::OutOfRange { place, value, low, high, unit: "characters" })
        }
        text => Ok(text),
    }
}

/// Every variable together, as soon as one place says anything of them.
fn environment_of(
    raw: &Raw,
    flags: &[String],
    path: Option<&Path>,
    caller: &Caller,
    checks: &mut Checks,
    notices: &mut Vec<Notice>,
) -> Option<BTreeMap<String, String>> {
    let files = [Setting::EnvFile, Setting::EnvVars];
    let is_said = !flags.is_empty()
        || !raw.env.is_empty()
        || files.iter().any(|setting| raw.get(*setting).is_some());
    let variables = environment::gather(raw, flags, path, caller, &mut checks.problems, notices);
    environment::check(&variables, &mut checks.problems);
    is_said.then(|| variables.into_iter().map(|(name, one)| (name, one.value)).collect())
}

fn layers(raw: &Raw, caller: &Caller, problems: &mut Vec<Problem>) -> Option<Vec<LayerSource>> {
    let (texts, place) = raw.list(Setting::Layers)?;
    if texts.len() > MAX_LAYERS {
        let (count, limit) = (texts.len(), MAX_LAYERS);
        problems.push(Problem::TooManyLayers { count, limit, place: place.clone() });
    }
    let mut layers = Vec::new();
    for text in texts {
        if text.starts_with("arn:") {
            layers.push(LayerSource::Arn(text.to_owned()));
            continue;
        }
        match existing_path(text, &place, &caller.cwd) {
            Ok((path, metadata)) if metadata.is_dir() || metadata.is_file() => {
                layers.push(LayerSource::Local(path));
            }
            Ok((path, _)) => {
                let (place, expected) = (place.clone(), "a directory, a zip or a layer's ARN");
                problems.push(Problem::WrongPath { place, path, expected });
            }
            Err(problem) => problems.push(problem),
        }
    }
    Some(layers)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::tests::caller;

    fn asked(path: &std::path::Path) -> AskedDeploy {
        AskedDeploy {
            path: Some(path.to_owned()),
            settings: Raw::default(),
            env: Vec::new(),
            description: None,
            reserved_concurrency: None,
            build: None,
            verbosity: Verbosity::Normal,
        }
    }

    #[test]
    fn what_nobody_said_is_left_to_the_function_that_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let resolved = resolve_deploy(asked(dir.path()), &caller("/", &[])).unwrap();
        let deploy = resolved.deploy;
        assert!(deploy.memory_mb.is_none() && deploy.timeout_seconds.is_none());
        assert!(deploy.environment.is_none() && deploy.layers.is_none());
        assert!(deploy.log_format.is_none() && deploy.description.is_none());
        assert_eq!(deploy.endpoint, Endpoint::default());
    }

    #[test]
    fn every_place_is_heard_and_what_is_of_invoke_alone_is_said() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("deps")).unwrap();
        let toml = "timeout = 7\nlayers = ['deps', 'arn:aws:lambda:r:1:layer:l:1']\n\
                    dev_shm = true\n[env]\nA1 = 'x'\n";
        fs::write(dir.path().join("lambdabox.toml"), toml).unwrap();
        let resolved =
            resolve_deploy(asked(dir.path()), &caller("/", &[("LAMBDABOX_MEMORY_SIZE", "256")]));
        let ResolvedDeploy { deploy, notices } = resolved.unwrap();
        assert_eq!((deploy.memory_mb, deploy.timeout_seconds), (Some(256), Some(7)));
        assert_eq!(deploy.environment.unwrap()["A1"], "x");
        let [LayerSource::Local(path), LayerSource::Arn(arn)] = &deploy.layers.unwrap()[..] else {
            panic!("two layers");
        };
        assert!(path.ends_with("deps") && arn.ends_with(":1"));
        assert!(notices.iter().any(|notice| notice.text.starts_with("dev_shm is left out")));
    }

    #[test]
    fn problems_come_together() {
        let mut asked = asked(std::path::Path::new("/nowhere"));
        asked.description = Some("x".repeat(257));
        asked.reserved_concurrency = Some("-1".to_owned());
        asked.settings.set_flag(Setting::EndpointUrl, Some("ftp://x".to_owned()));
        let problems = resolve_deploy(asked, &caller("/", &[])).unwrap_err();
        assert_eq!(problems.0.len(), 4, "{problems}");
    }
}
