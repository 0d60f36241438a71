//! `lambdabox build`, and building before an invocation or a deployment.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lambdabox_runtimes::discover::Compat;

use super::error::AppError;
use crate::build::{self, BuildError, Request};
use crate::config::{self, RuntimeCompat, name_of};
use crate::model::Failed;
use crate::usage::Say;

/// A command of the build failed.
const EXIT_BUILD_FAILED: u8 = 1;

/// Builds what `config` names.
pub fn build(config: &config::Invoke) -> ExitCode {
    let say = Say::new(config.color, config.verbosity);
    match package(&Project::of(config), &say) {
        Ok(package) => {
            let package = package.display().to_string();
            let quoted = shlex::try_quote(&package).unwrap_or_else(|_| package.as_str().into());
            say.notice(&format!("run it with: lambdabox invoke {quoted}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            let error = AppError::Build(Failed(error));
            say.error(&error, error.hint().as_deref());
            ExitCode::from(match &error {
                AppError::Build(Failed(error)) if error.is_of_the_project() => EXIT_BUILD_FAILED,
                _ => error.exit_code(),
            })
        }
    }
}

/// Builds first if that was asked for; the function is then what was built.
pub(super) fn built<'a>(
    config: &'a config::Invoke,
    say: &Say,
) -> Result<Cow<'a, config::Invoke>, AppError> {
    if config.build.is_none() {
        return Ok(Cow::Borrowed(config));
    }
    let package = package(&Project::of(config), say)?;
    Ok(Cow::Owned(config::Invoke {
        // After the project, not after the directory that it was built into.
        function_name: config.function_name.clone().or_else(|| Some(name_of(&config.path))),
        path: in_package(&config.path, package),
        build: None,
        ..config.clone()
    }))
}

/// The same before a deployment. Blocks.
pub(super) fn built_to_deploy(
    config: config::Deploy,
    say: &Say,
) -> Result<config::Deploy, AppError> {
    if config.build.is_none() {
        return Ok(config);
    }
    let package = package(&Project::to_deploy(&config), say)?;
    Ok(config::Deploy {
        name: config.name.clone().or_else(|| Some(name_of(&config.path))),
        path: in_package(&config.path, package),
        build: None,
        ..config
    })
}

/// The file that was named, as it was built; else all that was built.
fn in_package(named: &Path, package: PathBuf) -> PathBuf {
    let file = named.file_name().filter(|_| named.is_file());
    let entry = file.map(|name| package.join(name)).filter(|path| path.is_file());
    entry.unwrap_or(package)
}

/// What a command says of a build.
struct Project<'a> {
    path: &'a Path,
    build: Option<&'a config::Build>,
    runtime: Option<&'a str>,
    compat: RuntimeCompat,
}

impl<'a> Project<'a> {
    fn of(config: &'a config::Invoke) -> Self {
        let (build, runtime) = (config.build.as_ref(), config.runtime.as_deref());
        Self { path: &config.path, build, runtime, compat: config.runtime_compat }
    }

    fn to_deploy(config: &'a config::Deploy) -> Self {
        let (build, runtime) = (config.build.as_ref(), config.runtime.as_deref());
        Self { path: &config.path, build, runtime, compat: config.runtime_compat }
    }
}

/// What was built of the project, or of the one that the named file is in.
fn package(project: &Project<'_>, say: &Say) -> Result<PathBuf, BuildError> {
    let parent = project.path.parent().filter(|_| project.path.is_file());
    let request = Request {
        project: parent.unwrap_or(project.path),
        output: project.build.and_then(|build| build.output.as_deref()),
        command: project.build.and_then(|build| build.command.as_deref()),
        runtime: project.runtime,
        compat: match project.compat {
            RuntimeCompat::Exact => Compat::Exact,
            RuntimeCompat::Near => Compat::Near,
        },
    };
    build::build(request, say)
}
