//! `lambdabox invoke NAME`: a name where no such path is, and what goes with an invocation of it.
//!
//! Everything else about such a function is the host's to know, so a flag that would set it is a
//! problem, not ignored.

use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::check::number_text;
use super::endpoint::{self, Endpoint};
use super::notice::Notice;
use super::place::Origin;
use super::problem::{Problem, Problems};
use super::raw::merge;
use super::resolve::{Asked, Checks, color, output, tenant_id};
use super::resolved::{Color, Explain, Keep, StrangersFile, Verbosity};
use super::{Caller, Setting, client_context, event, variables};

/// Longest of what names a function, its ARN and qualifier included (lambda-service.md 3).
const MAX_NAME: usize = 256;
/// What can be said of an invocation alone.
const OF_AN_INVOCATION: [Setting; 5] = [
    Setting::Event,
    Setting::ClientContext,
    Setting::TenantId,
    Setting::Color,
    Setting::EndpointUrl,
];
/// The longest event of `--async` (lambda-service.md 7).
const MAX_ASYNC_BYTES: usize = 1_048_576;

/// When an invocation is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// With what the function returns.
    Now,
    /// Once it is accepted (`Event`).
    Later,
}

/// What the command line said.
#[derive(Debug, Clone)]
pub struct AskedDeployed {
    /// What `invoke` was asked, whose path is no path.
    pub asked: Asked,
    /// `--async`.
    pub when: When,
    /// A flag that asks for something else than an invocation: `--print-config`.
    pub instead: Option<&'static str>,
}

/// What `lambdabox invoke NAME` does.
#[derive(Debug, Clone)]
pub struct InvokeDeployed {
    /// Name, partial or full ARN, perhaps with a qualifier.
    pub name: String,
    /// The path that is not there, for the message.
    pub no_path: PathBuf,
    /// The event's bytes.
    pub event: Bytes,
    /// JSON text.
    pub client_context: Option<String>,
    /// Whose the invocation is.
    pub tenant_id: Option<String>,
    /// When it is answered.
    pub when: When,
    /// How often, one after another.
    pub repeat: u32,
    /// Where the response goes instead of standard output, absolute.
    pub output: Option<PathBuf>,
    /// The host.
    pub endpoint: Endpoint,
    /// When output is coloured.
    pub color: Color,
    /// How much is said.
    pub verbosity: Verbosity,
}

/// What will be done, and what the user should know about it.
#[derive(Debug)]
pub struct ResolvedDeployed {
    /// What will be done.
    pub invoke: InvokeDeployed,
    /// What is said about it on standard error before it starts.
    pub notices: Vec<Notice>,
}

/// Whether this is meant as the name of a deployed function: nothing has that path, and it is no
/// text that looks like one.
pub fn could_be_deployed(path: Option<&Path>, caller: &Caller) -> bool {
    let Some(text) = path.and_then(Path::to_str) else { return false };
    is_name(text) && !caller.cwd.join(text).exists()
}

fn is_name(text: &str) -> bool {
    let character = |c: char| c.is_ascii_alphanumeric() || "-_:$".contains(c);
    (1..=MAX_NAME).contains(&text.len()) && !text.starts_with('-') && text.chars().all(character)
}

/// Checks what such an invocation is told.
///
/// # Errors
/// Everything that is wrong, together.
pub fn resolve_deployed(
    asked: AskedDeployed,
    caller: &Caller,
    stdin: &mut dyn Read,
) -> Result<ResolvedDeployed, Problems> {
    let AskedDeployed { asked, when, instead } = asked;
    let mut checks = Checks { problems: Vec::new() };
    let mut notices = Vec::new();
    let name = asked.path.as_deref().and_then(Path::to_str).unwrap_or_default().to_owned();
    let no_path = caller.cwd.join(&name);
    if !is_name(&name) {
        let (path, name) = (no_path.clone(), name.clone());
        checks.problems.push(match !name.is_empty() && path.exists() {
            true => Problem::AsyncOfAPath { path },
            false => Problem::NotADeployedName { name },
        });
    }
    for flag in flags_of_the_function(&asked, instead) {
        let name = name.clone();
        checks.problems.push(match when {
            When::Now => Problem::NotOfAnInvocation { flag, name },
            // A path of that name may well be there.
            When::Later => Problem::NotOfAsync { flag, name },
        });
    }
    let from_variables = variables::read(caller, &mut checks.problems, &mut notices);
    let raw = merge([asked.settings, from_variables]);
    let repeat = asked
        .repeat
        .as_deref()
        .map_or(Ok(1), |text| number_text("--repeat", text, 1..=u32::MAX, "times"));
    let context = checks.or(client_context::read(&raw), None);
    if context.is_some() && when == When::Later {
        checks.problems.push(Problem::Conflict {
            one: "--client-context".to_owned(),
            other: "--async".to_owned(),
            advice: "only an invocation that is answered at once has a client context",
        });
    }
    let mut invoke = InvokeDeployed {
        name,
        no_path,
        event: Bytes::new(),
        client_context: context,
        tenant_id: checks.or(tenant_id(&raw), None),
        when,
        repeat: checks.or(repeat, 1),
        output: checks.or(output(asked.output.as_deref(), caller), None),
        endpoint: checks.or(endpoint::read(&raw, caller), Endpoint::default()),
        color: checks.or(color(&raw, caller), Color::Auto),
        verbosity: asked.verbosity,
    };
    // Last, so that nobody types an event into a terminal for a call that cannot be made.
    if checks.problems.is_empty() {
        invoke.event = checks.or(event::read(&raw, caller, stdin), Bytes::new());
        if when == When::Later && invoke.event.len() > MAX_ASYNC_BYTES {
            let (bytes, limit) = (invoke.event.len(), MAX_ASYNC_BYTES);
            checks.problems.push(Problem::AsyncTooLarge { bytes, limit });
        }
    }
    match checks.problems.is_empty() {
        true => Ok(ResolvedDeployed { invoke, notices }),
        false => Err(Problems(checks.problems)),
    }
}

/// Flags that would say what the function is. Variables and files are about functions that are run
/// from a path, and stay out of it.
fn flags_of_the_function(asked: &Asked, instead: Option<&str>) -> Vec<String> {
    let mut flags: Vec<String> = Setting::all()
        .filter(|setting| !OF_AN_INVOCATION.contains(setting))
        .filter_map(|setting| match asked.settings.origin(setting) {
            Origin::Flag(typed) => Some(typed.to_owned()),
            _ => None,
        })
        .collect();
    let others = [
        ("--env", !asked.env.is_empty()),
        ("--keep", asked.keep == Keep::Keep),
        ("--explain", asked.explain == Explain::Explain),
        ("--build", asked.build.is_some()),
        ("--isolation", asked.isolation.is_some()),
        ("--trust-config", asked.strangers_file == StrangersFile::Trusted),
    ];
    flags.extend(others.iter().filter(|(_, said)| *said).map(|(flag, _)| (*flag).to_owned()));
    flags.extend(instead.map(str::to_owned));
    flags
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::caller;

    #[test]
    fn a_name_is_what_is_no_path_and_does_not_look_like_one() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("taken"), "").unwrap();
        let caller = caller(dir.path().to_str().unwrap(), &[]);
        for (text, expected) in [
            ("hello", true),
            ("hello:$LATEST", true),
            ("hello:prod", true),
            ("function:hello", true),
            ("arn:aws:lambda:us-east-1:000000000000:function:hello:3", true),
            ("taken", false),
            ("./hello", false),
            ("nope.py", false),
            ("nope.zip", false),
            ("a/b", false),
            ("/", false),
            ("", false),
        ] {
            assert_eq!(could_be_deployed(Some(Path::new(text)), &caller), expected, "{text}");
        }
        assert!(!could_be_deployed(None, &caller));
    }
}
