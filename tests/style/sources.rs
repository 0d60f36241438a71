//! Rules about single source files.

use super::{code_lines, files, root};

/// Lines after which a file must have a reason to be one file.
const LONG_LINES: usize = 500;

/// Files longer than that, with the reason.
const LONG_FILES: [(&str, &str); 2] = [
    ("runtimes/python/bootstrap.py", "a language loop is one file, standard library only"),
    ("runtimes/nodejs/bootstrap.cjs", "a language loop is one file, standard library only"),
];

/// The only module with `unsafe`; one folder, so that each of its files is about one thing.
const UNSAFE_HOME: &str = "bootstrap/src/sys/";

fn in_crates(path: &str) -> bool {
    ["host/src/", "bootstrap/src/", "runtimes/src/"].iter().any(|crate_| path.starts_with(crate_))
}

#[test]
fn unsafe_is_only_in_sys() {
    let mut broken = Vec::new();
    for (path, source) in files(".rs") {
        if path.starts_with(UNSAFE_HOME) || !(in_crates(&path) || path.starts_with("tests/")) {
            continue;
        }
        for (number, line) in code_lines(&source) {
            let words = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "unsafe trait"];
            let quoted = line.split('"').step_by(2).collect::<String>();
            if words.iter().any(|word| quoted.contains(word)) {
                broken.push(format!("{path}:{number}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn the_host_and_the_runtimes_forbid_unsafe() {
    for path in ["host/src/lib.rs", "host/src/main.rs", "runtimes/src/lib.rs"] {
        let source = std::fs::read_to_string(root().join(path)).unwrap();
        assert!(source.contains("#![forbid(unsafe_code)]"), "{path}");
    }
}

#[test]
fn every_unsafe_block_says_why_it_is_safe() {
    let (mut broken, mut found) = (Vec::new(), 0);
    for (path, source) in files(".rs").into_iter().filter(|(path, _)| path.starts_with(UNSAFE_HOME))
    {
        let lines: Vec<&str> = source.lines().collect();
        for (number, line) in lines.iter().enumerate().filter(|(_, line)| line.contains("unsafe {"))
        {
            found += 1;
            let above = &lines[number.saturating_sub(12)..number];
            let mut said = above.iter().rev().take_while(|line| !line.trim().is_empty());
            if !line.contains("SAFETY") && !said.any(|line| line.contains("SAFETY")) {
                broken.push(format!("{path}:{}", number + 1));
            }
        }
    }
    assert!(found > 0, "nothing was looked at: {UNSAFE_HOME}");
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn long_files_have_a_reason() {
    let mut broken = Vec::new();
    for suffix in [".rs", ".py", ".cjs", ".mjs"] {
        for (path, source) in files(suffix) {
            let lines = source.lines().count();
            if lines > LONG_LINES && !LONG_FILES.iter().any(|(known, _)| *known == path) {
                broken.push(format!("{path}: {lines} lines"));
            }
        }
    }
    assert!(broken.is_empty(), "over {LONG_LINES} lines: {broken:#?}");
}

#[test]
fn every_module_says_what_it_is_for() {
    let mut broken = Vec::new();
    for (path, source) in files(".rs") {
        if !source.starts_with("//! ") {
            broken.push(path);
        }
    }
    assert!(broken.is_empty(), "no header: {broken:#?}");
}

#[test]
fn there_is_no_module_for_leftovers_of_thought() {
    let banned = ["util.rs", "utils.rs", "helpers.rs", "misc.rs", "common.rs"];
    let broken: Vec<String> = files(".rs")
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| banned.iter().any(|name| path.ends_with(&format!("/{name}"))))
        .collect();
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn a_mod_rs_of_the_product_holds_a_header_and_re_exports() {
    let mut broken = Vec::new();
    for (path, source) in files("/mod.rs").into_iter().filter(|(path, _)| in_crates(path)) {
        let functions = code_lines(&source)
            .filter(|(_, line)| line.starts_with("fn ") || line.starts_with("impl "));
        if functions.count() > 0 {
            broken.push(path);
        }
    }
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn no_test_is_ignored_and_no_lint_is_silenced_without_reason() {
    let mut broken = Vec::new();
    for (path, source) in files(".rs") {
        for (number, line) in code_lines(&source) {
            let line = line.trim_start();
            let silenced = line.starts_with("#[allow(") || line.starts_with("#![allow(");
            if line == "#[ignore]" || silenced {
                broken.push(format!("{path}:{number}"));
            }
        }
    }
    assert!(broken.is_empty(), "say why: {broken:?}");
}

#[test]
fn no_path_of_a_machine_is_in_the_tree() {
    // In pieces, so that this file does not break its own rule.
    let banned =
        [["/wo", "rk/"].concat(), ["/ro", "ot/.py", "env"].concat(), ["/home/run", "ner"].concat()];
    let mut broken = Vec::new();
    for suffix in [".rs", ".py", ".toml", ".md", ".c", "scripts/test", "scripts/check", ".ci/run"] {
        for (path, source) in files(suffix) {
            for (number, line) in source.lines().enumerate() {
                if banned.iter().any(|part| line.contains(part.as_str())) {
                    broken.push(format!("{path}:{}", number + 1));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn scripts_stop_at_the_first_failure() {
    for name in ["check", "test", "bench", "soak", "package", "ci-example"] {
        let path = root().join("scripts").join(name);
        let source =
            std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("scripts/{name}: {e}"));
        assert!(source.starts_with("#!/usr/bin/env bash\n"), "scripts/{name}");
        assert!(source.contains("set -euo pipefail"), "scripts/{name}");
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "scripts/{name} can be run");
    }
}
