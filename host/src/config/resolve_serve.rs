//! From a host's settings as written to [`Serve`].

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::check::{choice, number};
use super::environment::Variables;
use super::notice::Notice;
use super::place::Origin;
use super::problem::{Problem, Problems};
use super::raw::{Raw, Value, merge};
use super::resolve::{
    Checks, color, cpu, data_dir, fill_in_data_dir, isolation, network, region, runtime_compat, sdk,
};
use super::resolved::{Color, Cpu, Isolation, RuntimeCompat, Sdk, Verbosity};
use super::resolved_serve::{FreezeAfter, Serve};
use super::{
    Caller, Credentials, Setting, collector, credentials, file, forward, object_store, print,
    variables,
};
use crate::model::Bandwidth;

/// A host's own file.
const SYSTEM_FILE: &str = "/etc/lambdabox/config.toml";
const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9_000);
const DEFAULT_ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9_002);
const DEFAULT_DRAIN_SECONDS: u32 = 30;
const DEFAULT_IDLE_SECONDS: u32 = 600;
const DEFAULT_FREEZE_MS: u64 = 50;
/// A day; longer is forever.
const MAX_SECONDS: u32 = 86_400;
/// `ConcurrentExecutions` of an account (lambda-service.md 12), and room for more.
const DEFAULT_CONCURRENCY: u32 = 1_000;
const CONCURRENCY: std::ops::RangeInclusive<u32> = 1..=100_000;
const DEFAULT_LOG_MB: u32 = 1_024;
/// Less would lose what was just written.
const LOG_MB: std::ops::RangeInclusive<u32> = 8..=16_777_216;
const DEFAULT_LOG_DAYS: u32 = 30;
/// Ten years: the longest retention CloudWatch Logs has.
const LOG_DAYS: std::ops::RangeInclusive<u32> = 1..=3_653;

/// What the command line said.
#[derive(Debug, Clone)]
pub struct AskedServe {
    /// Settings given as flags.
    pub settings: Raw,
    /// `-q` or `-v`.
    pub verbosity: Verbosity,
    /// `--isolation`, as typed; a flag alone, as with `invoke`.
    pub isolation: Option<String>,
}

/// What will be done, and what the user should know about it.
#[derive(Debug)]
pub struct ResolvedServe {
    /// What will be done.
    pub serve: Serve,
    /// What is said about it on standard error before it starts.
    pub notices: Vec<Notice>,
    effective: Raw,
}

impl ResolvedServe {
    /// Every effective setting as TOML, each with a comment that tells where it came from.
    pub fn print_config(&self) -> String {
        print::host(&self.effective, &self.serve)
    }
}

/// Reads variables and file, merges all layers and checks the result.
///
/// # Errors
/// Everything that is wrong, together.
pub fn resolve_serve(asked: AskedServe, caller: &Caller) -> Result<ResolvedServe, Problems> {
    let mut checks = Checks { problems: Vec::new() };
    let mut notices = Vec::new();
    let from_variables = variables::read(caller, &mut checks.problems, &mut notices);
    let mut raw = merge([asked.settings, from_variables]);
    let from_file = host_file(&raw, caller, &mut checks.problems);
    raw = merge([raw, from_file]);
    if raw.get(Setting::Region).is_none()
        && let Some((name, region)) =
            ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|n| Some((*n, caller.text(n)?)))
    {
        let (region, origin) = (region.to_owned(), Origin::Variable(name.to_owned()));
        raw.set(Setting::Region, Value::Text(region), origin);
    }
    fill_in_data_dir(&mut raw, caller, &mut checks.problems);

    let network = checks.or(network(&raw), None);
    let no_variables = Variables::default();
    let forwards = forward::read(&raw, &no_variables, network, &mut checks.problems, &mut notices);
    let credentials = credentials::read(&raw, caller, &mut notices);
    let credentials = checks.or(credentials, Credentials::placeholder());
    let seconds =
        |raw: &Raw, setting, default| number(raw, setting, 0..=MAX_SECONDS, "seconds", default);
    let drain = seconds(&raw, Setting::DrainTimeout, DEFAULT_DRAIN_SECONDS);
    let idle = seconds(&raw, Setting::IdleTimeout, DEFAULT_IDLE_SECONDS);
    let concurrency =
        number(&raw, Setting::Concurrency, CONCURRENCY, "invocations at once", DEFAULT_CONCURRENCY);
    let log_mb = number(&raw, Setting::LogSize, LOG_MB, "MB", DEFAULT_LOG_MB);
    let log_days = number(&raw, Setting::LogDays, LOG_DAYS, "days", DEFAULT_LOG_DAYS);
    let budget = match raw.get(Setting::MemoryBudget) {
        None => Ok(None),
        Some(_) => number(&raw, Setting::MemoryBudget, 128..=u32::MAX, "MB", 0).map(Some),
    };
    let serve = Serve {
        listen: checks.or(address(&raw, Setting::Listen, DEFAULT_LISTEN), DEFAULT_LISTEN),
        admin: checks.or(address(&raw, Setting::Admin, DEFAULT_ADMIN), DEFAULT_ADMIN),
        data_dir: data_dir(&raw, caller),
        allow_code: allow_code(&raw, caller, &mut checks.problems),
        allow_origin: allow_origin(&raw),
        drain_timeout: Duration::from_secs(checks.or(drain, DEFAULT_DRAIN_SECONDS).into()),
        memory_budget_mb: checks.or(budget, None),
        idle_timeout: Duration::from_secs(checks.or(idle, DEFAULT_IDLE_SECONDS).into()),
        freeze_after: checks.or(freeze_after(&raw), FreezeAfter::Off),
        concurrency: checks.or(concurrency, DEFAULT_CONCURRENCY),
        log_bytes: u64::from(checks.or(log_mb, DEFAULT_LOG_MB)) * 1024 * 1024,
        log_age: Duration::from_hours(24 * u64::from(checks.or(log_days, DEFAULT_LOG_DAYS))),
        stream_bandwidth: checks.or(stream_bandwidth(&raw), Bandwidth::Unlimited),
        region: checks.or(region(&raw), String::new()),
        network,
        forwards,
        collector: checks.or(collector::read(&raw, caller, &mut notices), None),
        xray_daemon: checks.or(collector::xray_daemon(&raw), None),
        object_store: object_store::read(caller, &credentials, &mut notices),
        credentials,
        isolation: checks.or(isolation(asked.isolation.as_deref()), Isolation::Full),
        cpu: checks.or(cpu(&raw), Cpu::Proportional),
        sdk: checks.or(sdk(&raw), Sdk::Auto),
        runtime_compat: checks.or(runtime_compat(&raw), RuntimeCompat::Exact),
        color: checks.or(color(&raw, caller), Color::Auto),
        verbosity: asked.verbosity,
    };
    match checks.problems.is_empty() {
        true => Ok(ResolvedServe { serve, notices, effective: raw }),
        false => Err(Problems(checks.problems)),
    }
}

/// The file that was named, which must be there, or the machine's, which need not.
fn host_file(raw: &Raw, caller: &Caller, problems: &mut Vec<Problem>) -> Raw {
    let Some((text, place)) = raw.text(Setting::Config) else {
        return file::of_host(Path::new(SYSTEM_FILE), problems).unwrap_or_default();
    };
    let path = place.origin.base(&caller.cwd).join(text);
    let errors_before = problems.len();
    let found = file::of_host(&path, problems);
    if found.is_none() && problems.len() == errors_before {
        problems.push(Problem::NoSuchSettingPath { place, path });
    }
    found.unwrap_or_default()
}

/// An address of loopback: until signatures are verified, nobody else may reach it.
fn address(raw: &Raw, setting: Setting, default: SocketAddr) -> Result<SocketAddr, Problem> {
    let Some((text, place)) = raw.text(setting) else { return Ok(default) };
    let value = text.to_owned();
    let named =
        text.strip_prefix("localhost:").map(|port| format!("{}:{port}", Ipv4Addr::LOCALHOST));
    match named.as_deref().unwrap_or(text).parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(_) => Err(Problem::NotLoopback { place, value }),
        Err(_) => Err(Problem::NotAnAddress { place, value }),
    }
}

fn allow_code(raw: &Raw, caller: &Caller, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let Some((texts, place)) = raw.list(Setting::AllowCode) else { return Vec::new() };
    let mut allowed = Vec::new();
    for text in texts {
        let path = place.origin.base(&caller.cwd).join(text);
        match fs::canonicalize(&path) {
            Ok(real) if real.is_dir() => allowed.push(real),
            _ => problems.push(Problem::NotACodeDirectory { place: place.clone(), path }),
        }
    }
    allowed
}

fn allow_origin(raw: &Raw) -> Vec<String> {
    let texts = raw.list(Setting::AllowOrigin).map(|(texts, _)| texts).unwrap_or_default();
    texts.into_iter().map(|text| text.trim_end_matches('/').to_ascii_lowercase()).collect()
}

fn stream_bandwidth(raw: &Raw) -> Result<Bandwidth, Problem> {
    let values = [Bandwidth::Unlimited, Bandwidth::Aws];
    choice(raw, Setting::StreamBandwidth, &["unlimited", "aws"], &values, Bandwidth::Unlimited)
}

fn freeze_after(raw: &Raw) -> Result<FreezeAfter, Problem> {
    const RULE: &str = "milliseconds (0 for at once) or off";
    let Some((text, place)) = raw.text(Setting::FreezeAfter) else {
        return Ok(FreezeAfter::Idle(Duration::from_millis(DEFAULT_FREEZE_MS)));
    };
    match text.trim() {
        "off" => Ok(FreezeAfter::Off),
        text => match text.parse::<u32>() {
            Ok(ms) => Ok(FreezeAfter::Idle(Duration::from_millis(ms.into()))),
            Err(_) => Err(Problem::Malformed { place, value: text.to_owned(), rule: RULE }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::caller;

    fn of(flags: &[(Setting, &str)], env: &[(&str, &str)]) -> Result<ResolvedServe, Vec<String>> {
        let mut settings = Raw::default();
        for (setting, text) in flags {
            settings.set_flag(*setting, Some((*text).to_owned()));
        }
        let empty = tempfile::NamedTempFile::new().unwrap();
        let mut env = env.to_vec();
        let path = empty.path().display().to_string();
        if !env.iter().any(|(name, _)| *name == "LAMBDABOX_CONFIG") {
            env.push(("LAMBDABOX_CONFIG", &path));
        }
        env.push(("LAMBDABOX_DATA_DIR", "/d"));
        let asked = AskedServe { settings, verbosity: Verbosity::Normal, isolation: None };
        resolve_serve(asked, &caller("/", &env))
            .map_err(|problems| problems.0.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn nothing_said_is_loopback_and_the_defaults() {
        let serve = of(&[], &[]).unwrap().serve;
        assert_eq!(serve.listen.to_string(), "127.0.0.1:9000");
        assert_eq!(serve.admin.to_string(), "127.0.0.1:9002");
        assert_eq!((serve.region.as_str(), serve.concurrency), ("us-east-1", 1_000));
        assert_eq!(serve.idle_timeout, Duration::from_mins(10));
        assert_eq!(serve.freeze_after, FreezeAfter::Idle(Duration::from_millis(50)));
        assert_eq!((serve.log_bytes, serve.log_age.as_secs()), (1 << 30, 30 * 86_400));
        assert!(serve.allow_code.is_empty() && serve.memory_budget_mb.is_none());
    }

    #[test]
    fn flags_win_over_variables_and_those_over_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(
            file.path(),
            "listen = '127.0.0.1:1'\nadmin = '[::1]:2'\nregion = 'eu-west-1'\nidle_timeout = 5\n",
        )
        .unwrap();
        let path = file.path().display().to_string();
        let env = [
            ("LAMBDABOX_CONFIG", path.as_str()),
            ("LAMBDABOX_LISTEN", "127.0.0.1:3"),
            ("LAMBDABOX_ADMIN", "localhost:4"),
            ("AWS_REGION", "us-west-2"),
        ];
        let resolved = of(&[(Setting::Listen, "127.0.0.1:0")], &env).unwrap();
        let serve = &resolved.serve;
        assert_eq!(serve.listen.port(), 0);
        assert_eq!(serve.admin.to_string(), "127.0.0.1:4");
        assert_eq!(serve.region, "eu-west-1");
        assert_eq!(serve.idle_timeout, Duration::from_secs(5));
        let printed = resolved.print_config();
        for line in [
            "listen = \"127.0.0.1:0\"  # --listen",
            "admin = \"localhost:4\"  # LAMBDABOX_ADMIN",
            &format!("idle_timeout = 5  # {path}:4"),
            "drain_timeout = 30  # default",
            "data_dir = \"/d\"  # LAMBDABOX_DATA_DIR",
        ] {
            assert!(printed.contains(line), "{line} is not in\n{printed}");
        }
    }

    #[test]
    fn what_is_printed_is_a_file_that_says_the_same() {
        let flags = [
            (Setting::Listen, "[::1]:7"),
            (Setting::AllowCode, "/"),
            (Setting::AllowOrigin, "http://localhost:3000"),
            (Setting::Forwards, "8080"),
            (Setting::MemoryBudget, "512"),
            (Setting::FreezeAfter, "off"),
            (Setting::Network, "none"),
        ];
        let values = |resolved: ResolvedServe| {
            let printed = resolved.print_config();
            let value = |line: &str| line.split("  #").next().unwrap_or_default().to_owned();
            (printed.lines().map(value).collect::<Vec<_>>(), printed)
        };
        let (said, printed) = values(of(&flags, &[]).unwrap());
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), printed).unwrap();
        let path = file.path().display().to_string();
        let (again, _) = values(of(&[], &[("LAMBDABOX_CONFIG", &path)]).unwrap());
        assert_eq!(said, again);
    }

    #[test]
    fn what_is_wrong_is_said_together() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "handler = 'a.b'\nlisten_on = 1\n").unwrap();
        let path = file.path().display().to_string();
        let env = [("LAMBDABOX_CONFIG", path.as_str())];
        let flags = [
            (Setting::Listen, "0.0.0.0:9000"),
            (Setting::Admin, "9002"),
            (Setting::AllowCode, "/nowhere"),
            (Setting::FreezeAfter, "soon"),
            (Setting::StreamBandwidth, "fast"),
            (Setting::DataDir, ""),
        ];
        let problems = of(&flags, &env).unwrap_err();
        for text in [
            ":1: unknown key `handler`",
            ":2: unknown key `listen_on`",
            "--listen is 0.0.0.0:9000, which other machines could reach",
            "--admin is `9002`, but it must be an address and port",
            "--allow-code allows /nowhere",
            "--freeze-after is `soon`",
            "--data-dir is ``, but it must be a directory",
        ] {
            assert!(problems.iter().any(|p| p.contains(text)), "{text} is not in {problems:#?}");
        }
        let absent = of(&[], &[("LAMBDABOX_CONFIG", "/nowhere.toml")]).unwrap_err();
        assert!(absent[0].contains("/nowhere.toml"), "{absent:?}");
    }
}
