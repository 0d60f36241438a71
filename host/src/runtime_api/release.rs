//! The "runtime release": who the runtime says it is.
//!
//! # Sources
//! `reference/runtime-api.md` 0.4.

use http::HeaderMap;
use http::header::USER_AGENT;

/// Longest name kept, in characters (0.4).
pub(crate) const MAX_CHARS: usize = 128;
/// Header that lists features, once.
const FEATURES: &str = "lambda-runtime-features";
/// Name of a runtime that gives none.
const UNKNOWN: &str = "Unknown";

/// Name and features, as far as the runtime has told them.
#[derive(Debug, Default)]
pub(crate) struct Release {
    name: Option<String>,
    /// Features were recorded: later requests change nothing.
    complete: bool,
}

impl Release {
    /// Looks at one request of the runtime.
    pub(crate) fn observe(&mut self, headers: &HeaderMap) {
        if self.complete {
            return;
        }
        let features = headers.get(FEATURES).and_then(|value| value.to_str().ok());
        if self.name.is_some() && features.is_none() {
            return;
        }
        let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        let agent = agent.and_then(|agent| agent.split_whitespace().next()).unwrap_or(UNKNOWN);
        let mut name: String = agent.chars().take(MAX_CHARS).collect();
        if let Some(features) = features {
            append(&mut name, features);
            self.complete = true;
        }
        self.name = Some(name);
    }

    /// `agent` or `agent (feature feature)`; `None` before the first request.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

/// Adds ` (a b)`, leaving out what does not fit.
fn append(name: &mut String, features: &str) {
    let mut listed = String::new();
    for feature in features.split([' ', '(', ')']).filter(|feature| !feature.is_empty()) {
        let blank = usize::from(!listed.is_empty());
        let around = " ()".len() + blank;
        if name.chars().count() + listed.len() + feature.len() + around <= MAX_CHARS {
            if blank == 1 {
                listed.push(' ');
            }
            listed.push_str(feature);
        }
    }
    if !listed.is_empty() {
        name.push_str(&format!(" ({listed})"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(requests: &[(&str, Option<&str>)]) -> String {
        let mut release = Release::default();
        for (agent, features) in requests {
            let mut headers = HeaderMap::new();
            headers.insert(USER_AGENT, agent.parse().unwrap());
            if let Some(features) = features {
                headers.insert(FEATURES, features.parse().unwrap());
            }
            release.observe(&headers);
        }
        release.name().unwrap().to_owned()
    }

    #[test]
    fn the_first_token_of_the_user_agent_names_the_runtime() {
        assert_eq!(seen(&[("aws-lambda-python/3.12 other", None)]), "aws-lambda-python/3.12");
        assert_eq!(seen(&[("", None)]), "Unknown");
        assert_eq!(seen(&[(" \t ", None)]), "Unknown");
        let mut release = Release::default();
        assert_eq!(release.name(), None);
        release.observe(&HeaderMap::new());
        assert_eq!(release.name(), Some("Unknown"));
    }

    #[test]
    fn features_are_recorded_once() {
        assert_eq!(seen(&[("a/1", Some("(x y)")), ("b/2", Some("z"))]), "a/1 (x y)");
        assert_eq!(seen(&[("a/1", None), ("a/1", Some("x"))]), "a/1 (x)");
        assert_eq!(seen(&[("a/1", Some("()")), ("a/1", Some("x"))]), "a/1");
    }

    #[test]
    fn the_whole_never_exceeds_128_characters() {
        let long = "u".repeat(200);
        assert_eq!(seen(&[(&long, Some("x"))]), "u".repeat(128));
        let features = format!("{} short", "f".repeat(126));
        assert_eq!(seen(&[("ab", Some(&features))]), "ab (short)");
        let fits = "f".repeat(123);
        assert_eq!(seen(&[("ab", Some(&fits))]).len(), 128);
        assert_eq!(seen(&[("ab", Some(&"f".repeat(124)))]), "ab");
    }
}
