//! The configuration a deployment asks for, in the API's members, and whether a function has it.

use serde_json::{Map, Value, json};

use crate::config::Deploy;
use crate::model::{ApplicationLevel, LogFormat, SystemLevel};

const INSTANCES: &str = "LambdaManagedInstancesCapacityProviderConfig";
const AT_ONCE: &str = "PerExecutionEnvironmentMaxConcurrency";
/// A host has no capacity providers; the API wants one named.
const PROVIDER: &str = "arn:aws:lambda:us-east-1:000000000000:capacity-provider:lambdabox";

fn capacity(at_once: u32) -> Value {
    json!({ INSTANCES: { "CapacityProviderArn": PROVIDER, AT_ONCE: at_once } })
}

/// Members that are to be as they are here.
pub(super) struct Wanted(Map<String, Value>);

impl Wanted {
    /// What was said, and what was worked out.
    pub(super) fn of(
        deploy: &Deploy,
        runtime: &str,
        handler: &str,
        layers: Option<&[String]>,
    ) -> Self {
        let members = [
            ("Runtime", Some(json!(runtime))),
            ("Handler", Some(json!(handler))),
            ("Description", deploy.description.as_ref().map(|text| json!(text))),
            ("MemorySize", deploy.memory_mb.map(|mb| json!(mb))),
            ("Timeout", deploy.timeout_seconds.map(|seconds| json!(seconds))),
            ("EphemeralStorage", deploy.ephemeral_storage_mb.map(|mb| json!({ "Size": mb }))),
            ("LoggingConfig", logging(deploy)),
            ("CapacityProviderConfig", deploy.max_concurrency.map(capacity)),
            ("Environment", deploy.environment.as_ref().map(|v| json!({ "Variables": v }))),
            ("Layers", layers.map(|arns| json!(arns))),
        ];
        let said = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Self(said.collect())
    }

    /// As a request has them.
    pub(super) fn members(&self) -> Map<String, Value> {
        self.0.clone()
    }

    /// Whether a function's configuration is so already.
    pub(super) fn is_had_by(&self, configuration: &Value) -> bool {
        self.0.iter().all(|(name, wanted)| {
            let has = &configuration[name];
            match name.as_str() {
                "Layers" => {
                    let arns = has.as_array().into_iter().flatten().map(|layer| &layer["Arn"]);
                    wanted.as_array().is_some_and(|wanted| arns.eq(wanted))
                }
                "Environment" => {
                    let nothing = json!({});
                    let variables = has.get("Variables").unwrap_or(&nothing);
                    variables == &wanted["Variables"]
                }
                "CapacityProviderConfig" => {
                    let of = |config: &Value| config[INSTANCES][AT_ONCE].clone();
                    of(has) == of(wanted)
                }
                "LoggingConfig" => {
                    let mut members = wanted.as_object().into_iter().flatten();
                    members.all(|(member, wanted)| has[member] == *wanted)
                }
                _ => has == wanted,
            }
        })
    }
}

/// What was said of the log, if anything.
fn logging(deploy: &Deploy) -> Option<Value> {
    let members = [
        ("LogFormat", deploy.log_format.map(LogFormat::as_aws)),
        ("ApplicationLogLevel", deploy.application_log_level.map(ApplicationLevel::as_aws)),
        ("SystemLogLevel", deploy.system_log_level.map(SystemLevel::as_aws)),
    ];
    let said =
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
    let said: Map<String, Value> = said.collect();
    (!said.is_empty()).then_some(Value::Object(said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Color, Endpoint, LayerSource, RuntimeCompat, Verbosity};

    fn deploy() -> Deploy {
        Deploy {
            path: "/f".into(),
            name: None,
            handler: None,
            runtime: None,
            runtime_compat: RuntimeCompat::Exact,
            description: None,
            memory_mb: None,
            timeout_seconds: Some(7),
            ephemeral_storage_mb: None,
            log_format: Some(LogFormat::Json),
            application_log_level: None,
            system_log_level: Some(SystemLevel::Warn),
            max_concurrency: None,
            environment: Some([("A1".to_owned(), "x".to_owned())].into()),
            layers: Some(vec![LayerSource::Arn("arn:l:1".to_owned())]),
            reserved_concurrency: None,
            build: None,
            endpoint: Endpoint::default(),
            color: Color::Never,
            verbosity: Verbosity::Normal,
        }
    }

    #[test]
    fn only_what_was_said_counts() {
        let has = json!({
            "Runtime": "python3.11", "Handler": "a.b", "MemorySize": 512, "Timeout": 7,
            "Environment": { "Variables": { "A1": "x" } },
            "LoggingConfig": { "LogFormat": "JSON", "SystemLogLevel": "WARN", "LogGroup": "/aws/lambda/f" },
            "Layers": [{ "Arn": "arn:l:1", "CodeSize": 3 }],
        });
        let arns = ["arn:l:1".to_owned()];
        let wanted = |deploy: &Deploy| Wanted::of(deploy, "python3.11", "a.b", Some(&arns));
        assert!(wanted(&deploy()).is_had_by(&has));
        for changed in [
            Deploy { timeout_seconds: Some(8), ..deploy() },
            Deploy { memory_mb: Some(128), ..deploy() },
            Deploy { environment: Some([].into()), ..deploy() },
            Deploy { log_format: Some(LogFormat::Text), ..deploy() },
            Deploy { system_log_level: Some(SystemLevel::Info), ..deploy() },
            Deploy { application_log_level: Some(ApplicationLevel::Info), ..deploy() },
            Deploy { description: Some("d".to_owned()), ..deploy() },
        ] {
            assert!(!wanted(&changed).is_had_by(&has), "{changed:?}");
        }
        assert!(!Wanted::of(&deploy(), "python3.11", "a.b", Some(&[])).is_had_by(&has));
        assert!(!Wanted::of(&deploy(), "python3.12", "a.b", None).is_had_by(&has));
        let none = Deploy {
            environment: Some([].into()),
            log_format: None,
            system_log_level: None,
            ..deploy()
        };
        let bare = json!({ "Runtime": "r", "Handler": "h", "Timeout": 7 });
        assert!(Wanted::of(&none, "r", "h", None).is_had_by(&bare), "no variables are none");
    }
}
