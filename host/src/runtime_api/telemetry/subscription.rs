//! A subscription's body, as it is written and as it is meant.
//!
//! # Sources
//! `reference/runtime-api.md` 3.1.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use http::Uri;
use serde_json::{Map, Value};

use super::call::Api;

const MAX_ITEMS: RangeInclusive<u64> = 1_000..=10_000;
const MAX_BYTES: RangeInclusive<u64> = 262_144..=1_048_576;
const TIMEOUT_MS: RangeInclusive<u64> = 25..=30_000;
const DEFAULT_MAX_ITEMS: u64 = 10_000;
const DEFAULT_MAX_BYTES: u64 = 262_144;
const DEFAULT_TIMEOUT_MS: u64 = 1_000;
/// The names a sink may be known by: both are the environment's loopback.
const HOSTS: [&str; 2] = ["sandbox.localdomain", "sandbox"];
/// Taken by the APIs.
const RESERVED_PORT: u64 = 9_001;

/// What kind of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stream {
    Platform,
    Function,
    Extension,
}

impl Stream {
    const ALL: [Self; 3] = [Self::Platform, Self::Function, Self::Extension];

    /// The literal of the API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Function => "function",
            Self::Extension => "extension",
        }
    }
}

/// In which form events are wanted; later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Schema {
    Logs20200815,
    Logs20210318,
    Telemetry20220701,
    Telemetry20221213,
    Telemetry20250129,
}

impl Schema {
    fn of(api: Api, given: &str) -> Option<Self> {
        Some(match (api, given) {
            (Api::Logs, "2020-08-15") => Self::Logs20200815,
            (Api::Logs, "2021-03-18") => Self::Logs20210318,
            (Api::Telemetry, "2022-07-01") => Self::Telemetry20220701,
            (Api::Telemetry, "2022-12-13") => Self::Telemetry20221213,
            (Api::Telemetry, "2025-01-29") => Self::Telemetry20250129,
            _ => return None,
        })
    }

    /// Which API it is of.
    pub(crate) fn api(self) -> Api {
        match self {
            Self::Logs20200815 | Self::Logs20210318 => Api::Logs,
            _ => Api::Telemetry,
        }
    }
}

/// When a batch is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Buffering {
    pub(crate) max_items: usize,
    pub(crate) max_bytes: usize,
    pub(crate) timeout: Duration,
}

/// Where batches go, in the environment's own network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    Http { port: u16, method: http::Method, host: String, path: String },
    Tcp { port: u16 },
}

impl Destination {
    pub(crate) fn port(&self) -> u16 {
        match self {
            Self::Http { port, .. } | Self::Tcp { port } => *port,
        }
    }
}

/// What one extension wants to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) schema: Schema,
    /// Sorted, each once.
    pub(crate) types: Vec<Stream>,
    pub(crate) buffering: Buffering,
    pub(crate) destination: Destination,
}

/// Everything that is wrong with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invalid(Vec<String>);

impl Invalid {
    pub(crate) fn one(problem: impl Into<String>) -> Self {
        Self(vec![problem.into()])
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl Subscription {
    /// Understands a body, or says all that is wrong with it.
    pub(crate) fn parse(api: Api, body: &[u8]) -> Result<Self, Invalid> {
        let written: Map<String, Value> = serde_json::from_slice(body)
            .map_err(|error| Invalid::one(format!("request body is not valid JSON: {error}")))?;
        let mut problems = Vec::new();
        let destination = destination(api, written.get("destination"), &mut problems);
        let schema = schema(api, written.get("schemaVersion"), &mut problems);
        let types = types(written.get("types"), &mut problems);
        let buffering = buffering(written.get("buffering"), &mut problems);
        match (schema, destination) {
            (Some(schema), Some(destination)) if problems.is_empty() => {
                Ok(Self { schema, types, buffering, destination })
            }
            _ => Err(Invalid(problems)),
        }
    }
}

/// A member that is not there and one that is `null` are the same.
fn present(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null())
}

fn schema(api: Api, given: Option<&Value>, problems: &mut Vec<String>) -> Option<Schema> {
    let known = match (api, present(given)) {
        (Api::Logs, None) => Some(Schema::Logs20200815),
        (Api::Telemetry, None) => {
            problems.push("schemaVersion should not be empty".to_owned());
            return None;
        }
        (_, Some(Value::String(text))) => Schema::of(api, text),
        (_, Some(_)) => None,
    };
    if known.is_none() {
        let given = given.unwrap_or(&Value::Null);
        problems.push(format!("schemaVersion {given} is not supported"));
    }
    known
}

fn types(given: Option<&Value>, problems: &mut Vec<String>) -> Vec<Stream> {
    let mut all = Vec::new();
    match present(given) {
        None => {}
        Some(Value::Array(given)) => {
            for one in given {
                match Stream::ALL.into_iter().find(|known| one.as_str() == Some(known.as_str())) {
                    Some(known) => all.push(known),
                    None => problems.push(format!("type {one} is not supported")),
                }
            }
            if !given.is_empty() {
                all.sort_unstable();
                all.dedup();
                return all;
            }
        }
        Some(_) => {
            problems.push("types should be a list".to_owned());
            return all;
        }
    }
    problems.push("types should not be empty".to_owned());
    all
}

fn buffering(given: Option<&Value>, problems: &mut Vec<String>) -> Buffering {
    let empty = Map::new();
    let given = match present(given) {
        None => &empty,
        Some(Value::Object(given)) => given,
        Some(_) => {
            problems.push("buffering should be an object".to_owned());
            &empty
        }
    };
    let mut number = |name: &str, range: RangeInclusive<u64>, default: u64| {
        let Some(value) = present(given.get(name)) else { return default };
        match value.as_u64().filter(|number| range.contains(number)) {
            Some(number) => number,
            None => {
                let (least, most) = (range.start(), range.end());
                problems.push(format!(
                    "buffering.{name} {value} is not a whole number from {least} to {most}"
                ));
                default
            }
        }
    };
    // The ranges fit.
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Buffering {
        max_items: size(number("maxItems", MAX_ITEMS, DEFAULT_MAX_ITEMS)),
        max_bytes: size(number("maxBytes", MAX_BYTES, DEFAULT_MAX_BYTES)),
        timeout: Duration::from_millis(number("timeoutMs", TIMEOUT_MS, DEFAULT_TIMEOUT_MS)),
    }
}

fn destination(api: Api, given: Option<&Value>, problems: &mut Vec<String>) -> Option<Destination> {
    let Some(Value::Object(given)) = given else {
        problems.push("destination should not be empty".to_owned());
        return None;
    };
    match given.get("protocol").and_then(Value::as_str) {
        Some("HTTP") => http(api, given, problems),
        Some("TCP") => {
            let Some(given) = present(given.get("port")) else {
                problems.push("destination.port is not provided".to_owned());
                return None;
            };
            let port = given.as_u64();
            port_of(port, problems, &given.to_string()).map(|port| Destination::Tcp { port })
        }
        _ => {
            let given = given.get("protocol").unwrap_or(&Value::Null);
            problems.push(format!("destination.protocol {given} is not HTTP or TCP"));
            None
        }
    }
}

fn http(api: Api, given: &Map<String, Value>, problems: &mut Vec<String>) -> Option<Destination> {
    let Some(text) = given.get("URI").and_then(Value::as_str).filter(|text| !text.is_empty())
    else {
        problems.push("destination.URI is not provided".to_owned());
        return None;
    };
    let Ok(uri) = text.parse::<Uri>() else {
        problems.push(format!("destination.URI {text:?} is not a URI"));
        return None;
    };
    let before = problems.len();
    if uri.scheme_str() != Some("http") {
        problems.push("URI scheme should be http".to_owned());
    }
    let host = uri.host().unwrap_or_default().to_owned();
    if !HOSTS.contains(&host.as_str()) {
        problems.push("URI host should be sandbox.localdomain".to_owned());
    }
    let port = match uri.port() {
        None => {
            problems.push("URI port is not provided".to_owned());
            None
        }
        Some(port) => port_of(Some(u64::from(port.as_u16())), problems, port.as_str()),
    };
    let method = match (api, present(given.get("method")).map(Value::as_str)) {
        (Api::Telemetry, _) | (Api::Logs, None | Some(Some("POST"))) => http::Method::POST,
        (Api::Logs, Some(Some("PUT"))) => http::Method::PUT,
        (Api::Logs, Some(_)) => {
            problems.push("destination.method should be POST or PUT".to_owned());
            http::Method::POST
        }
    };
    match port {
        Some(port) if problems.len() == before => {
            let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
            Some(Destination::Http { port, method, host, path })
        }
        _ => None,
    }
}

fn port_of(port: Option<u64>, problems: &mut Vec<String>, given: &str) -> Option<u16> {
    if port == Some(RESERVED_PORT) {
        problems.push(format!("port {RESERVED_PORT} is reserved"));
        return None;
    }
    let checked = port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
    if checked.is_none() {
        problems.push(format!("port {given} is not a number from 1 to 65535"));
    }
    checked
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn telemetry(body: &Value) -> Result<Subscription, String> {
        Subscription::parse(Api::Telemetry, body.to_string().as_bytes())
            .map_err(|invalid| invalid.to_string())
    }

    fn valid() -> Value {
        json!({
            "schemaVersion": "2025-01-29",
            "types": ["platform", "function", "extension"],
            "buffering": {"maxItems": 1000, "maxBytes": 262_144, "timeoutMs": 100},
            "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/p?q=1"},
        })
    }

    fn with(key: &str, value: Value) -> Value {
        let mut body = valid();
        body[key] = value;
        body
    }

    #[test]
    fn a_whole_subscription_is_understood() {
        let subscription = telemetry(&valid()).unwrap();
        assert_eq!(subscription.schema, Schema::Telemetry20250129);
        assert_eq!(subscription.types, Stream::ALL);
        let buffering =
            Buffering { max_items: 1_000, max_bytes: 262_144, timeout: Duration::from_millis(100) };
        assert_eq!(subscription.buffering, buffering);
        let destination = Destination::Http {
            port: 8080,
            method: http::Method::POST,
            host: "sandbox.localdomain".to_owned(),
            path: "/p?q=1".to_owned(),
        };
        assert_eq!(subscription.destination, destination);
    }

    #[test]
    fn what_is_left_out_has_awss_defaults() {
        for partial in [json!(null), json!({}), json!({"maxItems": null})] {
            let buffering = telemetry(&with("buffering", partial)).unwrap().buffering;
            assert_eq!(buffering.max_items, 10_000);
            assert_eq!(buffering.max_bytes, 262_144);
            assert_eq!(buffering.timeout, Duration::from_secs(1));
        }
        let body = json!({"types": ["function"], "destination": {"protocol": "TCP", "port": 5}});
        let logs = Subscription::parse(Api::Logs, body.to_string().as_bytes()).unwrap();
        assert_eq!(logs.schema, Schema::Logs20200815);
        assert_eq!(logs.destination, Destination::Tcp { port: 5 });
    }

    #[test]
    fn each_mistake_is_named_and_all_are_told_together() {
        let uri = |uri: &str| with("destination", json!({"protocol": "HTTP", "URI": uri}));
        for (body, problem) in [
            (with("schemaVersion", json!("2020-08-15")), "schemaVersion \"2020-08-15\" is not"),
            (with("schemaVersion", json!(null)), "schemaVersion should not be empty"),
            (with("types", json!([])), "types should not be empty"),
            (with("types", json!(null)), "types should not be empty"),
            (with("types", json!(["plattform"])), "type \"plattform\" is not supported"),
            (with("types", json!("platform")), "types should be a list"),
            (with("buffering", json!({"maxItems": 999})), "buffering.maxItems 999 is not a whole"),
            (with("buffering", json!({"maxBytes": 1})), "from 262144 to 1048576"),
            (with("buffering", json!({"timeoutMs": 30_001})), "from 25 to 30000"),
            (with("buffering", json!({"timeoutMs": "1s"})), "buffering.timeoutMs \"1s\" is not"),
            (with("buffering", json!([])), "buffering should be an object"),
            (with("destination", json!(null)), "destination should not be empty"),
            (with("destination", json!({"protocol": "UDP"})), "\"UDP\" is not HTTP or TCP"),
            (with("destination", json!({"protocol": "TCP"})), "destination.port is not provided"),
            (with("destination", json!({"protocol": "TCP", "port": 0})), "port 0 is not a number"),
            (with("destination", json!({"protocol": "TCP", "port": 9001})), "9001 is reserved"),
            (with("destination", json!({"protocol": "HTTP"})), "destination.URI is not provided"),
            (uri("http://sandbox.localdomain/x"), "URI port is not provided"),
            (uri("https://sandbox.localdomain:1/x"), "URI scheme should be http"),
            (uri("http://127.0.0.1:1/x"), "URI host should be sandbox.localdomain"),
            (uri("http://sandbox:9001/"), "port 9001 is reserved"),
            (uri("http://sand box:1/"), "is not a URI"),
        ] {
            let said = telemetry(&body).unwrap_err();
            assert!(said.contains(problem), "{said:?} for {body}");
        }
        let said = telemetry(&json!({
            "schemaVersion": "2025-01-29",
            "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain"},
        }));
        assert_eq!(said.unwrap_err(), "URI port is not provided; types should not be empty");
        let said = Subscription::parse(Api::Logs, b"[").unwrap_err().to_string();
        assert!(said.starts_with("request body is not valid JSON: "), "{said}");
    }

    proptest! {
        /// The twin of a fuzzer: whatever comes, an answer and no panic.
        #[test]
        fn anything_is_understood_or_refused_with_a_reason(
            body: Vec<u8>,
            uri in "(http|https|ftp)?(://)?(sandbox|sandbox.localdomain|[a-z]{0,5})(:[0-9]{0,7})?\\PC{0,9}",
            number: i64,
            text in "\\PC{0,12}",
        ) {
            for api in [Api::Telemetry, Api::Logs] {
                let _ = Subscription::parse(api, &body);
                let shaped = json!({
                    "schemaVersion": text,
                    "types": [text, "platform"],
                    "buffering": {"maxItems": number, "maxBytes": text, "timeoutMs": number},
                    "destination": {"protocol": "HTTP", "URI": uri, "port": number, "method": text},
                });
                let refused = Subscription::parse(api, shaped.to_string().as_bytes());
                prop_assert!(refused.is_err_and(|invalid| !invalid.to_string().is_empty()));
            }
            let mut shaped = valid();
            shaped["destination"]["URI"] = uri.into();
            if let Ok(subscription) = telemetry(&shaped) {
                prop_assert!(![0, 9001].contains(&subscription.destination.port()));
            }
        }
    }
}
