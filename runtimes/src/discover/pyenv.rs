//! pyenv's shims, resolved as pyenv would and without running its shell scripts (some 30 ms).
//!
//! # Sources
//! pyenv's `pyenv-version-file`, `pyenv-version-name`, `pyenv-which`: `PYENV_VERSION`, else the
//! nearest `.python-version`, else `version` in the root, else `system`; several versions may be
//! named, and the first that has the program wins; `3.12` means the newest `3.12.*` installed.

use std::fs;
use std::path::{Path, PathBuf};

use super::places::{newest_first, versions_in};
use super::search::Search;

/// The pyenv root a file is a shim of.
pub(super) fn root_of_shim(file: &Path) -> Option<&Path> {
    let shims = file.parent()?;
    let root = shims.parent()?;
    (shims.file_name()? == "shims" && root.join("versions").is_dir()).then_some(root)
}

/// The program a shim stands for; `None` if the chosen versions do not have it.
pub(super) fn resolve(shim: &Path, root: &Path, search: &Search) -> Option<PathBuf> {
    let program = shim.file_name()?;
    for version in chosen_versions(root, search) {
        if version == "system" {
            let system = search.path.iter().filter(|dir| dir.is_absolute());
            let mut system = system.map(|dir| dir.join(program));
            if let Some(found) = system.find(|file| root_of_shim(file).is_none() && file.is_file())
            {
                return Some(found);
            }
            continue;
        }
        let file = version_directory(root, &version)?.join("bin").join(program);
        if file.is_file() {
            return Some(file);
        }
    }
    None
}

/// Names as written, in order of preference.
fn chosen_versions(root: &Path, search: &Search) -> Vec<String> {
    let written = match &search.pyenv_version {
        Some(version) => Some(version.replace(':', "\n")),
        None => search
            .cwd
            .ancestors()
            .map(|dir| dir.join(".python-version"))
            .chain([root.join("version")])
            .find_map(|file| fs::read_to_string(file).ok()),
    };
    let mut versions: Vec<String> = written
        .iter()
        .flat_map(|text| text.lines())
        .map(|line| line.split('#').next().unwrap_or_default())
        .flat_map(str::split_whitespace)
        .map(|name| name.strip_prefix("python-").unwrap_or(name).to_owned())
        // A name is one directory; anything else would lead out of `versions`.
        .filter(|name| !name.contains('/') && name != "..")
        .collect();
    if versions.is_empty() {
        versions.push("system".to_owned());
    }
    versions
}

/// `versions/3.12.1` for `3.12.1`, and for `3.12` if no version is called just that.
fn version_directory(root: &Path, version: &str) -> Option<PathBuf> {
    let versions = root.join("versions");
    let exact = versions.join(version);
    if exact.is_dir() {
        return Some(exact);
    }
    newest_first(versions_in(&versions, version)).into_iter().next()
}
