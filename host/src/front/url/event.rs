//! A request as the event a function gets: payload format 2.0.
//!
//! # Sources
//! `reference/lambda-service.md` sections 11 and 19.

use std::borrow::Cow;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, COOKIE, HOST, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::query::Query;

/// What an event is made of.
pub(super) struct Received<'a> {
    pub(super) head: &'a Parts,
    pub(super) body: &'a Bytes,
    pub(super) url_id: &'a str,
    pub(super) request_id: &'a str,
    pub(super) trace_id: &'a str,
    /// Whoever calls is on the same loopback.
    pub(super) listener: SocketAddr,
    pub(super) now: Timestamp,
}

/// The event as JSON.
pub(super) fn of(received: &Received<'_>) -> Vec<u8> {
    let Received { head, body, url_id, request_id, now, .. } = received;
    let text = |name: HeaderName| head.headers.get(name).map(lossy);
    let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
    let host = text(HOST).unwrap_or_default();
    let domain = host.split(':').next().unwrap_or_default();
    let mut event = Map::new();
    let mut put = |name: &str, value: Value| _ = event.insert(name.to_owned(), value);
    put("version", "2.0".into());
    put("routeKey", "$default".into());
    put("rawPath", path.into());
    put("rawQueryString", query.into());
    let cookies = cookies(&head.headers);
    if !cookies.is_empty() {
        put("cookies", cookies.into());
    }
    put("headers", headers(received).into());
    if !query.is_empty() {
        put("queryStringParameters", parameters(query).into());
    }
    put(
        "requestContext",
        json!({
            "accountId": "anonymous",
            "apiId": url_id,
            "domainName": domain,
            "domainPrefix": url_id,
            "http": {
                "method": head.method.as_str(),
                "path": path,
                "protocol": format!("{:?}", head.version),
                "sourceIp": received.listener.ip().to_string(),
                "userAgent": text(USER_AGENT).unwrap_or_default(),
            },
            "requestId": request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": now.as_millisecond(),
        }),
    );
    let (body, is_base64) = written(text(CONTENT_TYPE).as_deref(), body);
    if let Some(body) = body {
        put("body", body.into());
    }
    put("isBase64Encoded", is_base64.into());
    Value::Object(event).to_string().into_bytes()
}

/// Lower case, one text each; and those a load balancer would add.
fn headers(received: &Received<'_>) -> Map<String, Value> {
    let mut headers = Map::new();
    for name in received.head.headers.keys() {
        if [CONNECTION, COOKIE].contains(name) {
            continue;
        }
        let values = received.head.headers.get_all(name).iter();
        let values: Vec<_> = values.map(lossy).collect();
        headers.insert(name.as_str().to_owned(), values.join(",").into());
    }
    for (name, value) in [
        ("x-amzn-trace-id", received.trace_id.to_owned()),
        ("x-forwarded-for", received.listener.ip().to_string()),
        ("x-forwarded-port", received.listener.port().to_string()),
        ("x-forwarded-proto", "http".to_owned()),
    ] {
        headers.insert(name.to_owned(), value.into());
    }
    headers
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let lines: Vec<_> = headers.get_all(COOKIE).iter().map(lossy).collect();
    let cookies = lines.iter().flat_map(|line| line.split(';')).map(str::trim);
    cookies.filter(|cookie| !cookie.is_empty()).map(str::to_owned).collect()
}

/// As text, whatever bytes a client sends: no header is lost.
fn lossy(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// Decoded; several of one name are one text.
fn parameters(query: &str) -> Map<String, Value> {
    let mut joined = Map::new();
    for (name, value) in Query::parse(Some(query)).into_pairs() {
        match joined.get_mut(&name) {
            Some(Value::String(before)) => {
                before.push(',');
                before.push_str(&value);
            }
            _ => _ = joined.insert(name, value.into()),
        }
    }
    joined
}

/// Text as it is, if its type says that it is text; else base64.
fn written(content_type: Option<&str>, body: &Bytes) -> (Option<String>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    let text = content_type.is_none_or(is_text).then(|| std::str::from_utf8(body).ok());
    match text.flatten() {
        Some(text) if content_type.is_some() => (Some(text.to_owned()), false),
        _ => (Some(STANDARD.encode(body)), true),
    }
}

fn is_text(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/")
        || ["json", "xml", "javascript"].iter().any(|word| {
            kind.strip_prefix("application/")
                .is_some_and(|kind| kind == *word || kind.ends_with(&format!("+{word}")))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(request: http::Request<&'static str>) -> Value {
        let (head, body) = request.into_parts();
        let received = Received {
            head: &head,
            body: &Bytes::from_static(body.as_bytes()),
            url_id: "abc",
            request_id: "id-1",
            trace_id: "Root=1-2-3",
            listener: "127.0.0.1:9000".parse().unwrap(),
            now: Timestamp::from_millisecond(1_583_348_638_390).unwrap(),
        };
        serde_json::from_slice(&of(&received)).unwrap()
    }

    #[test]
    fn a_request_becomes_payload_format_2() {
        let request = http::Request::post("/a%20b/c?k=1&k=2&e=%C3%A9&x")
            .header("Host", "abc.lambda-url.us-east-1.localhost:9000")
            .header("X-Two", "1")
            .header("X-Two", "2")
            .header("Cookie", "a=1; b=2")
            .header("Connection", "close")
            .header("User-Agent", "me")
            .header("Content-Type", "application/json; charset=utf-8")
            .body("{\"é\":1}")
            .unwrap();
        let expected = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/a%20b/c",
            "rawQueryString": "k=1&k=2&e=%C3%A9&x", "cookies": ["a=1", "b=2"],
            "headers": {
                "host": "abc.lambda-url.us-east-1.localhost:9000", "x-two": "1,2",
                "user-agent": "me", "content-type": "application/json; charset=utf-8",
                "x-amzn-trace-id": "Root=1-2-3", "x-forwarded-for": "127.0.0.1",
                "x-forwarded-port": "9000", "x-forwarded-proto": "http",
            },
            "queryStringParameters": { "k": "1,2", "e": "é", "x": "" },
            "requestContext": {
                "accountId": "anonymous", "apiId": "abc",
                "domainName": "abc.lambda-url.us-east-1.localhost", "domainPrefix": "abc",
                "http": { "method": "POST", "path": "/a%20b/c", "protocol": "HTTP/1.1",
                          "sourceIp": "127.0.0.1", "userAgent": "me" },
                "requestId": "id-1", "routeKey": "$default", "stage": "$default",
                "time": "04/Mar/2020:19:03:58 +0000", "timeEpoch": 1_583_348_638_390_u64,
            },
            "body": "{\"é\":1}", "isBase64Encoded": false,
        });
        assert_eq!(event(request), expected);
    }

    #[test]
    fn a_body_is_text_only_if_its_type_says_so() {
        for (content_type, is_base64) in [
            ("text/html", false),
            ("application/problem+json", false),
            ("image/svg+xml", true),
            ("application/javascript", false),
            ("application/x-www-form-urlencoded", true),
            ("multipart/form-data", true),
            ("application/octet-stream", true),
        ] {
            let request =
                http::Request::post("/").header("Content-Type", content_type).body("a").unwrap();
            assert_eq!(event(request)["isBase64Encoded"], is_base64, "{content_type}");
        }
        let bare = event(http::Request::get("/").body("").unwrap());
        assert!(bare.get("body").is_none() && bare.get("queryStringParameters").is_none());
        assert_eq!(bare["isBase64Encoded"], false);
        assert_eq!(event(http::Request::post("/").body("a").unwrap())["body"], "YQ==");
    }
}
