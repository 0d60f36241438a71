//! Pythons: their names, and the functions that ask for nothing but them.

use super::choose::{self, Compat, Finder};
use super::search::Search;
use super::{DiscoverError, Fit, Interpreter, examine, places};
use crate::catalogue::{Catalogue, Language};

pub(super) const FINDER: Finder = Finder {
    folder: "python",
    exact_names: |version| vec![format!("python{version}")],
    elsewhere: places::pythons,
    examine: examine::examine,
};

/// [`choose::find`] for Python, exact.
///
/// # Errors
/// [`DiscoverError`].
pub fn python(identifier: Option<&str>, search: &Search) -> Result<Interpreter, DiscoverError> {
    choose::find(language(), identifier, Compat::Exact, search)
}

/// Every usable Python that a runtime of AWS has, the newest first.
pub fn all_pythons(search: &Search) -> Vec<Interpreter> {
    let mut found = choose::all(language(), search);
    found.retain(|interpreter| interpreter.fit == Fit::Exact);
    found
}

pub(super) fn language() -> &'static Language {
    Catalogue::embedded().language("python").expect("the python folder is embedded")
}
