//! Imports follow the flow: a module of `host` imports only from its right.

use super::{code_lines, files};

/// The order of `ARCHITECTURE.md`, left to right.
const ORDER: [&str; 15] = [
    "cli",
    "app",
    "build",
    "front",
    "usage",
    "triggers",
    "invoke",
    "pool",
    "sandbox",
    "runtime_api",
    "catalog",
    "store",
    "fabric",
    "config",
    "model",
];

/// Who may name the sandbox's inside.
const MAY_NAME_BOOTSTRAP: [&str; 2] = ["sandbox", "main"];

/// The module of `host/src` a file belongs to.
fn module(path: &str) -> Option<&str> {
    let below = path.strip_prefix("host/src/")?;
    Some(below.split(['/', '.']).next().expect("a first part"))
}

fn position(module: &str) -> Option<usize> {
    ORDER.iter().position(|name| *name == module)
}

/// Modules named by `crate::x` or `lambdabox::x` in a line.
fn named(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for prefix in ["crate::", "lambdabox::"] {
        for (at, _) in line.match_indices(prefix) {
            let rest = &line[at + prefix.len()..];
            if let Some(group) = rest.strip_prefix('{') {
                let inner = group.split('}').next().unwrap_or("");
                found.extend(inner.split(',').map(|part| first_word(part.trim())));
            } else {
                found.push(first_word(rest));
            }
        }
    }
    found
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("")
}

#[test]
fn a_module_imports_only_from_its_right() {
    let mut broken = Vec::new();
    for (path, source) in files(".rs") {
        let Some(at) = module(&path).and_then(position) else { continue };
        for (number, line) in code_lines(&source) {
            for name in named(line) {
                if position(name).is_some_and(|other| other < at) {
                    broken.push(format!("{path}:{number} imports {name}"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "against the flow: {broken:#?}");
}

#[test]
fn every_module_of_the_host_has_its_place_in_the_order() {
    let known = ["lib", "main"];
    let unknown: Vec<String> = files(".rs")
        .into_iter()
        .filter_map(|(path, _)| module(&path).map(str::to_owned))
        .filter(|name| position(name).is_none() && !known.contains(&name.as_str()))
        .collect();
    assert!(unknown.is_empty(), "not in the order: {unknown:?}");
}

#[test]
fn only_sandbox_and_main_know_the_bootstrap() {
    let mut broken = Vec::new();
    for (path, source) in files(".rs") {
        let Some(module) = module(&path) else { continue };
        let uses = code_lines(&source).any(|(_, line)| line.contains("lambdabox_bootstrap"));
        if uses && !MAY_NAME_BOOTSTRAP.contains(&module) {
            broken.push(path);
        }
    }
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn bootstrap_and_runtimes_know_neither_the_host_nor_each_other() {
    let mut broken = Vec::new();
    for (path, source) in files(".rs") {
        let forbidden: &[&str] = match path.split('/').next() {
            Some("bootstrap") => &["lambdabox::", "lambdabox_runtimes", "tokio"],
            Some("runtimes") => &["lambdabox::", "lambdabox_bootstrap"],
            _ => continue,
        };
        for (number, line) in code_lines(&source) {
            if forbidden.iter().any(|name| line.contains(name)) {
                broken.push(format!("{path}:{number}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn http_types_stay_at_the_edge() {
    // Where lambdabox is itself a client: of a host, of S3, and of an OpenTelemetry collector.
    let clients = [
        "host/src/app/client/api.rs",
        "host/src/catalog/deployed/object.rs",
        "host/src/usage/otlp.rs",
    ];
    let broken: Vec<String> = files(".rs")
        .into_iter()
        .filter(|(path, _)| {
            module(path).is_some_and(|name| !["front", "runtime_api"].contains(&name))
                && !clients.contains(&path.as_str())
        })
        .filter(|(_, source)| {
            code_lines(source).any(|(_, l)| {
                l.trim_start().starts_with("use hyper") || l.trim_start().starts_with("use http::")
            })
        })
        .map(|(path, _)| path)
        .collect();
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn cgroups_rs_is_used_only_by_the_cgroup_module() {
    let broken: Vec<String> = files(".rs")
        .into_iter()
        .filter(|(path, _)| module(path).is_some() && !path.starts_with("host/src/sandbox/cgroup/"))
        .filter(|(_, source)| code_lines(source).any(|(_, line)| line.contains("cgroups_rs")))
        .map(|(path, _)| path)
        .collect();
    assert!(broken.is_empty(), "{broken:?}");
}
