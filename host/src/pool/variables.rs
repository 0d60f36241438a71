//! The environment variables of a function's process.
//!
//! # Sources
//! `reference/runtime-api.md` 6.1 (values) and 6.2 (precedence).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::model::{APPLICATION_LEVEL_VARIABLE, Function, Initialization, LogFormat};

/// AWS's search path, odd slash included; managed runtimes have their interpreter first.
const PATH: &str = "/usr/local/bin:/usr/bin/:/bin:/opt/bin";
const INTERPRETER_PATH: &str = "/var/lang/bin";
const LIBRARY_PATH: &str = "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib";
/// Where AWS's X-Ray daemon listens; nothing answers here unless the operator gives one.
const XRAY_DAEMON: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(169, 254, 79, 129)), 2_000);

/// What the platform adds to a function's own variables.
#[derive(Debug, Clone)]
pub(crate) struct Platform<'a> {
    /// `AWS_LAMBDA_RUNTIME_API`.
    pub(crate) runtime_api: &'a str,
    /// `AWS_LAMBDA_LOG_STREAM_NAME`.
    pub(crate) log_stream: &'a str,
    /// The three credential variables, those that are set, or the two that lead to them.
    pub(crate) credentials: &'a [(&'static str, String)],
    /// What the runtime's own launcher adds, such as `PYTHONPATH`; a customer's value wins.
    pub(crate) runtime: &'a [(String, String)],
    /// Where X-Ray segments are taken, if anywhere.
    pub(crate) xray: Option<SocketAddr>,
    /// Number of the framed log descriptor, if the runtime gets one.
    pub(crate) log_descriptor: Option<u32>,
}

/// What extensions do not get (runtime-api.md 6.3), besides all that begins with `_`.
const NOT_FOR_EXTENSIONS: [&str; 7] = [
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

/// The variables of an external extension, as [`variables`]; the launcher's are the runtime's alone.
pub(crate) fn extension_variables(function: &Function, platform: &Platform<'_>) -> Vec<String> {
    let platform = Platform { runtime: &[], log_descriptor: None, ..platform.clone() };
    let mut all = variables(function, &platform);
    all.retain(|variable| {
        let name = variable.split_once('=').map_or(variable.as_str(), |(name, _)| name);
        !name.starts_with('_') && !NOT_FOR_EXTENSIONS.contains(&name)
    });
    all
}

/// All variables as `NAME=value`, sorted by name.
pub(crate) fn variables(function: &Function, platform: &Platform<'_>) -> Vec<String> {
    let xray = platform.xray.unwrap_or(XRAY_DAEMON);
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    let mut set = |name: &str, value: &str| all.insert(name.to_owned(), value.to_owned());
    // Those a customer may replace.
    set("LANG", "en_US.UTF-8");
    set("TZ", ":UTC");
    set("LD_LIBRARY_PATH", LIBRARY_PATH);
    set("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR");
    set("AWS_XRAY_DAEMON_ADDRESS", &xray.to_string());
    set("AWS_REGION", &function.region);
    set("AWS_DEFAULT_REGION", &function.region);
    if function.log_format == LogFormat::Json {
        set(APPLICATION_LEVEL_VARIABLE, function.log_levels.application.as_aws());
    }
    if function.is_custom_runtime() {
        set("PATH", PATH);
    } else {
        set("PATH", &format!("{INTERPRETER_PATH}:{PATH}"));
    }
    for (name, value) in platform.runtime {
        set(name, value);
    }
    for (name, value) in platform.credentials {
        set(name, value);
    }
    all.extend(function.environment.clone());
    // Those nobody may replace.
    let mut set = |name: &str, value: &str| all.insert(name.to_owned(), value.to_owned());
    set("_AWS_XRAY_DAEMON_ADDRESS", &xray.ip().to_string());
    set("_AWS_XRAY_DAEMON_PORT", &xray.port().to_string());
    set("_HANDLER", &function.handler);
    set("AWS_LAMBDA_FUNCTION_NAME", &function.name);
    set("AWS_LAMBDA_FUNCTION_VERSION", &function.version);
    set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &function.memory_mb.to_string());
    set("AWS_LAMBDA_INITIALIZATION_TYPE", function.initialization_type());
    if let Some(most) = function.max_concurrency {
        set("AWS_LAMBDA_MAX_CONCURRENCY", &most.to_string());
    }
    // Of a snapshot nobody knows which stream it will have.
    if function.initialization == Initialization::OnDemand {
        set("AWS_LAMBDA_LOG_GROUP_NAME", &function.log_group);
        set("AWS_LAMBDA_LOG_STREAM_NAME", platform.log_stream);
    }
    set("AWS_LAMBDA_RUNTIME_API", platform.runtime_api);
    set("LAMBDA_TASK_ROOT", "/var/task");
    set("LAMBDA_RUNTIME_DIR", "/var/runtime");
    if function.log_format == LogFormat::Json {
        set("AWS_LAMBDA_LOG_FORMAT", function.log_format.as_aws());
    }
    if !function.is_custom_runtime() {
        set("AWS_EXECUTION_ENV", &format!("AWS_Lambda_{}", function.runtime));
    }
    if let Some(number) = platform.log_descriptor {
        set("_LAMBDA_TELEMETRY_LOG_FD", &number.to_string());
    }
    all.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LogLevels;
    use std::time::Duration;

    fn function(runtime: &str) -> Function {
        Function {
            name: "hello".to_owned(),
            version: "$LATEST".to_owned(),
            account: "000000000000".to_owned(),
            region: "eu-west-1".to_owned(),
            runtime: runtime.to_owned(),
            handler: "app.handler".to_owned(),
            memory_mb: 256,
            timeout: Duration::from_secs(3),
            ephemeral_storage_mb: 512,
            log_format: LogFormat::Text,
            log_group: "/aws/lambda/hello".to_owned(),
            log_levels: LogLevels::default(),
            tracing: crate::model::TracingMode::PassThrough,
            initialization: crate::model::Initialization::OnDemand,
            max_concurrency: None,
            environment: BTreeMap::from([
                ("TZ".to_owned(), "Europe/Berlin".to_owned()),
                ("AWS_ACCESS_KEY_ID".to_owned(), "mine".to_owned()),
            ]),
        }
    }

    fn of(runtime: &str, log_descriptor: Option<u32>) -> Vec<String> {
        let credentials = [("AWS_ACCESS_KEY_ID", "test".to_owned())];
        let platform = Platform {
            runtime_api: "127.0.0.1:9001",
            log_stream: "2026/11/23/[$LATEST]00",
            credentials: &credentials,
            runtime: &[],
            xray: None,
            log_descriptor,
        };
        variables(&function(runtime), &platform)
    }

    #[test]
    fn a_customer_replaces_what_aws_lets_them_replace_and_nothing_else() {
        let all = of("python3.11", Some(3));
        for expected in [
            "TZ=Europe/Berlin",
            "AWS_ACCESS_KEY_ID=mine",
            "AWS_DEFAULT_REGION=eu-west-1",
            "AWS_EXECUTION_ENV=AWS_Lambda_python3.11",
            "PATH=/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
            "_LAMBDA_TELEMETRY_LOG_FD=3",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256",
        ] {
            assert!(all.iter().any(|v| v == expected), "{expected} is missing from {all:#?}");
        }
    }

    #[test]
    fn an_extension_gets_neither_the_runtimes_nor_what_is_reserved_for_it() {
        let credentials = [("AWS_ACCESS_KEY_ID", "test".to_owned())];
        let runtime = [("PYTHONPATH".to_owned(), "/var/runtime".to_owned())];
        let platform = Platform {
            runtime_api: "127.0.0.1:9001",
            log_stream: "s",
            credentials: &credentials,
            runtime: &runtime,
            xray: None,
            log_descriptor: Some(3),
        };
        let all = extension_variables(&function("python3.11"), &platform);
        let names: Vec<&str> = all.iter().map(|v| v.split('=').next().unwrap()).collect();
        let mut expected = vec![
            "AWS_ACCESS_KEY_ID",
            "AWS_DEFAULT_REGION",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            "AWS_LAMBDA_FUNCTION_NAME",
            "AWS_LAMBDA_FUNCTION_VERSION",
            "AWS_LAMBDA_INITIALIZATION_TYPE",
            "AWS_LAMBDA_RUNTIME_API",
            "AWS_REGION",
            "LANG",
            "LD_LIBRARY_PATH",
            "PATH",
            "TZ",
        ];
        expected.sort_unstable();
        assert_eq!(names, expected);
    }

    #[test]
    fn a_custom_runtime_has_no_execution_env_and_no_interpreter_path() {
        let all = of("provided.al2023", None);
        assert!(all.iter().any(|v| v == "PATH=/usr/local/bin:/usr/bin/:/bin:/opt/bin"));
        assert!(!all.iter().any(|v| v.starts_with("AWS_EXECUTION_ENV=")));
        assert!(!all.iter().any(|v| v.starts_with("_LAMBDA_TELEMETRY_LOG_FD=")));
    }
}
