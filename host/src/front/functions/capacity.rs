//! `CapacityProviderConfig`: how many invocations an environment runs at once.
//!
//! There are no capacity providers here: any ARN of one will do, and what an environment may use is what
//! the function's memory says.
//!
//! # Sources
//! `reference/lambda-service.md` section 17; patterns of the service model.

use serde_json::{Value, json};

use super::super::error::ApiError;
use super::super::members::Members;
use super::super::validate::Violations;
use crate::model::MAX_CONCURRENCY;
use crate::store::CapacityProvider;

const CONFIG: &str = "CapacityProviderConfig";
const INSTANCES: &str = "LambdaManagedInstancesCapacityProviderConfig";
const ARN: &str = "CapacityProviderArn";
const AT_ONCE: &str = "PerExecutionEnvironmentMaxConcurrency";
const GIB_PER_VCPU: &str = "ExecutionEnvironmentMemoryGiBPerVCpu";
const PATH: &str =
    "capacityProviderConfig.lambdaManagedInstancesCapacityProviderConfig.capacityProviderArn";
const AT_ONCE_PATH: &str = "capacityProviderConfig.lambdaManagedInstancesCapacityProviderConfig.\
                            perExecutionEnvironmentMaxConcurrency";
const GIB_PER_VCPU_PATH: &str = "capacityProviderConfig.lambdaManagedInstancesCapacityProviderConfig.\
                                 executionEnvironmentMemoryGiBPerVCpu";
const GIB_PER_VCPU_LIMITS: (u32, u32) = (2, 8);
const PATTERN: &str = r"arn:aws[a-zA-Z-]*:lambda:[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:capacity-provider:[a-zA-Z0-9-_]+";
const MAX_ARN: usize = 140;
/// Where nothing is said (section 17).
const DEFAULT_AT_ONCE: u32 = 16;
const DEFAULT_GIB_PER_VCPU: u32 = 2;

/// What a request asks for; `None` changes nothing.
pub(super) fn read(
    members: &Members,
    violations: &mut Violations,
) -> Result<Option<CapacityProvider>, ApiError> {
    let Some(config) = members.object(CONFIG)? else { return Ok(None) };
    let Some(config) = config.object(INSTANCES)? else {
        violations.null("capacityProviderConfig.lambdaManagedInstancesCapacityProviderConfig");
        return Ok(None);
    };
    let arn = config.text(ARN)?;
    match arn {
        None => violations.null(PATH),
        Some(arn) => {
            violations.length(PATH, arn, 1..=MAX_ARN);
            if !is_provider(arn) {
                violations.pattern(PATH, arn, PATTERN);
            }
        }
    }
    let at_once = config.integer(AT_ONCE)?;
    if let Some(number) = at_once {
        let limits = i64::from(*MAX_CONCURRENCY.start())..=i64::from(*MAX_CONCURRENCY.end());
        violations.number(AT_ONCE_PATH, number, limits);
    }
    let at_once = at_once.and_then(|number| u32::try_from(number).ok());
    let gib_per_vcpu = config.number(GIB_PER_VCPU)?.cloned();
    if let Some(number) = &gib_per_vcpu {
        let (value, text) = (number.as_f64().unwrap_or_default(), number.to_string());
        let (least, most) = GIB_PER_VCPU_LIMITS;
        if value > f64::from(most) {
            let rule = format!("Member must have value less than or equal to {most}");
            violations.add(GIB_PER_VCPU_PATH, &text, &rule);
        }
        if value < f64::from(least) {
            let rule = format!("Member must have value greater than or equal to {least}");
            violations.add(GIB_PER_VCPU_PATH, &text, &rule);
        }
    }
    Ok(arn.map(|arn| CapacityProvider {
        arn: arn.to_owned(),
        max_concurrency: at_once.unwrap_or(DEFAULT_AT_ONCE),
        gib_per_vcpu: gib_per_vcpu.unwrap_or(DEFAULT_GIB_PER_VCPU.into()),
    }))
}

/// As a function's configuration shows it.
pub(super) fn shown(provider: &CapacityProvider) -> Value {
    json!({ INSTANCES: {
        ARN: provider.arn,
        AT_ONCE: provider.max_concurrency,
        GIB_PER_VCPU: provider.gib_per_vcpu,
    } })
}

fn is_provider(arn: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    let [first, partition, service, region, account, kind, name] = parts[..] else { return false };
    let is_word = |text: &str, more: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    (first, service, kind) == ("arn", "lambda", "capacity-provider")
        && partition.starts_with("aws")
        && is_word(region, "-")
        && account.len() == 12
        && account.chars().all(|c| c.is_ascii_digit())
        && is_word(name, "-_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_named_by_its_arn() {
        let is = "arn:aws:lambda:us-east-1:000000000000:capacity-provider:lambdabox";
        assert!(is_provider(is));
        for not in
            ["", "lambdabox", &is.replace("capacity-provider", "function"), &is[..is.len() - 9]]
        {
            assert!(!is_provider(not), "{not}");
        }
    }
}
