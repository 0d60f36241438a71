//! `Environment`: names that are taken, names that are Lambda's own, and how much there may be.
//!
//! # Sources
//! `reference/lambda-service.md` section 5.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::error::ApiError;
use super::super::validate::Violations;

/// All of it as compact JSON (Lambda quotas: 4 KB).
const MAX_BYTES: usize = 4_096;
const NAME_PATTERN: &str = "[a-zA-Z]([a-zA-Z0-9_])+";
/// Names a customer cannot set.
const RESERVED: [&str; 19] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

/// Notes names that the model does not have. Reserved ones are answered for themselves.
pub(super) fn check_names(variables: &[(String, String)], violations: &mut Violations) {
    let is_name = |name: &str| {
        let mut characters = name.chars();
        name.len() > 1
            && characters.next().is_some_and(|c| c.is_ascii_alphabetic())
            && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let wrong = variables.iter().any(|(name, _)| !is_name(name) && !RESERVED.contains(&&**name));
    if wrong {
        let pairs: Vec<String> = variables.iter().map(|(name, v)| format!("{name}={v}")).collect();
        violations.add(
            "environment.variables",
            &format!("{{{}}}", pairs.join(", ")),
            &format!(
                "Map keys must satisfy constraint: [Member must satisfy regular expression \
                 pattern: {NAME_PATTERN}]"
            ),
        );
    }
}

/// The variables, unless one is reserved or they are too many.
pub(super) fn checked(
    variables: Vec<(String, String)>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let reserved: Vec<&str> = variables
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| RESERVED.contains(name))
        .collect();
    if !reserved.is_empty() {
        return Err(ApiError::invalid(format!(
            "Lambda was unable to configure your environment variables because the environment \
             variables you have provided contains reserved keys that are currently not supported \
             for modification. Reserved keys used in this request: {}",
            reserved.join(", ")
        )));
    }
    let object: Map<String, Value> =
        variables.iter().map(|(n, v)| (n.clone(), Value::String(v.clone()))).collect();
    let text = Value::Object(object).to_string();
    if text.len() > MAX_BYTES {
        return Err(ApiError::invalid(format!(
            "Lambda was unable to configure your environment variables because the environment \
             variables you have provided exceeded the 4KB limit. String measured: {text}"
        )));
    }
    Ok(variables.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn names_follow_the_model() {
        for (name, good) in [
            ("AB", true),
            ("a_1", true),
            ("A", false),
            ("1A", false),
            ("A-B", false),
            ("_HANDLER", true),
        ] {
            let mut violations = Violations::default();
            check_names(&[pair(name, "x")], &mut violations);
            assert_eq!(violations.finish().is_ok(), good, "{name}");
        }
    }

    #[test]
    fn reserved_names_and_more_than_4_kb_are_refused() {
        let text = |variables: Vec<(String, String)>| {
            checked(variables).map_err(|error| String::from_utf8(error.body()).unwrap())
        };
        let error = text(vec![pair("AWS_REGION", "x"), pair("OK", "y")]).unwrap_err();
        assert!(error.contains("Reserved keys used in this request: AWS_REGION\""), "{error}");
        // {"AA":"…"} takes nine bytes around the value.
        assert!(text(vec![pair("AA", &"x".repeat(4_087))]).is_ok());
        let error = text(vec![pair("AA", &"x".repeat(4_088))]).unwrap_err();
        assert!(error.contains("exceeded the 4KB limit. String measured: {"), "{error}");
    }
}
