//! Operations that AWS has and lambdabox has not yet, so that they can be refused by their names.
//!
//! # Not here
//! Those of other services, and those whose resources only other refused operations could make.
//!
//! # Sources
//! `reference/lambda-service.md` section 2.

use http::Method;

/// Method, path (`*` is any one segment) and name.
const NOT_YET: [(&str, &str, &str); 36] = [
    ("POST", "2015-03-31/functions/*/versions", "PublishVersion"),
    ("GET", "2015-03-31/functions/*/versions", "ListVersionsByFunction"),
    ("POST", "2015-03-31/functions/*/aliases", "CreateAlias"),
    ("GET", "2015-03-31/functions/*/aliases", "ListAliases"),
    ("GET", "2015-03-31/functions/*/aliases/*", "GetAlias"),
    ("PUT", "2015-03-31/functions/*/aliases/*", "UpdateAlias"),
    ("DELETE", "2015-03-31/functions/*/aliases/*", "DeleteAlias"),
    ("PUT", "2019-09-30/functions/*/provisioned-concurrency", "PutProvisionedConcurrencyConfig"),
    ("GET", "2019-09-30/functions/*/provisioned-concurrency", "GetProvisionedConcurrencyConfig"),
    (
        "DELETE",
        "2019-09-30/functions/*/provisioned-concurrency",
        "DeleteProvisionedConcurrencyConfig",
    ),
    ("PUT", "2019-09-25/functions/*/event-invoke-config", "PutFunctionEventInvokeConfig"),
    ("POST", "2019-09-25/functions/*/event-invoke-config", "UpdateFunctionEventInvokeConfig"),
    ("GET", "2019-09-25/functions/*/event-invoke-config", "GetFunctionEventInvokeConfig"),
    ("GET", "2019-09-25/functions/*/event-invoke-config/list", "ListFunctionEventInvokeConfigs"),
    ("DELETE", "2019-09-25/functions/*/event-invoke-config", "DeleteFunctionEventInvokeConfig"),
    ("POST", "2015-03-31/event-source-mappings", "CreateEventSourceMapping"),
    ("GET", "2015-03-31/event-source-mappings", "ListEventSourceMappings"),
    ("GET", "2015-03-31/event-source-mappings/*", "GetEventSourceMapping"),
    ("PUT", "2015-03-31/event-source-mappings/*", "UpdateEventSourceMapping"),
    ("DELETE", "2015-03-31/event-source-mappings/*", "DeleteEventSourceMapping"),
    ("POST", "2015-03-31/functions/*/policy", "AddPermission"),
    ("GET", "2015-03-31/functions/*/policy", "GetPolicy"),
    ("DELETE", "2015-03-31/functions/*/policy/*", "RemovePermission"),
    ("POST", "2018-10-31/layers/*/versions/*/policy", "AddLayerVersionPermission"),
    ("GET", "2018-10-31/layers/*/versions/*/policy", "GetLayerVersionPolicy"),
    ("DELETE", "2018-10-31/layers/*/versions/*/policy/*", "RemoveLayerVersionPermission"),
    ("POST", "2020-04-22/code-signing-configs", "CreateCodeSigningConfig"),
    ("GET", "2020-04-22/code-signing-configs", "ListCodeSigningConfigs"),
    ("PUT", "2020-06-30/functions/*/code-signing-config", "PutFunctionCodeSigningConfig"),
    ("GET", "2020-06-30/functions/*/code-signing-config", "GetFunctionCodeSigningConfig"),
    ("PUT", "2021-07-20/functions/*/runtime-management-config", "PutRuntimeManagementConfig"),
    ("GET", "2021-07-20/functions/*/runtime-management-config", "GetRuntimeManagementConfig"),
    ("PUT", "2024-08-31/functions/*/recursion-config", "PutFunctionRecursionConfig"),
    ("GET", "2024-08-31/functions/*/recursion-config", "GetFunctionRecursionConfig"),
    ("POST", "2025-11-30/capacity-providers", "CreateCapacityProvider"),
    ("GET", "2025-11-30/capacity-providers", "ListCapacityProviders"),
];

/// The name of the operation at this path, if it is one of these.
pub(super) fn named(method: &Method, path: &str) -> Option<&'static str> {
    let path = path.trim_matches('/');
    let fits = |pattern: &str| {
        let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some(wanted), Some(given)) if wanted == "*" || wanted == given => {}
                _ => return false,
            }
        }
    };
    let found = NOT_YET.iter().find(|(verb, pattern, _)| *verb == method.as_str() && fits(pattern));
    found.map(|(_, _, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::super::query::Query;
    use super::super::routes::route;
    use super::*;

    #[test]
    fn operations_are_named_by_method_and_path() {
        let at = |method: &str, path: &str| named(&method.parse().unwrap(), path);
        let functions = "/2015-03-31/functions";
        assert_eq!(at("POST", &format!("{functions}/f/versions")), Some("PublishVersion"));
        assert_eq!(at("PUT", &format!("{functions}/f/aliases/live")), Some("UpdateAlias"));
        assert_eq!(at("PUT", &format!("{functions}/f/aliases")), None);
        assert_eq!(at("GET", "/2020-04-22/code-signing-configs/"), Some("ListCodeSigningConfigs"));
        assert_eq!(at("GET", "/"), None);
    }

    #[test]
    fn none_of_them_is_there() {
        for (method, pattern, name) in NOT_YET {
            let path = format!("/{}", pattern.replace('*', "x"));
            let found = route(&method.parse().unwrap(), &path, &Query::default());
            assert_eq!(found, None, "{name} is answered: take it out of this list");
        }
    }
}
