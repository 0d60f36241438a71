//! `lambdabox serve`: from what was typed to what `config` is asked.

use super::args;
use super::invoke::{Purpose, verbosity};
use crate::config::{AskedServe, Raw, Setting};

/// Sorts flags into settings and what is to be done with them.
pub(crate) fn asked(serve: args::Serve, output: &args::Output) -> (AskedServe, Purpose) {
    let purpose = if serve.print_config { Purpose::PrintConfig } else { Purpose::Run };
    let mut settings = Raw::default();
    for (setting, text) in [
        (Setting::Listen, serve.listen),
        (Setting::Admin, serve.admin),
        (Setting::DataDir, serve.data_dir),
        (Setting::DrainTimeout, serve.drain_timeout),
        (Setting::Config, serve.config),
        (Setting::MemoryBudget, serve.memory_budget),
        (Setting::IdleTimeout, serve.idle_timeout),
        (Setting::FreezeAfter, serve.freeze_after),
        (Setting::Concurrency, serve.concurrency),
        (Setting::LogSize, serve.log_size),
        (Setting::LogDays, serve.log_days),
        (Setting::Cpu, serve.cpu),
        (Setting::Sdk, serve.sdk),
        (Setting::RuntimeCompat, serve.runtime_compat),
        (Setting::Color, output.color.clone()),
    ] {
        settings.set_flag(setting, text);
    }
    settings.set_flags(Setting::AllowCode, serve.allow_code);
    settings.set_flags(Setting::AllowOrigin, serve.allow_origin);
    serve.reach.set(&mut settings);
    let isolation = serve.isolation;
    (AskedServe { settings, verbosity: verbosity(output), isolation }, purpose)
}
