//! Which interpreter runs a function: one order for every language.
//!
//! The search path first, as a shell would take it, then well-known places, the newest first. An
//! interpreter of another version than AWS's is taken only where the caller allows it, or where no
//! version was asked for and there is nothing better.

use std::path::{Path, PathBuf};

use super::examine::{Rejected, Running};
use super::search::Search;
use super::{DiscoverError, Fit, Interpreter, dotnet, error, java, node, python, ruby};
use crate::catalogue::{Identifier, Language};
use crate::entry::numbers;

/// Whether an interpreter of another version may stand in for the identifier's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compat {
    /// Never.
    Exact,
    /// The nearest one, if there is none of the version itself.
    Near,
}

/// How interpreters of one language are found. A new language is one of these and a row below.
pub(super) struct Finder {
    /// The language's folder.
    pub(super) folder: &'static str,
    /// File names of the interpreter of one version, such as `python3.11`.
    pub(super) exact_names: fn(&str) -> Vec<String>,
    /// Files in well-known places, the newest version first; with a version only those of it.
    pub(super) elsewhere: fn(&Search, Option<&str>) -> Vec<PathBuf>,
    /// What a file is.
    pub(super) examine: fn(&Path, &Search, Running) -> Result<Interpreter, Rejected>,
}

const FINDERS: &[Finder] =
    &[python::FINDER, node::FINDER, ruby::FINDER, java::FINDER, dotnet::FINDER];

/// Finds the interpreter for an identifier, or the best one when none is asked for: the first of the
/// search path if a runtime of AWS has its version, else the newest found, else the nearest.
///
/// # Errors
/// [`DiscoverError`]: what was found instead and how to get what is missing.
pub fn find(
    language: &Language,
    identifier: Option<&str>,
    compat: Compat,
    search: &Search,
) -> Result<Interpreter, DiscoverError> {
    let Some(finder) = finder(language) else { return Err(no_such(language, identifier)) };
    let look = Look { language, finder, search };
    match identifier {
        Some(name) => match language.identifier(name) {
            Some(wanted) => look.wanted(wanted, compat),
            None => Err(no_such(language, identifier)),
        },
        None => look.any(),
    }
}

/// Every usable interpreter of a language, the newest first; near ones too, for the identifier
/// nearest to each.
pub fn all(language: &Language, search: &Search) -> Vec<Interpreter> {
    let Some(finder) = finder(language) else { return Vec::new() };
    Look { language, finder, search }.all()
}

/// The interpreter among `found` that would serve this identifier.
pub fn serving<'a>(identifier: &Identifier, found: &'a [Interpreter]) -> Option<&'a Interpreter> {
    let exact = found
        .iter()
        .find(|i| i.fit == Fit::Exact && Some(i.release.as_str()) == identifier.version.as_deref());
    exact.or_else(|| {
        let wanted = identifier.version.as_deref()?;
        // Stable: of equally near ones the newer, which comes first.
        found.iter().min_by_key(|interpreter| distance(&interpreter.release, wanted))
    })
}

fn finder(language: &Language) -> Option<&'static Finder> {
    FINDERS.iter().find(|finder| finder.folder == language.folder)
}

struct Look<'a> {
    language: &'a Language,
    finder: &'static Finder,
    search: &'a Search,
}

impl Look<'_> {
    fn wanted(&self, wanted: &Identifier, compat: Compat) -> Result<Interpreter, DiscoverError> {
        let mut notes = error::Notes::default();
        let version = wanted.version.as_deref().unwrap_or_default();
        if let Some(found) = self.exactly(&wanted.name, version, &mut notes) {
            return Ok(found);
        }
        let all = self.all();
        match (compat, serving(wanted, &all)) {
            (Compat::Near, Some(near)) => {
                let identifier = wanted.name.clone();
                Ok(Interpreter { identifier, fit: Fit::Near, ..near.clone() })
            }
            (_, near) => Err(DiscoverError::Missing {
                identifier: wanted.name.clone(),
                found: listed(&all, self.language),
                notes,
                advice: self.advice(version),
                near: match near {
                    Some(near) => format!(
                        "; --runtime-compat near would take {} {}",
                        self.language.name, near.version
                    ),
                    None => String::new(),
                },
            }),
        }
    }

    fn any(&self) -> Result<Interpreter, DiscoverError> {
        let mut notes = error::Notes::default();
        let names = &self.language.interpreter.names;
        if let Some(found) = names.iter().find_map(|name| self.first_on_path(name, &mut notes)) {
            return Ok(found);
        }
        let all = self.all();
        let best = all.iter().find(|i| i.fit == Fit::Exact).or(all.first());
        best.cloned().ok_or_else(|| {
            let versions = self.language.identifiers.iter().filter_map(|i| i.version.as_deref());
            let versions: Vec<&str> = versions.collect();
            // Not the very newest, which distributions and people do not have yet.
            let suggested = versions.iter().rev().nth(SUGGESTED_FROM_THE_END).or(versions.last());
            DiscoverError::NoneAtAll {
                language: self.language.name.clone(),
                known: known(self.language),
                advice: self.advice(suggested.copied().unwrap_or_default()),
                notes,
            }
        })
    }

    fn all(&self) -> Vec<Interpreter> {
        let names = &self.language.interpreter.names;
        let versions = self.language.identifiers.iter().filter_map(|i| i.version.as_deref());
        let exact = versions.flat_map(|version| (self.finder.exact_names)(version));
        let names: Vec<String> = names.iter().cloned().chain(exact).collect();
        let on_path = path_directories(self.search)
            .flat_map(|dir| names.iter().map(move |name| (dir.join(name), Running::Allowed)));
        let elsewhere = (self.finder.elsewhere)(self.search, None).into_iter();
        let elsewhere = elsewhere.map(|file| (file, Running::Forbidden));
        let mut found: Vec<Interpreter> = Vec::new();
        for (file, running) in on_path.chain(elsewhere) {
            // What cannot serve is of no use in a list of what can.
            if let Ok(interpreter) = (self.finder.examine)(&file, self.search, running)
                && !found.iter().any(|other| is_same(other, &interpreter))
            {
                found.push(interpreter);
            }
        }
        // Stable: of equal versions the one earlier on the search path stays first.
        found.sort_by_key(|interpreter| std::cmp::Reverse(numbers(&interpreter.version)));
        found
    }

    fn exactly(
        &self,
        identifier: &str,
        version: &str,
        notes: &mut error::Notes,
    ) -> Option<Interpreter> {
        let exact = (self.finder.exact_names)(version);
        let names = exact.iter().chain(&self.language.interpreter.names);
        let on_path = names.flat_map(|name| {
            path_directories(self.search).map(move |dir| (dir.join(name), Running::Allowed))
        });
        let elsewhere = (self.finder.elsewhere)(self.search, Some(version)).into_iter();
        let elsewhere = elsewhere.map(|file| (file, Running::Forbidden));
        for (file, running) in on_path.chain(elsewhere) {
            match (self.finder.examine)(&file, self.search, running) {
                // Java has two identifiers of one version.
                Ok(found) if found.fit == Fit::Exact && found.release == version => {
                    return Some(Interpreter { identifier: identifier.to_owned(), ..found });
                }
                Ok(_) | Err(Rejected::Absent) => {}
                Err(Rejected::Unusable(reason)) => notes.add(reason),
            }
        }
        None
    }

    /// The first file of this name on the search path, as a shell would take it, if it can serve.
    fn first_on_path(&self, name: &str, notes: &mut error::Notes) -> Option<Interpreter> {
        for dir in path_directories(self.search) {
            match (self.finder.examine)(&dir.join(name), self.search, Running::Allowed) {
                Ok(found) if found.fit == Fit::Exact => return Some(found),
                Ok(_) | Err(Rejected::Absent) => {}
                Err(Rejected::Unusable(reason)) => notes.add(reason),
            }
        }
        None
    }

    fn advice(&self, version: &str) -> String {
        self.language.interpreter.advice.replace("{version}", version)
    }
}

/// .NET has several versions behind one program.
fn is_same(one: &Interpreter, other: &Interpreter) -> bool {
    (&one.executable, &one.version) == (&other.executable, &other.version)
}

/// The identifier an interpreter serves and how well; `None` if the loop is too new for it.
pub(super) fn identifier_of(language: &Language, release: &str) -> Option<(String, Fit)> {
    if let Some(exact) = language.identifier_for(release) {
        return Some((exact.name.clone(), Fit::Exact));
    }
    let with_version = || language.identifiers.iter().filter(|i| i.version.is_some());
    let own = language.interpreter.oldest.as_deref();
    let oldest = own.or_else(|| with_version().find_map(|i| i.version.as_deref()))?;
    if numbers(release) < numbers(oldest) {
        return None;
    }
    // Of equally near ones the newer, which is listed later.
    let near = with_version()
        .rev()
        .min_by_key(|i| i.version.as_deref().map(|version| distance(release, version)))?;
    Some((near.name.clone(), Fit::Near))
}

/// How far two versions are apart: a major step weighs more than any minor one.
fn distance(one: &str, other: &str) -> u32 {
    const MINORS_OF_A_MAJOR: u32 = 100;
    let place = |text: &str| {
        let parts = numbers(text);
        let at = |index: usize| parts.get(index).copied().unwrap_or_default();
        at(0) * MINORS_OF_A_MAJOR + at(1)
    };
    place(one).abs_diff(place(other))
}

/// Place of the suggested version, counted from the newest.
const SUGGESTED_FROM_THE_END: usize = 2;

fn path_directories(search: &Search) -> impl Iterator<Item = &Path> {
    search.path.iter().map(PathBuf::as_path).filter(|dir| dir.is_absolute())
}

fn no_such(language: &Language, identifier: Option<&str>) -> DiscoverError {
    DiscoverError::OtherLanguage {
        identifier: identifier.unwrap_or(language.folder).to_owned(),
        language: language.name.clone(),
        known: known(language),
    }
}

fn known(language: &Language) -> String {
    language.identifiers.iter().map(|i| i.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn listed(found: &[Interpreter], language: &Language) -> String {
    if found.is_empty() {
        return format!("no {} that serves a runtime of AWS", language.name);
    }
    let lines = found.iter().map(|interpreter| {
        let path = interpreter.executable.display();
        match interpreter.fit {
            Fit::Exact => format!("{} ({path})", interpreter.identifier),
            Fit::Near => format!("{} {} ({path})", language.name, interpreter.version),
        }
    });
    lines.collect::<Vec<_>>().join(", ")
}
