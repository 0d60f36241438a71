//! Form and levels of a function's log (`LoggingConfig`).
//!
//! # Sources
//! `reference/runtime-api.md` 4.3; `reference/lambda-service.md` 5: levels are of JSON.

use super::check::choice;
use super::problem::Problem;
use super::raw::Raw;
use super::resolve::Checks;
use super::setting::Setting;
use crate::model::{ApplicationLevel, LogFormat, LogLevels, SystemLevel};

/// Where many run at once it is JSON, whose records say what they are of.
pub(super) fn log_format(raw: &Raw) -> Result<LogFormat, Problem> {
    let values = [LogFormat::Text, LogFormat::Json];
    let default = values[usize::from(raw.get(Setting::MaxConcurrency).is_some())];
    let format = choice(raw, Setting::LogFormat, &["text", "json"], &values, default)?;
    if format == default || default == LogFormat::Text {
        return Ok(format);
    }
    Err(Problem::Conflict {
        one: "--log-format text".to_owned(),
        other: "--max-concurrency".to_owned(),
        advice: "lines of many invocations at once are told apart in JSON only",
    })
}

/// Both levels, which only a log in JSON has.
pub(super) fn log_levels(raw: &Raw, format: LogFormat, checks: &mut Checks) -> LogLevels {
    let settings = [Setting::ApplicationLogLevel, Setting::SystemLogLevel];
    if format == LogFormat::Text
        && let Some((_, place)) = settings.iter().find_map(|setting| raw.text(*setting))
    {
        checks.problems.push(Problem::Conflict {
            one: place.to_string(),
            other: "a log in text form".to_owned(),
            advice: "levels are of JSON: --log-format json",
        });
    }
    LogLevels {
        application: checks.or(application(raw), ApplicationLevel::default()),
        system: checks.or(system(raw), SystemLevel::default()),
    }
}

pub(super) fn application(raw: &Raw) -> Result<ApplicationLevel, Problem> {
    const NAMES: &[&str] = &["trace", "debug", "info", "warn", "error", "fatal"];
    let values = ApplicationLevel::ALL;
    choice(raw, Setting::ApplicationLogLevel, NAMES, &values, ApplicationLevel::default())
}

pub(super) fn system(raw: &Raw) -> Result<SystemLevel, Problem> {
    let values = [SystemLevel::Debug, SystemLevel::Info, SystemLevel::Warn];
    choice(raw, Setting::SystemLogLevel, &["debug", "info", "warn"], &values, SystemLevel::Info)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::place::Origin;
    use crate::config::raw::Value;

    #[test]
    fn levels_are_of_json_alone_and_one_of_awss_words() {
        let of = |format, levels: [&str; 2]| {
            let mut raw = Raw::default();
            let settings = [Setting::ApplicationLogLevel, Setting::SystemLogLevel];
            for (setting, level) in settings.into_iter().zip(levels) {
                if !level.is_empty() {
                    raw.set(setting, Value::Text(level.to_owned()), Origin::Default);
                }
            }
            let mut checks = Checks { problems: Vec::new() };
            (log_levels(&raw, format, &mut checks), checks.problems.len())
        };
        let (levels, problems) = of(LogFormat::Json, ["DEBUG", "warn"]);
        assert_eq!((levels.application, problems), (ApplicationLevel::Debug, 0));
        assert_eq!(levels.system, SystemLevel::Warn);
        assert_eq!(of(LogFormat::Text, ["", ""]), (LogLevels::default(), 0));
        assert_eq!(of(LogFormat::Text, ["", "warn"]).1, 1);
        assert_eq!(of(LogFormat::Json, ["loud", "fatal"]).1, 2);
    }
}
