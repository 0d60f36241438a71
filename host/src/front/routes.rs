//! From a method and a path to the operation that is meant.
//!
//! # Sources
//! `reference/lambda-service.md` sections 1 and 2.

use http::Method;

use super::query::{Query, decode};

/// One operation with what its path names, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    CreateFunction,
    ListFunctions,
    GetFunction(String),
    DeleteFunction(String),
    GetFunctionConfiguration(String),
    UpdateFunctionConfiguration(String),
    UpdateFunctionCode(String),
    Invoke(String),
    InvokeWithResponseStream(String),
    InvokeAsync(String),
    PutFunctionConcurrency(String),
    GetFunctionConcurrency(String),
    DeleteFunctionConcurrency(String),
    PublishLayerVersion(String),
    GetLayerVersion(String, String),
    GetLayerVersionByArn,
    DeleteLayerVersion(String, String),
    ListLayers,
    ListLayerVersions(String),
    CreateFunctionUrlConfig(String),
    GetFunctionUrlConfig(String),
    UpdateFunctionUrlConfig(String),
    DeleteFunctionUrlConfig(String),
    ListFunctionUrlConfigs(String),
    GetAccountSettings,
    ListTags(String),
    TagResource(String),
    UntagResource(String),
    /// One of CloudWatch Logs, named by a header.
    Logs(String),
    /// Not AWS's: where `Code.Location` leads.
    Download(String),
    /// Not AWS's: the body comes back. What this costs, no function can be faster than.
    Echo,
}

/// Where downloads and the echo live.
pub(crate) const DOWNLOADS: &str = "_lambdabox";

/// The operation; `None` if there is none here.
pub(crate) fn route(method: &Method, path: &str, query: &Query) -> Option<Route> {
    let path = path.strip_prefix('/')?;
    // Older SDKs end some paths with a slash.
    let path = path.strip_suffix('/').unwrap_or(path);
    let segments: Vec<String> = path.split('/').map(decode).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let name = |name: &str| name.to_owned();
    Some(match (method.as_str(), segments.as_slice()) {
        ("POST", ["2015-03-31", "functions"]) => Route::CreateFunction,
        ("GET", ["2015-03-31", "functions"]) => Route::ListFunctions,
        ("GET", ["2015-03-31", "functions", f]) => Route::GetFunction(name(f)),
        ("DELETE", ["2015-03-31", "functions", f]) => Route::DeleteFunction(name(f)),
        ("GET", ["2015-03-31", "functions", f, "configuration"]) => {
            Route::GetFunctionConfiguration(name(f))
        }
        ("PUT", ["2015-03-31", "functions", f, "configuration"]) => {
            Route::UpdateFunctionConfiguration(name(f))
        }
        ("PUT", ["2015-03-31", "functions", f, "code"]) => Route::UpdateFunctionCode(name(f)),
        ("POST", ["2015-03-31", "functions", f, "invocations"]) => Route::Invoke(name(f)),
        ("POST", ["2021-11-15", "functions", f, "response-streaming-invocations"]) => {
            Route::InvokeWithResponseStream(name(f))
        }
        ("POST", ["2014-11-13", "functions", f, "invoke-async"]) => Route::InvokeAsync(name(f)),
        ("PUT", ["2017-10-31", "functions", f, "concurrency"]) => {
            Route::PutFunctionConcurrency(name(f))
        }
        ("GET", ["2019-09-30", "functions", f, "concurrency"]) => {
            Route::GetFunctionConcurrency(name(f))
        }
        ("DELETE", ["2017-10-31", "functions", f, "concurrency"]) => {
            Route::DeleteFunctionConcurrency(name(f))
        }
        ("POST", ["2018-10-31", "layers", l, "versions"]) => Route::PublishLayerVersion(name(l)),
        ("GET", ["2018-10-31", "layers", l, "versions"]) => Route::ListLayerVersions(name(l)),
        ("GET", ["2018-10-31", "layers", l, "versions", v]) => {
            Route::GetLayerVersion(name(l), name(v))
        }
        ("DELETE", ["2018-10-31", "layers", l, "versions", v]) => {
            Route::DeleteLayerVersion(name(l), name(v))
        }
        ("GET", ["2018-10-31", "layers"]) if query.get("find") == Some("LayerVersion") => {
            Route::GetLayerVersionByArn
        }
        ("GET", ["2018-10-31", "layers"]) => Route::ListLayers,
        ("POST", ["2021-10-31", "functions", f, "url"]) => Route::CreateFunctionUrlConfig(name(f)),
        ("GET", ["2021-10-31", "functions", f, "url"]) => Route::GetFunctionUrlConfig(name(f)),
        ("PUT", ["2021-10-31", "functions", f, "url"]) => Route::UpdateFunctionUrlConfig(name(f)),
        ("DELETE", ["2021-10-31", "functions", f, "url"]) => {
            Route::DeleteFunctionUrlConfig(name(f))
        }
        ("GET", ["2021-10-31", "functions", f, "urls"]) => Route::ListFunctionUrlConfigs(name(f)),
        ("GET", ["2016-08-19", "account-settings"]) => Route::GetAccountSettings,
        ("GET", ["2017-03-31", "tags", arn]) => Route::ListTags(name(arn)),
        ("POST", ["2017-03-31", "tags", arn]) => Route::TagResource(name(arn)),
        ("DELETE", ["2017-03-31", "tags", arn]) => Route::UntagResource(name(arn)),
        ("POST", [DOWNLOADS, "echo"]) => Route::Echo,
        ("GET", [DOWNLOADS, "code", token]) => Route::Download(name(token)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, uri: &str) -> Option<Route> {
        let (path, query) = uri.split_once('?').map_or((uri, None), |(p, q)| (p, Some(q)));
        route(&method.parse().unwrap(), path, &Query::parse(query))
    }

    #[test]
    fn each_path_is_its_operation_and_names_are_decoded_by_segment() {
        let functions = "/2015-03-31/functions";
        assert_eq!(of("POST", functions), Some(Route::CreateFunction));
        assert_eq!(of("GET", &format!("{functions}/")), Some(Route::ListFunctions));
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST";
        let encoded = arn.replace(':', "%3A").replace('$', "%24");
        assert_eq!(
            of("POST", &format!("{functions}/{encoded}/invocations?Qualifier=x")),
            Some(Route::Invoke(arn.to_owned()))
        );
        assert_eq!(
            of("GET", "/2018-10-31/layers?find=LayerVersion&Arn=a"),
            Some(Route::GetLayerVersionByArn)
        );
        assert_eq!(of("GET", "/2018-10-31/layers"), Some(Route::ListLayers));
        assert_eq!(
            of("GET", &format!("{functions}/a%2Fb")),
            Some(Route::GetFunction("a/b".to_owned()))
        );
    }

    #[test]
    fn what_is_no_operation_is_none() {
        for (method, path) in [
            ("GET", "/"),
            ("PATCH", "/2015-03-31/functions"),
            ("GET", "/2015-03-31/functions/f/invocations"),
            ("POST", "/2015-03-31/functions/f/versions"),
            ("GET", "/2015-03-31//functions"),
            ("GET", "*"),
        ] {
            assert_eq!(of(method, path), None, "{method} {path}");
        }
    }
}
