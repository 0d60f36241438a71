//! What of a directory is not deployed: what nobody wants in a package, and what `.lambdaboxignore`
//! names.

use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::error::ClientError;

/// Read beside the function; written as a `.gitignore` is.
const FILE: &str = ".lambdaboxignore";
/// Before the file's own lines, which can take them in again with `!`.
const ALWAYS: [&str; 8] = [
    ".git",
    // A developer's own keys, which a package would take to whoever may download it.
    ".env",
    ".venv",
    "__pycache__",
    "**/node_modules/.cache",
    "/.lambdabox",
    "/lambdabox.toml",
    "/.lambdaboxignore",
];
/// Names that are listed, before the rest is only counted.
const MAX_LISTED: usize = 8;

/// Decides, and remembers what was left out.
pub(super) struct Ignored {
    matcher: Gitignore,
    left_out: Vec<String>,
}

impl Ignored {
    /// Reads the file of this directory, if there is one.
    pub(super) fn of(root: &Path) -> Result<Self, ClientError> {
        let mut builder = GitignoreBuilder::new(root);
        let path = root.join(FILE);
        let wrong = |source| ClientError::IgnoreFile { path: path.clone(), source };
        for line in ALWAYS {
            builder.add_line(None, line).map_err(wrong)?;
        }
        if path.exists()
            && let Some(error) = builder.add(&path)
        {
            return Err(wrong(error));
        }
        let matcher = builder.build().map_err(wrong)?;
        Ok(Self { matcher, left_out: Vec::new() })
    }

    /// Whether a path below the directory is deployed; of one that is not, nothing below it is asked.
    pub(super) fn takes(&mut self, path: &Path, is_directory: bool) -> bool {
        let taken = !self.matcher.matched(path, is_directory).is_ignore();
        if !taken {
            let slash = if is_directory { "/" } else { "" };
            self.left_out.push(format!("{}{slash}", path.display()));
        }
        taken
    }

    /// What was left out, in one line.
    pub(super) fn listed(&self) -> Option<String> {
        if self.left_out.is_empty() {
            return None;
        }
        let named = &self.left_out[..self.left_out.len().min(MAX_LISTED)];
        let more = match self.left_out.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!("not in the package: {}{more}", named.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_nobody_wants_is_left_out_and_the_file_adds_and_takes_in_again() {
        let dir = tempfile::tempdir().unwrap();
        let lines = "# ours\n*.log\n/build/\n!keep.log\n!.venv\n";
        fs::write(dir.path().join(FILE), lines).unwrap();
        let mut ignored = Ignored::of(dir.path()).unwrap();
        for (path, is_directory, taken) in [
            ("app.py", false, true),
            ("lib/x.log", false, false),
            ("keep.log", false, true),
            ("build", true, false),
            ("lib/build", true, true),
            (".git", true, false),
            (".env", false, false),
            ("lib/.env", false, false),
            (".env.example", false, true),
            (".venv", true, true),
            ("lib/__pycache__", true, false),
            ("node_modules", true, true),
            ("lib/node_modules/.cache", true, false),
            ("lambdabox.toml", false, false),
            ("lib/lambdabox.toml", false, true),
            (FILE, false, false),
        ] {
            assert_eq!(ignored.takes(Path::new(path), is_directory), taken, "{path}");
        }
        fs::write(dir.path().join(FILE), "!.env\n").unwrap();
        assert!(Ignored::of(dir.path()).unwrap().takes(Path::new(".env"), false));
        let listed = ignored.listed().unwrap();
        assert!(listed.starts_with("not in the package: lib/x.log, build/, .git/, "), "{listed}");
    }

    #[test]
    fn a_pattern_that_is_none_is_said_with_its_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "ok\n[z-a]\n").unwrap();
        let Err(error) = Ignored::of(dir.path()) else { panic!("it is taken") };
        let said = error.to_string();
        assert!(said.contains(FILE) && said.contains("line 2"), "{said}");
    }
}
