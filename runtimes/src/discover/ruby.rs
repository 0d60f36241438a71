//! Ruby: read off where its own configuration file says the version, asked where it stands on the path.
//!
//! # Sources
//! `rbconfig.rb`, which every installation of CRuby has and no other Ruby; rbenv, rvm, chruby,
//! ruby-install, asdf, mise and GitHub's tool cache for where they install.

use std::fs;
use std::path::{Path, PathBuf};

use super::Interpreter;
use super::choose::{Finder, identifier_of};
use super::examine::{Rejected, Running, binds, is_program, is_script, too_wide, unusable};
use super::places::{newest_first, subdirectories, versions_in};
use super::probe;
use super::search::Search;
use crate::catalogue::Catalogue;

pub(super) const FINDER: Finder = Finder {
    folder: "ruby",
    // Debian's and Alpine's names; Fedora's and Gentoo's without the dot.
    exact_names: |version| {
        vec![format!("ruby{version}"), format!("ruby{}", version.replace('.', ""))]
    },
    elsewhere,
    examine,
};

/// What it is asked; one line each.
const QUESTION: &str = "puts RUBY_ENGINE, RUBY_VERSION, RbConfig.ruby";
const ARGUMENTS: &[&str] = &["--disable=gems", "-rrbconfig", "-e", QUESTION];

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
    if !is_program(file) {
        return Err(Rejected::Absent);
    }
    let (executable, version) = match (read_off(file), running) {
        (Some(found), _) => found,
        (None, Running::Allowed) => ask(file, search)?,
        (None, Running::Forbidden) => {
            return Err(unusable(file, "cannot be told without running it, and is not on PATH"));
        }
    };
    let mut found = interpreter(executable, version, search)?;
    found.found_at = file.to_owned();
    Ok(found)
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

/// Runs the file and believes what it says.
fn ask(file: &Path, search: &Search) -> Result<(PathBuf, String), Rejected> {
    let text = probe::run(file, ARGUMENTS, &search.cwd, "Ruby", search.time_scale)
        .map_err(|reason| unusable(file, &reason))?;
    let mut lines = text.lines();
    let (engine, version, executable) = (lines.next(), lines.next(), lines.next());
    let (Some("ruby"), Some(version), Some(executable)) = (engine, version, executable) else {
        return Err(unusable(file, "gave an answer that is not CRuby's"));
    };
    let executable = fs::canonicalize(executable)
        .map_err(|error| unusable(file, &format!("names itself a file that is gone: {error}")))?;
    Ok((executable, version.to_owned()))
}

fn interpreter(
    executable: PathBuf,
    version: String,
    search: &Search,
) -> Result<Interpreter, Rejected> {
    let ruby = Catalogue::embedded().language("ruby").expect("the ruby folder is embedded");
    let release = version.split('.').take(2).collect::<Vec<_>>().join(".");
    let Some((identifier, fit)) = identifier_of(ruby, &release) else {
        let reason = format!("is Ruby {version}, which is too old for any runtime of AWS here");
        return Err(unusable(&executable, &reason));
    };
    let prefix = executable.parent().and_then(Path::parent).unwrap_or(Path::new("/")).to_owned();
    if let Some(reason) = too_wide(&prefix, search) {
        return Err(unusable(&executable, &reason));
    }
    Ok(Interpreter {
        identifier,
        fit,
        release,
        version,
        prefixes: binds(&prefix),
        site_packages: Vec::new(),
        found_at: executable.clone(),
        executable,
        prefix,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tempfile::TempDir;

    use super::*;
    use crate::discover::{Compat, Fit, all, find};

    struct Machine {
        _dir: TempDir,
        root: PathBuf,
        search: Search,
    }

    impl Machine {
        fn new() -> Self {
            let dir = TempDir::new().unwrap();
            let root = fs::canonicalize(dir.path()).unwrap();
            let search = Search {
                path: vec![root.join("bin"), root.join("usr/bin")],
                home: Some(root.join("home")),
                tool_caches: vec![root.join("cache")],
                cwd: root.clone(),
                ..Search::default()
            };
            Self { _dir: dir, root, search }
        }

        fn program(&self, path: &str, text: &str) -> PathBuf {
            let file = self.root.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
            file
        }

        fn config(&self, path: &str, version: &str) {
            let text = format!("raise \"ruby lib version ({version}) doesn't match\"\n");
            self.program(&format!("{path}/rbconfig.rb"), &text);
        }

        fn installation(&self, prefix: &str, version: &str) -> PathBuf {
            let (minor, _) = version.rsplit_once('.').unwrap();
            self.config(&format!("{prefix}/lib/ruby/{minor}.0/x86_64-linux"), version);
            self.program(&format!("{prefix}/bin/ruby"), "\x7fELF")
        }

        fn find(&self, identifier: Option<&str>, compat: Compat) -> Result<Interpreter, String> {
            let ruby = Catalogue::embedded().language("ruby").unwrap();
            find(ruby, identifier, compat, &self.search).map_err(|error| error.to_string())
        }
    }

    #[test]
    fn version_managers_and_tool_caches_are_read_off_without_running_anything() {
        let machine = Machine::new();
        let rbenv = machine.installation("home/.rbenv/versions/3.3.5", "3.3.5");
        let rvm = machine.installation("home/.rvm/rubies/ruby-3.2.9", "3.2.9");
        let cache = machine.installation("cache/Ruby/3.4.7/x64", "3.4.7");
        for (identifier, file, version) in
            [("ruby3.3", &rbenv, "3.3.5"), ("ruby3.2", &rvm, "3.2.9"), ("ruby3.4", &cache, "3.4.7")]
        {
            let found = machine.find(Some(identifier), Compat::Exact).unwrap();
            assert_eq!((&found.executable, found.version.as_str()), (file, version));
            assert_eq!(found.prefixes, [file.parent().unwrap().parent().unwrap()]);
        }
        let ruby = Catalogue::embedded().language("ruby").unwrap();
        let listed: Vec<String> =
            all(ruby, &machine.search).into_iter().map(|found| found.identifier).collect();
        assert_eq!(listed, ["ruby3.4", "ruby3.3", "ruby3.2"]);
    }

    #[test]
    fn debians_layout_is_read_off_and_its_3_1_is_only_near() {
        let machine = Machine::new();
        machine.config("usr/lib/x86_64-linux-gnu/ruby/3.1.0", "3.1.7");
        let real = machine.program("usr/bin/ruby3.1", "\x7fELF");
        symlink("ruby3.1", machine.root.join("usr/bin/ruby")).unwrap();
        let refused = machine.find(Some("ruby3.2"), Compat::Exact).unwrap_err();
        assert!(refused.contains("--runtime-compat near would take Ruby 3.1.7"), "{refused}");
        for identifier in [Some("ruby3.2"), None] {
            let found = machine.find(identifier, Compat::Near).unwrap();
            assert_eq!((found.executable, found.fit), (real.clone(), Fit::Near));
            assert_eq!(found.identifier, "ruby3.2");
        }
    }

    #[test]
    fn another_ruby_and_a_broken_one_are_passed_over_with_the_reason() {
        let machine = Machine::new();
        machine.program("bin/ruby", "#!/bin/sh\necho jruby; echo 3.4.2; echo /usr/bin/java\n");
        let refused = machine.find(Some("ruby3.4"), Compat::Exact).unwrap_err();
        assert!(refused.contains("gave an answer that is not CRuby's"), "{refused}");
        machine.program("bin/ruby", "#!/bin/sh\nexit 1\n");
        let refused = machine.find(Some("ruby3.4"), Compat::Exact).unwrap_err();
        assert!(refused.contains("is no Ruby that works"), "{refused}");
    }
}
