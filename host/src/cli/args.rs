//! What can be typed, and what help says about it. Values stay text; `config` judges them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use super::build::{self, BuildArguments};
use super::client::{DEPLOY_EXAMPLES, Deploy, LIST_EXAMPLES, List, REMOVE_EXAMPLES, Remove};
use super::invoke::{INVOKE_EXAMPLES, Invoke};
use super::observe::{LOGS_EXAMPLES, Logs, TOP_EXAMPLES, Top, USAGE_EXAMPLES, Usage};
use super::reach::Reach;
use super::words::Words;
use crate::config::{Raw, Setting};

const EXAMPLES: &str = "Examples:
  lambdabox invoke ./app.py --event '{\"name\":\"Ada\"}'
  lambdabox invoke function.zip --handler app.handler -e event.json
  echo '{}' | lambdabox invoke . -e -

Exit status: 0 answered, 1 the function failed, 2 bad usage, configuration or package,
3 the sandbox could not be made, 130 after Ctrl-C.";

const SERVE_EXAMPLES: &str = "Examples:
  sudo lambdabox serve                               AWS clients are answered on 127.0.0.1:9000
  export AWS_ENDPOINT_URL_LAMBDA=http://127.0.0.1:9000   … after which they come by themselves
  sudo lambdabox serve --allow-code ~/functions      S3Bucket=hot-reload, S3Key=/home/me/functions/f
                                                     deploys that directory as it is at that moment
  sudo lambdabox serve --data-dir /srv/lambdabox --listen 127.0.0.1:9100

Every setting can also stand in /etc/lambdabox/config.toml (drain_timeout = 60), or in a variable
(LAMBDABOX_DRAIN_TIMEOUT=60). A flag wins over a variable, a variable over the file.
SIGTERM ends it: what is new is refused, what was accepted finishes; a second one hurries.
Exit status: 0 ended when asked to, 2 bad usage or configuration, 3 it could not start.";

const DOCTOR_EXAMPLES: &str = "Examples:
  lambdabox doctor                  for the user who types it: with sudo, for root
  sudo lambdabox doctor             one line for each thing; under it the command that mends it
  sudo lambdabox doctor --quiet     only what is not as it should be
  sudo lambdabox doctor --json      {\"can_run\": …, \"checks\": [{id, status, fact, remedy}, …]}

Status: ok; warn, functions run with less; missing, no function runs.
Exit status: 0 functions can run here, 3 they cannot, 2 bad usage, or what was found cannot be
written.";

const RUNTIMES_EXAMPLES: &str = "Examples:
  lambdabox runtimes                one line for each runtime identifier of AWS
  lambdabox runtimes --json         {\"runtimes\": [{identifier, status, version, path, …}, …]}

Status: installed; near, another version is, which `invoke --runtime-compat near` takes; missing;
custom, the package brings its own program. A deprecated runtime still runs here.";

const INIT_EXAMPLES: &str = "Examples:
  lambdabox init --list             what there is
  lambdabox init hello-python       into ./hello-python
  lambdabox init thumbnail ./fn     into ./fn; its README.md has the command that runs it

Exit status: 0 written, 2 bad usage, or the directory is not empty.";

/// AWS Lambda's execution environment as one Linux binary
#[derive(Debug, Parser)]
#[command(name = "lambdabox", bin_name = "lambdabox", version, after_help = EXAMPLES)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// How much is said, and in which colour; of every command.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Colour logs and messages: on terminals (auto; NO_COLOR is honoured), always or never
    #[arg(long, global = true, value_name = "WHEN", help_heading = "Output")]
    #[arg(value_parser = Words(&["auto", "always", "never"]))]
    pub(crate) color: Option<String>,
    /// Say nothing on standard error but errors and warnings
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Output")]
    pub(crate) quiet: bool,
    /// Say also what decisions were made from
    #[arg(short, long, global = true, help_heading = "Output")]
    pub(crate) verbose: bool,
    /// Stretch the program's own limits, on machines that are slow throughout
    #[arg(long, global = true, hide = true, env = "LAMBDABOX_TIME_SCALE", value_name = "N")]
    #[arg(default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) time_scale: u32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run one event through one function in a full sandbox, and print the answer
    #[command(after_help = INVOKE_EXAMPLES)]
    Invoke(Box<Invoke>),
    /// Keep functions warm and answer AWS clients (Lambda's own API) on this machine
    #[command(visible_alias = "up", after_help = SERVE_EXAMPLES)]
    Serve(Box<Serve>),
    /// Make a package of a project with its own tools: go, cargo, mvn, npm, pip, …
    #[command(after_help = build::EXAMPLES)]
    Build(Box<BuildArguments>),
    /// Begin a function: write a template into an empty directory
    #[command(after_help = INIT_EXAMPLES)]
    Init {
        /// Its name
        #[arg(required_unless_present = "list")]
        template: Option<String>,
        /// An empty or a new directory [default: of the template's name, here]
        #[arg(value_name = "DIR")]
        directory: Option<PathBuf>,
        /// Print the templates, each with a line about it
        #[arg(long, conflicts_with = "template")]
        list: bool,
    },
    /// Create or update a function on a host, and wait until it is active
    #[command(after_help = DEPLOY_EXAMPLES)]
    Deploy(Box<Deploy>),
    /// List the functions of a host
    #[command(visible_alias = "ls", after_help = LIST_EXAMPLES)]
    List(List),
    /// Show what a function of a host wrote, and follow it
    #[command(after_help = LOGS_EXAMPLES)]
    Logs(Box<Logs>),
    /// Show a host's environments by function and state, and its memory
    #[command(after_help = TOP_EXAMPLES)]
    Top(Top),
    /// Show what a host's functions used, and what AWS would charge for it
    #[command(after_help = USAGE_EXAMPLES)]
    Usage(Usage),
    /// Remove functions from a host
    #[command(name = "rm", visible_alias = "remove", after_help = REMOVE_EXAMPLES)]
    Remove(Remove),
    /// Say what this machine offers, what is missing, and the command that adds it
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(Doctor),
    /// List the runtimes, and what on this machine runs each
    #[command(after_help = RUNTIMES_EXAMPLES)]
    Runtimes {
        /// Print JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print a manual page (roff): of lambdabox, or of one of its commands
    Man {
        /// Which command
        command: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where AWS clients are answered; loopback only [default: 127.0.0.1:9000]
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = "Host")]
    pub(crate) listen: Option<String>,

    /// Where /ready, /pool, /metrics and /usage are answered; loopback only [default: 127.0.0.1:9002]
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = "Host")]
    pub(crate) admin: Option<String>,

    /// Where functions and accepted events are kept; one host at a time
    /// [default: /var/lib/lambdabox as root, else ~/.local/share/lambdabox]
    #[arg(long, value_name = "DIR", help_heading = "Host")]
    pub(crate) data_dir: Option<String>,

    /// A directory below which code may be deployed as it lies (repeatable)
    #[arg(long, value_name = "DIR", help_heading = "Host")]
    pub(crate) allow_code: Vec<String>,

    /// A web origin whose pages may call, such as http://localhost:3000 (repeatable)
    #[arg(long, value_name = "ORIGIN", help_heading = "Host")]
    pub(crate) allow_origin: Vec<String>,

    /// How many seconds the end waits for what was accepted [default: 30]
    #[arg(long, value_name = "SECONDS", help_heading = "Host", allow_negative_numbers = true)]
    pub(crate) drain_timeout: Option<String>,

    /// How many MB of functions' logs are kept; the largest log loses its oldest part
    /// [default: 1024]
    #[arg(long, value_name = "MB", help_heading = "Host", allow_negative_numbers = true)]
    pub(crate) log_size: Option<String>,

    /// How many days functions' logs are kept [default: 30]
    #[arg(long, value_name = "DAYS", help_heading = "Host", allow_negative_numbers = true)]
    pub(crate) log_days: Option<String>,

    /// Settings from here instead of /etc/lambdabox/config.toml
    #[arg(long, value_name = "FILE", help_heading = "Host")]
    pub(crate) config: Option<String>,

    /// Memory in MB that all environments together may take [default: the machine's less a reserve]
    #[arg(long, value_name = "MB", help_heading = "Environments", allow_negative_numbers = true)]
    pub(crate) memory_budget: Option<String>,

    /// How many seconds an idle environment is kept [default: 600]
    #[arg(
        long,
        value_name = "SECONDS",
        help_heading = "Environments",
        allow_negative_numbers = true
    )]
    pub(crate) idle_timeout: Option<String>,

    /// After how many idle milliseconds an environment is frozen; 0 is at once [default: 50]
    #[arg(
        long,
        value_name = "MS|off",
        help_heading = "Environments",
        allow_negative_numbers = true
    )]
    pub(crate) freeze_after: Option<String>,

    /// Invocations at once of all functions, as AWS's account limit [default: 1000]
    #[arg(long, value_name = "N", help_heading = "Environments", allow_negative_numbers = true)]
    pub(crate) concurrency: Option<String>,

    /// How fast streamed answers flow: as AWS has it is 6 MB at once, then 2 MB/s [default: unlimited]
    #[arg(long, value_name = "HOW", help_heading = "Environments")]
    #[arg(value_parser = Words(&["unlimited", "aws"]))]
    pub(crate) stream_bandwidth: Option<String>,

    /// Processor time: by memory, or all there is [default: proportional]
    #[arg(long, value_name = "HOW", help_heading = "Environments")]
    #[arg(value_parser = Words(&["proportional", "unlimited"]))]
    pub(crate) cpu: Option<String>,

    /// Offer an AWS SDK that is installed on this host, last on the path [default: auto]
    #[arg(long, value_name = "WHETHER", help_heading = "Environments")]
    #[arg(value_parser = Words(&["auto", "off"]))]
    pub(crate) sdk: Option<String>,

    /// Take a runtime's own version of the interpreter, or the nearest there is [default: exact]
    #[arg(long, value_name = "HOW", help_heading = "Environments")]
    #[arg(value_parser = Words(&["exact", "near"]))]
    pub(crate) runtime_compat: Option<String>,

    /// How much of the sandbox there is to be [default: full]
    ///
    /// no-limits: without control groups, so nothing limits memory and processor time, and idle
    /// environments are not frozen; everything else of the sandbox stays. For ordinary users and
    /// containers that have no control groups of their own.
    #[arg(long, value_name = "HOW", help_heading = "Environments")]
    #[arg(value_parser = Words(&["full", "no-limits"]))]
    pub(crate) isolation: Option<String>,

    #[command(flatten)]
    pub(crate) reach: Reach,

    /// Print every setting in effect and where it came from, as TOML, and stop
    #[arg(long, help_heading = "Output")]
    pub(crate) print_config: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
    /// As with invoke: no-limits judges a machine without control groups as one where functions run
    #[arg(long, value_name = "HOW", value_parser = Words(&["full", "no-limits"]))]
    pub(crate) isolation: Option<String>,
    /// Look at the machine below this directory
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub(crate) root: PathBuf,
}

/// What a function is, whether it is run from here or deployed.
#[derive(Debug, Args)]
pub(crate) struct FunctionArgs {
    /// The handler, such as app.handler [default: found in the package]
    #[arg(long, help_heading = "Function")]
    pub(crate) handler: Option<String>,
    /// AWS's runtime identifier, such as python3.13 [default: found in the package]
    #[arg(long, help_heading = "Function")]
    pub(crate) runtime: Option<String>,
    /// A layer, shown under /opt; up to five, a later one over an earlier one (repeatable)
    ///
    /// `deploy` publishes it if its content is new, and takes the ARN of a layer version, too.
    #[arg(long, value_name = "DIR|ZIP", help_heading = "Function")]
    pub(crate) layer: Vec<String>,
    /// Take the runtime's own version of the interpreter, or the nearest there is [default: exact]
    #[arg(long, value_name = "HOW", help_heading = "Function")]
    #[arg(value_parser = Words(&["exact", "near"]))]
    pub(crate) runtime_compat: Option<String>,

    /// Memory in MB, 128 to 10240; processor time is in proportion [default: 128]
    #[arg(long, value_name = "MB", help_heading = "Limits", allow_negative_numbers = true)]
    pub(crate) memory_size: Option<String>,
    /// Longest time of one invocation in seconds, 1 to 900 [default: 3]
    #[arg(long, value_name = "SECONDS", help_heading = "Limits", allow_negative_numbers = true)]
    pub(crate) timeout: Option<String>,
    /// Size of /tmp in MB, 512 to 10240 [default: 512]
    #[arg(long, value_name = "MB", help_heading = "Limits", allow_negative_numbers = true)]
    pub(crate) ephemeral_storage: Option<String>,
    /// Run up to N invocations at once in one environment, 1 to 1600, as on Managed Instances; the log is
    /// JSON [default: one after another]
    #[arg(long, value_name = "N", help_heading = "Limits", allow_negative_numbers = true)]
    pub(crate) max_concurrency: Option<String>,

    /// Set a variable of the function; --env NAME copies it from here (repeatable)
    #[arg(long, value_name = "NAME=VALUE|NAME", help_heading = "Variables of the function")]
    pub(crate) env: Vec<String>,
    /// Set variables from a file of NAME=value lines (repeatable)
    #[arg(long, value_name = "FILE", help_heading = "Variables of the function")]
    pub(crate) env_file: Vec<String>,
    /// Set variables from a JSON file as SAM has it: {"Parameters": {…}} or {"FunctionName": {…}}
    #[arg(long, value_name = "FILE.json", help_heading = "Variables of the function")]
    pub(crate) env_vars: Option<String>,

    /// Form of the function's log [default: text]
    #[arg(long, value_name = "FORM", help_heading = "Output")]
    #[arg(value_parser = Words(&["text", "json"]))]
    pub(crate) log_format: Option<String>,
    /// Least important line of the function's own in a JSON log [default: info]
    #[arg(long, value_name = "LEVEL", help_heading = "Output")]
    #[arg(value_parser = Words(&["trace", "debug", "info", "warn", "error", "fatal"]))]
    pub(crate) application_log_level: Option<String>,
    /// Least important line of the platform's in a JSON log [default: info]
    #[arg(long, value_name = "LEVEL", help_heading = "Output")]
    #[arg(value_parser = Words(&["debug", "info", "warn"]))]
    pub(crate) system_log_level: Option<String>,
}

impl FunctionArgs {
    /// Notes what was typed; `--env` is no setting and comes back.
    pub(super) fn set(self, settings: &mut Raw) -> Vec<String> {
        for (setting, text) in [
            (Setting::Handler, self.handler),
            (Setting::Runtime, self.runtime),
            (Setting::RuntimeCompat, self.runtime_compat),
            (Setting::MemorySize, self.memory_size),
            (Setting::Timeout, self.timeout),
            (Setting::EphemeralStorage, self.ephemeral_storage),
            (Setting::LogFormat, self.log_format),
            (Setting::ApplicationLogLevel, self.application_log_level),
            (Setting::SystemLogLevel, self.system_log_level),
            (Setting::MaxConcurrency, self.max_concurrency),
            (Setting::EnvVars, self.env_vars),
        ] {
            settings.set_flag(setting, text);
        }
        settings.set_flags(Setting::Layers, self.layer);
        settings.set_flags(Setting::EnvFile, self.env_file);
        self.env
    }
}
