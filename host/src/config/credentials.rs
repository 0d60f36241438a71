//! The keys the function gets: placeholders, a profile's, or the caller's own.
//!
//! Resolved here, on the host, and only the three variables are passed on; files, profile names and
//! processes stay outside. Anything that would need a call to AWS (single sign-on, assumed roles) is
//! the AWS CLI's business, and the error says how to have it do that.
//!
//! # Sources
//! AWS SDKs and tools reference, "process credential provider"; order of botocore's providers.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::aws_files::{self, Section};
use super::caller::Caller;
use super::notice::Notice;
use super::problem::Problem;
use super::raw::Raw;
use super::{Setting, check};

/// What a function has for keys unless asked otherwise: stand-ins for AWS accept it, AWS does not.
const PLACEHOLDER: &str = "test";

/// Where keys came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialsOrigin {
    /// Nobody asked for any.
    Placeholder,
    /// This profile of the AWS files.
    Profile(String),
    /// The caller's variables.
    Environment,
}

/// Keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN`, of temporary keys.
    pub session_token: Option<String>,
    /// Where they came from.
    pub origin: CredentialsOrigin,
}

/// Leaves out what must not end in a log.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// Keys that open nothing.
    pub fn placeholder() -> Self {
        Self {
            access_key_id: PLACEHOLDER.into(),
            secret_access_key: PLACEHOLDER.into(),
            session_token: None,
            origin: CredentialsOrigin::Placeholder,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Placeholder,
    Environment,
}

/// Resolves what the settings ask for, and says so if it is anything real.
pub(crate) fn read(
    raw: &Raw,
    caller: &Caller,
    notices: &mut Vec<Notice>,
) -> Result<Credentials, Problem> {
    let mode = check::choice(
        raw,
        Setting::Credentials,
        &["placeholder", "env"],
        &[Mode::Placeholder, Mode::Environment],
        Mode::Placeholder,
    )?;
    let mode_rank = raw.origin(Setting::Credentials).rank();
    let credentials = match raw.text(Setting::Profile) {
        Some((_, place)) if place.origin.rank() == mode_rank => {
            return Err(Problem::Conflict {
                one: place.to_string(),
                other: raw
                    .text(Setting::Credentials)
                    .map_or_else(String::new, |(_, place)| place.to_string()),
                advice: "a profile is one way to get keys, the environment another; say one",
            });
        }
        Some((profile, place)) if place.origin.rank() > mode_rank => of_profile(profile, caller)?,
        _ if mode == Mode::Environment => of_environment(caller)?,
        _ => Credentials::placeholder(),
    };
    let whose = match &credentials.origin {
        CredentialsOrigin::Placeholder => return Ok(credentials),
        CredentialsOrigin::Profile(name) => format!("the keys of profile {name}"),
        CredentialsOrigin::Environment => "the keys of your environment".to_owned(),
    };
    let token = if credentials.session_token.is_some() { " and AWS_SESSION_TOKEN" } else { "" };
    let and = if token.is_empty() { " and" } else { "," };
    notices.push(Notice::normal(format!(
        "the function gets {whose}: AWS_ACCESS_KEY_ID{and} AWS_SECRET_ACCESS_KEY{token}"
    )));
    Ok(credentials)
}

fn of_environment(caller: &Caller) -> Result<Credentials, Problem> {
    let key =
        |name: &'static str| caller.text(name).map(str::to_owned).ok_or(Problem::KeyUnset { name });
    Ok(Credentials {
        access_key_id: key("AWS_ACCESS_KEY_ID")?,
        secret_access_key: key("AWS_SECRET_ACCESS_KEY")?,
        session_token: caller.text("AWS_SESSION_TOKEN").map(str::to_owned),
        origin: CredentialsOrigin::Environment,
    })
}

/// A file's path: where the variable says (`~/` is the tools' own notation), else in `~/.aws`.
fn aws_file(variable: &str, name: &str, caller: &Caller) -> Result<PathBuf, Problem> {
    let home = || caller.home.clone().ok_or(Problem::NoAwsHome);
    match caller.path(variable) {
        Some(_) if caller.text(variable).is_some_and(|text| text.starts_with("~/")) => {
            let rest = caller.text(variable).unwrap_or_default().trim_start_matches("~/");
            Ok(home()?.join(rest))
        }
        Some(path) => Ok(path),
        None => Ok(home()?.join(".aws").join(name)),
    }
}

fn of_profile(profile: &str, caller: &Caller) -> Result<Credentials, Problem> {
    let credentials_path = aws_file("AWS_SHARED_CREDENTIALS_FILE", "credentials", caller)?;
    let config_path = aws_file("AWS_CONFIG_FILE", "config", caller)?;
    let mut credentials = aws_files::read(&credentials_path)?;
    let mut config: aws_files::Sections = aws_files::read(&config_path)?
        .into_iter()
        .filter_map(|(header, section)| {
            aws_files::profile_of_config(&header).map(|name| (name.to_owned(), section))
        })
        .collect();
    let known: BTreeSet<String> = credentials.keys().chain(config.keys()).cloned().collect();
    if !known.contains(profile) {
        return Err(Problem::NoProfile {
            profile: profile.to_owned(),
            credentials: credentials_path,
            config: config_path,
            known: known.into_iter().collect(),
        });
    }
    let static_section = credentials.remove(profile).unwrap_or_default();
    let config_section = config.remove(profile).unwrap_or_default();
    of_sections(profile, &static_section, &config_section)
}

fn of_sections(profile: &str, keys: &Section, config: &Section) -> Result<Credentials, Problem> {
    let either = |name: &str| keys.get(name).or_else(|| config.get(name));
    let needs_cli = |way| Err(Problem::ProfileNeedsCli { profile: profile.to_owned(), way });
    if either("web_identity_token_file").is_some() {
        return needs_cli("a web identity");
    }
    if either("role_arn").is_some() {
        return needs_cli("assuming a role");
    }
    if keys.contains_key("aws_access_key_id") {
        return of_section(profile, keys);
    }
    if let Some(command) = either("credential_process") {
        return of_process(profile, command);
    }
    if config.contains_key("aws_access_key_id") {
        return of_section(profile, config);
    }
    if either("sso_session").or_else(|| either("sso_start_url")).is_some() {
        return needs_cli("single sign-on");
    }
    if either("login_session").is_some() {
        return needs_cli("`aws login`");
    }
    Err(Problem::ProfileIncomplete { profile: profile.to_owned(), key: "aws_access_key_id" })
}

fn of_section(profile: &str, section: &Section) -> Result<Credentials, Problem> {
    let key = |key: &'static str| match section.get(key).filter(|value| !value.is_empty()) {
        Some(value) => Ok(value.clone()),
        None => Err(Problem::ProfileIncomplete { profile: profile.to_owned(), key }),
    };
    Ok(Credentials {
        access_key_id: key("aws_access_key_id")?,
        secret_access_key: key("aws_secret_access_key")?,
        session_token: key("aws_session_token").ok(),
        origin: CredentialsOrigin::Profile(profile.to_owned()),
    })
}

/// What a credential process prints. Its expiry is not our business: one call is short.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProcessOutput {
    version: u32,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

fn of_process(profile: &str, command: &str) -> Result<Credentials, Problem> {
    let failed =
        |message: String| Problem::CredentialProcess { profile: profile.to_owned(), message };
    let words = shlex::split(command).filter(|words| !words.is_empty());
    let words = words.ok_or_else(|| failed("its quotes do not match, or it is empty".into()))?;
    // Standard input may be the event; questions go to the terminal through standard error.
    let output = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| Problem::CredentialProcessStart {
            profile: profile.to_owned(),
            source,
        })?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    // The parser's own message could quote a key, so only the place is repeated.
    let output: ProcessOutput = serde_json::from_slice(&output.stdout).map_err(|error| {
        failed(format!(
            "its output is not the expected JSON (line {}, column {})",
            error.line(),
            error.column()
        ))
    })?;
    if output.version != 1 {
        return Err(failed(format!("its output has version {}, not 1", output.version)));
    }
    Ok(Credentials {
        access_key_id: output.access_key_id,
        secret_access_key: output.secret_access_key,
        session_token: output.session_token.filter(|token| !token.is_empty()),
        origin: CredentialsOrigin::Profile(profile.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::place::Origin;
    use crate::config::raw::Value;
    use crate::config::tests::caller;

    const CREDENTIALS: &str = "[default]\naws_access_key_id = AKD\naws_secret_access_key = SD\n\
        [tmp]\naws_access_key_id=AKT\naws_secret_access_key=ST\naws_session_token=TT\n\
        [half]\naws_access_key_id=AKH\n";
    const CONFIG: &str = "[profile inconfig]\naws_access_key_id = AKC\naws_secret_access_key = SC\n\
        [profile sso]\nsso_session = x\n[profile role]\nrole_arn = r\nsource_profile = default\n\
        [profile none]\nregion = eu-west-1\n\
        [profile process]\ncredential_process = /bin/sh -c 'echo \"{\\\"Version\\\":1,\
        \\\"AccessKeyId\\\":\\\"AKP\\\",\\\"SecretAccessKey\\\":\\\"SP\\\",\\\"SessionToken\\\":\\\"TP\\\"}\"'\n\
        [profile fails]\ncredential_process = /bin/sh -c 'exit 7'\n\
        [profile garbage]\ncredential_process = echo SECRET\n\
        [profile absent]\ncredential_process = /nowhere/to/be/found\n";

    struct Home(tempfile::TempDir);

    impl Home {
        fn new() -> Self {
            let home = tempfile::tempdir().unwrap();
            fs::create_dir(home.path().join(".aws")).unwrap();
            fs::write(home.path().join(".aws/credentials"), CREDENTIALS).unwrap();
            fs::write(home.path().join(".aws/config"), CONFIG).unwrap();
            Self(home)
        }

        fn of(&self, profile: &str) -> Result<String, String> {
            let mut raw = Raw::default();
            raw.set_flag(Setting::Profile, Some(profile.into()));
            let caller = Caller { home: Some(self.0.path().to_owned()), ..caller("/", &[]) };
            let mut notices = Vec::new();
            let got = read(&raw, &caller, &mut notices).map_err(|problem| problem.to_string())?;
            assert_eq!(notices.len(), 1, "it is said");
            assert!(!format!("{got:?}").contains(&got.secret_access_key));
            let token = got.session_token.unwrap_or_default();
            Ok(format!("{} {} {token}", got.access_key_id, got.secret_access_key))
        }
    }

    #[test]
    fn profiles_are_resolved_from_both_files_and_processes() {
        let home = Home::new();
        for (profile, expected) in [
            ("default", "AKD SD "),
            ("tmp", "AKT ST TT"),
            ("inconfig", "AKC SC "),
            ("process", "AKP SP TP"),
        ] {
            assert_eq!(home.of(profile).unwrap(), expected);
        }
    }

    #[test]
    fn profiles_without_keys_say_what_is_wrong() {
        let home = Home::new();
        for (profile, said) in [
            ("half", "profile `half` has no aws_secret_access_key"),
            ("none", "profile `none` has no aws_access_key_id"),
            (
                "sso",
                "profile `sso` gets its keys by single sign-on, which lambdabox does not do itself",
            ),
            (
                "role",
                "profile `role` gets its keys by assuming a role, which lambdabox does not do itself",
            ),
            ("fails", "the credential_process of profile `fails` failed: exit status: 7"),
            (
                "garbage",
                "the credential_process of profile `garbage` failed: its output is not the \
                         expected JSON (line 1, column 1)",
            ),
            ("absent", "cannot start the credential_process of profile `absent`"),
        ] {
            assert_eq!(home.of(profile).unwrap_err(), said);
        }
        assert!(home.of("nobody").unwrap_err().starts_with("no profile `nobody` in "));
    }

    #[test]
    fn the_aws_variables_for_the_files_are_honoured() {
        let home = Home::new();
        let elsewhere = home.0.path().join("elsewhere");
        fs::write(&elsewhere, "[default]\naws_access_key_id=E\naws_secret_access_key=E\n").unwrap();
        for said in [elsewhere.to_str().unwrap(), "~/elsewhere"] {
            let caller = Caller {
                home: Some(home.0.path().to_owned()),
                ..caller("/", &[("AWS_SHARED_CREDENTIALS_FILE", said)])
            };
            assert_eq!(of_profile("default", &caller).unwrap().access_key_id, "E", "{said}");
        }
    }

    #[test]
    fn nothing_is_passed_unless_asked_for() {
        let keys =
            [("AWS_ACCESS_KEY_ID", "AKX"), ("AWS_SECRET_ACCESS_KEY", "SX"), ("AWS_PROFILE", "x")];
        let caller = caller("/", &keys);
        let mut notices = Vec::new();
        let got = read(&Raw::default(), &caller, &mut notices).unwrap();
        assert_eq!(got, Credentials::placeholder());
        assert!(notices.is_empty());
        let mut raw = Raw::default();
        raw.set_flag(Setting::Credentials, Some("env".into()));
        let got = read(&raw, &caller, &mut notices).unwrap();
        assert_eq!((got.access_key_id.as_str(), got.session_token), ("AKX", None));
        assert_eq!(
            notices[0].text,
            "the function gets the keys of your environment: \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        );
    }

    #[test]
    fn missing_variables_and_contradictions_are_problems() {
        let mut raw = Raw::default();
        raw.set_flag(Setting::Credentials, Some("env".into()));
        let said = read(&raw, &caller("/", &[]), &mut Vec::new()).unwrap_err().to_string();
        assert_eq!(said, "--credentials env needs AWS_ACCESS_KEY_ID, which is not set here");
        raw.set_flag(Setting::Profile, Some("default".into()));
        let said = read(&raw, &caller("/", &[]), &mut Vec::new()).unwrap_err().to_string();
        assert_eq!(said, "--profile contradicts --credentials");
        // The file's profile gives way to a flag.
        let origin = Origin::File { path: "/x".into(), line: 1 };
        raw.set(Setting::Profile, Value::Text("default".into()), origin);
        raw.set_flag(Setting::Credentials, Some("placeholder".into()));
        let got = read(&raw, &caller("/", &[]), &mut Vec::new()).unwrap();
        assert_eq!(got, Credentials::placeholder());
    }
}
