//! Where a host reads code from that is in S3, and as whom.
//!
//! # Invariants
//! - Only where somebody says so: without `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` nothing is called.

use super::caller::Caller;
use super::credentials::{Credentials, CredentialsOrigin};
use super::endpoint::is_plain_http;
use super::notice::Notice;

/// As AWS's own clients look for it, the more exact one first.
const VARIABLES: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];

/// A stand-in for S3.
#[derive(Debug, Clone)]
pub struct ObjectStore {
    /// `http://`, host and port; no slash at its end.
    pub url: String,
    /// Requests are signed with these.
    pub keys: Credentials,
}

/// What the host's own environment says; `functions` are the keys its functions get.
pub(super) fn read(
    caller: &Caller,
    functions: &Credentials,
    notices: &mut Vec<Notice>,
) -> Option<ObjectStore> {
    let (name, url) = VARIABLES.iter().find_map(|name| Some((name, caller.text(name)?)))?;
    let url = url.trim_end_matches('/');
    if !is_plain_http(url) {
        notices.push(Notice::warning(format!(
            "{name} is `{url}`, but code is read from S3 at an http:// address such as \
             http://127.0.0.1:9090 only; there will be none from S3"
        )));
        return None;
    }
    Some(ObjectStore { url: url.to_owned(), keys: keys(caller).unwrap_or(functions.clone()) })
}

/// The host's own.
fn keys(caller: &Caller) -> Option<Credentials> {
    Some(Credentials {
        access_key_id: caller.text("AWS_ACCESS_KEY_ID")?.to_owned(),
        secret_access_key: caller.text("AWS_SECRET_ACCESS_KEY")?.to_owned(),
        session_token: caller.text("AWS_SESSION_TOKEN").map(str::to_owned),
        origin: CredentialsOrigin::Environment,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::caller;

    fn of(env: &[(&str, &str)]) -> (Option<ObjectStore>, Vec<Notice>) {
        let mut notices = Vec::new();
        let store = read(&caller("/", env), &Credentials::placeholder(), &mut notices);
        (store, notices)
    }

    #[test]
    fn the_more_exact_variable_wins_and_the_hosts_own_keys_sign() {
        let both = [("AWS_ENDPOINT_URL", "http://a:1"), ("AWS_ENDPOINT_URL_S3", "http://b:2/")];
        let (store, _) = of(&both);
        let store = store.unwrap();
        assert_eq!((store.url.as_str(), store.keys.access_key_id.as_str()), ("http://b:2", "test"));
        let keys = [("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "SK"), both[0]];
        assert_eq!(of(&keys).0.unwrap().keys.access_key_id, "AK");
        assert!(of(&[]).0.is_none());
    }

    #[test]
    fn an_address_that_cannot_be_called_is_said_once() {
        let (store, notices) = of(&[("AWS_ENDPOINT_URL_S3", "https://s3.amazonaws.com")]);
        assert!(store.is_none());
        assert!(notices[0].text.starts_with("AWS_ENDPOINT_URL_S3 is `https://"), "{notices:?}");
    }
}
