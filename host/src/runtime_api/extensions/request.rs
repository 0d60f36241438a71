//! Headers and bodies of the Extensions API, as they are written and as they are meant.
//!
//! # Sources
//! `reference/runtime-api.md` 2.2 to 2.4.

use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::registry::{ExtensionRefusal, Invocations};
use crate::model::{LifecycleEvent, Place};

const NAME: &str = "lambda-extension-name";
const ACCEPT_FEATURE: &str = "lambda-extension-accept-feature";
const IDENTIFIER: &str = "lambda-extension-identifier";
const ERROR_TYPE: &str = "lambda-extension-function-error-type";
/// The only feature there is.
const ACCOUNT_ID: &str = "accountId";
/// Longest message of an error that is repeated to caller and operator.
pub(crate) const MAX_MESSAGE_BYTES: usize = 4_096;

/// What a registration's body may hold. Other members are not looked at.
#[derive(Debug, Deserialize)]
struct Written {
    events: Option<Vec<String>>,
    #[serde(rename = "configurationKeys")]
    configuration_keys: Option<Vec<Value>>,
}

/// What `register` answers besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccountId {
    Wanted,
    NotWanted,
}

/// The extension's own name.
pub(crate) fn name(headers: &HeaderMap) -> Result<&str, ExtensionRefusal> {
    let name = headers.get(NAME).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if name.is_empty() { Err(ExtensionRefusal::EmptyName) } else { Ok(name) }
}

/// Whether the account's id is asked for.
pub(crate) fn account_id(headers: &HeaderMap) -> AccountId {
    let given = headers.get_all(ACCEPT_FEATURE).iter().filter_map(|value| value.to_str().ok());
    match given.flat_map(|value| value.split(',')).any(|feature| feature.trim() == ACCOUNT_ID) {
        true => AccountId::Wanted,
        false => AccountId::NotWanted,
    }
}

/// The events of a registration's body, as they are written.
pub(crate) fn events(body: &[u8]) -> Result<Vec<String>, ExtensionRefusal> {
    let written: Written = serde_json::from_slice(body)
        .map_err(|error| ExtensionRefusal::InvalidFormat { message: error.to_string() })?;
    if written.configuration_keys.is_some_and(|keys| !keys.is_empty()) {
        let message = "configurationKeys are deprecated; use environment variables instead";
        return Err(ExtensionRefusal::InvalidFormat { message: message.to_owned() });
    }
    Ok(written.events.unwrap_or_default())
}

/// What an extension in this place may be told of what it asks for; sorted, each once.
pub(crate) fn allowed(
    events: &[String],
    place: Place,
    invocations: Invocations,
) -> Result<Vec<LifecycleEvent>, ExtensionRefusal> {
    if (invocations, place) == (Invocations::Many, Place::Internal) && !events.is_empty() {
        return Err(ExtensionRefusal::EventForInternal);
    }
    let mut all = Vec::new();
    for event in events {
        all.push(match (event.as_str(), place) {
            ("INVOKE", _) if invocations == Invocations::One => LifecycleEvent::Invoke,
            ("SHUTDOWN", Place::External) => LifecycleEvent::Shutdown,
            ("SHUTDOWN", Place::Internal) => return Err(ExtensionRefusal::ShutdownForInternal),
            _ => return Err(ExtensionRefusal::UnknownEvent { event: event.clone() }),
        });
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// Which extension calls.
pub(crate) fn identifier(headers: &HeaderMap) -> Result<Uuid, ExtensionRefusal> {
    let given = headers.get(IDENTIFIER).ok_or(ExtensionRefusal::MissingIdentifier)?;
    let text = given.to_str().map_err(|_| ExtensionRefusal::InvalidIdentifier)?;
    if text.is_empty() {
        return Err(ExtensionRefusal::MissingIdentifier);
    }
    Uuid::parse_str(text).map_err(|_| ExtensionRefusal::InvalidIdentifier)
}

/// The type of an error that an extension reports.
pub(crate) fn error_type(headers: &HeaderMap) -> Result<String, ExtensionRefusal> {
    let given = headers.get(ERROR_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if given.is_empty() { Err(ExtensionRefusal::MissingErrorType) } else { Ok(given.to_owned()) }
}

/// The message of an error that an extension reports, if its body has one.
pub(crate) fn error_message(body: &[u8]) -> Option<String> {
    let parts: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let message = parts.get("errorMessage")?.as_str()?;
    let end = message.floor_char_boundary(MAX_MESSAGE_BYTES);
    (!message.is_empty()).then(|| message[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(header: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(header), value.parse().unwrap())])
    }

    #[test]
    fn events_may_be_missing_null_or_empty() {
        for body in ["{}", r#"{"events":null}"#, r#"{"events":[]}"#, r#"{"other":1}"#] {
            assert_eq!(events(body.as_bytes()), Ok(Vec::new()), "{body}");
        }
        for body in ["", "[1", "[]]", "1", r#"{"events":"INVOKE"}"#, r#"{"events":[1]}"#] {
            let refused = events(body.as_bytes());
            assert!(matches!(refused, Err(ExtensionRefusal::InvalidFormat { .. })), "{body}");
        }
        let keys = events(br#"{"configurationKeys":["a"]}"#).unwrap_err().to_string();
        assert_eq!(keys, "configurationKeys are deprecated; use environment variables instead");
        assert_eq!(events(br#"{"configurationKeys":[]}"#), Ok(Vec::new()));
    }

    #[test]
    fn each_place_has_its_events() {
        let both = ["SHUTDOWN".to_owned(), "INVOKE".to_owned(), "INVOKE".to_owned()];
        let all = [LifecycleEvent::Invoke, LifecycleEvent::Shutdown];
        assert_eq!(allowed(&both, Place::External, Invocations::One).unwrap(), all);
        let said = |events: &[String], place| {
            allowed(events, place, Invocations::One).unwrap_err().to_string()
        };
        assert_eq!(
            said(&both, Place::Internal),
            "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension"
        );
        assert_eq!(said(&["invoke".to_owned()], Place::External), "invoke: ErrorInvalidEventType");
        let many = |events: &[String], place| allowed(events, place, Invocations::Many);
        let told = |events: &[String], place| many(events, place).unwrap_err().to_string();
        assert_eq!(told(&both[1..], Place::External), "INVOKE: ErrorInvalidEventType");
        let internal = told(&both[1..], Place::Internal);
        assert_eq!(internal, "No events allowed for internal extensions");
        assert_eq!(many(&both[..1], Place::External).unwrap(), [LifecycleEvent::Shutdown]);
        assert_eq!(many(&[], Place::Internal).unwrap(), []);
    }

    #[test]
    fn features_are_separated_by_commas_and_unknown_ones_passed_by() {
        for wanted in ["accountId", "x, accountId ", "accountId,accountId"] {
            assert_eq!(account_id(&of(ACCEPT_FEATURE, wanted)), AccountId::Wanted, "{wanted}");
        }
        for other in ["", "accountid", "account Id", "x"] {
            assert_eq!(account_id(&of(ACCEPT_FEATURE, other)), AccountId::NotWanted, "{other}");
        }
    }

    #[test]
    fn an_identifier_is_a_uuid() {
        assert_eq!(identifier(&HeaderMap::new()), Err(ExtensionRefusal::MissingIdentifier));
        assert_eq!(identifier(&of(IDENTIFIER, "")), Err(ExtensionRefusal::MissingIdentifier));
        assert_eq!(identifier(&of(IDENTIFIER, "1-2")), Err(ExtensionRefusal::InvalidIdentifier));
        let id = Uuid::new_v4();
        assert_eq!(identifier(&of(IDENTIFIER, &id.to_string())), Ok(id));
    }

    proptest! {
        /// The twin of a fuzzer: whatever comes, an answer and no panic.
        #[test]
        fn anything_is_understood_or_refused(body: Vec<u8>, header in "\\PC{0,40}") {
            if let Ok(events) = events(&body) {
                let _ = allowed(&events, Place::Internal, Invocations::One);
                let _ = allowed(&events, Place::External, Invocations::One);
            }
            let _ = error_message(&body);
            if let Ok(value) = http::HeaderValue::from_bytes(header.as_bytes()) {
                for name in [NAME, ACCEPT_FEATURE, IDENTIFIER, ERROR_TYPE] {
                    let key = http::HeaderName::from_static(name);
                    let headers = HeaderMap::from_iter([(key, value.clone())]);
                    let _ = (account_id(&headers), identifier(&headers), error_type(&headers));
                    let _ = self::name(&headers);
                }
            }
        }

        #[test]
        fn json_of_any_form_is_understood_or_refused(
            events_given in prop::collection::vec("(INVOKE|SHUTDOWN|[a-z]{0,6})", 0..6),
            key in "(events|configurationKeys|[a-z]{1,8})",
            message in "\\PC{0,6000}",
        ) {
            let body = serde_json::json!({ key: events_given, "errorMessage": message });
            let body = serde_json::to_vec(&body).unwrap();
            if let Ok(events) = events(&body) && let Ok(all) = allowed(&events, Place::External, Invocations::One) {
                prop_assert!(all.len() <= 2);
            }
            let said = error_message(&body);
            prop_assert!(said.is_none_or(|said| said.len() <= MAX_MESSAGE_BYTES));
        }
    }
}
