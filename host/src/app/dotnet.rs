//! What only .NET has: what its program is given to run, worked out from handler and package, and ICU.
//!
//! # Sources
//! AWS's start script for .NET: which files it looks for, in which order, its texts and exit codes.

use std::fs;
use std::path::{Path, PathBuf};

use lambdabox_runtimes::discover::{Fit, Interpreter};

use super::runtime::Parts;

/// The language's folder.
pub(super) const FOLDER: &str = "dotnet";
/// Names the assembly whose two files are used, where that is another than the handler's.
const MAIN_ASSEMBLY: &str = "LAMBDA_DOTNET_MAIN_ASSEMBLY";
const INVARIANT: &str = "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT";
const LOOP: &str = "/var/runtime/bootstrap.dll";
const TASK: &str = "/var/task";
/// Where distributions put ICU, a directory for each architecture in between or none.
const LIBRARIES: [&str; 4] =
    ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib"];

/// What starts a function.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// The interpreter, given our loop.
    Loop(Vec<String>),
    /// The interpreter, given a program of the package that brings AWS's loop.
    Own(Vec<String>),
    /// A program of the package that needs no interpreter.
    Program(String),
    /// Nothing can: what AWS's script says, and its exit status.
    Refused { message: String, status: u8 },
}

impl Parts<'_> {
    /// What is run, and the variables that go with it.
    pub(super) fn dotnet(
        &mut self,
        handler: &str,
        interpreter: &Interpreter,
        variables: &mut Vec<(String, String)>,
    ) -> Start {
        // Older runtimes know no ICU that a distribution still has.
        let knows_icu = interpreter.fit == Fit::Exact
            || interpreter.release.parse().is_ok_and(|major: u32| major >= 5);
        let finds_icu = knows_icu && has_icu();
        if !finds_icu && !self.config.environment.contains_key(INVARIANT) {
            variables.push((INVARIANT.to_owned(), "1".to_owned()));
            let remedy = match knows_icu {
                true => "; to have them: apt-get install libicu72, or your distribution's version",
                false => "",
            };
            self.said.push(format!(
                "this .NET finds no ICU library, so it knows no cultures here as it does on AWS{remedy}"
            ));
        }
        let task = self.trees.iter().find(|tree| tree.target == Path::new(TASK));
        let root = task.map(|tree| tree.source.clone()).unwrap_or_default();
        let main = self.config.environment.get(MAIN_ASSEMBLY).map(String::as_str);
        let mut start = start(&root, handler, main);
        if let (Start::Loop(words) | Start::Own(words), Fit::Near) = (&mut start, interpreter.fit) {
            words.splice(0..0, ["--roll-forward".to_owned(), "Major".to_owned()]);
        }
        start
    }
}

fn start(root: &Path, handler: &str, main: Option<&str>) -> Start {
    let Some((assembly, _)) = handler.split_once(':') else {
        return program(root, handler);
    };
    let assembly = main.map_or(assembly, |main| main.strip_suffix(".dll").unwrap_or(main));
    let mut words = Vec::new();
    for (option, ending, status) in
        [("--depsfile", ".deps.json", 105), ("--runtimeconfig", ".runtimeconfig.json", 106)]
    {
        let Some(file) = named_or_only(root, assembly, ending) else {
            let message = format!(
                "Error: .NET binaries for Lambda function are not correctly installed in the {TASK} \
                 directory of the image when the image was built. The {TASK} directory is missing the \
                 required {ending} file."
            );
            return Start::Refused { message, status };
        };
        words.extend([option.to_owned(), format!("{TASK}/{file}")]);
    }
    words.extend([LOOP.to_owned(), handler.to_owned()]);
    Start::Loop(words)
}

/// A handler without colons: an assembly with a `Main`, else a program.
fn program(root: &Path, handler: &str) -> Start {
    let assembly = match handler.ends_with(".dll") {
        true => handler.to_owned(),
        false => format!("{handler}.dll"),
    };
    if root.join(&assembly).is_file() {
        return Start::Own(vec![format!("{TASK}/{assembly}")]);
    }
    if root.join(handler).is_file() {
        return Start::Program(format!("{TASK}/{handler}"));
    }
    let message = format!(
        "Error: executable assembly {TASK}/{assembly} or binary {TASK}/{handler} not found."
    );
    Start::Refused { message, status: 104 }
}

/// The assembly's file, else the only one of its kind.
fn named_or_only(root: &Path, assembly: &str, ending: &str) -> Option<String> {
    let named = format!("{assembly}{ending}");
    if root.join(&named).is_file() {
        return Some(named);
    }
    let entries = fs::read_dir(root).ok()?.flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names = names.filter(|name| name.ends_with(ending) && !name.starts_with('.'));
    let only = names.next()?;
    names.next().is_none().then_some(only)
}

fn has_icu() -> bool {
    LIBRARIES.iter().any(|directory| {
        let entries = fs::read_dir(PathBuf::from(directory)).into_iter().flatten().flatten();
        entries
            .into_iter()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("libicuuc.so."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            fs::write(dir.path().join(file), "").unwrap();
        }
        dir
    }

    fn loop_with(assembly: &str, handler: &str) -> Start {
        Start::Loop(
            [
                "--depsfile",
                &format!("/var/task/{assembly}.deps.json"),
                "--runtimeconfig",
                &format!("/var/task/{assembly}.runtimeconfig.json"),
                "/var/runtime/bootstrap.dll",
                handler,
            ]
            .map(str::to_owned)
            .to_vec(),
        )
    }

    #[test]
    fn the_handlers_assembly_names_its_two_files_and_else_the_only_ones_are_taken() {
        let files = ["A.deps.json", "A.runtimeconfig.json", "B.deps.json", "B.runtimeconfig.json"];
        let both = package(&files);
        assert_eq!(start(both.path(), "B::T::M", None), loop_with("B", "B::T::M"));
        assert_eq!(start(both.path(), "C::T::M", Some("A.dll")), loop_with("A", "C::T::M"));
        let one = package(&files[..2]);
        assert_eq!(start(one.path(), "C::T::M", None), loop_with("A", "C::T::M"));
    }

    #[test]
    fn what_awss_script_does_not_find_ends_with_its_status() {
        let refused = |files: &[&str], handler| match start(package(files).path(), handler, None) {
            Start::Refused { message, status } => (status, message),
            other => panic!("{other:?}"),
        };
        let (status, message) = refused(&["A.deps.json", "B.deps.json"], "C::T::M");
        assert_eq!(status, 105);
        assert!(message.ends_with("is missing the required .deps.json file."), "{message}");
        assert_eq!(refused(&["A.deps.json"], "A::T::M").0, 106);
        let (status, message) = refused(&[], "App");
        assert_eq!(status, 104);
        let expected =
            "Error: executable assembly /var/task/App.dll or binary /var/task/App not found.";
        assert_eq!(message, expected);
    }

    #[test]
    fn a_handler_without_colons_is_an_assembly_and_else_a_program() {
        let own = Start::Own(vec!["/var/task/App.dll".to_owned()]);
        let both = package(&["App", "App.dll"]);
        assert_eq!(start(both.path(), "App", None), own);
        assert_eq!(start(both.path(), "App.dll", None), own);
        let native = package(&["App"]);
        assert_eq!(start(native.path(), "App", None), Start::Program("/var/task/App".to_owned()));
    }
}
