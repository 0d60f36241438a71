//! Which Python runs a function.

use std::path::{Path, PathBuf};

use super::examine::{Rejected, Running, examine};
use super::search::Search;
use super::{DiscoverError, Interpreter, error, places};
use crate::catalogue::{Catalogue, Language};

/// Finds the Python for an identifier, or the best one when none is asked for: the `python3` of
/// the search path if a runtime of AWS has its version, else the newest found.
///
/// # Errors
/// [`DiscoverError`]: what was found instead and how to get what is missing.
pub fn python(identifier: Option<&str>, search: &Search) -> Result<Interpreter, DiscoverError> {
    let language = language();
    let mut notes = error::Notes::default();
    match identifier {
        Some(name) => {
            let version = language.identifier(name).and_then(|found| found.version.as_deref());
            let version = version.ok_or_else(|| DiscoverError::NotPython {
                identifier: name.to_owned(),
                known: known(language),
            })?;
            exactly(name, version, language, search, &mut notes).ok_or_else(|| {
                DiscoverError::Missing {
                    identifier: name.to_owned(),
                    version: version.to_owned(),
                    found: listed(&all_pythons(search)),
                    notes,
                }
            })
        }
        None => {
            let mut on_path = language
                .interpreter
                .names
                .iter()
                .filter_map(|name| first_on_path(name, search, &mut notes));
            if let Some(found) = on_path.next() {
                return Ok(found);
            }
            drop(on_path);
            all_pythons(search).into_iter().next().ok_or_else(|| DiscoverError::NoneAtAll {
                known: known(language),
                suggested: "3.12".to_owned(),
                notes,
            })
        }
    }
}

/// Every usable Python, the newest first; for lists and for choosing.
pub fn all_pythons(search: &Search) -> Vec<Interpreter> {
    let language = language();
    let versions = language.identifiers.iter().filter_map(|i| i.version.as_deref());
    let names: Vec<String> = language
        .interpreter
        .names
        .iter()
        .cloned()
        .chain(versions.map(|version| format!("python{version}")))
        .collect();
    let on_path = path_directories(search)
        .flat_map(|dir| names.iter().map(move |name| (dir.join(name), Running::Allowed)));
    let elsewhere =
        places::interpreters(search, None).into_iter().map(|file| (file, Running::Forbidden));
    let mut found: Vec<Interpreter> = Vec::new();
    for (file, running) in on_path.chain(elsewhere) {
        // What cannot serve is of no use in a list of what can.
        if let Ok(interpreter) = examine(&file, search, running)
            && !found.iter().any(|other| other.executable == interpreter.executable)
        {
            found.push(interpreter);
        }
    }
    // Stable: of equal versions the one earlier on the search path stays first.
    found.sort_by_key(|interpreter| std::cmp::Reverse(sort_key(&interpreter.version)));
    found
}

fn exactly(
    identifier: &str,
    version: &str,
    language: &Language,
    search: &Search,
    notes: &mut error::Notes,
) -> Option<Interpreter> {
    let exact_name = format!("python{version}");
    let names = [exact_name.as_str()]
        .into_iter()
        .chain(language.interpreter.names.iter().map(String::as_str));
    let on_path = names.flat_map(|name| {
        path_directories(search).map(move |dir| (dir.join(name), Running::Allowed))
    });
    let elsewhere = places::interpreters(search, Some(version))
        .into_iter()
        .map(|file| (file, Running::Forbidden));
    for (file, running) in on_path.chain(elsewhere) {
        match examine(&file, search, running) {
            Ok(found) if found.identifier == identifier => return Some(found),
            Ok(_) | Err(Rejected::Absent) => {}
            Err(Rejected::Unusable(reason)) => notes.add(reason),
        }
    }
    None
}

/// The first file of this name on the search path, as a shell would take it, if it can serve.
fn first_on_path(name: &str, search: &Search, notes: &mut error::Notes) -> Option<Interpreter> {
    for dir in path_directories(search) {
        match examine(&dir.join(name), search, Running::Allowed) {
            Ok(found) => return Some(found),
            Err(Rejected::Absent) => {}
            Err(Rejected::Unusable(reason)) => notes.add(reason),
        }
    }
    None
}

fn path_directories(search: &Search) -> impl Iterator<Item = &Path> {
    search.path.iter().map(PathBuf::as_path).filter(|dir| dir.is_absolute())
}

fn language() -> &'static Language {
    Catalogue::embedded().language("python").expect("the python folder is embedded")
}

fn known(language: &Language) -> String {
    language.identifiers.iter().map(|i| i.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn listed(found: &[Interpreter]) -> String {
    if found.is_empty() {
        return "no Python that serves a runtime of AWS".to_owned();
    }
    let mut lines: Vec<String> = Vec::new();
    for interpreter in found {
        let path = interpreter.executable.display();
        lines.push(format!("{} ({path})", interpreter.identifier));
    }
    lines.join(", ")
}

fn sort_key(version: &str) -> Vec<u32> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
}
