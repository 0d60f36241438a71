//! The catalogue: every language folder's manifest, parsed.
//!
//! # Invariants
//! - The embedded manifests parse; a unit test holds it, so reading them cannot fail at run time.
//! - An identifier belongs to one language.
//!
//! # Not here
//! Finding an interpreter (`discover`), the loop's text (`embed`), command lines (`entry`), languages
//! to come (`later`).
//!
//! # Sources
//! Identifiers and their three dates: `reference/lambda-service.md` section 4.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::embed::{FOLDERS, LoopFile};
use crate::entry::{Entry, InterpreterOption, MissingModule, OfficialClient};
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

/// How interpreters of a language are called on a search path, versions apart.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct InterpreterNames {
    /// File names, the preferred one first.
    pub names: Vec<String>,
    /// Commands that install one; `{version}` is the identifier's.
    #[serde(default)]
    pub advice: String,
    /// How the customer's variables begin that are for the interpreter itself.
    #[serde(default)]
    pub heard: Option<String>,
    /// Oldest version the loop runs on, if it is older than every identifier's.
    #[serde(default)]
    pub oldest: Option<String>,
}

/// How a handler's text falls into module and function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HandlerForm {
    /// `a/b.c.f` is `f` of the module `a.b.c`.
    LastDot,
    /// `a/b.c.f` is `c.f` of the module `a/b`.
    FirstDot,
    /// `A::B.C::f` is `f` of the type `B.C` of the assembly `A`; without colons it is a program's name.
    Assembly,
    /// `a.b.C::f` is `f` of the class `a.b.C`; without colons it is what an interface asks for.
    Class,
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
    /// How its handlers are written.
    pub handler_form: HandlerForm,
    /// File that makes a directory a module, without its ending.
    #[serde(default)]
    pub package_file: Option<String>,
    /// Files that only a project of this language has.
    #[serde(default)]
    pub project_files: Vec<String>,
    /// Identifiers AWS has or had and this language's loop is too new for.
    pub retired: Vec<String>,
    /// Identifiers it serves.
    pub identifiers: Vec<Identifier>,
    /// How its interpreter is called.
    pub interpreter: InterpreterNames,
    /// Variables AWS's own start script of this language sets; a customer's value wins. `{version}`
    /// is the identifier's.
    pub environment: BTreeMap<String, String>,
    /// Its command lines.
    pub entry: Entry,
    /// Words for `{options}` of its command lines.
    #[serde(default)]
    options: Vec<InterpreterOption>,
    /// AWS's own client.
    #[serde(default)]
    pub official: Option<OfficialClient>,
    /// What to say when a module is missing.
    #[serde(default)]
    pub missing_module: Option<MissingModule>,
    /// Its loop; `None` for custom runtimes.
    #[serde(skip)]
    pub language_loop: Option<LoopFile>,
}

impl Language {
    /// The identifier of this name.
    pub fn identifier(&self, name: &str) -> Option<&Identifier> {
        self.identifiers.iter().find(|identifier| identifier.name == name)
    }

    /// The identifier an interpreter of this version (`X.Y`, or `X`) serves.
    pub fn identifier_for(&self, version: &str) -> Option<&Identifier> {
        self.identifiers.iter().find(|identifier| identifier.version.as_deref() == Some(version))
    }

    /// Interpreter options of a function. `has_file` says what is beside the loop, `set` gives the
    /// customer's variables.
    pub fn options<'a>(
        &self,
        identifier: &str,
        version: &str,
        memory_mb: u32,
        has_file: impl Fn(&str) -> bool,
        set: impl Fn(&str) -> Option<&'a str>,
    ) -> Vec<String> {
        let words = self.options.iter();
        let word = |option: &InterpreterOption| {
            option.word(identifier, version, memory_mb, &has_file, &set)
        };
        words.filter_map(word).collect()
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
    use crate::entry::{EntryForm, EntryInputs};

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
        let error = Catalogue::embedded().find("go1.x").unwrap_err();
        assert!(error.to_string().contains("Go comes in a later release"), "{error}");
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
    fn dates_are_days_and_stand_in_awss_order() {
        for identifier in Catalogue::embedded().languages().iter().flat_map(|l| &l.identifiers) {
            let dates =
                [&identifier.deprecation, &identifier.block_create, &identifier.block_update];
            let dates: Vec<&String> = dates.into_iter().flatten().collect();
            for date in &dates {
                let parts: Vec<usize> = date.split('-').map(str::len).collect();
                assert_eq!(parts, [4, 2, 2], "{}: {date}", identifier.name);
            }
            assert!(dates.is_sorted(), "{}: {dates:?}", identifier.name);
        }
    }

    #[test]
    fn node_gets_a_heap_of_its_memory_unless_the_customer_says_otherwise() {
        let node = Catalogue::embedded().language("nodejs").unwrap();
        let options = |identifier, version, set: Option<&'static str>| {
            node.options(
                identifier,
                version,
                128,
                |_| false,
                move |name| set.filter(|_| name == "NODE_OPTIONS"),
            )
            .join(" ")
        };
        let heap = "--max-semi-space-size=6 --max-old-space-size=115 --expose-gc";
        assert_eq!(options("nodejs24.x", "24.1.0", None), heap);
        assert_eq!(options("nodejs20.x", "20.9.0", Some("--enable-source-maps")), heap);
        let switched_off = format!("{heap} --no-experimental-require-module");
        assert_eq!(options("nodejs20.x", "20.20.2", None), switched_off);
        assert_eq!(
            options("nodejs18.x", "18.20.0", Some("--max_old_space_size=50")),
            "--expose-gc"
        );
        assert_eq!(
            options("nodejs22.x", "22.23.3", Some("--experimental-require-module")),
            format!("{heap} --no-experimental-detect-module")
        );
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
