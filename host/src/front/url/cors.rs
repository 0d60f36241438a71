//! CORS of a URL: preflights are answered here, and a function's own CORS headers do not count.
//!
//! # Sources
//! `reference/lambda-service.md` section 11; Fetch standard, "CORS protocol".

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ORIGIN,
    VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::super::reply::{self, Body};
use crate::store::Cors;

/// The answer to OPTIONS.
pub(super) fn preflight(cors: &Cors) -> Response<Body> {
    let mut response = reply::empty(StatusCode::OK);
    let headers = response.headers_mut();
    list(headers, ACCESS_CONTROL_ALLOW_METHODS, cors.allow_methods.as_deref());
    list(headers, ACCESS_CONTROL_ALLOW_HEADERS, cors.allow_headers.as_deref());
    if let Some(seconds) = cors.max_age {
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds));
    }
    response
}

/// What every answer says to a page of `origin`. A preflight keeps what is its alone.
pub(super) fn put(cors: &Cors, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    for own in [
        ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_ALLOW_CREDENTIALS,
        ACCESS_CONTROL_EXPOSE_HEADERS,
    ] {
        headers.remove(own);
    }
    headers.append(VARY, HeaderValue::from_name(ORIGIN));
    let Some(origin) = origin else { return };
    let allowed = cors.allow_origins.as_deref().unwrap_or_default();
    let is_named = allowed.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes());
    let is_anybody = allowed.iter().any(|allowed| allowed == "*");
    let with_credentials = cors.allow_credentials == Some(true);
    let value = match (is_named, is_anybody) {
        (true, _) => origin.clone(),
        // `*` does not count for a request with credentials.
        (false, true) if with_credentials => origin.clone(),
        (false, true) => HeaderValue::from_static("*"),
        (false, false) => return,
    };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, value);
    if with_credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    list(headers, ACCESS_CONTROL_EXPOSE_HEADERS, cors.expose_headers.as_deref());
}

fn list(headers: &mut HeaderMap, name: HeaderName, words: Option<&[String]>) {
    let joined = words.filter(|words| !words.is_empty()).map(|words| words.join(","));
    if let Some(value) = joined.and_then(|joined| HeaderValue::try_from(joined).ok()) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(cors: &Cors, origin: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://own"));
        put(cors, Some(&HeaderValue::from_static(origin)), &mut headers);
        headers
    }

    #[test]
    fn an_origin_is_told_what_is_allowed_and_the_functions_own_word_does_not_count() {
        let texts = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
        let cors = Cors {
            allow_origins: texts(&["https://a"]),
            expose_headers: texts(&["X", "Y"]),
            allow_credentials: Some(true),
            ..Cors::default()
        };
        let headers = told(&cors, "https://a");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        assert_eq!(headers[ACCESS_CONTROL_EXPOSE_HEADERS], "X,Y");
        assert!(!told(&cors, "https://b").contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        let anybody = Cors { allow_origins: texts(&["*"]), ..Cors::default() };
        assert_eq!(told(&anybody, "https://b")[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        let trusted = Cors { allow_credentials: Some(true), ..anybody };
        assert_eq!(told(&trusted, "https://b")[ACCESS_CONTROL_ALLOW_ORIGIN], "https://b");
    }
}
