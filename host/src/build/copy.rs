//! Copying sources, without what tools and editors leave beside them.

use std::fs;
use std::path::Path;

use super::error::BuildError;
use super::home;

/// Directories and files that no function needs: version control, editors, caches, packages that are
/// installed anew, secrets of a developer's own, settings of lambdabox (which stay with the project).
const LEFT_OUT: [&str; 24] = [
    ".git",
    ".gitignore",
    ".gitattributes",
    ".github",
    ".hg",
    ".svn",
    ".DS_Store",
    ".idea",
    ".vscode",
    ".env",
    ".venv",
    "venv",
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".tox",
    "node_modules",
    ".npm",
    ".bundle",
    ".aws-sam",
    ".serverless",
    home::NAME,
    "lambdabox.toml",
];

/// Copies what is in `from` into `into`, over what is there; `not` is left out wherever it is.
/// Symbolic links stay links.
pub(super) fn sources(from: &Path, into: &Path, not: &Path) -> Result<(), BuildError> {
    let entries = fs::read_dir(from).map_err(BuildError::file("read", from))?;
    for entry in entries {
        let entry = entry.map_err(BuildError::file("read", from))?;
        let path = entry.path();
        let name = entry.file_name();
        let kind = entry.file_type().map_err(BuildError::file("read", &path))?;
        let is_left_out = LEFT_OUT.iter().any(|left_out| name == *left_out)
            || path == not
            || (kind.is_dir() && is_environment_or_bundle(&path));
        if !is_left_out {
            one(&path, &into.join(&name), kind, not)?;
        }
    }
    Ok(())
}

/// Copies everything in `from` into `into`.
pub(super) fn all(from: &Path, into: &Path) -> Result<(), BuildError> {
    let entries = fs::read_dir(from).map_err(BuildError::file("read", from))?;
    for entry in entries {
        let entry = entry.map_err(BuildError::file("read", from))?;
        let (path, target) = (entry.path(), into.join(entry.file_name()));
        let kind = entry.file_type().map_err(BuildError::file("read", &path))?;
        match kind.is_dir() {
            true => {
                fs::create_dir_all(&target).map_err(BuildError::file("make", &target))?;
                all(&path, &target)?;
            }
            false => one(&path, &target, kind, Path::new(""))?,
        }
    }
    Ok(())
}

fn one(path: &Path, target: &Path, kind: fs::FileType, not: &Path) -> Result<(), BuildError> {
    if kind.is_dir() {
        fs::create_dir_all(target).map_err(BuildError::file("make", target))?;
        return sources(path, target, not);
    }
    if kind.is_symlink() {
        let leads = fs::read_link(path).map_err(BuildError::file("read", path))?;
        home::removed(target)?;
        let linked = std::os::unix::fs::symlink(leads, target);
        return linked.map_err(BuildError::file("write", target));
    }
    // Sockets and pipes that a tool has left are no part of a function.
    if kind.is_file() {
        fs::copy(path, target).map_err(BuildError::file("copy", path))?;
    }
    Ok(())
}

/// A virtual environment of any name, or gems that are installed anew.
fn is_environment_or_bundle(path: &Path) -> bool {
    path.join("pyvenv.cfg").is_file() || path.ends_with("vendor/bundle")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_leave_stays_behind_and_the_rest_comes_with_its_mode() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let (from, into) = (dir.path().join("from"), dir.path().join("into"));
        for file in [
            "app.py",
            "data/words.txt",
            "run",
            ".git/config",
            ".env",
            "node_modules/a/index.js",
            "pkg/__pycache__/x.pyc",
            "my env/pyvenv.cfg",
            "vendor/bundle/ruby/x.rb",
            "vendor/own.rb",
            ".lambdabox/build/app.py",
            "out/app.py",
            "lambdabox.toml",
        ] {
            let path = from.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, file).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        std::os::unix::fs::symlink("app.py", from.join("link.py")).unwrap();
        fs::create_dir(&into).unwrap();
        sources(&from, &into, &from.join("out")).unwrap();
        let mut names = Vec::new();
        list(&into, &into, &mut names);
        names.sort();
        assert_eq!(names, ["app.py", "data/words.txt", "link.py", "run", "vendor/own.rb"]);
        assert_eq!(fs::read_link(into.join("link.py")).unwrap(), Path::new("app.py"));
        assert_eq!(fs::metadata(into.join("run")).unwrap().permissions().mode() & 0o777, 0o755);
    }

    fn list(root: &Path, directory: &Path, into: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => list(root, &entry.path(), into),
                false => {
                    let path = entry.path();
                    into.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
    }
}
