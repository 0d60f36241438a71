//! What kind of project a directory holds, told by the files its tools look for.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::BuildError;

/// A kind of project, by the tool that builds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Go,
    Cargo,
    Maven,
    Gradle,
    DotNet,
    Npm,
    Pip,
    Bundler,
    /// Sources that run as they are.
    Plain,
}

/// Each kind with the files that tell it, the surer first: a Go project may well have a
/// `package.json` for its tools, but no Python project has a `go.mod`.
const SIGNS: [(Kind, &[&str]); 7] = [
    (Kind::Go, &["go.mod"]),
    (Kind::Cargo, &["Cargo.toml"]),
    (Kind::Maven, &["pom.xml"]),
    (Kind::Gradle, &["build.gradle", "build.gradle.kts"]),
    (Kind::Npm, &["package.json"]),
    (Kind::Pip, &["requirements.txt", "pyproject.toml"]),
    (Kind::Bundler, &["Gemfile"]),
];

/// Endings of project files of .NET.
const DOTNET: [&str; 2] = ["csproj", "fsproj"];
/// Endings of sources that run as they are.
const PLAIN: [&str; 5] = ["py", "js", "mjs", "cjs", "rb"];
/// How the identifiers of a runtime begin whose packages a kind makes.
const RUNTIMES: [(Kind, &str); 6] = [
    (Kind::Npm, "nodejs"),
    (Kind::Pip, "python"),
    (Kind::Bundler, "ruby"),
    (Kind::Maven, "java"),
    (Kind::Gradle, "java"),
    (Kind::DotNet, "dotnet"),
];

impl Kind {
    /// What people call it.
    pub(super) fn language(self) -> &'static str {
        match self {
            Self::Go => "Go",
            Self::Cargo => "Rust",
            Self::Maven | Self::Gradle => "Java",
            Self::DotNet => ".NET",
            Self::Npm => "Node.js",
            Self::Pip => "Python",
            Self::Bundler => "Ruby",
            Self::Plain => "sources as they are",
        }
    }
}

/// Tells the kind. A runtime that was named decides between kinds that are both there.
pub(super) fn detect(root: &Path, runtime: Option<&str>) -> Result<Kind, BuildError> {
    let mut found: Vec<Kind> = SIGNS
        .iter()
        .filter(|(_, files)| files.iter().any(|file| root.join(file).is_file()))
        .map(|(kind, _)| *kind)
        .collect();
    if !dotnet_projects(root).is_empty() {
        found.insert(0, Kind::DotNet);
    }
    let named = runtime.and_then(|runtime| {
        let of_it = RUNTIMES.iter().filter(|(_, prefix)| runtime.starts_with(prefix));
        of_it.map(|(kind, _)| *kind).find(|kind| found.contains(kind))
    });
    match named.or(found.first().copied()) {
        Some(kind) => Ok(kind),
        None if has_sources(root) => Ok(Kind::Plain),
        None => Err(BuildError::NoProject { root: root.to_owned(), known: known() }),
    }
}

fn known() -> String {
    let files: Vec<&str> = SIGNS.iter().flat_map(|(_, files)| files.iter().copied()).collect();
    format!("{}, *.csproj", files.join(", "))
}

/// The project files of .NET in a directory.
pub(super) fn dotnet_projects(root: &Path) -> Vec<PathBuf> {
    let mut files = files_in(root);
    files.retain(|file| has_ending(file, &DOTNET));
    files
}

fn has_sources(root: &Path) -> bool {
    root.join("bootstrap").is_file() || files_in(root).iter().any(|file| has_ending(file, &PLAIN))
}

fn has_ending(file: &Path, endings: &[&str]) -> bool {
    file.extension().is_some_and(|e| endings.iter().any(|ending| e.eq_ignore_ascii_case(ending)))
}

fn files_in(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|e| e.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[&str], runtime: Option<&str>) -> Result<Kind, BuildError> {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            fs::write(root.path().join(file), "").unwrap();
        }
        detect(root.path(), runtime)
    }

    #[test]
    fn a_project_is_told_by_the_file_of_its_tool() {
        for (files, kind) in [
            (&["go.mod", "main.go", "package.json"][..], Kind::Go),
            (&["Cargo.toml"], Kind::Cargo),
            (&["pom.xml"], Kind::Maven),
            (&["build.gradle.kts"], Kind::Gradle),
            (&["Hello.csproj"], Kind::DotNet),
            (&["package.json", "index.mjs"], Kind::Npm),
            (&["pyproject.toml", "app.py"], Kind::Pip),
            (&["requirements.txt"], Kind::Pip),
            (&["Gemfile"], Kind::Bundler),
            (&["app.py"], Kind::Plain),
            (&["bootstrap"], Kind::Plain),
        ] {
            assert_eq!(of(files, None).unwrap(), kind, "{files:?}");
        }
    }

    #[test]
    fn a_named_runtime_decides_between_two() {
        let both = ["package.json", "requirements.txt"];
        assert_eq!(of(&both, Some("python3.12")).unwrap(), Kind::Pip);
        assert_eq!(of(&both, Some("nodejs22.x")).unwrap(), Kind::Npm);
        assert_eq!(of(&both, Some("ruby3.4")).unwrap(), Kind::Npm);
    }

    #[test]
    fn a_directory_without_any_is_told_what_was_looked_for() {
        let error = of(&["notes.txt"], None).unwrap_err();
        assert!(error.to_string().contains("none of go.mod, Cargo.toml, pom.xml"), "{error}");
    }
}
