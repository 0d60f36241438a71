//! Which host a command calls, as a client or as its operator: loopback unless somebody says otherwise,
//! and never AWS by itself.

use super::Setting;
use super::caller::Caller;
use super::place::Origin;
use super::problem::{Problem, Problems};
use super::raw::{Raw, Value, merge};
use super::resolve::{Checks, color};
use super::resolved::{Color, Verbosity};
use super::variables;

/// Where a host answers that nobody told otherwise.
const DEFAULT: &str = "http://127.0.0.1:9000";
/// Where its operator is answered then.
const DEFAULT_OPERATOR: &str = "http://127.0.0.1:9002";
/// Where AWS's own clients look for the same. `AWS_ENDPOINT_URL` is not heard: it is often a stand-in
/// for other services.
const AWS_VARIABLE: &str = "AWS_ENDPOINT_URL_LAMBDA";
const RULE: &str = "an http:// address such as http://127.0.0.1:9000 (https is not spoken here)";

/// A host's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `http://`, host and port; no slash at its end.
    pub url: String,
    /// Who said so, for messages.
    pub said_by: Option<String>,
}

/// What the command line said to a command that has no other setting.
#[derive(Debug, Clone)]
pub struct AskedHost {
    /// Settings given as flags.
    pub settings: Raw,
    /// `-q` or `-v`.
    pub verbosity: Verbosity,
}

/// Whom to call, and how to speak.
#[derive(Debug, Clone)]
pub struct HostCall {
    /// The host.
    pub endpoint: Endpoint,
    /// When output is coloured.
    pub color: Color,
    /// How much is said.
    pub verbosity: Verbosity,
}

/// Checks what such a command is told.
///
/// # Errors
/// Everything that is wrong, together.
pub fn resolve_host(asked: AskedHost, caller: &Caller) -> Result<HostCall, Problems> {
    resolve(asked, caller, |raw| read(raw, caller))
}

/// The same for what only a host's operator asks, at its `--admin` address.
///
/// # Errors
/// Everything that is wrong, together.
pub fn resolve_operator(asked: AskedHost, caller: &Caller) -> Result<HostCall, Problems> {
    resolve(asked, caller, operator)
}

fn resolve(
    asked: AskedHost,
    caller: &Caller,
    endpoint: impl FnOnce(&Raw) -> Result<Endpoint, Problem>,
) -> Result<HostCall, Problems> {
    let mut checks = Checks { problems: Vec::new() };
    // Variables about functions are none of its business, wrong ones neither.
    let from_variables = variables::read(caller, &mut Vec::new(), &mut Vec::new());
    let raw = merge([asked.settings, from_variables]);
    let call = HostCall {
        endpoint: checks.or(endpoint(&raw), Endpoint::default()),
        color: checks.or(color(&raw, caller), Color::Auto),
        verbosity: asked.verbosity,
    };
    if checks.problems.is_empty() { Ok(call) } else { Err(Problems(checks.problems)) }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self { url: DEFAULT.to_owned(), said_by: None }
    }
}

/// The host that flag or variables name.
pub(super) fn read(raw: &Raw, caller: &Caller) -> Result<Endpoint, Problem> {
    let mut raw = raw.clone();
    if raw.get(Setting::EndpointUrl).is_none()
        && let Some(text) = caller.text(AWS_VARIABLE)
    {
        let (text, origin) = (text.to_owned(), Origin::Variable(AWS_VARIABLE.to_owned()));
        raw.set(Setting::EndpointUrl, Value::Text(text), origin);
    }
    let Some((text, place)) = raw.text(Setting::EndpointUrl) else {
        return Ok(Endpoint::default());
    };
    let url = text.trim().trim_end_matches('/');
    match is_plain_http(url) {
        true => Ok(Endpoint { url: url.to_owned(), said_by: Some(place.to_string()) }),
        false => Err(Problem::Malformed { place, value: text.to_owned(), rule: RULE }),
    }
}

/// Address and port, as `serve` is told; the URL of them is meant alike.
fn operator(raw: &Raw) -> Result<Endpoint, Problem> {
    let Some((text, place)) = raw.text(Setting::Admin) else {
        let said_by = Some("the default of --admin".to_owned());
        return Ok(Endpoint { url: DEFAULT_OPERATOR.to_owned(), said_by });
    };
    let address = text.trim();
    let address = address.strip_prefix("http://").unwrap_or(address).trim_end_matches('/');
    let url = format!("http://{address}");
    let port = url.parse::<http::Uri>().ok().and_then(|uri| uri.port_u16());
    match is_plain_http(&url) && port.is_some_and(|port| port > 0) {
        true => Ok(Endpoint { url, said_by: Some(place.to_string()) }),
        false => Err(Problem::NotAnAddress { place, value: text.to_owned() }),
    }
}

pub(super) fn is_plain_http(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else { return false };
    uri.scheme_str() == Some("http")
        && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        && uri.path().trim_matches('/').is_empty()
        && uri.query().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::caller;

    fn of(flag: Option<&str>, env: &[(&str, &str)]) -> Result<String, String> {
        let mut settings = Raw::default();
        settings.set_flag(Setting::EndpointUrl, flag.map(str::to_owned));
        let asked = AskedHost { settings, verbosity: Verbosity::Normal };
        let call = resolve_host(asked, &caller("/", env));
        call.map(|call| call.endpoint.url).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_flag_wins_over_ours_that_over_awss_and_nobody_is_loopback() {
        let ours = ("LAMBDABOX_ENDPOINT_URL", "http://localhost:2/");
        let awss = ("AWS_ENDPOINT_URL_LAMBDA", "http://[::1]:3");
        let others = ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566");
        assert_eq!(of(Some("http://10.0.0.1:1"), &[ours, awss]).unwrap(), "http://10.0.0.1:1");
        assert_eq!(of(None, &[ours, awss]).unwrap(), "http://localhost:2");
        assert_eq!(of(None, &[awss]).unwrap(), "http://[::1]:3");
        assert_eq!(of(None, &[others]).unwrap(), "http://127.0.0.1:9000");
    }

    #[test]
    fn what_is_no_address_of_a_host_is_said_with_its_place() {
        for wrong in ["https://lambda.us-east-1.amazonaws.com", "localhost:9000", "http://", "x"] {
            let said = of(None, &[("AWS_ENDPOINT_URL_LAMBDA", wrong)]).unwrap_err();
            let begin = format!("AWS_ENDPOINT_URL_LAMBDA is `{wrong}`, but it must be an http://");
            assert!(said.starts_with(&begin), "{said}");
        }
        assert!(of(Some("http://u:p@h:1"), &[]).is_err());
        assert!(of(Some("http://h:1/path"), &[]).is_err());
    }
}
