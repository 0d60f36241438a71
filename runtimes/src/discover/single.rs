//! Interpreters that live below one directory, and say name, version and path when they are asked:
//! Node.js and Ruby.
//!
//! # Not here
//! Where a language's installations are, and how one is read off without running it: its own file.

use std::fs;
use std::path::{Path, PathBuf};

use super::Interpreter;
use super::choose::identifier_of;
use super::examine::{Rejected, Running, binds, is_program, too_wide, unusable};
use super::probe;
use super::search::Search;
use crate::catalogue::Catalogue;

/// What differs between them.
pub(super) struct Single {
    /// The language's folder.
    pub(super) folder: &'static str,
    /// What people call it.
    pub(super) name: &'static str,
    /// What answers with the engine's name, the version and the program's own path, one line each.
    pub(super) arguments: &'static [&'static str],
    /// The engine's name in that answer; others of the language are none of AWS's.
    pub(super) engine: &'static str,
    /// Whose answer it is not, if it is another's.
    pub(super) possessive: &'static str,
    /// Program and version of a file, if they can be told without running it.
    pub(super) read_off: fn(&Path) -> Option<(PathBuf, String)>,
    /// How many parts of a version its identifiers name.
    pub(super) release_parts: usize,
}

impl Single {
    /// The interpreter behind `file`.
    pub(super) fn examine(
        &self,
        file: &Path,
        search: &Search,
        running: Running,
    ) -> Result<Interpreter, Rejected> {
        if !is_program(file) {
            return Err(Rejected::Absent);
        }
        let (executable, version) = match ((self.read_off)(file), running) {
            (Some(found), _) => found,
            (None, Running::Allowed) => self.ask(file, search)?,
            (None, Running::Forbidden) => {
                return Err(unusable(
                    file,
                    "cannot be told without running it, and is not on PATH",
                ));
            }
        };
        let mut found = self.interpreter(executable, version, search)?;
        found.found_at = file.to_owned();
        Ok(found)
    }

    /// Runs the file and believes what it says.
    fn ask(&self, file: &Path, search: &Search) -> Result<(PathBuf, String), Rejected> {
        let text = probe::run(file, self.arguments, &search.cwd, self.name, search.time_scale)
            .map_err(|reason| unusable(file, &reason))?;
        let mut lines = text.lines();
        let (engine, version, executable) = (lines.next(), lines.next(), lines.next());
        let (true, Some(version), Some(executable)) =
            (engine == Some(self.engine), version, executable)
        else {
            let reason = format!("gave an answer that is not {}", self.possessive);
            return Err(unusable(file, &reason));
        };
        let executable = fs::canonicalize(executable).map_err(|error| {
            unusable(file, &format!("names itself a file that is gone: {error}"))
        })?;
        Ok((executable, version.to_owned()))
    }

    fn interpreter(
        &self,
        executable: PathBuf,
        version: String,
        search: &Search,
    ) -> Result<Interpreter, Rejected> {
        let language = Catalogue::embedded().language(self.folder);
        let language = language.expect("the folder of a finder is embedded");
        let parts: Vec<&str> = version.split('.').take(self.release_parts).collect();
        let release = parts.join(".");
        let Some((identifier, fit)) = identifier_of(language, &release) else {
            let name = self.name;
            let reason =
                format!("is {name} {version}, which is too old for any runtime of AWS here");
            return Err(unusable(&executable, &reason));
        };
        let prefix = executable.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
        let prefix = prefix.to_owned();
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
}
