//! Java: read off the `release` file that every JDK and JRE has; nothing is run.
//!
//! # Sources
//! JEP 223 (version numbers); Debian, Fedora, SDKMAN, IntelliJ, asdf, mise, jabba and GitHub's tool
//! cache for where they install.

use std::cmp::Reverse;
use std::fs;
use std::path::{Path, PathBuf};

use super::Interpreter;
use super::choose::{Finder, identifier_of};
use super::examine::{Rejected, Running, binds, is_program, is_script, too_wide, unusable};
use super::places::subdirectories;
use super::search::Search;
use crate::catalogue::Catalogue;
use crate::entry::numbers;

pub(super) const FINDER: Finder = Finder {
    folder: "java",
    exact_names: |_| Vec::new(),
    elsewhere,
    examine: |file, search, _: Running| examine(file, search),
};

/// Below a home directory: where the directories of installations are.
const HOME_PLACES: &[&str] = &[
    ".sdkman/candidates/java",
    ".jdks",
    ".asdf/installs/java",
    ".local/share/mise/installs/java",
    ".jabba/jdk",
];
/// How the tool cache's directories begin.
const CACHED: &str = "Java_";

fn elsewhere(search: &Search, version: Option<&str>) -> Vec<PathBuf> {
    let mut prefixes: Vec<PathBuf> = search.java_home.iter().cloned().collect();
    for home in search.homes() {
        prefixes.extend(HOME_PLACES.iter().flat_map(|place| subdirectories(&home.join(place))));
    }
    for cache in &search.tool_caches {
        let mut kinds = subdirectories(cache);
        kinds.retain(|kind| {
            kind.file_name().is_some_and(|n| n.to_string_lossy().starts_with(CACHED))
        });
        let releases = kinds.iter().flat_map(|kind| subdirectories(kind));
        prefixes.extend(releases.flat_map(|release| subdirectories(&release)));
    }
    prefixes.extend(search.jvm_roots.iter().flat_map(|root| subdirectories(root)));
    let mut found: Vec<(Vec<u32>, PathBuf)> = prefixes
        .into_iter()
        .filter_map(|prefix| {
            let installed = version_of(&prefix)?;
            let wanted = version.is_none_or(|version| release_of(&installed) == version);
            wanted.then(|| (numbers(&installed), prefix.join("bin/java")))
        })
        .filter(|(_, file)| file.is_file())
        .collect();
    // Stable: of equal versions JAVA_HOME stays first.
    found.sort_by_key(|(version, _)| Reverse(version.clone()));
    found.into_iter().map(|(_, file)| file).collect()
}

fn examine(file: &Path, search: &Search) -> Result<Interpreter, Rejected> {
    if !is_program(file) {
        return Err(Rejected::Absent);
    }
    if is_script(file) {
        return Err(unusable(
            file,
            "is a script; the java that it starts has to be on PATH itself",
        ));
    }
    let executable = fs::canonicalize(file)
        .map_err(|error| unusable(file, &format!("cannot be followed: {error}")))?;
    let mut prefix = executable.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
    // Java 8 has the program in `jre/bin` too, and the file above.
    if prefix.ends_with("jre") && !prefix.join("release").is_file() {
        prefix = prefix.parent().unwrap_or(prefix);
    }
    let Some(version) = version_of(prefix) else {
        return Err(unusable(file, "has no file `release` beside it that says its version"));
    };
    let java = Catalogue::embedded().language("java").expect("the java folder is embedded");
    let release = release_of(&version).to_owned();
    let Some((identifier, fit)) = identifier_of(java, &release) else {
        let reason = format!("is Java {version}, which is too old for any runtime of AWS here");
        return Err(unusable(file, &reason));
    };
    if let Some(reason) = too_wide(prefix, search) {
        return Err(unusable(file, &reason));
    }
    Ok(Interpreter {
        identifier,
        fit,
        release,
        version,
        prefixes: binds(prefix),
        site_packages: Vec::new(),
        found_at: file.to_owned(),
        prefix: prefix.to_owned(),
        executable,
    })
}

/// `17.0.15` of `JAVA_VERSION="17.0.15"`, and `8.0.402` of `1.8.0_402`.
fn version_of(prefix: &Path) -> Option<String> {
    let text = fs::read_to_string(prefix.join("release")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?;
    let version = line.trim().trim_matches('"').replace('_', ".");
    let version = version.strip_prefix("1.").map(str::to_owned).unwrap_or(version);
    (!numbers(&version).is_empty()).then_some(version)
}

fn release_of(version: &str) -> &str {
    version.split('.').next().unwrap_or(version)
}
