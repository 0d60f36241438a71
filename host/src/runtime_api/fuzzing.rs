//! One request as the parsers of the three APIs see it: what the fuzzers of `fuzz/` try, and their twins.
//!
//! A case is text as on the wire: the path in a line, a header in each of the next, a blank line, the body.
//! Nothing of it is asked for twice by a well-meant caller; here all of it is the function's to choose.
//!
//! # Not here
//! States and sockets (`tests::fuzz`): these functions hold no state.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::extensions::{Invocations, request};
use super::response::Mode;
use super::routes::Route;
use super::session::{Answer, Delivery};
use super::telemetry::subscription::Subscription;
use super::{error, response, telemetry, xray};
use crate::model::Place;
use crate::runtime_api::release::{MAX_CHARS, Release};

/// A case, taken apart.
struct Case<'a> {
    path: &'a str,
    headers: HeaderMap,
    body: &'a [u8],
}

impl<'a> Case<'a> {
    fn of(data: &'a [u8]) -> Self {
        let (path, mut rest) = line(data);
        let mut headers = HeaderMap::new();
        loop {
            let (header, after) = line(rest);
            rest = after;
            if header.is_empty() {
                break;
            }
            let colon = header.iter().position(|byte| *byte == b':').unwrap_or(header.len());
            let (name, value) = header.split_at(colon);
            let value = value.strip_prefix(b":").unwrap_or(value).trim_ascii();
            let name = HeaderName::from_bytes(name);
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        Self { path: std::str::from_utf8(path).unwrap_or_default(), headers, body: rest }
    }
}

/// A line, and what is after it.
fn line(data: &[u8]) -> (&[u8], &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n');
    end.map_or((data, &[]), |end| (&data[..end], &data[end + 1..]))
}

/// The Runtime API: what a post or a `next` is understood to be.
///
/// # Panics
/// A promise to caller, operator or X-Ray does not hold.
pub fn runtime(data: &[u8]) {
    let case = Case::of(data);
    if let Some(Route::Answer { id, kind: Answer::Response | Answer::Error }) = Route::of(case.path)
    {
        assert!(!id.is_empty() && !id.contains('/'), "{id:?} is no id");
    }
    let mut release = Release::default();
    release.observe(&case.headers);
    let name = release.name().expect("one was observed");
    assert!(!name.is_empty() && name.chars().count() <= MAX_CHARS, "{name:?}");
    let _understood = Mode::of(&case.headers);
    let typed = error::error_type(&case.headers);
    assert!(typed.contains("Runtime.") || typed.contains("Function."), "{typed:?}");
    let body = Bytes::copy_from_slice(case.body);
    let (payload, cause) = error::split_cause(&case.headers, body.clone());
    assert!(payload == body || serde_json::from_slice::<serde_json::Value>(&payload).is_ok());
    for cause in [cause, xray::checked(case.body)].into_iter().flatten() {
        assert!(cause.len() <= xray::MAX_CAUSE_BYTES, "{} bytes of cause", cause.len());
        assert!(serde_json::from_slice::<serde_json::Value>(&cause).is_ok());
    }
    // Trailers are headers that come late.
    if let Some(delivery) = response::error_trailers(&case.headers) {
        let Delivery::Error { error_type, .. } = delivery else { panic!("{delivery:?}") };
        assert_eq!(error_type, typed);
    }
}

/// The Extensions API: registrations and errors.
///
/// # Panics
/// A promise to extension or caller does not hold.
pub fn extensions(data: &[u8]) {
    let case = Case::of(data);
    let _known = Route::of(case.path);
    if let Ok(name) = request::name(&case.headers) {
        assert!(!name.is_empty());
    }
    let _wanted = request::account_id(&case.headers);
    let _who = request::identifier(&case.headers);
    if let Ok(given) = request::error_type(&case.headers) {
        assert!(!given.is_empty());
    }
    if let Some(message) = request::error_message(case.body) {
        assert!((1..=request::MAX_MESSAGE_BYTES).contains(&message.len()));
    }
    match request::events(case.body) {
        Ok(events) => {
            for place in [Place::External, Place::Internal] {
                for invocations in [Invocations::One, Invocations::Many] {
                    match request::allowed(&events, place, invocations) {
                        Ok(all) => assert!(all.len() <= 2),
                        Err(refusal) => assert!(!refusal.to_string().is_empty()),
                    }
                }
            }
        }
        Err(refusal) => assert!(!refusal.to_string().is_empty()),
    }
}

/// The Telemetry and Logs APIs: subscriptions.
///
/// # Panics
/// Something is accepted that cannot be served, or refused without a reason.
pub fn telemetry(data: &[u8]) {
    let case = Case::of(data);
    let _who = request::identifier(&case.headers);
    let named = telemetry::Api::of(case.path);
    let apis = [telemetry::Api::Telemetry, telemetry::Api::Logs];
    for api in apis.into_iter().filter(|api| named.is_none_or(|named| named == *api)) {
        match Subscription::parse(api, case.body) {
            Ok(subscription) => {
                assert!(![0, 9001].contains(&subscription.destination.port()));
                assert!(!subscription.types.is_empty());
                assert_eq!(subscription.schema.api(), api);
            }
            Err(invalid) => assert!(!invalid.to_string().is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    /// Tries every case that is kept for a fuzzer.
    fn kept(name: &str, attempt: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
        let cases: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|case| case.unwrap()).collect();
        assert!(!cases.is_empty(), "nothing is kept for {name}");
        for case in cases {
            attempt(&std::fs::read(case.path()).unwrap());
        }
    }

    #[test]
    fn every_case_that_is_kept_is_understood_or_refused() {
        kept("runtime", runtime);
        kept("extensions", extensions);
        kept("telemetry", telemetry);
    }

    /// Requests with the names that mean something and any values, or nothing of the kind.
    fn request() -> impl Strategy<Value = Vec<u8>> {
        let path = prop_oneof![
            "/2018-06-01/runtime/(invocation/[a-f0-9-]{0,36}/(response|error)|init/error|restore/next)",
            "/2020-01-01/extension/(register|event/next|init/error|exit/error)",
            "/(2022-07-01/telemetry|2020-08-15/logs)",
            "\\PC{0,40}",
        ];
        let name = "(lambda-runtime-function-(error-type|error-body|response-mode|xray-error-cause)\
                    |lambda-extension-(name|identifier|accept-feature|function-error-type)\
                    |content-type|user-agent|lambda-runtime-features|[a-z-]{1,12})";
        let value = prop_oneof![
            "(Runtime|Function)\\.[A-Za-z]{0,8}",
            "application/vnd.aws.lambda.error.cause\\+json",
            "(streaming|INVOKE|accountId|[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-8[a-f0-9]{3}-[a-f0-9]{12})",
            "\\{\"(message|working_directory)\":\"[ -~&&[^\"\\\\]]{0,20}\"\\}",
            "\\PC{0,40}",
        ];
        let body = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            "\\{\"(events|types|errorMessage|errorCause|destination|buffering)\":\
             (\\[\"(INVOKE|SHUTDOWN|platform|\\PC{0,4})\"\\]|\"\\PC{0,30}\"|[0-9]{1,20}|null|\\{\\})\\}"
                .prop_map(String::into_bytes),
        ];
        (path, proptest::collection::vec((name, value), 0..6), body).prop_map(
            |(path, headers, body)| {
                let headers: String = headers.iter().map(|(n, v)| format!("{n}: {v}\n")).collect();
                [format!("{path}\n{headers}\n").into_bytes(), body].concat()
            },
        )
    }

    proptest! {
        /// The twins of the fuzzers, on stable.
        #[test]
        fn any_request_is_understood_or_refused(request in request()) {
            runtime(&request);
            extensions(&request);
            telemetry(&request);
        }

        #[test]
        fn any_bytes_are_understood_or_refused(bytes: Vec<u8>) {
            runtime(&bytes);
            extensions(&bytes);
            telemetry(&bytes);
        }
    }
}
