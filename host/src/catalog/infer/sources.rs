//! Sources of languages that are compiled, where what comes of them was expected.

use std::path::{Path, PathBuf};

use lambdabox_runtimes::Language;

use super::super::infer_error::InferError;
use super::super::module::module_file;
use super::super::other_language;
use super::{Look, files_in};

/// Endings, whose they are, and the folder of the runtime that runs what comes of them.
const COMPILED: [(&str, &str, &str); 4] = [
    ("java", "Java", "java"),
    ("cs", "C#", "dotnet"),
    ("go", "Go", "provided"),
    ("rs", "Rust", "provided"),
];

/// A file that does not run as it is.
pub(super) struct Source {
    pub(super) file: PathBuf,
    /// What people call its language.
    pub(super) language: &'static str,
    /// Folder of the runtime.
    pub(super) folder: &'static str,
}

impl Source {
    /// Whether the file is one, by its name.
    pub(super) fn of(file: &Path) -> Option<Self> {
        let ending = file.extension()?.to_str()?;
        let (_, language, folder) = COMPILED.into_iter().find(|(known, _, _)| *known == ending)?;
        Some(Self { file: file.to_owned(), language, folder })
    }

    /// The first of a directory's own files, by name.
    pub(super) fn in_directory(root: &Path) -> Option<Self> {
        let mut files = files_in(root);
        files.sort();
        files.iter().find_map(|file| Self::of(file))
    }
}

impl Look<'_> {
    /// Why a source file cannot be the function: by its project's tool if there is one.
    pub(super) fn not_built(&self, source: &Source) -> InferError {
        let unbuilt = other_language::unbuilt(&self.package.root);
        let unbuilt = unbuilt.map(|file| InferError::NotBuilt { file });
        unbuilt.unwrap_or_else(|| self.not_compiled(source))
    }

    pub(super) fn not_compiled(&self, source: &Source) -> InferError {
        let (file, language) = (self.package.called(&source.file), source.language);
        InferError::NotCompiled { file, language }
    }

    /// A source beside which nothing is that was made of it, as far as can be seen.
    pub(super) fn source_alone(&self, module: &str, language: &Language) -> Option<PathBuf> {
        let root = &self.package.root;
        let is_built = self.layers.root.is_some()
            || root.join("lib").is_dir()
            || module_file(root, module, language).is_some()
            || self.language_of_any_file().is_some();
        let source = self.source_in_root().filter(|_| !is_built)?;
        Some(self.package.called(&source.file))
    }

    /// A source in the package, unless a runtime was named that is not its own.
    pub(super) fn source_in_root(&self) -> Option<Source> {
        let named = self.wanted.runtime.and_then(|name| self.catalogue.find(name).ok());
        let is_wanted = |source: &Source| named.is_none_or(|(l, _)| l.folder == source.folder);
        Source::in_directory(&self.package.root).filter(is_wanted)
    }
}
