//! Ruby: read off where its own configuration file says the version, asked where it stands on the path.
//!
//! # Sources
//! `rbconfig.rb`, which every installation of CRuby has and no other Ruby; rbenv, rvm, chruby,
//! ruby-install, asdf, mise and GitHub's tool cache for where they install.

use std::fs;
use std::path::{Path, PathBuf};

use super::Interpreter;
use super::choose::Finder;
use super::examine::{Rejected, Running, is_script};
use super::places::{newest_first, subdirectories, versions_in};
use super::search::Search;
use super::single::Single;

pub(super) const FINDER: Finder = Finder {
    folder: "ruby",
    // Debian's and Alpine's names; Fedora's and Gentoo's without the dot.
    exact_names: |version| {
        vec![format!("ruby{version}"), format!("ruby{}", version.replace('.', ""))]
    },
    elsewhere,
    examine,
};

const SINGLE: Single = Single {
    folder: FINDER.folder,
    name: "Ruby",
    arguments: &["--disable=gems", "-rrbconfig", "-e", QUESTION],
    engine: "ruby",
    possessive: "CRuby's",
    read_off,
    release_parts: 2,
};

/// What it is asked; one line each.
const QUESTION: &str = "puts RUBY_ENGINE, RUBY_VERSION, RbConfig.ruby";

/// Below a home directory: where the directories of versions are.
const HOME_PLACES: &[&str] = &[
    ".rbenv/versions",
    ".rvm/rubies",
    ".rubies",
    ".asdf/installs/ruby",
    ".local/share/mise/installs/ruby",
    ".local/share/rbenv/versions",
];
const MACHINE_PLACES: &[&str] =
    &["/opt/rubies", "/usr/local/rbenv/versions", "/usr/local/rvm/rubies", "/opt/rbenv/versions"];

fn elsewhere(search: &Search, version: Option<&str>) -> Vec<PathBuf> {
    let version = version.unwrap_or_default();
    let mut prefixes = Vec::new();
    for home in search.homes() {
        prefixes
            .extend(HOME_PLACES.iter().flat_map(|place| versions_in(&home.join(place), version)));
    }
    for cache in &search.tool_caches {
        for release in versions_in(&cache.join("Ruby"), version) {
            prefixes.extend(subdirectories(&release));
        }
    }
    prefixes.extend(MACHINE_PLACES.iter().flat_map(|place| versions_in(Path::new(place), version)));
    let files = newest_first(prefixes).into_iter().map(|prefix| prefix.join("bin/ruby"));
    files.filter(|file| file.is_file()).collect()
}

fn examine(file: &Path, search: &Search, running: Running) -> Result<Interpreter, Rejected> {
    SINGLE.examine(file, search, running)
}

/// A program called `ruby` or `ruby3.3` whose prefix holds one Ruby library, which says the version.
fn read_off(file: &Path) -> Option<(PathBuf, String)> {
    if is_script(file) {
        return None;
    }
    let executable = fs::canonicalize(file).ok()?;
    // A version manager's shim is a program too, under a name of its own; so are other Rubies.
    let rest = executable.file_name()?.to_str()?.strip_prefix("ruby")?;
    if !rest.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let lib = executable.parent()?.parent()?.join("lib");
    // lib/ruby/3.3.0/x86_64-linux/rbconfig.rb; lib/x86_64-linux-gnu/ruby/3.1.0/rbconfig.rb on Debian.
    let roots = std::iter::once(lib.join("ruby"))
        .chain(subdirectories(&lib).into_iter().map(|triplet| triplet.join("ruby")));
    let versions = roots.flat_map(|root| versions_in(&root, rest));
    let mut told = versions.flat_map(|directory| {
        let below = subdirectories(&directory);
        std::iter::once(directory)
            .chain(below)
            .filter_map(|place| version_in(&place))
            .collect::<Vec<_>>()
    });
    let version = told.next()?;
    // Several beside each other: only asking tells which is this program's.
    told.all(|other| other == version).then_some((executable, version))
}

/// `3.3.5` of `raise "ruby lib version (3.3.5) doesn't match executable version (…)"`.
fn version_in(directory: &Path) -> Option<String> {
    let text = fs::read_to_string(directory.join("rbconfig.rb")).ok()?;
    let (_, after) = text.split_once("ruby lib version (")?;
    let (version, _) = after.split_once(')')?;
    let is_version = version.split('.').count() == 3
        && version.split('.').all(|part| part.parse::<u32>().is_ok());
    is_version.then(|| version.to_owned())
}
