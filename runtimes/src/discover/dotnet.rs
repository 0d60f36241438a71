//! .NET: its runtimes are directories below the program, named by version; nothing is run.
//!
//! One `dotnet` starts all of them, so what is found is a directory, and the program is above it.
//!
//! # Sources
//! .NET's documentation of `DOTNET_ROOT`, `dotnet --list-runtimes` and the install script; Debian,
//! Fedora, Microsoft's packages, asdf and mise for where they install.

use std::fs;
use std::path::{Path, PathBuf};

use super::Interpreter;
use super::choose::{Finder, identifier_of};
use super::examine::{Rejected, Running, binds, is_program, is_script, too_wide, unusable};
use super::places::{newest_first, subdirectories, versions_in};
use super::probe;
use super::search::Search;
use crate::catalogue::Catalogue;

pub(super) const FINDER: Finder =
    Finder { folder: "dotnet", exact_names: |_| Vec::new(), elsewhere, examine };

const PROGRAM: &str = "dotnet";
/// Below an installation: a directory for each version of the runtime.
const RUNTIMES: &str = "shared/Microsoft.NETCore.App";
/// Below a home directory: directories of installations.
const HOME_PLACES: &[&str] = &[
    ".asdf/installs/dotnet",
    ".asdf/installs/dotnet-core",
    ".local/share/mise/installs/dotnet",
    ".local/share/mise/installs/dotnet-core",
];

fn elsewhere(search: &Search, version: Option<&str>) -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> = search.dotnet_root.iter().cloned().collect();
    let on_path = search.path.iter().filter(|dir| dir.is_absolute());
    let on_path = on_path.filter_map(|dir| fs::canonicalize(dir.join(PROGRAM)).ok());
    roots.extend(on_path.filter_map(|file| file.parent().map(Path::to_owned)));
    roots.extend(search.dotnet_roots.iter().cloned());
    for home in search.homes() {
        roots.push(home.join(".dotnet"));
        roots.extend(HOME_PLACES.iter().flat_map(|place| subdirectories(&home.join(place))));
    }
    let wanted = version.unwrap_or_default();
    newest_first(roots.iter().flat_map(|root| versions_in(&root.join(RUNTIMES), wanted)).collect())
}

fn examine(path: &Path, search: &Search, running: Running) -> Result<Interpreter, Rejected> {
    if path.is_dir() {
        return interpreter(path, path, search);
    }
    if !is_program(path) {
        return Err(Rejected::Absent);
    }
    let runtimes = match (is_script(path), running) {
        (true, Running::Allowed) => listed(path, search)?,
        (true, Running::Forbidden) => {
            return Err(unusable(path, "is a script, and is not on PATH"));
        }
        (false, _) => {
            let program = fs::canonicalize(path)
                .map_err(|error| unusable(path, &format!("cannot be followed: {error}")))?;
            let root = program.parent().unwrap_or(Path::new("/"));
            versions_in(&root.join(RUNTIMES), "")
        }
    };
    match newest_first(runtimes).first() {
        Some(runtime) => interpreter(runtime, path, search),
        None => Err(unusable(path, "has no .NET runtime beside it")),
    }
}

/// What a shim says: `Microsoft.NETCore.App 8.0.11 [/usr/share/dotnet/shared/Microsoft.NETCore.App]`.
fn listed(shim: &Path, search: &Search) -> Result<Vec<PathBuf>, Rejected> {
    let text = probe::run(shim, &["--list-runtimes"], &search.cwd, ".NET", search.time_scale)
        .map_err(|reason| unusable(shim, &reason))?;
    let lines = text.lines().filter_map(|line| line.strip_prefix("Microsoft.NETCore.App "));
    let runtimes = lines.filter_map(|line| {
        let (version, directory) = line.split_once(' ')?;
        let directory = directory.trim().strip_prefix('[')?.strip_suffix(']')?;
        Some(Path::new(directory).join(version))
    });
    Ok(runtimes.filter(|directory| directory.is_dir()).collect())
}

fn interpreter(runtime: &Path, found_at: &Path, search: &Search) -> Result<Interpreter, Rejected> {
    let runtime = fs::canonicalize(runtime)
        .map_err(|error| unusable(runtime, &format!("cannot be followed: {error}")))?;
    let name = runtime.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let prefix = runtime.ancestors().nth(RUNTIMES.split('/').count() + 1);
    let prefix = prefix.unwrap_or(Path::new("/")).to_owned();
    let executable = prefix.join(PROGRAM);
    if !is_program(&executable) {
        return Err(unusable(&runtime, "has no program `dotnet` above it"));
    }
    let dotnet = Catalogue::embedded().language("dotnet").expect("the dotnet folder is embedded");
    let release = name.split('.').next().unwrap_or(name).to_owned();
    let Some((identifier, fit)) = identifier_of(dotnet, &release) else {
        let reason = format!("is .NET {name}, which is too old for any runtime of AWS here");
        return Err(unusable(&runtime, &reason));
    };
    if let Some(reason) = too_wide(&prefix, search) {
        return Err(unusable(&runtime, &reason));
    }
    Ok(Interpreter {
        identifier,
        fit,
        release,
        version: name.to_owned(),
        prefixes: binds(&prefix),
        site_packages: Vec::new(),
        found_at: found_at.to_owned(),
        prefix,
        executable,
    })
}
