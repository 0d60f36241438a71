//! Directories of versions, and Python's well-known places: pyenv, tool caches, uv, mise, asdf.

use std::fs;
use std::path::{Path, PathBuf};

use super::search::Search;
use crate::entry::numbers;

/// Interpreter files of these places, the newest version first; with `version` (`X.Y`) only those
/// whose directory names it.
pub(super) fn pythons(search: &Search, version: Option<&str>) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    for root in search.pyenv_roots() {
        directories.extend(versions_in(&root.join("versions"), version.unwrap_or_default()));
    }
    for cache in &search.tool_caches {
        for release in versions_in(&cache.join("Python"), version.unwrap_or_default()) {
            directories.extend(subdirectories(&release));
        }
    }
    for home in search.homes() {
        for place in
            [".local/share/uv/python", ".local/share/mise/installs/python", ".asdf/installs/python"]
        {
            directories.extend(versions_in(&home.join(place), version.unwrap_or_default()));
        }
    }
    newest_first(directories)
        .into_iter()
        .map(|directory| match version {
            Some(version) => directory.join("bin").join(format!("python{version}")),
            None => directory.join("bin/python3"),
        })
        .filter(|file| file.is_file())
        .collect()
}

/// Directories in `parent` whose version begins with `version`; all that have one if it is empty.
pub(super) fn versions_in(parent: &Path, version: &str) -> Vec<PathBuf> {
    let wanted = numbers(version);
    let mut found = subdirectories(parent);
    found.retain(|directory| version_of(directory).is_some_and(|has| has.starts_with(&wanted)));
    found
}

/// Sorts by the version in the directories' names.
pub(super) fn newest_first(mut directories: Vec<PathBuf>) -> Vec<PathBuf> {
    directories.sort_by_cached_key(|directory| std::cmp::Reverse(version_of(directory)));
    directories
}

/// The most exact version a path's components name, if it begins with `minor` (`X.Y`).
pub(super) fn full_version(path: &Path, minor: &str) -> Option<String> {
    let wanted = numbers(minor);
    path.ancestors()
        .filter_map(component_version)
        .find(|version| version.len() >= 3 && version.starts_with(&wanted))
        .map(|version| version[..3].iter().map(u32::to_string).collect::<Vec<_>>().join("."))
}

/// Version of a directory; for `<version>/<architecture>` that of its parent.
fn version_of(directory: &Path) -> Option<Vec<u32>> {
    component_version(directory).or_else(|| component_version(directory.parent()?))
}

/// The numbers of `3.12.1`, `cpython-3.12.1-linux-x86_64-gnu`, `3.12.1_1`, `3.12`, `v20.11.0`.
fn component_version(path: &Path) -> Option<Vec<u32>> {
    let name = path.file_name()?.to_str()?;
    let named = ["cpython-", "ruby-", "v"].iter().find_map(|prefix| name.strip_prefix(prefix));
    let text = named.unwrap_or(name);
    let text = text.split(['-', '_', '+']).next()?;
    let parsed = numbers(text);
    (parsed.len() >= 2 && parsed.len() == text.split('.').count()).then_some(parsed)
}

pub(super) fn subdirectories(parent: &Path) -> Vec<PathBuf> {
    // A place that is not there, or not ours to read, has no interpreters for us.
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}
