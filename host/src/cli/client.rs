//! Commands that call a host: what can be typed, and what `config` is asked.

use std::path::PathBuf;

use clap::Args;

use super::args::{FunctionArgs, Output};
use super::build::BuildFirst;
use super::invoke::verbosity;
use crate::config::{AskedDeploy, AskedHost, Origin, Raw, Setting, Value};

pub(super) const DEPLOY_EXAMPLES: &str = "Examples:
  lambdabox deploy ./app.py --name hello             runtime and handler inferred, as invoke does
  lambdabox deploy . app.handler --name hello --memory-size 512 --env STAGE=prod
  lambdabox deploy fn.zip --name hello --layer deps  the layer is published if its content is new
  lambdabox deploy . --build --name hello            build first, then deploy what was built
  lambdabox deploy . --endpoint-url http://127.0.0.1:9100

What is not said stays as it is on the host; of a new function it is AWS's default. Every setting of
the function can also stand in lambdabox.toml or in a variable (LAMBDABOX_MEMORY_SIZE=512), as for
invoke. The function's ARN goes to standard output.

Exit status: 0 the function is active as asked, 1 the host refused it or could not make it so, 2 bad
usage, configuration or package, 3 no host answers.";

pub(super) const LIST_EXAMPLES: &str = "Examples:
  lambdabox list                    one line for each function
  lambdabox list --json             {\"functions\": [{FunctionName, Runtime, …}, …]}

Exit status: 0 listed, 2 bad usage, 3 no host answers.";

pub(super) const REMOVE_EXAMPLES: &str = "Examples:
  lambdabox rm hello
  lambdabox rm hello thumbnail

Exit status: 0 removed, 1 the host refused it (there is none of that name), 2 bad usage, 3 no host
answers.";

/// Which host a command calls.
#[derive(Debug, Default, Args)]
pub(crate) struct HostArgs {
    /// The host to call [default: AWS_ENDPOINT_URL_LAMBDA, else http://127.0.0.1:9000]
    #[arg(long, value_name = "URL", help_heading = "Host")]
    pub(crate) endpoint_url: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    /// The function: a file, a directory or a zip; the current directory if not given
    ///
    /// Of a file, its directory is what is deployed. Not of the package: .git, .venv, .env,
    /// __pycache__, node_modules/.cache, .lambdabox, lambdabox.toml, and what a .lambdaboxignore beside
    /// it names, which is written as a .gitignore is (`!.venv` takes it in again). A symbolic link that
    /// leads out of it cannot be deployed.
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<PathBuf>,
    /// The handler, as with --handler
    #[arg(value_name = "HANDLER", conflicts_with = "handler")]
    pub(crate) handler_positional: Option<String>,

    /// Name of the function, which --function-name says as well [default: after the package]
    #[arg(long, value_name = "NAME", help_heading = "Function")]
    pub(crate) name: Option<String>,
    /// The same, as invoke has it; apart from the other so that messages name what was typed
    #[arg(long, value_name = "NAME", hide = true, conflicts_with = "name")]
    pub(crate) function_name: Option<String>,
    #[command(flatten)]
    pub(crate) function: FunctionArgs,
    #[command(flatten)]
    pub(crate) build: BuildFirst,
    /// What the function is for
    #[arg(long, value_name = "TEXT", help_heading = "Function")]
    pub(crate) description: Option<String>,
    /// Invocations at once of this function, kept for it alone
    #[arg(long, value_name = "N", help_heading = "Limits", allow_negative_numbers = true)]
    pub(crate) reserved_concurrency: Option<String>,

    #[command(flatten)]
    pub(crate) host: HostArgs,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) host: HostArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// The function (several may be named)
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) host: HostArgs,
}

impl HostArgs {
    /// What every such command is told.
    pub(super) fn asked(self, output: &Output) -> AskedHost {
        let mut settings = Raw::default();
        self.set(&mut settings);
        settings.set_flag(Setting::Color, output.color.clone());
        AskedHost { settings, verbosity: verbosity(output) }
    }

    /// Notes what was typed.
    pub(super) fn set(self, settings: &mut Raw) {
        settings.set_flag(Setting::EndpointUrl, self.endpoint_url);
    }
}

impl Deploy {
    /// Sorts flags into settings and what is no setting.
    pub(super) fn asked(self, output: &Output) -> AskedDeploy {
        let AskedHost { mut settings, verbosity } = self.host.asked(output);
        settings.set_flag(Setting::FunctionName, self.function_name);
        if let Some(name) = self.name {
            settings.set(Setting::FunctionName, Value::Text(name), Origin::Flag("--name"));
        }
        let env = self.function.set(&mut settings);
        if let Some(text) = self.handler_positional {
            settings.set(Setting::Handler, Value::Text(text), Origin::Flag("HANDLER"));
        }
        AskedDeploy {
            path: self.path,
            settings,
            env,
            description: self.description,
            reserved_concurrency: self.reserved_concurrency,
            build: self.build.asked(),
            verbosity,
        }
    }
}
