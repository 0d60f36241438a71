//! Does the tree keep its own rules?
//!
//! Reads files only; each rule names the places that break it.
//!
//! # Sources
//! `ARCHITECTURE.md`; the house rules it cites.

mod documents;
mod imports;
mod sources;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("host is in the root").to_owned()
}

/// Every file that is or would be committed, by its path from the root, that ends with this.
fn files(suffix: &str) -> Vec<(String, String)> {
    let output = Command::new("git")
        .args([
            "-c",
            "safe.directory=*",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .output()
        .expect("git lists the tree");
    let names = String::from_utf8(output.stdout).expect("names are text");
    let names: Vec<&str> = names.split('\0').filter(|name| name.ends_with(suffix)).collect();
    assert!(!names.is_empty(), "no file ends with {suffix:?}; is this a checkout?");
    names
        .into_iter()
        .filter_map(|name| {
            Some((name.to_owned(), std::fs::read_to_string(root().join(name)).ok()?))
        })
        .collect()
}

/// Source without its tests, comments and the content of strings: good enough for whole-line rules.
fn code_lines(source: &str) -> impl Iterator<Item = (usize, &str)> {
    source
        .lines()
        .enumerate()
        .map(|(number, line)| (number + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}
