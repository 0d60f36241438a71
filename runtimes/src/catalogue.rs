//! The catalogue: every language folder's manifest, parsed.
//!
//! # Invariants
//! - The embedded manifests parse; a unit test holds it, so reading them cannot fail at run time.
//! - An identifier belongs to one language.
//!
//! # Not here
//! Finding an interpreter (`discover`), the loop's text (`embed`), languages to come (`later`).
//!
//! # Sources
//! Identifiers and their three dates: `reference/lambda-service.md` section 4.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::embed::{FOLDERS, LoopFile};
use crate::later::later_by_identifier;

/// Who brings the loop that talks to the Runtime API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// lambdabox does: a managed runtime.
    Managed,
    /// The package or a layer does, as an executable `bootstrap`.
    Custom,
}

/// One runtime identifier of AWS.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Identifier {
    /// As AWS writes it, such as `python3.11`.
    pub name: String,
    /// Version an interpreter must have, such as `3.11`; none for custom runtimes.
    pub version: Option<String>,
    /// Day (`YYYY-MM-DD`) from which AWS calls it deprecated: a notice only.
    pub deprecation: Option<String>,
    /// Day from which AWS refuses to create functions with it.
    pub block_create: Option<String>,
    /// Day from which AWS refuses to update functions with it.
    pub block_update: Option<String>,
}

/// Which of a language's command lines is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryForm {
    /// lambdabox's loop, started as fast as the interpreter can.
    Lean,
    /// lambdabox's loop in an interpreter that heeds the customer's own settings for it.
    Plain,
    /// lambdabox's loop behind the customer's `AWS_LAMBDA_EXEC_WRAPPER`, which may insert options
    /// before the last argument, as AWS's documentation shows.
    Wrapped,
    /// AWS's own runtime interface client.
    Official,
}

/// What a command line is filled in with; all are paths and words as seen inside the sandbox.
#[derive(Debug, Clone, Copy, Default)]
pub struct EntryInputs<'a> {
    /// Replaces `{interpreter}`.
    pub interpreter: Option<&'a str>,
    /// Replaces `{handler}`.
    pub handler: Option<&'a str>,
    /// Replaces `{bootstrap}`.
    pub bootstrap: Option<&'a str>,
    /// Replaces `{loop}`: the language's loop, compiled if there is such a form.
    pub language_loop: Option<&'a str>,
    /// Replaces `{source}` and `{target}` of a compilation, which runs on the host.
    pub compilation: Option<(&'a str, &'a str)>,
}

/// Command lines of a language, as templates.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Entry {
    lean: Vec<String>,
    plain: Vec<String>,
    #[serde(default)]
    wrapped: Option<Vec<String>>,
    #[serde(default)]
    official: Option<Vec<String>>,
    /// Makes the compiled loop, once per interpreter and on the host.
    #[serde(default)]
    compile: Option<Vec<String>>,
    /// File name of the compiled loop in `/var/runtime`.
    #[serde(default)]
    pub compiled: Option<String>,
    /// Directory in a package that means it brings AWS's own client.
    #[serde(default)]
    pub official_marker: Option<String>,
}

impl Entry {
    /// The command line of this form; `None` if the language has no such form or an input that its
    /// template names is missing.
    pub fn argv(&self, form: EntryForm, inputs: EntryInputs<'_>) -> Option<Vec<String>> {
        let template = match form {
            EntryForm::Lean => &self.lean,
            EntryForm::Plain => &self.plain,
            EntryForm::Wrapped => self.wrapped.as_ref().unwrap_or(&self.plain),
            EntryForm::Official => self.official.as_ref()?,
        };
        fill(template, inputs)
    }

    /// The command line that compiles the loop; `None` if the language compiles nothing.
    pub fn compile(&self, inputs: EntryInputs<'_>) -> Option<Vec<String>> {
        fill(self.compile.as_ref()?, inputs)
    }
}

fn fill(template: &[String], inputs: EntryInputs<'_>) -> Option<Vec<String>> {
    template
        .iter()
        .map(|word| match word.as_str() {
            "{interpreter}" => inputs.interpreter.map(str::to_owned),
            "{handler}" => inputs.handler.map(str::to_owned),
            "{bootstrap}" => inputs.bootstrap.map(str::to_owned),
            "{loop}" => inputs.language_loop.map(str::to_owned),
            "{source}" => inputs.compilation.map(|(source, _)| source.to_owned()),
            "{target}" => inputs.compilation.map(|(_, target)| target.to_owned()),
            fixed => Some(fixed.to_owned()),
        })
        .collect()
}

/// How interpreters of a language are called on a search path, versions apart.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct InterpreterNames {
    /// File names, the preferred one first.
    pub names: Vec<String>,
}

/// Everything a language's `runtime.toml` says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Language {
    /// Its folder, which is also its short name: `python`, `provided`.
    #[serde(skip)]
    pub folder: &'static str,
    /// What people call it.
    pub name: String,
    /// Who brings the loop.
    pub kind: Kind,
    /// Endings of its source files, without the dot.
    pub extensions: Vec<String>,
    /// Modules tried, in order, when no handler is given.
    pub modules: Vec<String>,
    /// Functions tried in each of them, in order.
    pub functions: Vec<String>,
    /// Identifiers AWS has or had and this language's loop is too new for.
    pub retired: Vec<String>,
    /// Identifiers it serves.
    pub identifiers: Vec<Identifier>,
    /// How its interpreter is called.
    pub interpreter: InterpreterNames,
    /// Variables AWS's own start script of this language sets; a customer's value wins.
    pub environment: BTreeMap<String, String>,
    /// Its command lines.
    pub entry: Entry,
    /// Its loop; `None` for custom runtimes.
    #[serde(skip)]
    pub language_loop: Option<LoopFile>,
}

impl Language {
    /// The identifier of this name.
    pub fn identifier(&self, name: &str) -> Option<&Identifier> {
        self.identifiers.iter().find(|identifier| identifier.name == name)
    }

    /// The identifier an interpreter of this `X.Y` version serves.
    pub fn identifier_for(&self, version: &str) -> Option<&Identifier> {
        self.identifiers.iter().find(|identifier| identifier.version.as_deref() == Some(version))
    }
}

/// A runtime was asked for that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownRuntime {
    /// AWS has it, this release does not.
    #[error(
        "use the runtime {identifier}: {language} comes in a later release of lambdabox; this one \
         has {known}"
    )]
    Later {
        /// As asked for.
        identifier: String,
        /// Whose it is.
        language: &'static str,
        /// What there is.
        known: String,
    },
    /// AWS had it; the loop needs a newer interpreter.
    #[error("use the runtime {identifier}: it is too old for lambdabox, which has {known}")]
    Retired {
        /// As asked for.
        identifier: String,
        /// What there is.
        known: String,
    },
    /// Nobody has it.
    #[error("use the runtime {identifier}: there is no such runtime; there are {known}")]
    NoSuch {
        /// As asked for.
        identifier: String,
        /// What there is.
        known: String,
    },
}

/// All languages of this build.
#[derive(Debug)]
pub struct Catalogue {
    languages: Vec<Language>,
}

impl Catalogue {
    /// The languages embedded in this program, parsed once.
    pub fn embedded() -> &'static Self {
        static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
        CATALOGUE.get_or_init(|| {
            let languages = FOLDERS.iter().map(|folder| {
                let mut language: Language = toml::from_str(folder.manifest)
                    .expect("a unit test parses every embedded manifest");
                language.folder = folder.name;
                language.language_loop = folder.language_loop;
                language
            });
            Self { languages: languages.collect() }
        })
    }

    /// Every language.
    pub fn languages(&self) -> &[Language] {
        &self.languages
    }

    /// The language with this folder name.
    pub fn language(&self, folder: &str) -> Option<&Language> {
        self.languages.iter().find(|language| language.folder == folder)
    }

    /// The language whose source files end so.
    pub fn by_extension(&self, extension: &str) -> Option<&Language> {
        self.languages.iter().find(|language| language.extensions.iter().any(|e| e == extension))
    }

    /// The language an identifier belongs to. A managed language's bare name (`python`) is taken
    /// too and leaves the version open (`None`).
    ///
    /// # Errors
    /// [`UnknownRuntime`], which lists what there is.
    pub fn find(
        &self,
        identifier: &str,
    ) -> Result<(&Language, Option<&Identifier>), UnknownRuntime> {
        for language in &self.languages {
            if let Some(found) = language.identifier(identifier) {
                return Ok((language, Some(found)));
            }
            if language.folder == identifier && language.kind == Kind::Managed {
                return Ok((language, None));
            }
        }
        let (identifier, known) = (identifier.to_owned(), self.known());
        if self.languages.iter().any(|language| language.retired.contains(&identifier)) {
            return Err(UnknownRuntime::Retired { identifier, known });
        }
        match later_by_identifier(&identifier) {
            Some(later) => Err(UnknownRuntime::Later { identifier, language: later.name, known }),
            None => Err(UnknownRuntime::NoSuch { identifier, known }),
        }
    }

    /// Every identifier, for messages.
    pub fn known(&self) -> String {
        let names = self.languages.iter().flat_map(|language| &language.identifiers);
        names.map(|identifier| identifier.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_manifest_parses() {
        for folder in FOLDERS {
            let parsed: Result<Language, _> = toml::from_str(folder.manifest);
            assert!(parsed.is_ok(), "{}: {}", folder.name, parsed.unwrap_err());
        }
        assert!(Catalogue::embedded().language("python").is_some());
        assert!(Catalogue::embedded().language("provided").is_some());
    }

    #[test]
    fn every_managed_language_brings_its_loop_and_no_custom_one_does() {
        for language in Catalogue::embedded().languages() {
            let managed = language.kind == Kind::Managed;
            assert_eq!(language.language_loop.is_some(), managed, "{}", language.folder);
        }
    }

    #[test]
    fn no_two_languages_share_an_identifier_or_a_file_ending() {
        let languages = Catalogue::embedded().languages();
        let mut names: Vec<&str> = languages
            .iter()
            .flat_map(|l| l.identifiers.iter().map(|i| i.name.as_str()))
            .chain(languages.iter().flat_map(|l| l.extensions.iter().map(String::as_str)))
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_runtime_nobody_has_is_refused_with_the_list_of_what_there_is() {
        let error = Catalogue::embedded().find("python4.0").unwrap_err();
        assert!(matches!(error, UnknownRuntime::NoSuch { .. }));
        let text = error.to_string();
        assert!(text.contains("python3.11") && text.contains("provided.al2023"), "{text}");
    }

    #[test]
    fn a_runtime_of_a_later_release_is_refused_by_its_language() {
        let error = Catalogue::embedded().find("nodejs22.x").unwrap_err();
        assert!(error.to_string().contains("Node.js comes in a later release"), "{error}");
    }

    #[test]
    fn a_runtime_older_than_the_loop_is_refused_as_too_old() {
        let error = Catalogue::embedded().find("python3.8").unwrap_err();
        assert!(matches!(error, UnknownRuntime::Retired { .. }), "{error}");
    }

    #[test]
    fn a_bare_language_name_leaves_the_version_open() {
        let (language, identifier) = Catalogue::embedded().find("python").unwrap();
        assert_eq!((language.folder, identifier), ("python", None));
        let (language, identifier) = Catalogue::embedded().find("provided").unwrap();
        assert_eq!(language.kind, Kind::Custom);
        assert_eq!(identifier.unwrap().name, "provided");
    }

    #[test]
    fn command_lines_are_filled_in_and_never_half_filled() {
        let python = Catalogue::embedded().language("python").unwrap();
        let inputs = EntryInputs {
            interpreter: Some("/var/lang/bin/python3"),
            handler: Some("app.handler"),
            language_loop: Some("/var/runtime/bootstrap.pyc"),
            ..EntryInputs::default()
        };
        let argv = |form| python.entry.argv(form, inputs).unwrap().join(" ");
        assert_eq!(argv(EntryForm::Lean), "/var/lang/bin/python3 -I -S /var/runtime/bootstrap.pyc");
        assert_eq!(argv(EntryForm::Plain), "/var/lang/bin/python3 /var/runtime/bootstrap.pyc");
        assert_eq!(argv(EntryForm::Wrapped), "/var/lang/bin/python3 /var/runtime/bootstrap.py");
        assert_eq!(
            argv(EntryForm::Official),
            "/var/lang/bin/python3 -S -m awslambdaric app.handler"
        );
        let provided = Catalogue::embedded().language("provided").unwrap();
        assert_eq!(provided.entry.argv(EntryForm::Lean, inputs), None);
        assert_eq!(provided.entry.argv(EntryForm::Official, inputs), None);
    }
}
