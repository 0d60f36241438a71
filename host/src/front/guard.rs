//! Who may call at all: programs of this machine, and no web page.
//!
//! A page in a browser of this machine can send requests to loopback. What tells it apart are headers
//! that a page cannot leave out or change: `Origin`, `Sec-Fetch-Site`, and a `Host` that names the
//! page's own domain (DNS rebinding).
//!
//! # Sources
//! Fetch standard ("forbidden request-header"); W3C Fetch Metadata.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{HOST, ORIGIN};

use super::error::ApiError;

const FETCH_SITE: &str = "sec-fetch-site";

/// Whose pages may call, as `--allow-origin` has them: lower case, no slash at the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guard {
    pub(crate) allowed: Vec<String>,
}

impl Guard {
    /// Whether whoever sends these headers may call; the origin to be named in the answer, if any.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<Option<String>, ApiError> {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if !is_loopback(host) {
            return Err(ApiError::denied(
                "the Host of this request is no loopback name; use 127.0.0.1 or localhost",
            ));
        }
        if let Some(origin) = headers.get(ORIGIN) {
            let origin = origin.to_str().unwrap_or_default();
            let plain = origin.trim_end_matches('/').to_ascii_lowercase();
            return match self.allowed.contains(&plain) {
                true => Ok(Some(origin.to_owned())),
                false => Err(ApiError::denied(
                    "web pages may not call this host; `serve --allow-origin ORIGIN` allows one",
                )),
            };
        }
        // `none` is what a person typed; `same-origin` comes with pages of this address, of which
        // there are none but what somebody allowed.
        match headers.get(FETCH_SITE).map(|site| site.as_bytes()) {
            None | Some(b"none" | b"same-origin") => Ok(None),
            Some(_) => Err(ApiError::denied("web pages of other sites may not call this host")),
        }
    }
}

/// `localhost`, a name below it, or a loopback address; with or without a port.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn check(headers: &[(&'static str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let guard = Guard { allowed: vec!["http://localhost:3000".to_owned()] };
        guard.check(&map).is_ok()
    }

    #[test]
    fn programs_of_this_machine_may_call() {
        for host in [
            "127.0.0.1:9000",
            "localhost",
            "LOCALHOST:1",
            "[::1]:9000",
            "127.8.7.6",
            "a.localhost:9",
        ] {
            assert!(check(&[("host", host)]), "{host}");
        }
    }

    #[test]
    fn a_host_that_is_no_loopback_name_is_refused() {
        for host in
            ["example.com", "127.0.0.1.example.com", "10.0.0.1:9000", "localhost.com", "", "[::2]"]
        {
            assert!(!check(&[("host", host)]), "{host}");
        }
        assert!(!check(&[]));
    }

    #[test]
    fn web_pages_are_refused_unless_named() {
        let host = ("host", "127.0.0.1:9000");
        assert!(!check(&[host, ("origin", "https://example.com")]));
        assert!(!check(&[host, ("origin", "null")]));
        assert!(!check(&[host, ("sec-fetch-site", "cross-site")]));
        assert!(!check(&[host, ("sec-fetch-site", "same-site")]));
        assert!(check(&[host, ("sec-fetch-site", "none")]));
        assert!(check(&[host, ("origin", "http://LOCALHOST:3000/")]));
        assert!(check(&[
            host,
            ("origin", "http://localhost:3000"),
            ("sec-fetch-site", "cross-site")
        ]));
        assert!(!check(&[("host", "evil.com"), ("origin", "http://localhost:3000")]));
    }
}
