//! `lambdabox invoke`: what can be typed, and what `config` is asked.

use std::path::PathBuf;

use clap::Args;

use super::args::{FunctionArgs, Output};
use super::build::BuildFirst;
use super::client::HostArgs;
use super::reach::Reach;
use super::words::Words;
use crate::config::{Asked, Explain, Keep, Origin, Raw, Setting, StrangersFile, Value, Verbosity};

pub(super) const INVOKE_EXAMPLES: &str = "Examples:
  lambdabox invoke ./app.py -e '{\"name\":\"Ada\"}'     one event, runtime and handler inferred
  lambdabox invoke . app.handler event.json          the same, positional
  lambdabox invoke fn.zip -e - < event.json          event from standard input
  lambdabox invoke . --timeout 30 --memory-size 512  AWS's units: seconds and MB
  lambdabox invoke . --env STAGE=dev --env HOME      set one variable, copy another
  lambdabox invoke . --forward 5432                  reach a database on this host's loopback
  lambdabox invoke . --profile dev                   with real AWS keys
  lambdabox invoke . --repeat 10 -o answers.jsonl    ten times in one warm environment
  lambdabox invoke hello -e event.json               a function of a host, by its name

Every setting can also stand in lambdabox.toml, in the function's directory or one above it
(memory_size = 512), or in a variable (LAMBDABOX_MEMORY_SIZE=512). A flag wins over a variable, a
variable over the file. Variables of the function: --env wins over --env-file over --env-vars over
[env] of the file.

Exit status: 0 answered, 1 the function failed, 2 bad usage, configuration or package, or the answer
cannot be written (a reader that has gone is no failure), 3 the sandbox could not be made, or no host
answers, 130 after Ctrl-C.";

#[derive(Debug, Args)]
pub(crate) struct Invoke {
    /// The function: a file, a directory or a zip; the current directory if not given
    ///
    /// Of a file, its directory is what the function sees as /var/task. Where there is no such path,
    /// NAME or NAME:QUALIFIER is a function of the host that answers at --endpoint-url.
    #[arg(value_name = "PATH|NAME")]
    pub(crate) path: Option<PathBuf>,
    /// The handler, as with --handler
    #[arg(value_name = "HANDLER", conflicts_with = "handler")]
    pub(crate) handler_positional: Option<String>,
    /// The event, as with --event
    #[arg(value_name = "EVENT", conflicts_with = "event", allow_negative_numbers = true)]
    pub(crate) event_positional: Option<String>,

    /// The event: JSON, a file, or - for standard input [default: {}]
    ///
    /// A file of that name wins over JSON. The bytes reach the function unchanged; up to 6 MiB.
    #[arg(short, long, value_name = "JSON|FILE|-", help_heading = "Event")]
    #[arg(allow_negative_numbers = true)]
    pub(crate) event: Option<String>,
    /// Client context: a JSON object, or the base64 of one; up to 3583 bytes of base64
    #[arg(long, value_name = "JSON", help_heading = "Event")]
    pub(crate) client_context: Option<String>,
    /// The tenant whose invocation it is; functions with tenant isolation need one
    #[arg(long, value_name = "ID", help_heading = "Event")]
    pub(crate) tenant_id: Option<String>,
    /// Invoke N times in the same, warm environment; one answer a line [default: 1]
    #[arg(long, value_name = "N", help_heading = "Event", allow_negative_numbers = true)]
    pub(crate) repeat: Option<String>,
    /// Of a deployed function: end once the event is accepted, which the host then keeps
    #[arg(long = "async", help_heading = "Event")]
    pub(crate) later: bool,

    #[command(flatten)]
    pub(crate) function: FunctionArgs,
    /// Name of the function [default: after the package]
    #[arg(long, value_name = "NAME", help_heading = "Function")]
    pub(crate) function_name: Option<String>,
    /// A virtual environment whose packages the function may import
    #[arg(long, value_name = "DIR", help_heading = "Function")]
    pub(crate) venv: Option<String>,
    /// Offer an AWS SDK that is installed on this host, last on the path [default: auto]
    #[arg(long, value_name = "WHETHER", help_heading = "Function")]
    #[arg(value_parser = Words(&["auto", "off"]))]
    pub(crate) sdk: Option<String>,
    /// Talk to the Runtime API by our loop or by AWS's own client from the package
    /// [default: managed]
    #[arg(long, value_name = "CLIENT", help_heading = "Function")]
    #[arg(value_parser = Words(&["managed", "official"]))]
    pub(crate) runtime_client: Option<String>,

    #[command(flatten)]
    pub(crate) build: BuildFirst,

    /// Processor time: by memory, or all there is [default: proportional]
    #[arg(long, value_name = "HOW", help_heading = "Limits")]
    #[arg(value_parser = Words(&["proportional", "unlimited"]))]
    pub(crate) cpu: Option<String>,

    #[command(flatten)]
    pub(crate) reach: Reach,

    /// Write the answer to a file instead of standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub(crate) output: Option<PathBuf>,
    /// Print every setting in effect and where it came from, as TOML, and stop
    #[arg(long, help_heading = "Output")]
    pub(crate) print_config: bool,

    /// Keep the sandbox afterwards until Ctrl-C, and print where it is
    #[arg(long, help_heading = "Sandbox")]
    pub(crate) keep: bool,
    /// How much of the sandbox there is to be [default: full]
    ///
    /// no-limits: without control groups, so nothing limits memory and processor time; everything else
    /// of the sandbox stays. For ordinary users and containers that have no control groups of their own.
    #[arg(long, value_name = "HOW", help_heading = "Sandbox")]
    #[arg(value_parser = Words(&["full", "no-limits"]))]
    pub(crate) isolation: Option<String>,
    /// Take a lambdabox.toml that somebody else could have written as if it were yours
    ///
    /// Without it, one that belongs to another user, or that others may write, cannot give the function
    /// keys, files, services or the network of this host.
    #[arg(long, help_heading = "Sandbox")]
    pub(crate) trust_config: bool,
    /// Give the function a /dev/shm, which Lambda does not have
    #[arg(long, value_name = "WHETHER", help_heading = "Sandbox", num_args = 0..=1)]
    #[arg(require_equals = true, default_missing_value = "true")]
    #[arg(value_parser = Words(&["true", "false"]))]
    pub(crate) dev_shm: Option<String>,
    /// Where lambdabox keeps its state [default: /var/lib/lambdabox as root, else
    /// ~/.local/share/lambdabox]
    #[arg(long, value_name = "DIR", help_heading = "Sandbox")]
    pub(crate) data_dir: Option<String>,
    /// Print every step of the sandbox, in order, instead of running the function in it
    #[arg(long, help_heading = "Sandbox")]
    pub(crate) explain: bool,

    #[command(flatten)]
    pub(crate) host: HostArgs,
}

/// What to do with the checked settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Run the function.
    Run,
    /// Show the settings.
    PrintConfig,
}

/// Sorts flags into settings and what is for this call alone.
pub(crate) fn asked(invoke: Invoke, output: &Output) -> (Asked, Purpose) {
    let purpose = if invoke.print_config { Purpose::PrintConfig } else { Purpose::Run };
    let verbosity = verbosity(output);
    let mut settings = Raw::default();
    for (setting, text) in [
        (Setting::FunctionName, invoke.function_name),
        (Setting::ClientContext, invoke.client_context),
        (Setting::TenantId, invoke.tenant_id),
        (Setting::Cpu, invoke.cpu),
        (Setting::Sdk, invoke.sdk),
        (Setting::Venv, invoke.venv),
        (Setting::RuntimeClient, invoke.runtime_client),
        (Setting::Event, invoke.event),
        (Setting::DevShm, invoke.dev_shm),
        (Setting::Color, output.color.clone()),
        (Setting::DataDir, invoke.data_dir),
    ] {
        settings.set_flag(setting, text);
    }
    invoke.host.set(&mut settings);
    let env = invoke.function.set(&mut settings);
    invoke.reach.set(&mut settings);
    for (setting, name, text) in [
        (Setting::Handler, "HANDLER", invoke.handler_positional),
        (Setting::Event, "EVENT", invoke.event_positional),
    ] {
        if let Some(text) = text {
            settings.set(setting, Value::Text(text), Origin::Flag(name));
        }
    }
    let asked = Asked {
        path: invoke.path,
        settings,
        env,
        repeat: invoke.repeat,
        output: invoke.output,
        keep: if invoke.keep { Keep::Keep } else { Keep::Remove },
        verbosity,
        explain: if invoke.explain { Explain::Explain } else { Explain::Run },
        isolation: invoke.isolation,
        strangers_file: match invoke.trust_config {
            true => StrangersFile::Trusted,
            false => StrangersFile::Refused,
        },
        build: invoke.build.asked(),
    };
    (asked, purpose)
}

/// The parser has refused both at once.
pub(super) fn verbosity(output: &Output) -> Verbosity {
    match (output.quiet, output.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    }
}
