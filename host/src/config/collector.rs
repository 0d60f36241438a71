//! Where a host's spans go, and where functions' X-Ray daemon is.
//!
//! # Sources
//! OpenTelemetry protocol exporter specification: `OTEL_EXPORTER_OTLP_*`.

use std::net::{SocketAddr, ToSocketAddrs as _};

use percent_encoding::percent_decode_str;

use super::caller::Caller;
use super::notice::Notice;
use super::problem::Problem;
use super::raw::Raw;
use super::setting::Setting;

/// Variables of every OpenTelemetry exporter, the more exact one first; its value is the whole URL.
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
const PROTOCOL: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
/// Turns all of it off.
const DISABLED: &str = "OTEL_SDK_DISABLED";
/// What is added to an address that is for all signals.
const TRACES: &str = "/v1/traces";

/// An OpenTelemetry collector that takes OTLP by HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// Where spans are posted.
    pub url: String,
    /// Sent along; they may hold a key.
    pub headers: Vec<(String, String)>,
}

/// The collector that is set or, as OpenTelemetry's own exporters have it, that variables name.
pub(super) fn read(
    raw: &Raw,
    caller: &Caller,
    notices: &mut Vec<Notice>,
) -> Result<Option<Collector>, Problem> {
    let headers =
        HEADERS.iter().find_map(|name| caller.text(name)).map(headers).unwrap_or_default();
    if let Some((text, place)) = raw.text(Setting::OtlpEndpoint) {
        if text.trim().is_empty() {
            return Ok(None);
        }
        if !is_http(text) {
            const RULE: &str = "an http:// address such as http://127.0.0.1:4318 (a collector there can go on by TLS)";
            return Err(Problem::Malformed { place, value: text.to_owned(), rule: RULE });
        }
        return Ok(Some(Collector { url: for_traces(text), headers }));
    }
    if caller.text(DISABLED).is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    let exact = caller.text(TRACES_ENDPOINT).map(|set| (TRACES_ENDPOINT, set, set.to_owned()));
    let any = || caller.text(ENDPOINT).map(|set| (ENDPOINT, set, for_traces(set)));
    let Some((name, set, url)) = exact.or_else(any) else { return Ok(None) };
    if !is_http(&url) {
        notices.push(Notice::warning(format!(
            "{name} is `{set}`, but the host's own spans go to an http:// address such as \
             http://127.0.0.1:4318 only; there will be none"
        )));
        return Ok(None);
    }
    let protocol = PROTOCOL.iter().find_map(|name| Some((name, caller.text(name)?)));
    if let Some((name, protocol)) = protocol.filter(|(_, p)| !p.starts_with("http/")) {
        notices.push(Notice::warning(format!(
            "{name} is `{protocol}`, but the host's own spans are sent as http/protobuf, to {url}"
        )));
    }
    Ok(Some(Collector { url, headers }))
}

fn is_http(url: &str) -> bool {
    let parsed = url.trim().parse::<http::Uri>();
    parsed.is_ok_and(|uri| {
        uri.scheme_str() == Some("http") && uri.host().is_some_and(|host| !host.is_empty())
    })
}

fn for_traces(url: &str) -> String {
    let url = url.trim().trim_end_matches('/');
    if url.ends_with(TRACES) { url.to_owned() } else { format!("{url}{TRACES}") }
}

/// `name=value,name=value`, percent-encoded.
fn headers(text: &str) -> Vec<(String, String)> {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    let plain = |text: &str| percent_decode_str(text.trim()).decode_utf8_lossy().into_owned();
    pairs.map(|(name, value)| (plain(name), plain(value))).collect()
}

/// The X-Ray daemon that functions' datagrams are passed on to.
pub(super) fn xray_daemon(raw: &Raw) -> Result<Option<SocketAddr>, Problem> {
    let Some((text, place)) = raw.text(Setting::XrayDaemon) else { return Ok(None) };
    if text.trim().is_empty() {
        return Ok(None);
    }
    // A name is looked up once, at the start.
    let found = text.trim().to_socket_addrs().ok().and_then(|mut all| all.next());
    let wrong = || Problem::NotAnAddress { place, value: text.to_owned() };
    found.filter(|address| address.port() > 0).map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::place::Origin;
    use crate::config::raw::Value;
    use crate::config::tests::caller;

    fn of(env: &[(&str, &str)]) -> (Option<Collector>, Vec<Notice>) {
        let mut notices = Vec::new();
        let collector = read(&Raw::default(), &caller("/", env), &mut notices).unwrap();
        (collector, notices)
    }

    fn set(setting: Setting, text: &str) -> Raw {
        let mut raw = Raw::default();
        raw.set(setting, Value::Text(text.to_owned()), Origin::Default);
        raw
    }

    #[test]
    fn variables_of_every_exporter_name_the_collector() {
        let (collector, _) =
            of(&[(ENDPOINT, "http://127.0.0.1:4318/"), (HEADERS[1], "api-key=a%20b, x=1")]);
        let collector = collector.unwrap();
        assert_eq!(collector.url, "http://127.0.0.1:4318/v1/traces");
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(collector.headers, [header("api-key", "a b"), header("x", "1")]);
        let both = [(ENDPOINT, "http://a:1"), (TRACES_ENDPOINT, "http://b:2/spans")];
        assert_eq!(of(&both).0.unwrap().url, "http://b:2/spans");
        assert!(of(&[]).0.is_none());
        assert!(of(&[both[0], (DISABLED, "true")]).0.is_none());
    }

    #[test]
    fn what_cannot_be_called_is_said_and_a_flag_is_refused() {
        let (collector, notices) = of(&[(ENDPOINT, "https://otel.example")]);
        assert!(collector.is_none() && notices[0].text.contains("https://otel.example"));
        // As it was set, without what is added for traces.
        let (_, notices) = of(&[(ENDPOINT, "collector:4317")]);
        assert!(notices[0].text.contains("is `collector:4317`, but"), "{notices:?}");
        let (collector, notices) = of(&[(ENDPOINT, "http://a:4317"), (PROTOCOL[1], "grpc")]);
        assert!(collector.is_some() && notices[0].text.contains("http/protobuf"), "{notices:?}");
        let raw = set(Setting::OtlpEndpoint, "127.0.0.1:4318");
        assert!(read(&raw, &caller("/", &[]), &mut Vec::new()).is_err());
        let raw = set(Setting::OtlpEndpoint, "http://127.0.0.1:4318");
        let flag = read(&raw, &caller("/", &[(ENDPOINT, "http://b:1")]), &mut Vec::new());
        assert_eq!(flag.unwrap().unwrap().url, "http://127.0.0.1:4318/v1/traces");
    }

    #[test]
    fn a_daemon_is_a_host_and_a_port() {
        let of = |text| xray_daemon(&set(Setting::XrayDaemon, text));
        assert_eq!(of("127.0.0.1:2000").unwrap(), Some(([127, 0, 0, 1], 2000).into()));
        assert_eq!(of("").unwrap(), None);
        for wrong in ["2000", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "udp:127.0.0.1:1"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
        let said = of("2000").unwrap_err().to_string();
        assert!(said.ends_with("an address and port such as 127.0.0.1:2000"), "{said}");
    }
}
