//! `logs`, `top` and `usage`: what can be typed, and what a host is asked for.

use clap::Args;
use jiff::{Span, SpanRelativeTo, Timestamp};

use super::args::Output;
use super::client::HostArgs;
use crate::app::{ClientCall, Form, Logs as LogsCall, LogsForm, LogsUntil, UsageLines};
use crate::config::{AskedHost, HostCall, Setting};

pub(super) const LOGS_EXAMPLES: &str = "Examples:
  lambdabox logs hello                          what it wrote in the last ten minutes
  lambdabox logs hello -f                       … and what it writes from now on
  lambdabox logs hello --since 2h --filter ERROR
  lambdabox logs hello --since 2026-11-25T08:00:00Z --timestamps
  lambdabox logs hello --filter '?WARN ?ERROR -health' --format json
  aws logs tail /aws/lambda/hello --endpoint-url http://127.0.0.1:9000    the same by AWS CLI v2

Exit status: 0 shown (with -f, until whoever reads it has gone), 1 the host refused (there is no such
log), 2 bad usage, 3 no host answers, 130 after Ctrl-C.";

pub(super) const TOP_EXAMPLES: &str = "Examples:
  lambdabox top                     environments by function and state, every second, until Ctrl-C
  lambdabox top | cat               once
  lambdabox top --json              as the host says it: {\"environments\": …, \"functions\": […], …}

Exit status: 0 shown, 2 bad usage, 3 no host answers, 130 after Ctrl-C.";

pub(super) const USAGE_EXAMPLES: &str = "Examples:
  lambdabox usage                   invocations, GB-seconds and what AWS would charge, by function
  lambdabox usage --by day
  lambdabox usage --json            {\"usage\": […], \"total\": {…}, \"idle\": {…}}

Exit status: 0 shown, 2 bad usage, 3 no host answers.";

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The function; its ARN or the name of a log group will do
    #[arg(value_name = "NAME")]
    name: String,
    /// Go on with what is written from now on, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Begin so long ago (30s, 10m, 2h, 1d) or at this moment (2026-11-25T08:00:00Z)
    #[arg(short, long, value_name = "WHEN", default_value = "10m", value_parser = since)]
    since: Since,
    /// Only what fits: ERROR, "two words", ?either ?or, -not, %regex%
    #[arg(long, visible_alias = "filter-pattern", value_name = "PATTERN", default_value = "")]
    #[arg(hide_default_value = true, allow_hyphen_values = true)]
    filter: String,
    /// Begin each line with its time
    #[arg(short, long)]
    timestamps: bool,
    /// Lines as they were written, or an object of JSON for each
    #[arg(long, value_name = "FORM", default_value = "text", value_parser = ["text", "json"])]
    format: String,
    #[command(flatten)]
    pub(crate) host: HostArgs,
}

#[derive(Debug, Clone)]
struct Since {
    words: String,
    at: Timestamp,
}

#[derive(Debug, Args)]
pub(crate) struct Top {
    /// Print JSON instead of text, once
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: Operator,
}

#[derive(Debug, Args)]
pub(crate) struct Usage {
    /// A line for each function or each day (UTC) [default: function]
    #[arg(long, value_name = "WHAT", value_parser = ["function", "day"])]
    by: Option<String>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: Operator,
}

/// Where the operator is answered.
#[derive(Debug, Args)]
struct Operator {
    /// The host's --admin address [default: 127.0.0.1:9002]
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = "Host")]
    admin: Option<String>,
}

impl Operator {
    fn asked(&mut self, output: &Output) -> AskedHost {
        let mut asked = HostArgs::default().asked(output);
        asked.settings.set_flag(Setting::Admin, self.admin.take());
        asked
    }
}

impl Logs {
    /// What the host is called for.
    pub(super) fn call(self, host: HostCall) -> ClientCall {
        let form = match (self.format.as_str(), self.timestamps) {
            ("json", _) => LogsForm::Json,
            (_, true) => LogsForm::Stamped,
            (_, false) => LogsForm::Text,
        };
        let until = if self.follow { LogsUntil::Interrupted } else { LogsUntil::Now };
        let Since { words, at } = self.since;
        let (name, filter) = (self.name, self.filter);
        ClientCall::Logs(LogsCall {
            host,
            name,
            since: at,
            since_words: words,
            filter,
            until,
            form,
        })
    }
}

impl Top {
    /// What every such command is told.
    pub(super) fn asked(&mut self, output: &Output) -> AskedHost {
        self.operator.asked(output)
    }

    /// What the host is called for.
    pub(super) fn call(self, host: HostCall) -> ClientCall {
        ClientCall::Top { host, form: form(self.json) }
    }
}

impl Usage {
    /// What every such command is told.
    pub(super) fn asked(&mut self, output: &Output) -> AskedHost {
        self.operator.asked(output)
    }

    /// What the host is called for.
    pub(super) fn call(self, host: HostCall) -> ClientCall {
        let by = match self.by.as_deref() {
            Some("day") => UsageLines::Days,
            _ => UsageLines::Functions,
        };
        ClientCall::Usage { host, by, form: form(self.json) }
    }
}

fn form(json: bool) -> Form {
    if json { Form::Json } else { Form::Text }
}

fn since(text: &str) -> Result<Since, String> {
    const RULE: &str = "it must be a time span such as 30s, 10m, 2h or 1d, or a moment such as \
                        2026-11-25T08:00:00Z";
    let words = text.to_owned();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(Since { words, at });
    }
    let span: Span = text.parse().map_err(|_| RULE.to_owned())?;
    let span =
        span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| RULE.to_owned())?;
    let at = Timestamp::now().checked_sub(span.abs()).map_err(|_| RULE.to_owned())?;
    Ok(Since { words: format!("{text} ago"), at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_a_span_or_a_moment() {
        for (text, seconds) in [("30s", 30), ("10m", 600), ("2h", 7_200), ("1d", 86_400)] {
            let ago = Timestamp::now().as_second() - since(text).unwrap().at.as_second();
            assert!((seconds..seconds + 5).contains(&ago), "{text}: {ago}");
        }
        assert_eq!(since("2026-11-25T08:00:00Z").unwrap().at.as_second(), 1_795_593_600);
        for wrong in ["", "soon", "10", "-"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }
}
