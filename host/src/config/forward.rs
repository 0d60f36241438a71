//! Ports of the host's loopback that the function may reach.
//!
//! # Sources
//! Issue 3: `--forward PORT[:HOSTPORT]`; an `AWS_ENDPOINT_URL*` naming loopback by itself.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Setting;
use super::environment::Variables;
use super::notice::Notice;
use super::problem::Problem;
use super::raw::Raw;
use crate::model::Network;

/// Where the Runtime API listens inside a sandbox; no forward can have it.
pub(crate) const RUNTIME_API_PORT: u16 = 9_001;
/// Their listeners, one for each loopback address, come out of the sandbox in one message with the
/// Runtime API's (`lambdabox_bootstrap::wire::MAX_DESCRIPTORS`).
const MAX_FORWARDS: usize = 31;
/// The standard variables that name a stand-in for AWS, for all services or one.
const ENDPOINT_VARIABLE: &str = "AWS_ENDPOINT_URL";
/// Names that mean the host's loopback. LocalStack's is a public name with a loopback address.
const LOOPBACK_NAMES: [&str; 3] =
    ["localhost", "host.docker.internal", "localhost.localstack.cloud"];

/// One port of the function's loopback that leads to the host's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Port the function connects to.
    pub port: u16,
    /// Port of the host's loopback it arrives at.
    pub host_port: u16,
    /// Why, where nobody asked for it; already said to the user.
    pub said: Option<String>,
}

/// The forwards that were asked for, and those that an endpoint variable implies.
pub(crate) fn read(
    raw: &Raw,
    variables: &Variables,
    network: Option<Network>,
    problems: &mut Vec<Problem>,
    notices: &mut Vec<Notice>,
) -> Vec<Forward> {
    let mut forwards: Vec<Forward> = Vec::new();
    if let Some((texts, place)) = raw.list(Setting::Forwards) {
        for text in texts {
            match parse(text, &place.to_string()) {
                Ok(forward) => add(&mut forwards, forward, problems),
                Err(problem) => problems.push(problem),
            }
        }
    }
    // On the host's own network its loopback is the function's.
    if network == Some(Network::Host) {
        return forwards;
    }
    for (name, variable) in variables {
        let Some(port) = endpoint_port(name, &variable.value) else { continue };
        if forwards.iter().any(|forward| forward.port == port) {
            continue;
        }
        if port == RUNTIME_API_PORT {
            problems.push(Problem::ForwardRuntimeApi { place: name.clone(), port });
            continue;
        }
        let said = format!("forwarding port {port} to this host, because {name} names loopback");
        notices.push(Notice::normal(said.clone()));
        forwards.push(Forward { port, host_port: port, said: Some(said) });
    }
    if forwards.len() > MAX_FORWARDS {
        problems.push(Problem::TooManyForwards { asked: forwards.len(), limit: MAX_FORWARDS });
    }
    forwards
}

/// These forwards, and those that a deployed function's own variables imply.
pub(crate) fn with_implied(
    forwards: &[Forward],
    environment: &BTreeMap<String, String>,
) -> Vec<Forward> {
    let mut forwards = forwards.to_vec();
    for (name, value) in environment {
        let Some(port) = endpoint_port(name, value) else { continue };
        let is_new = !forwards.iter().any(|forward| forward.port == port);
        if is_new && port != RUNTIME_API_PORT && forwards.len() < MAX_FORWARDS {
            forwards.push(Forward { port, host_port: port, said: None });
        }
    }
    forwards
}

/// The port of loopback that an endpoint variable names.
pub(super) fn endpoint_port(name: &str, url: &str) -> Option<u16> {
    let is_endpoint =
        name == ENDPOINT_VARIABLE || name.starts_with(&format!("{ENDPOINT_VARIABLE}_"));
    loopback_port(url).filter(|_| is_endpoint)
}

fn parse(text: &str, place: &str) -> Result<Forward, Problem> {
    let malformed =
        || Problem::ForwardMalformed { place: place.to_owned(), value: text.to_owned() };
    let port = |text: &str| match text.parse::<u16>() {
        Ok(port) if port > 0 && !text.starts_with('+') => Ok(port),
        _ => Err(malformed()),
    };
    let (port, host_port) = match text.split_once(':') {
        Some((inside, outside)) => (port(inside)?, port(outside)?),
        None => (port(text)?, port(text)?),
    };
    if port == RUNTIME_API_PORT {
        return Err(Problem::ForwardRuntimeApi { place: place.to_owned(), port });
    }
    Ok(Forward { port, host_port, said: None })
}

fn add(forwards: &mut Vec<Forward>, new: Forward, problems: &mut Vec<Problem>) {
    match forwards.iter().find(|forward| forward.port == new.port) {
        None => forwards.push(new),
        Some(same) if same.host_port == new.host_port => {}
        Some(other) => problems.push(Problem::ForwardTwice {
            port: new.port,
            one: other.host_port,
            other: new.host_port,
        }),
    }
}

/// The port of a URL that names loopback.
fn loopback_port(url: &str) -> Option<u16> {
    let (scheme, rest) = url.trim().split_once("://")?;
    let default = match scheme.to_ascii_lowercase().as_str() {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, after)| after);
    // The last colon, unless it belongs to an address in brackets.
    let (host, port) = match host_and_port.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
        _ => (host_and_port, default),
    };
    (port > 0 && is_loopback(host)).then_some(port)
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let host = host.trim_end_matches('.');
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => LOOPBACK_NAMES.iter().any(|name| {
            host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::environment::Variable;
    use crate::config::place::Origin;

    fn of(
        flags: &[&str],
        env: &[(&str, &str)],
        network: Option<Network>,
    ) -> Result<String, String> {
        let mut raw = Raw::default();
        raw.set_flags(Setting::Forwards, flags.iter().map(|f| (*f).to_owned()).collect());
        let variable = |v: &str| Variable { value: v.into(), origin: Origin::Flag("--env") };
        let variables = env.iter().map(|(n, v)| ((*n).to_owned(), variable(v))).collect();
        let (mut problems, mut notices) = (Vec::new(), Vec::new());
        let forwards = read(&raw, &variables, network, &mut problems, &mut notices);
        let automatic = forwards.iter().filter(|f| f.said.is_some()).count();
        assert_eq!(automatic, notices.len(), "what happens by itself is said");
        match problems.first() {
            Some(problem) => Err(problem.to_string()),
            None => Ok(forwards
                .iter()
                .map(|f| format!("{}:{}", f.port, f.host_port))
                .collect::<Vec<_>>()
                .join(" ")),
        }
    }

    #[test]
    fn ports_are_read_and_bad_ones_named() {
        let must = "but it must be PORT or PORT:HOSTPORT with ports 1 to 65535";
        let api = "cannot forward port 9001: the Runtime API listens there in the sandbox";
        for (flags, expected) in [
            (&["5432"][..], Ok("5432:5432".to_owned())),
            (&["5432:15432", "6379"], Ok("5432:15432 6379:6379".to_owned())),
            (&["5432", "5432:5432"], Ok("5432:5432".to_owned())),
            (&["80:9001"], Ok("80:9001".to_owned())),
            (&["9001"], Err(format!("--forward {api}"))),
            (&["9001:80"], Err(format!("--forward {api}"))),
            (&["1:2", "1:3"], Err("port 1 is forwarded to both 2 and 3 of the host".to_owned())),
            (&["0"], Err(format!("--forward is `0`, {must}"))),
            (&["65536"], Err(format!("--forward is `65536`, {must}"))),
            (&["+1"], Err(format!("--forward is `+1`, {must}"))),
            (&["a"], Err(format!("--forward is `a`, {must}"))),
            (&["1:2:3"], Err(format!("--forward is `1:2:3`, {must}"))),
            (&["1:"], Err(format!("--forward is `1:`, {must}"))),
        ] {
            assert_eq!(of(flags, &[], None), expected, "{flags:?}");
        }
    }

    #[test]
    fn more_forwards_than_listeners_that_can_be_handed_over_are_refused() {
        let ports: Vec<String> = (1..=32).map(|port| port.to_string()).collect();
        let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
        assert!(of(&ports[..31], &[], None).is_ok());
        let refused = "32 ports are forwarded, but the limit is 31".to_owned();
        assert_eq!(of(&ports, &[], None), Err(refused));
        const LOOPBACK_ADDRESSES: usize = 2;
        let listeners = 1 + MAX_FORWARDS * LOOPBACK_ADDRESSES;
        assert!(listeners <= 64, "wire::MAX_DESCRIPTORS");
    }

    #[test]
    fn an_endpoint_on_loopback_is_forwarded_by_itself() {
        for (url, expected) in [
            ("http://localhost:4566", "4566:4566"),
            ("http://LOCALHOST:4566/path?x", "4566:4566"),
            ("http://127.0.0.1:8000", "8000:8000"),
            ("http://127.9.9.9", "80:80"),
            ("http://user:word@localhost:4566", "4566:4566"),
            ("https://[::1]:8443?x=:9", "8443:8443"),
            ("http://localhost:99999", ""),
            ("http://localhost:0", ""),
            ("http://localhost:1@example.com", ""),
            ("https://[::1]/", "443:443"),
            ("http://host.docker.internal:4566", "4566:4566"),
            ("http://s3.localhost.localstack.cloud:4566", "4566:4566"),
            ("http://s3.amazonaws.com", ""),
            ("http://notlocalhost:1", ""),
            ("http://10.0.0.1:1", ""),
            ("localhost:4566", ""),
            ("", ""),
        ] {
            assert_eq!(of(&[], &[("AWS_ENDPOINT_URL", url)], None).unwrap(), expected, "{url}");
        }
        let one =
            [("AWS_ENDPOINT_URL_S3", "http://localhost:1"), ("OTHER_URL", "http://localhost:2")];
        assert_eq!(of(&[], &one, Some(Network::None)).unwrap(), "1:1");
        assert_eq!(of(&["1:7"], &one, None).unwrap(), "1:7", "what was asked for stands");
        assert_eq!(
            of(&[], &one, Some(Network::Host)).unwrap(),
            "",
            "the host's loopback is its own"
        );
        let api = [("AWS_ENDPOINT_URL", "http://localhost:9001")];
        assert!(of(&[], &api, None).unwrap_err().starts_with("AWS_ENDPOINT_URL cannot forward"));
    }
}
