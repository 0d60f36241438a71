//! `lambdabox runtimes`: every runtime identifier, and what on this machine would run it.
//!
//! # Invariants
//! - It only looks, as `invoke` would: what is listed as installed is what `invoke` takes.

use std::io::{self, Write};
use std::process::ExitCode;

use lambdabox_runtimes::discover::{self, Fit, Interpreter, Search};
use lambdabox_runtimes::{Catalogue, Identifier, Kind, Language};
use serde_json::{Value, json};

use super::doctor::Form;
use super::table;
use crate::config::{Color, Verbosity};
use crate::usage::Say;

/// The list could not be printed.
const EXIT_UNPRINTED: u8 = 2;
const HEAD: [&str; 4] = ["IDENTIFIER", "STATUS", "VERSION", "PATH"];

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Runtimes {
    /// What is printed.
    pub form: Form,
}

/// Lists the runtimes.
pub fn runtimes(asked: &Runtimes) -> ExitCode {
    let search = Search::from_environment();
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let rows = rows(Catalogue::embedded(), |language| discover::all(language, &search), &today);
    let text = match asked.form {
        Form::Json => json(&rows),
        Form::Text => text(&rows),
    };
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            Say::new(Color::Never, Verbosity::Normal).error(&Unprinted { source }, None);
            ExitCode::from(EXIT_UNPRINTED)
        }
        // A reader that has seen enough is no failure.
        _ => ExitCode::SUCCESS,
    }
}

/// Standard output took nothing.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
struct Unprinted {
    source: io::Error,
}

/// What would run an identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Runs {
    /// An interpreter of its version.
    Installed(Box<Interpreter>),
    /// Another version, if `--runtime-compat near` allows it.
    Near(Box<Interpreter>),
    /// Nothing.
    Missing,
    /// The package's own program.
    Package,
}

struct Row<'a> {
    language: &'a str,
    identifier: &'a Identifier,
    runs: Runs,
    deprecated: bool,
}

fn rows<'a>(
    catalogue: &'a Catalogue,
    found: impl Fn(&Language) -> Vec<Interpreter>,
    today: &str,
) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    for language in catalogue.languages() {
        let found = found(language);
        for identifier in &language.identifiers {
            let runs = match (language.kind, discover::serving(identifier, &found)) {
                (Kind::Custom, _) => Runs::Package,
                (Kind::Managed, None) => Runs::Missing,
                (Kind::Managed, Some(interpreter)) => {
                    let interpreter = Box::new(interpreter.clone());
                    let is_own = interpreter.identifier == identifier.name;
                    match interpreter.fit {
                        Fit::Exact if is_own => Runs::Installed(interpreter),
                        _ => Runs::Near(interpreter),
                    }
                }
            };
            let deprecated = identifier.deprecation.as_deref().is_some_and(|day| day <= today);
            rows.push(Row { language: &language.name, identifier, runs, deprecated });
        }
    }
    rows
}

impl Row<'_> {
    fn status(&self) -> &'static str {
        match self.runs {
            Runs::Installed(_) => "installed",
            Runs::Near(_) => "near",
            Runs::Missing => "missing",
            Runs::Package => "custom",
        }
    }

    fn interpreter(&self) -> Option<&Interpreter> {
        match &self.runs {
            Runs::Installed(interpreter) | Runs::Near(interpreter) => Some(interpreter),
            Runs::Missing | Runs::Package => None,
        }
    }

    fn cells(&self) -> [String; 4] {
        let (version, path) = match (&self.runs, self.interpreter()) {
            (_, Some(found)) => (found.version.clone(), found.executable.display().to_string()),
            (Runs::Package, None) => ("-".to_owned(), "the package's bootstrap".to_owned()),
            (_, None) => ("-".to_owned(), "-".to_owned()),
        };
        let day = self.identifier.deprecation.as_deref().filter(|_| self.deprecated);
        let status = match day {
            Some(day) => format!("{}, deprecated {day}", self.status()),
            None => self.status().to_owned(),
        };
        [self.identifier.name.clone(), status, version, path]
    }

    fn json(&self) -> Value {
        json!({
            "identifier": self.identifier.name,
            "language": self.language,
            "status": self.status(),
            "version": self.interpreter().map(|found| &found.version),
            "path": self.interpreter().map(|found| found.executable.to_string_lossy()),
            "deprecated": self.deprecated,
            "deprecation": self.identifier.deprecation,
            "block_create": self.identifier.block_create,
            "block_update": self.identifier.block_update,
        })
    }
}

fn text(rows: &[Row<'_>]) -> String {
    let mut text = table::text(HEAD, rows.iter().map(Row::cells));
    if rows.iter().any(|row| matches!(row.runs, Runs::Near(_))) {
        text.push_str("near: of another version; `invoke --runtime-compat near` takes it\n");
    }
    text
}

fn json(rows: &[Row<'_>]) -> String {
    let whole = json!({ "runtimes": rows.iter().map(Row::json).collect::<Vec<_>>() });
    format!("{whole:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(identifier: &str, fit: Fit, version: &str) -> Interpreter {
        Interpreter {
            identifier: identifier.to_owned(),
            fit,
            release: version.split('.').next().unwrap().to_owned(),
            version: version.to_owned(),
            executable: format!("/opt/node-{version}/bin/node").into(),
            prefix: "/opt".into(),
            prefixes: Vec::new(),
            site_packages: Vec::new(),
            found_at: "/opt".into(),
        }
    }

    fn on(today: &str, found: &[Interpreter]) -> Vec<Row<'static>> {
        let of = |l: &Language| if l.folder == "nodejs" { found.to_vec() } else { Vec::new() };
        rows(Catalogue::embedded(), of, today)
    }

    fn status_of<'a>(rows: &'a [Row<'_>], name: &str) -> &'a str {
        rows.iter().find(|row| row.identifier.name == name).unwrap().status()
    }

    #[test]
    fn each_identifier_is_installed_near_missing_or_the_packages_own() {
        let found =
            [node("nodejs22.x", Fit::Exact, "22.1.0"), node("nodejs22.x", Fit::Near, "21.7.3")];
        let rows = on("2026-01-01", &found);
        assert_eq!(status_of(&rows, "nodejs22.x"), "installed");
        assert_eq!(status_of(&rows, "nodejs20.x"), "near");
        assert_eq!(status_of(&rows, "python3.11"), "missing");
        assert_eq!(status_of(&rows, "provided.al2023"), "custom");
        let near = rows.iter().find(|row| row.identifier.name == "nodejs20.x").unwrap();
        assert_eq!(near.interpreter().unwrap().version, "21.7.3");
        assert!(text(&rows).contains("--runtime-compat near"));
    }

    #[test]
    fn a_runtime_past_its_day_is_deprecated_with_the_day() {
        let before = text(&on("2026-04-29", &[]));
        let after = text(&on("2026-04-30", &[]));
        assert!(!before.contains("deprecated 2026-04-30"), "{before}");
        assert!(after.contains("missing, deprecated 2026-04-30"), "{after}");
    }

    #[test]
    fn json_holds_every_identifier_with_its_dates() {
        let rows = on("2026-11-23", &[]);
        let parsed: Value = serde_json::from_str(&json(&rows)).unwrap();
        let all = parsed["runtimes"].as_array().unwrap();
        assert_eq!(all.len(), rows.len());
        let node = all.iter().find(|row| row["identifier"] == "nodejs20.x").unwrap();
        assert_eq!(
            (&node["deprecated"], &node["block_create"]),
            (&json!(true), &json!("2026-08-31"))
        );
        assert_eq!(node["path"], Value::Null);
    }
}
