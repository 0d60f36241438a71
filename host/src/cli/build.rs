//! `lambdabox build`, and the flags of other commands that build first.

use std::path::PathBuf;

use clap::Args;

use super::args;
use super::invoke::verbosity;
use super::words::Words;
use crate::config::{Asked, Build, Explain, Keep, Raw, Setting, StrangersFile};

pub(crate) const EXAMPLES: &str = "Examples:
  lambdabox build                            the project here, into .lambdabox/build
  lambdabox build ./fn --output fn.zip       into a zip, ready to be deployed
  lambdabox build --build-cmd 'make package' with a command of your own, which fills $ARTIFACTS_DIR
  lambdabox invoke . --build                 build, then run what was built

What is there decides how: go.mod (go build), Cargo.toml (cargo build --release), pom.xml (mvn
package), build.gradle, *.csproj (dotnet publish), package.json (npm ci, npm run build),
requirements.txt or pyproject.toml (pip install --target), Gemfile (bundle install); sources without
any of these are copied. Version control, caches, virtual environments and .env are left out. Each
command is printed before it runs, and runs as you, outside any sandbox; --verbose shows its output
as it comes.

Exit status: 0 built, 1 a build command failed, 2 bad usage, no project, or a tool that is missing.";

#[derive(Debug, Args)]
pub(crate) struct BuildArguments {
    /// The project's directory; the current one if not given
    #[arg(value_name = "DIR")]
    project: Option<PathBuf>,
    /// Where the package goes: a directory, or a zip by its name [default: DIR/.lambdabox/build]
    #[arg(short, long, value_name = "DIR|ZIP")]
    output: Option<PathBuf>,
    /// A shell's command that builds it in DIR and puts the package into $ARTIFACTS_DIR
    #[arg(long, value_name = "CMD")]
    build_cmd: Option<String>,
    /// AWS's runtime identifier, such as python3.13: whose interpreter packages are for
    #[arg(long)]
    runtime: Option<String>,
    /// Take the runtime's own version of the interpreter, or the nearest there is [default: exact]
    #[arg(long, value_name = "HOW")]
    #[arg(value_parser = Words(&["exact", "near"]))]
    runtime_compat: Option<String>,
}

/// Building before something else is done with the function.
#[derive(Debug, Args)]
pub(crate) struct BuildFirst {
    /// Build the project at PATH first, as `lambdabox build` does, and take what was built
    #[arg(long, help_heading = "Function")]
    build: bool,
    /// Build it by this command first, which puts the package into $ARTIFACTS_DIR
    #[arg(long, value_name = "CMD", help_heading = "Function")]
    build_cmd: Option<String>,
}

impl BuildFirst {
    pub(super) fn asked(self) -> Option<Build> {
        let is_wanted = self.build || self.build_cmd.is_some();
        is_wanted.then_some(Build { command: self.build_cmd, output: None })
    }
}

/// What `config` is asked: a build is the first half of an `invoke`.
pub(crate) fn asked(typed: BuildArguments, output: &args::Output) -> Asked {
    let mut settings = Raw::default();
    for (setting, text) in [
        (Setting::Runtime, typed.runtime),
        (Setting::RuntimeCompat, typed.runtime_compat),
        (Setting::Color, output.color.clone()),
    ] {
        settings.set_flag(setting, text);
    }
    Asked {
        path: typed.project,
        settings,
        env: Vec::new(),
        repeat: None,
        output: None,
        keep: Keep::Remove,
        verbosity: verbosity(output),
        explain: Explain::Run,
        isolation: None,
        strangers_file: StrangersFile::Refused,
        build: Some(Build { command: typed.build_cmd, output: typed.output }),
    }
}
