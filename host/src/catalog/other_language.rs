//! A package that is not what was meant to run: of another language, or sources not built yet.

use std::fs;
use std::path::{Path, PathBuf};

use lambdabox_runtimes::{Catalogue, Kind, Language};

use super::module::module_file;

/// What to say of a package without the handler's module, if it is another language's: which file tells,
/// and what to pass.
pub(super) fn hint(
    root: &Path,
    wanted: &Language,
    catalogue: &'static Catalogue,
) -> Option<String> {
    // Java's classes may be anywhere, and a helper in Python beside them says nothing.
    let others = catalogue.languages().iter().filter(|l| l.folder != wanted.folder);
    let mut others = others.filter(|language| language.kind == Kind::Managed);
    others.find_map(|language| {
        let usual = language.modules.iter().find_map(|module| module_file(root, module, language));
        let project = || language.project_files.iter().map(|f| root.join(f)).find(|f| f.is_file());
        let file = usual.or_else(project)?;
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        let (language, folder) = (&language.name, language.folder);
        Some(format!("{name} is {language}'s, which --runtime {folder} runs"))
    })
}

/// Files of tools whose projects do not run as they are.
const BUILT_FIRST: [&str; 5] =
    ["go.mod", "Cargo.toml", "pom.xml", "build.gradle", "build.gradle.kts"];

/// The file that tells that a package is sources of a language that is compiled.
pub(super) fn unbuilt(root: &Path) -> Option<PathBuf> {
    let mut entries = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let known = BUILT_FIRST.iter().map(|name| root.join(name)).find(|file| file.is_file());
    known.or_else(|| entries.find(|file| file.extension().is_some_and(|e| e == "csproj")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_tells_is_named_with_the_runtime() {
        let dir = tempfile::tempdir().unwrap();
        let catalogue = Catalogue::embedded();
        let python = catalogue.language("python").unwrap();
        assert_eq!(hint(dir.path(), python, catalogue), None);
        std::fs::write(dir.path().join("index.js"), "").unwrap();
        let said = hint(dir.path(), python, catalogue).unwrap();
        assert_eq!(said, "index.js is Node.js's, which --runtime nodejs runs");
        let node = catalogue.language("nodejs").unwrap();
        assert_eq!(hint(dir.path(), node, catalogue), None);
    }
}
