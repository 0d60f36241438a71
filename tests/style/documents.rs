//! The documents keep pace with the tree.

use std::collections::BTreeSet;

use super::{files, root};

fn document(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Names of all tests, each as `module::…::name` under its crate's or binary's root.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (path, source) in files(".rs") {
        let Some(module) = module_path(&path) else { continue };
        let mut armed = false;
        for line in source.lines() {
            let line = line.trim();
            armed = armed || line == "#[test]" || line.starts_with("#[tokio::test");
            let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
            if let Some(rest) = line.strip_prefix("fn ").or(line.strip_prefix("async fn ")) {
                let name = rest.split('(').next().unwrap_or("");
                // Tests of the suites for several loops, and attacks, are plain functions: of a client,
                // a guest or an attacker.
                let of_suite = ["(client: Client)", "(host: &Host)", "(by: &Attacker)"];
                if armed || of_suite.iter().any(|parameter| rest.contains(parameter)) {
                    names.insert(format!("{module}::{name}"));
                }
                armed = false;
            }
        }
    }
    names
}

fn module_path(path: &str) -> Option<String> {
    let below = ["tests/", "host/src/", "bootstrap/src/", "runtimes/src/"]
        .iter()
        .find_map(|root| path.strip_prefix(root))?;
    let below = below.strip_suffix(".rs")?;
    Some(below.trim_end_matches("/mod").replace('/', "::"))
}

/// Words in backquotes that look like a test's path.
fn named_tests(text: &str) -> Vec<&str> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| word.contains("::") && !word.contains(char::is_whitespace))
        .collect()
}

fn assert_tests_exist(name: &str) {
    let (tests, text) = (tests(), document(name));
    let named = named_tests(&text);
    assert!(named.len() > 5, "{name} names its tests");
    let absent: Vec<&str> = named
        .into_iter()
        .filter(|path| {
            let whole = tests.contains(*path);
            // A module may stand for all its tests.
            let family = tests.iter().any(|test| test.starts_with(&format!("{path}::")));
            !whole && !family
        })
        .collect();
    assert!(absent.is_empty(), "{name} names tests that are not there: {absent:#?}");
}

#[test]
fn every_test_named_in_the_specification_exists() {
    assert_tests_exist("SPECIFICATION.md");
}

#[test]
fn every_test_named_in_the_security_document_exists() {
    assert_tests_exist("SECURITY.md");
}

#[test]
fn every_step_of_the_security_document_is_shown_by_a_test() {
    let text = document("SECURITY.md");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 15, "the table of steps");
    let silent: Vec<&&str> = rows
        .iter()
        .filter(|row| row.rsplit('|').nth(1).is_none_or(|last| named_tests(last).is_empty()))
        .collect();
    assert!(silent.is_empty(), "steps without a test: {silent:#?}");
}

#[test]
fn every_line_of_the_specification_names_a_test() {
    let text = document("SPECIFICATION.md");
    let silent: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("- ") && named_tests(line).is_empty())
        .collect();
    assert!(silent.is_empty(), "promises without a test: {silent:#?}");
}

#[test]
fn every_dependency_says_why_it_is_there() {
    let manifest = document("Cargo.toml");
    let (_, dependencies) = manifest.split_once("[workspace.dependencies]").unwrap();
    let mut said = false;
    let mut silent = Vec::new();
    for line in dependencies.lines().skip(1).take_while(|line| !line.starts_with('[')) {
        if line.trim().is_empty() {
            said = false;
        } else if line.starts_with('#') || line.contains(" # ") {
            // A comment speaks for the lines below it, up to the next blank line or comment.
            said = true;
        } else if !said && !line.starts_with("lambdabox-") {
            silent.push(line);
        }
    }
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn every_lint_has_its_reason() {
    let manifest = document("Cargo.toml");
    let lints = manifest.split("[workspace.lints.").skip(1);
    let silent: Vec<&str> = lints
        .flat_map(|section| section.lines().skip(1).take_while(|line| !line.starts_with('[')))
        .filter(|line| line.contains('=') && !line.contains('#'))
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn the_usual_documents_are_there() {
    for name in [
        "README.md",
        "ARCHITECTURE.md",
        "SPECIFICATION.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "LICENSE",
    ] {
        assert!(document(name).len() > 200, "{name} says something");
    }
    assert!(document("LICENSE").contains("Apache License"));
}

#[test]
fn the_architecture_names_every_module_of_the_host() {
    let text = document("ARCHITECTURE.md");
    let source = document("host/src/lib.rs");
    let modules = source
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'));
    for module in modules {
        assert!(text.contains(&format!("`{module}`")), "ARCHITECTURE.md does not name `{module}`");
    }
}

#[test]
fn the_readme_shows_commands_that_exist() {
    let text = document("README.md");
    assert!(text.contains("scripts/test") && root().join("scripts/test").exists());
    assert!(text.contains("lambdabox invoke"));
}
