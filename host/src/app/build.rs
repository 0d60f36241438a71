//! `lambdabox build`, and building before an invocation.

use std::borrow::Cow;
use std::path::PathBuf;
use std::process::ExitCode;

use lambdabox_runtimes::discover::Compat;

use super::blueprint::name_of;
use super::error::AppError;
use crate::build::{self, BuildError, Request};
use crate::config::{self, RuntimeCompat};
use crate::model::Failed;
use crate::usage::Say;

/// A command of the build failed.
const EXIT_BUILD_FAILED: u8 = 1;

/// Builds what `config` names.
pub fn build(config: &config::Invoke) -> ExitCode {
    let say = Say::new(config.color, config.verbosity);
    match package(config, &say) {
        Ok(package) => {
            say.notice(&format!("run it with: lambdabox invoke {}", package.display()));
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
    let package = package(config, say)?;
    let file = config.path.file_name().filter(|_| config.path.is_file());
    let entry = file.map(|name| package.join(name)).filter(|path| path.is_file());
    Ok(Cow::Owned(config::Invoke {
        // After the project, not after the directory that it was built into.
        function_name: config.function_name.clone().or_else(|| Some(name_of(&config.path))),
        path: entry.unwrap_or(package),
        build: None,
        ..config.clone()
    }))
}

/// What was built of the project that `config` names.
fn package(config: &config::Invoke, say: &Say) -> Result<PathBuf, BuildError> {
    let is_file = config.path.is_file();
    let parent = config.path.parent().filter(|_| is_file);
    let asked = config.build.as_ref();
    let request = Request {
        project: parent.unwrap_or(&config.path),
        output: asked.and_then(|build| build.output.as_deref()),
        command: asked.and_then(|build| build.command.as_deref()),
        runtime: config.runtime.as_deref(),
        compat: match config.runtime_compat {
            RuntimeCompat::Exact => Compat::Exact,
            RuntimeCompat::Near => Compat::Near,
        },
    };
    build::build(request, say)
}
