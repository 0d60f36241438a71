//! `lambdabox invoke`: from what was typed to what `config` is asked.

use super::args;
use crate::config::{Asked, Explain, Keep, Origin, Raw, Setting, StrangersFile, Value, Verbosity};

/// What to do with the checked settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Run the function.
    Run,
    /// Show the settings.
    PrintConfig,
}

/// Sorts flags into settings and what is for this call alone.
pub(crate) fn asked(invoke: args::Invoke, output: &args::Output) -> (Asked, Purpose) {
    let purpose = if invoke.print_config { Purpose::PrintConfig } else { Purpose::Run };
    let verbosity = verbosity(output);
    let mut settings = Raw::default();
    for (setting, text) in [
        (Setting::FunctionName, invoke.function_name),
        (Setting::ClientContext, invoke.client_context),
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
pub(super) fn verbosity(output: &args::Output) -> Verbosity {
    match (output.quiet, output.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    }
}
