//! The variables the function gets from the user: gathered, then checked as Lambda checks them.
//!
//! Order, stronger first: `--env`, env files (a later file over an earlier one), SAM's JSON file,
//! `[env]` of `lambdabox.toml`.
//!
//! # Sources
//! `reference/lambda-service.md` 5 (names, 4 KB as compact JSON), `reference/runtime-api.md` 6.1-6.2
//! (what is reserved and what is not), SAM CLI's documentation of `--env-vars` (two shapes).

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use super::caller::Caller;
use super::code_path::name_of;
use super::dotenv;
use super::notice::Notice;
use super::place::{Origin, Place};
use super::problem::Problem;
use super::raw::Raw;
use super::{Setting, check};

/// Largest environment, bytes of its compact JSON (Lambda quotas; lambda-service.md 5).
pub(crate) const MAX_ENVIRONMENT_BYTES: usize = 4_096;

/// Reserved on AWS, yet accepted: which keys and region a function has is the user's business here.
/// They do not count towards [`MAX_ENVIRONMENT_BYTES`], as on AWS nobody could set them.
pub(crate) const KEYS_AND_REGION: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
];

/// Reserved names, and the flag that does what setting them would.
const RESERVED: [(&str, Option<&str>); 21] = [
    ("_HANDLER", Some("--handler sets it")),
    ("_X_AMZN_TRACE_ID", None),
    ("AWS_ACCESS_KEY", Some("set AWS_ACCESS_KEY_ID")),
    ("AWS_EXECUTION_ENV", Some("--runtime decides it")),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", Some("--memory-size sets it")),
    ("AWS_LAMBDA_FUNCTION_NAME", Some("--function-name sets it")),
    ("AWS_LAMBDA_FUNCTION_VERSION", None),
    ("AWS_LAMBDA_INITIALIZATION_TYPE", None),
    ("AWS_LAMBDA_LOG_FORMAT", Some("--log-format sets it")),
    ("AWS_LAMBDA_LOG_GROUP_NAME", None),
    ("AWS_LAMBDA_LOG_STREAM_NAME", None),
    ("AWS_LAMBDA_MAX_CONCURRENCY", Some("--max-concurrency sets it")),
    ("AWS_LAMBDA_METADATA_API", None),
    ("AWS_LAMBDA_METADATA_TOKEN", None),
    ("AWS_LAMBDA_RUNTIME_API", None),
    ("LAMBDA_RUNTIME_DIR", None),
    ("LAMBDA_TASK_ROOT", None),
    ("_AWS_XRAY_DAEMON_ADDRESS", None),
    ("_AWS_XRAY_DAEMON_PORT", None),
    ("_LAMBDA_TELEMETRY_LOG_FD", None),
    ("_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET", None),
];

/// A variable and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

/// Variables by name.
pub(crate) type Variables = BTreeMap<String, Variable>;

/// Collects the variables from every place, the weaker ones first so that the stronger replace them.
/// `path` is the function's, whose name it is if nobody said another.
pub(crate) fn gather(
    raw: &Raw,
    flags: &[String],
    path: Option<&Path>,
    caller: &Caller,
    problems: &mut Vec<Problem>,
    notices: &mut Vec<Notice>,
) -> Variables {
    let mut gathered = Variables::new();
    for variable in &raw.env {
        let (value, origin) = (variable.value.clone(), variable.origin.clone());
        gathered.insert(variable.name.clone(), Variable { value, origin });
    }
    if let Some((text, place)) = raw.text(Setting::EnvVars) {
        let file = place.origin.base(&caller.cwd).join(text);
        let function = match raw.text(Setting::FunctionName) {
            Some((name, _)) => Some(Name::Said(name.to_owned())),
            None => path.map(|path| Name::OfThePackage(name_of(path))),
        };
        match of_sam(&file, place, function.as_ref(), notices) {
            Ok(variables) => gathered.extend(variables),
            Err(problem) => problems.push(problem),
        }
    }
    if let Some((files, place)) = raw.list(Setting::EnvFile) {
        for file in files {
            match of_file(&place.origin.base(&caller.cwd).join(file), place.clone()) {
                Ok(variables) => gathered.extend(variables),
                Err(problem) => problems.push(problem),
            }
        }
    }
    for flag in flags {
        match of_flag(flag, caller) {
            Ok((name, variable)) => drop(gathered.insert(name, variable)),
            Err(problem) => problems.push(problem),
        }
    }
    gathered
}

/// `NAME=VALUE`, or `NAME` to copy.
fn of_flag(text: &str, caller: &Caller) -> Result<(String, Variable), Problem> {
    let origin = Origin::Flag("--env");
    if let Some((name, value)) = text.split_once('=') {
        return Ok((name.to_owned(), Variable { value: value.to_owned(), origin }));
    }
    if text.is_empty() {
        return Err(Problem::VariableName { name: String::new(), origin });
    }
    let value = caller
        .env
        .get(OsStr::new(text))
        .ok_or_else(|| Problem::VariableUnset { name: text.to_owned() })?;
    let value = value.to_str().ok_or_else(|| Problem::NotText { name: text.to_owned() })?;
    Ok((text.to_owned(), Variable { value: value.to_owned(), origin }))
}

fn of_file(path: &Path, place: Place) -> Result<Variables, Problem> {
    let lines = dotenv::parse(path, &read(path, place)?)?;
    let variable = |line: dotenv::Line| {
        let origin = Origin::File { path: path.to_owned(), line: line.line };
        (line.name, Variable { value: line.value, origin })
    };
    Ok(lines.into_iter().map(variable).collect())
}

/// The function's name, by which SAM's file has its variables.
enum Name {
    /// By flag, variable or file.
    Said(String),
    /// Nobody said one.
    OfThePackage(String),
}

/// SAM's file: `Parameters` are for every function, an entry of its name for one, and wins. Another
/// function's entry is never taken: its variables may be keys to other things.
fn of_sam(
    path: &Path,
    place: Place,
    function: Option<&Name>,
    notices: &mut Vec<Notice>,
) -> Result<Variables, Problem> {
    const FOR_ALL: &str = "Parameters";
    let refuse = |message: String| Problem::SamVariables { path: path.to_owned(), message };
    let text = read(path, place)?;
    let json: Json = serde_json::from_str(&text).map_err(|e| refuse(format!("not JSON: {e}")))?;
    let Json::Object(entries) = json else { return Err(refuse("not a JSON object".into())) };
    if let Some((name, _)) = entries.iter().find(|(_, entry)| !entry.is_object()) {
        return Err(refuse(format!("`{name}` is not an object of variables")));
    }
    let own: Vec<&String> = entries.keys().filter(|name| *name != FOR_ALL).collect();
    // Without a name there is no function either, which is said elsewhere.
    let named = function.map(|function| match function {
        Name::Said(name) => (name.as_str(), ""),
        Name::OfThePackage(name) => (name.as_str(), "; --function-name says which it is"),
    });
    let chosen = match (named, own.as_slice()) {
        (None, _) | (_, []) => None,
        (Some((name, _)), own) if own.iter().any(|entry| *entry == name) => Some(name),
        (Some((name, advice)), own) => {
            let missing = format!("no entry for function `{name}`; there is {}{advice}", list(own));
            if !entries.contains_key(FOR_ALL) {
                return Err(refuse(missing));
            }
            let said = format!("{}: {missing}; only {FOR_ALL} are taken", path.display());
            notices.push(Notice::normal(said));
            None
        }
    };
    let mut variables = Variables::new();
    for entry in [Some(FOR_ALL), chosen].into_iter().flatten() {
        for (name, value) in entries.get(entry).and_then(Json::as_object).into_iter().flatten() {
            let value = match value {
                Json::String(text) => text.clone(),
                Json::Number(_) | Json::Bool(_) => value.to_string(),
                // As SAM does: a variable that is there and empty.
                Json::Null => String::new(),
                Json::Array(_) | Json::Object(_) => {
                    return Err(refuse(format!("`{entry}.{name}` is not a text")));
                }
            };
            let origin = Origin::Json(path.to_owned());
            variables.insert(name.clone(), Variable { value, origin });
        }
    }
    Ok(variables)
}

fn list(names: &[&String]) -> String {
    names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
}

fn read(path: &Path, place: Place) -> Result<String, Problem> {
    fs::read_to_string(path).map_err(|source| match check::is_absent(&source) {
        true => Problem::NoSuchSettingPath { place, path: path.to_owned() },
        false => Problem::FileUnreadable { path: path.to_owned(), source },
    })
}

/// Names, reserved names, zero bytes and the size of it all.
pub(crate) fn check(variables: &Variables, problems: &mut Vec<Problem>) {
    for (name, Variable { value, origin }) in variables {
        let (name, origin) = (name.clone(), origin.clone());
        if let Some((_, instead)) = RESERVED.iter().find(|(reserved, _)| *reserved == name) {
            problems.push(Problem::VariableReserved { name, origin, instead: *instead });
        } else if !is_name(&name) {
            problems.push(Problem::VariableName { name, origin });
        } else if value.contains('\0') {
            problems.push(Problem::VariableZero { name, origin });
        }
    }
    let counted: BTreeMap<&str, &str> = variables
        .iter()
        .filter(|(name, _)| !KEYS_AND_REGION.contains(&name.as_str()))
        .map(|(name, variable)| (name.as_str(), variable.value.as_str()))
        .collect();
    let bytes = serde_json::to_string(&counted).expect("a map of texts is always JSON").len();
    if bytes > MAX_ENVIRONMENT_BYTES {
        let largest = counted.iter().max_by_key(|(name, value)| name.len() + value.len());
        let largest = largest.map(|(name, value)| format!("{name} with {} bytes", value.len()));
        problems.push(Problem::EnvironmentTooLarge {
            bytes,
            limit: MAX_ENVIRONMENT_BYTES,
            largest: largest.unwrap_or_default(),
        });
    }
}

/// `[a-zA-Z]([a-zA-Z0-9_])+`.
fn is_name(name: &str) -> bool {
    name.len() >= 2
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw::{Value, WrittenVariable};
    use crate::config::tests::caller;

    fn checked(pairs: &[(&str, &str)]) -> Vec<String> {
        let variable =
            |value: &str| Variable { value: value.into(), origin: Origin::Flag("--env") };
        let variables = pairs.iter().map(|(n, v)| ((*n).to_owned(), variable(v))).collect();
        let mut problems = Vec::new();
        check(&variables, &mut problems);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_reserved_name_is_refused_by_name() {
        for (name, _) in RESERVED {
            let said = format!("{name} (--env) is reserved by Lambda and cannot be set");
            assert_eq!(checked(&[(name, "x")]), [said]);
        }
    }

    #[test]
    fn keys_region_and_unreserved_names_are_accepted() {
        let unreserved = [
            "LANG",
            "PATH",
            "LD_LIBRARY_PATH",
            "NODE_PATH",
            "NODE_OPTIONS",
            "PYTHONPATH",
            "GEM_PATH",
            "AWS_XRAY_CONTEXT_MISSING",
            "AWS_XRAY_DAEMON_ADDRESS",
            "AWS_LAMBDA_DOTNET_PREJIT",
            "AWS_LAMBDA_EXEC_WRAPPER",
            "TZ",
            "AWS_ENDPOINT_URL",
        ];
        for name in KEYS_AND_REGION.into_iter().chain(unreserved) {
            assert_eq!(checked(&[(name, "x")]), Vec::<String>::new(), "{name}");
        }
    }

    #[test]
    fn names_follow_lambdas_rule() {
        for name in ["", "A", "1A", "_A", "A-B", "A B", "ÄB", "A.B"] {
            let said = checked(&[(name, "x")]);
            assert_eq!(said.len(), 1, "{name}");
            assert!(said[0].contains("is not one Lambda takes"), "{said:?}");
        }
        assert_eq!(checked(&[("Ab", ""), ("a_1", ""), ("A_", "")]), Vec::<String>::new());
        assert_eq!(checked(&[("AB", "a\0b")]), ["the value of AB (--env) holds a zero byte"]);
    }

    #[test]
    fn the_size_is_that_of_compact_json_without_keys_and_region() {
        // {"AB":"…"} has nine bytes around the value.
        assert_eq!(checked(&[("AB", &"x".repeat(4_087))]), Vec::<String>::new());
        let said = checked(&[("AB", &"x".repeat(4_088))]);
        assert_eq!(
            said,
            ["the environment variables take 4097 bytes as JSON, over Lambda's limit of 4096"]
        );
        assert_eq!(checked(&[("AWS_SESSION_TOKEN", &"x".repeat(5_000))]), Vec::<String>::new());
    }

    #[test]
    fn flags_win_over_env_files_over_sams_file_over_the_table() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        fs::write(at("sam.json"), r#"{"Parameters":{"AA":"sam","BB":"sam"}}"#).unwrap();
        fs::write(at("1.env"), "BB=one\nCC=one\nDD=one").unwrap();
        fs::write(at("2.env"), "CC=two\nDD=two").unwrap();
        let mut raw = Raw::default();
        for name in ["AA", "EE"] {
            let origin = Origin::File { path: "/x".into(), line: 1 };
            raw.env.push(WrittenVariable { name: name.into(), value: "table".into(), origin });
        }
        raw.set_flag(Setting::EnvVars, Some(at("sam.json")));
        let files = Value::List(vec![at("1.env"), at("2.env")]);
        raw.set(Setting::EnvFile, files, Origin::Flag("--env-file"));
        let (mut problems, mut notices) = (Vec::new(), Vec::new());
        let flags = ["DD=flag=x".to_owned(), "FF".to_owned()];
        let caller = caller("/", &[("FF", "copied"), ("GG", "stays out")]);
        let got = gather(&raw, &flags, None, &caller, &mut problems, &mut notices);
        assert!(problems.is_empty(), "{problems:?}");
        let got: Vec<_> = got.iter().map(|(n, v)| (n.as_str(), v.value.as_str())).collect();
        assert_eq!(
            got,
            [
                ("AA", "sam"),
                ("BB", "one"),
                ("CC", "two"),
                ("DD", "flag=x"),
                ("EE", "table"),
                ("FF", "copied"),
            ]
        );
    }

    #[test]
    fn copying_an_unset_variable_is_a_problem() {
        let problem = of_flag("NOPE", &caller("/", &[])).unwrap_err();
        assert_eq!(problem.to_string(), "--env NOPE copies a variable that is not set here");
        let problem = of_flag("", &caller("/", &[])).unwrap_err();
        assert!(matches!(problem, Problem::VariableName { .. }), "{problem}");
    }

    #[test]
    fn sams_two_shapes_are_read_and_others_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let one = r#"{"Hello":{"AA":1,"BB":true,"CC":null,"DD":"x"}}"#;
        let two = r#"{"Hello":{"AA":"h"},"Other":{"AA":"o"}}"#;
        let both = r#"{"Parameters":{"AA":"p","BB":"p"},"Hello":{"AA":"h"}}"#;
        let place = Place { setting: Setting::EnvVars, origin: Origin::Flag("--env-vars") };
        let said = |name: &str| Name::Said(name.to_owned());
        let derived = |name: &str| Name::OfThePackage(name.to_owned());
        for (text, function, expected) in [
            (r#"{"Parameters":{"AA":"x"}}"#, derived("fn"), Ok("AA=x")),
            (r#"{"Parameters":{"AA":"x"}}"#, said("Hello"), Ok("AA=x")),
            (r#"{"Parameters":{"AA":"x"}}"#, said("Parameters"), Ok("AA=x")),
            (one, derived("Hello"), Ok("AA=1 BB=true CC= DD=x")),
            (two, said("Other"), Ok("AA=o")),
            (two, derived("Other"), Ok("AA=o")),
            (both, said("Hello"), Ok("AA=h BB=p")),
            (both, said("Nobody"), Ok("AA=p BB=p")),
            (
                one,
                derived("fn"),
                Err("no entry for function `fn`; there is Hello; --function-name says which it is"),
            ),
            (two, said("Third"), Err("no entry for function `Third`; there is Hello, Other")),
            (r#"{"AA":"x"}"#, derived("fn"), Err("`AA` is not an object of variables")),
            (r#"{"Parameters":{"AA":[]}}"#, derived("fn"), Err("`Parameters.AA` is not a text")),
            ("[]", derived("fn"), Err("not a JSON object")),
            ("{", derived("fn"), Err("not JSON: EOF while parsing an object at line 1 column 1")),
            ("{}", derived("fn"), Ok("")),
        ] {
            fs::write(file.path(), text).unwrap();
            let got = of_sam(file.path(), place.clone(), Some(&function), &mut Vec::new());
            let got = got.map(|variables| {
                let pairs = variables.iter().map(|(n, v)| format!("{n}={}", v.value));
                pairs.collect::<Vec<_>>().join(" ")
            });
            let got = got.map_err(|p| p.to_string());
            let expected = expected.map(str::to_owned);
            let expected = expected.map_err(|m| format!("{}: {m}", file.path().display()));
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn the_name_of_the_package_chooses_the_entry_and_the_others_are_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("envt")).unwrap();
        let of = |text: &str, file: &str| {
            fs::write(dir.path().join("ev.json"), text).unwrap();
            let mut raw = Raw::default();
            raw.set_flag(Setting::EnvVars, Some(file.to_owned()));
            let (mut problems, mut notices) = (Vec::new(), Vec::new());
            let caller = caller(dir.path().to_str().unwrap(), &[]);
            let path = dir.path().join("envt");
            let got = gather(&raw, &[], Some(&path), &caller, &mut problems, &mut notices);
            let said = problems.iter().map(ToString::to_string);
            let said: Vec<String> = said.chain(notices.into_iter().map(|n| n.text)).collect();
            (got.get("AA").map(|variable| variable.value.clone()), said.join("\n"))
        };
        let (value, said) = of(r#"{"envt":{"AA":"own"},"Other":{"AA":"o"}}"#, "ev.json");
        assert_eq!((value.as_deref(), said.as_str()), (Some("own"), ""));
        let (value, said) = of(r#"{"Other":{"AA":"o"}}"#, "ev.json");
        assert!(value.is_none() && said.contains("`envt`; there is Other; --function-n"), "{said}");
        let (value, said) = of(r#"{"Parameters":{"AA":"p"},"Other":{"AA":"o"}}"#, "ev.json");
        assert!(said.contains("there is Other") && said.ends_with("only Parameters are taken"));
        assert_eq!(value.as_deref(), Some("p"));
        let (_, said) = of("{}", "none.json");
        assert!(said.starts_with("--env-vars: no such file or directory: "), "{said}");
    }
}
