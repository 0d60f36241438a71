//! Function and layer names as callers write them: bare, partial ARN, full ARN, with a qualifier.
//!
//! # Sources
//! `reference/lambda-service.md` sections 3 and 10.

use super::error::ApiError;
use super::validate::Violations;
use crate::catalog::Identity;

/// Of create and update.
pub(crate) const CREATE: Class = Class {
    max: 140,
    pattern: r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?",
    dots: Dots::Refused,
};
/// Of everything that reads or invokes.
pub(crate) const NAMESPACED: Class = Class {
    max: 256,
    pattern: r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?",
    dots: Dots::Taken,
};
const QUALIFIER_PATTERN: &str = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+";
const MAX_QUALIFIER: usize = 128;
const LAYER_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]{1,140}|[a-zA-Z0-9-_]{1,140})";
pub(crate) const LAYER_VERSION_PATTERN: &str = r"((arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+))";
const MAX_LAYER_NAME: usize = 140;
/// Of a layer's name or ARN.
const MAX_LAYER_TEXT: usize = 2_048;
/// Qualifiers that have a dot.
const LATEST_PUBLISHED: &str = "$LATEST.PUBLISHED";
/// The unpublished version.
pub(crate) const LATEST: &str = "$LATEST";

/// Which names an operation takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Class {
    max: usize,
    pattern: &'static str,
    dots: Dots,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dots {
    Taken,
    Refused,
}

/// A function as a caller named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// Bare.
    pub(crate) name: String,
    /// From the name or from `Qualifier`.
    pub(crate) qualifier: Option<String>,
}

impl Named {
    /// What this operation's `FunctionName` and `Qualifier` name.
    pub(crate) fn read(
        text: &str,
        qualifier: Option<&str>,
        class: Class,
        identity: &Identity,
    ) -> Result<Self, ApiError> {
        let mut violations = Violations::default();
        let parsed = parse(text, class.dots);
        violations.length("functionName", text, 1..=class.max);
        if parsed.is_none() {
            violations.pattern("functionName", text, class.pattern);
        }
        if let Some(qualifier) = qualifier {
            violations.length("qualifier", qualifier, 1..=MAX_QUALIFIER);
            let is_qualifier = qualifier.chars().all(|c| is_name(c) || c == '$');
            if !is_qualifier && qualifier != LATEST_PUBLISHED {
                violations.pattern("qualifier", qualifier, QUALIFIER_PATTERN);
            }
        }
        violations.finish()?;
        let Some(parsed) = parsed else { return Err(ApiError::service("a name was lost")) };
        if let Some(region) = parsed.region.filter(|region| *region != identity.region) {
            return Err(ApiError::not_found(format!(
                "Functions from '{region}' are not reachable in this region ('{}')",
                identity.region
            )));
        }
        if let Some(account) = parsed.account.filter(|account| *account != identity.account) {
            return Err(ApiError::denied(format!(
                "User: arn:aws:iam::{}:root is not authorized to perform this operation on \
                 resource: arn:aws:lambda:{}:{account}:function:{} because no resource-based \
                 policy allows it",
                identity.account, identity.region, parsed.name
            )));
        }
        let qualifier = match (parsed.qualifier, qualifier) {
            (Some(derived), Some(given)) if derived != given => {
                return Err(ApiError::invalid(
                    "The derived qualifier from the function name does not match the specified \
                     qualifier.",
                ));
            }
            (derived, given) => derived.or(given).map(str::to_owned),
        };
        Ok(Self { name: parsed.name.to_owned(), qualifier })
    }

    /// Without its qualifier.
    pub(crate) fn arn(&self, identity: &Identity) -> String {
        function_arn(&self.name, identity)
    }

    /// As the caller named it.
    pub(crate) fn qualified_arn(&self, identity: &Identity) -> String {
        match &self.qualifier {
            Some(qualifier) => format!("{}:{qualifier}", self.arn(identity)),
            None => self.arn(identity),
        }
    }

    /// Whether the unpublished version is meant, the only one there is.
    pub(crate) fn is_latest(&self) -> bool {
        self.qualifier.as_deref().is_none_or(|qualifier| qualifier == LATEST)
    }

    /// The error of a function, version or alias that is not there.
    pub(crate) fn not_found(&self, identity: &Identity) -> ApiError {
        ApiError::not_found(format!("Function not found: {}", self.qualified_arn(identity)))
    }
}

pub(crate) fn function_arn(name: &str, identity: &Identity) -> String {
    format!("arn:aws:lambda:{}:{}:function:{name}", identity.region, identity.account)
}

struct Parsed<'a> {
    region: Option<&'a str>,
    account: Option<&'a str>,
    name: &'a str,
    qualifier: Option<&'a str>,
}

/// By its parts; each optional one is taken only if something is left for the name.
fn parse(text: &str, dots: Dots) -> Option<Parsed<'_>> {
    let parts: Vec<&str> = text.split(':').collect();
    let mut rest = parts.as_slice();
    if let ["arn", partition, "lambda", after @ ..] = rest {
        if !is_partition(partition) {
            return None;
        }
        rest = after;
    }
    let mut take = |holds: &dyn Fn(&str) -> bool| {
        let (first, after) = rest.split_first().filter(|(_, after)| !after.is_empty())?;
        holds(first).then(|| {
            rest = after;
            *first
        })
    };
    let region = take(&is_region);
    let account = take(&is_account);
    take(&|part| part == "function");
    let (name, qualifier) = match rest {
        [name] => (*name, None),
        [name, qualifier] => (*name, Some(*qualifier)),
        _ => return None,
    };
    let is_plain = |c: char| is_name(c) || c == '.' && dots == Dots::Taken;
    if name.is_empty() || !name.chars().all(is_plain) {
        return None;
    }
    let is_qualifier = |text: &str| {
        text == LATEST
            || text == LATEST_PUBLISHED && dots == Dots::Taken
            || !text.is_empty() && text.chars().all(is_name)
    };
    if qualifier.is_some_and(|qualifier| !is_qualifier(qualifier)) {
        return None;
    }
    Some(Parsed { region, account, name, qualifier })
}

/// A layer's bare name, from a name or an ARN. `action` is what is to be done with it, in the
/// words of policies.
pub(crate) fn layer_name(
    text: &str,
    action: &str,
    identity: &Identity,
) -> Result<String, ApiError> {
    let (name, of) = match text.split(':').collect::<Vec<_>>().as_slice() {
        [name] => (Some(*name), None),
        ["arn", partition, "lambda", region, account, "layer", name]
            if is_partition(partition) && is_region(region) && is_account(account) =>
        {
            (Some(*name), Some((*region, *account)))
        }
        _ => (None, None),
    };
    let mut violations = Violations::default();
    violations.length("layerName", text, 1..=MAX_LAYER_TEXT);
    let is_layer =
        |name: &str| (1..=MAX_LAYER_NAME).contains(&name.len()) && name.chars().all(is_name);
    let name = name.filter(|name| is_layer(name));
    if name.is_none() {
        violations.pattern("layerName", text, LAYER_PATTERN);
    }
    violations.finish()?;
    if let Some((region, account)) = of {
        check_region(region, identity)?;
        check_layer_account(account, action, text, identity)?;
    }
    Ok(name.unwrap_or_default().to_owned())
}

/// Nobody has shared a layer with this account: there is no other.
pub(crate) fn check_layer_account(
    account: &str,
    action: &str,
    arn: &str,
    identity: &Identity,
) -> Result<(), ApiError> {
    match account == identity.account {
        true => Ok(()),
        false => Err(ApiError::denied(format!(
            "User: arn:aws:iam::{}:root is not authorized to perform: lambda:{action} on resource: \
             {arn} because no resource-based policy allows the lambda:{action} action",
            identity.account
        ))),
    }
}

/// A layer version's ARN, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerVersionName<'a> {
    pub(crate) arn: &'a str,
    pub(crate) region: &'a str,
    pub(crate) account: &'a str,
    pub(crate) name: &'a str,
    pub(crate) version: u64,
}

impl LayerVersionName<'_> {
    /// The ARN without the version.
    pub(crate) fn layer_arn(&self) -> &str {
        self.arn.rsplit_once(':').map_or(self.arn, |(layer, _)| layer)
    }
}

/// Takes a layer version's ARN apart; `None` if it is none.
pub(crate) fn layer_version(arn: &str) -> Option<LayerVersionName<'_>> {
    match arn.split(':').collect::<Vec<_>>().as_slice() {
        ["arn", partition, "lambda", region, account, "layer", name, version]
            if is_partition(partition)
                && is_region(region)
                && is_account(account)
                && !name.is_empty()
                && name.chars().all(is_name)
                && !version.is_empty()
                && version.bytes().all(|b| b.is_ascii_digit()) =>
        {
            // A larger one than the store can hold is one that is not there.
            let version = version.parse::<i64>().unwrap_or(i64::MAX).unsigned_abs();
            Some(LayerVersionName { arn, region, account, name, version })
        }
        _ => None,
    }
}

pub(crate) fn check_region(region: &str, identity: &Identity) -> Result<(), ApiError> {
    match region == identity.region {
        true => Ok(()),
        false => Err(ApiError::invalid(format!(
            "Layers are not in the same region as the function. Layers are expected to be in \
             region {}.",
            identity.region
        ))),
    }
}

pub(crate) fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

fn is_partition(text: &str) -> bool {
    let rest = text.strip_prefix("aws");
    rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_alphabetic() || c == '-'))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// `us-east-1`, `us-gov-west-1`, `eusc-de-east-1`.
pub(crate) fn is_region(text: &str) -> bool {
    let text = text.strip_prefix("eusc-").unwrap_or(text);
    let parts: Vec<&str> = text.split('-').collect();
    let lower = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    let digit = |part: &str| part.len() == 1 && part.bytes().all(|b| b.is_ascii_digit());
    match parts.as_slice() {
        [two, way, number] => two.len() == 2 && lower(two) && lower(way) && digit(number),
        [two, kind, way, number] => {
            let kind = *kind == "gov" || kind.starts_with("iso") && kind.len() <= 4 && lower(kind);
            two.len() == 2 && lower(two) && kind && lower(way) && digit(number)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity { account: "0".repeat(12), region: "us-east-1".to_owned() }
    }

    fn read(text: &str, qualifier: Option<&str>) -> Result<(String, Option<String>), String> {
        Named::read(text, qualifier, NAMESPACED, &identity())
            .map(|named| (named.name, named.qualifier))
            .map_err(|error| String::from_utf8(error.body()).unwrap())
    }

    #[test]
    fn every_form_names_the_same_function() {
        for text in [
            "f",
            "function:f",
            "000000000000:function:f",
            "000000000000:f",
            "us-east-1:000000000000:function:f",
            "arn:aws:lambda:us-east-1:000000000000:function:f",
        ] {
            assert_eq!(read(text, None), Ok(("f".to_owned(), None)), "{text}");
            let latest = Some("$LATEST".to_owned());
            assert_eq!(
                read(&format!("{text}:$LATEST"), None),
                Ok(("f".to_owned(), latest.clone()))
            );
            assert_eq!(read(text, Some("$LATEST")), Ok(("f".to_owned(), latest)));
        }
        assert_eq!(read("function", None), Ok(("function".to_owned(), None)));
        assert_eq!(read("us-east-1", None), Ok(("us-east-1".to_owned(), None)));
        assert_eq!(read("a:b", Some("b")), Ok(("a".to_owned(), Some("b".to_owned()))));
    }

    #[test]
    fn what_is_no_name_is_a_validation_error_with_the_pattern() {
        for text in [
            "a b",
            "a:b:c",
            "arn:aws:s3:::x",
            "arn:azure:lambda:us-east-1:000000000000:function:f",
            "f:",
            ":",
            "f:$OTHER",
        ] {
            let error = read(text, None).unwrap_err();
            let start = format!(
                "{{\"message\":\"1 validation error detected: Value '{text}' at 'functionName' failed \
                 to satisfy constraint: Member must satisfy regular expression pattern: ("
            );
            assert!(error.starts_with(&start), "{error}");
        }
        let error = read("", None).unwrap_err();
        assert!(error.contains("2 validation errors detected"), "{error}");
    }

    #[test]
    fn other_regions_accounts_and_qualifiers_are_refused_in_awss_words() {
        let error = read("arn:aws:lambda:eu-west-1:000000000000:function:f", None).unwrap_err();
        assert!(
            error.contains(
                "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
            )
        );
        let error = read("123456789012:function:f", None).unwrap_err();
        assert!(error.contains("not authorized"), "{error}");
        let error = read("f", Some("a.b")).unwrap_err();
        assert!(error.contains("at 'qualifier' failed to satisfy constraint"), "{error}");
        assert!(read("f", Some("$LATEST.PUBLISHED")).is_ok());
        let error = read("f:a", Some("b")).unwrap_err();
        assert!(error.contains("The derived qualifier from the function name does not match"));
    }

    #[test]
    fn layers_are_named_by_name_or_arn() {
        let arn = "arn:aws:lambda:us-east-1:000000000000:layer:l";
        let read = |text: &str| layer_name(text, "GetLayerVersion", &identity());
        assert_eq!(read(arn).unwrap(), "l");
        assert_eq!(read("l").unwrap(), "l");
        let longest = "l".repeat(MAX_LAYER_NAME);
        assert_eq!(read(&longest).unwrap(), longest);
        let long = format!("arn:aws:lambda:us-east-1:000000000000:layer:{longest}");
        assert_eq!(read(&long).unwrap(), longest);
        for bad in ["a b", "", &format!("{longest}l")] {
            let error = String::from_utf8(read(bad).unwrap_err().body()).unwrap();
            assert!(error.contains("'layerName' failed to satisfy constraint"), "{error}");
        }
        let foreign = read("arn:aws:lambda:us-east-1:123456789012:layer:l").unwrap_err();
        assert_eq!((foreign.status, foreign.kind), (403, "AccessDeniedException"));
        let text = format!("{arn}:7");
        let version = layer_version(&text).unwrap();
        assert_eq!((version.name, version.version, version.layer_arn()), ("l", 7, arn));
        assert!(layer_version(arn).is_none() && layer_version("arn:aws:lambda").is_none());
    }
}
