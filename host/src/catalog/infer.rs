//! Which runtime and handler, when not all of it was said.
//!
//! Files are looked at, nothing is run. What was worked out is put into words for stderr, with the
//! flag that decides otherwise. A handler that was named is taken as it is: the runtime reports it
//! if it is not there, since a program may make its functions while it loads.
//!
//! Order for a directory or zip: an executable `bootstrap` in the package, then in a layer (a custom
//! runtime); the file of a given handler; AWS's default and what people call their file.
//!
//! # Sources
//! `reference/runtime-api.md` 6.4 (bootstrap lookup); each language's `runtime.toml`.

mod offers;
mod sources;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use lambdabox_runtimes::scan::{TopLevel, top_level};
use lambdabox_runtimes::{Catalogue, HandlerForm, Kind, Language, later_by_extension};

use self::offers::{offered, pass_handler};
use self::sources::Source;
use super::infer_error::InferError;
use super::layers::Layers;
use super::module::{module_file, module_path, split_handler};
use super::other_language;
use super::package::{Origin, Package};

/// A custom runtime's program.
const BOOTSTRAP: &str = "bootstrap";
/// Where it is inside the sandbox, in order (`reference/runtime-api.md` 6.4).
pub const BOOTSTRAP_IN_TASK: &str = "/var/task/bootstrap";
const BOOTSTRAP_IN_LAYER: &str = "/opt/bootstrap";
/// Folder of the language of custom runtimes.
const CUSTOM: &str = "provided";
/// Endings of a language that is translated first.
const TYPESCRIPT: &[&str] = &["ts", "mts", "cts"];
/// File names that, with the ending of a later language, are surely a handler.
const USUAL_STEMS: &[&str] = &["index", "app", "main", "handler", "lambda_function", "function"];

/// What the user said.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// `--runtime`.
    pub runtime: Option<&'a str>,
    /// `--handler`.
    pub handler: Option<&'a str>,
    /// `--runtime-client`.
    pub client: Option<Client>,
}

/// Which program speaks to the Runtime API for a managed language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// lambdabox's own loop.
    Own,
    /// AWS's runtime interface client, from the package.
    Official,
}

/// The runtime, as far as it is decided before an interpreter is looked for.
#[derive(Debug, Clone, Copy)]
pub struct RuntimeChoice {
    /// The language.
    pub language: &'static Language,
    /// AWS's identifier; `None` leaves it to the interpreter found.
    pub identifier: Option<&'static str>,
}

impl RuntimeChoice {
    /// True if the package's own `bootstrap` runs.
    pub fn is_custom(&self) -> bool {
        self.language.kind == Kind::Custom
    }
}

/// What will run.
#[derive(Debug, Clone)]
pub struct Inference {
    /// The runtime.
    pub runtime: RuntimeChoice,
    /// `_HANDLER`.
    pub handler: String,
    /// Who speaks to the Runtime API; means nothing for custom runtimes.
    pub client: Client,
    /// Program of a custom runtime, as seen inside; `None` if there is none to be seen, which the
    /// invocation then reports.
    pub bootstrap: Option<&'static str>,
    /// What was worked out, one line each, for stderr.
    pub said: Vec<String>,
    /// What looks wrong and may not be, one line each, for stderr.
    pub notices: Vec<String>,
}

/// Works out what was not said.
///
/// # Errors
/// [`InferError`], each with what to pass or change.
pub fn infer(
    wanted: Wanted<'_>,
    package: &Package,
    layers: &Layers,
    catalogue: &'static Catalogue,
) -> Result<Inference, InferError> {
    let look = Look { wanted, package, layers, catalogue };
    let runtime = match wanted.runtime {
        Some(name) => {
            let (language, identifier) = catalogue.find(name)?;
            RuntimeChoice { language, identifier: identifier.map(|found| found.name.as_str()) }
        }
        None => look.runtime()?,
    };
    if runtime.is_custom() { look.custom(runtime) } else { look.managed(runtime) }
}

/// A `bootstrap` on the host.
enum Bootstrap {
    Executable,
    Plain,
    Absent,
}

struct Look<'a> {
    wanted: Wanted<'a>,
    package: &'a Package,
    layers: &'a Layers,
    catalogue: &'static Catalogue,
}

impl Look<'_> {
    /// The runtime by the files alone.
    fn runtime(&self) -> Result<RuntimeChoice, InferError> {
        if let Some(entry) = &self.package.entry_file {
            return self.runtime_of_file(entry);
        }
        let root = &self.package.root;
        let in_package = bootstrap_in(root);
        if matches!(in_package, Bootstrap::Executable) || self.bootstrap_in_layer() {
            return Ok(self.custom_choice());
        }
        if let Some(language) = self.language_by_modules() {
            return Ok(RuntimeChoice { language, identifier: None });
        }
        if matches!(in_package, Bootstrap::Plain) {
            return Err(self.not_executable());
        }
        // A handler that was named and is not there is for the runtime to report.
        if self.wanted.handler.is_some()
            && let Some(language) = self.language_of_any_file()
        {
            return Ok(RuntimeChoice { language, identifier: None });
        }
        let unbuilt = other_language::unbuilt(root).map(|file| InferError::NotBuilt { file });
        Err(unbuilt.or_else(|| self.later_in_root()).unwrap_or_else(|| self.nothing_found()))
    }

    /// The language that has the handler's module, or one that it calls usual. A language whose
    /// project file is there comes first, then what AWS itself would call the module.
    fn language_by_modules(&self) -> Option<&'static Language> {
        let root = &self.package.root;
        let has = |language: &Language, module: &str| module_file(root, module, language).is_some();
        let mut languages: Vec<&'static Language> = self.catalogue.languages().iter().collect();
        let is_project = |language: &Language| {
            language.project_files.iter().any(|file| root.join(file).is_file())
        };
        languages.sort_by_key(|language| !is_project(language));
        if let Some(handler) = self.wanted.handler {
            let module = |l: &Language| split_handler(handler, l).map(|(module, _)| module);
            return languages.into_iter().find(|l| module(l).is_some_and(|module| has(l, module)));
        }
        let projects = languages.iter().filter(|language| is_project(language));
        let mut projects = projects.filter(|l| l.modules.iter().any(|module| has(l, module)));
        let most = languages.iter().map(|language| language.modules.len()).max()?;
        projects.next().copied().or_else(|| {
            (0..most).find_map(|place| {
                let usual = |l: &&Language| l.modules.get(place).is_some_and(|m| has(l, m));
                languages.iter().copied().find(|language| usual(language))
            })
        })
    }

    fn language_of_any_file(&self) -> Option<&'static Language> {
        let entries = fs::read_dir(&self.package.root).ok()?;
        entries.flatten().find_map(|entry| {
            let path = entry.path();
            self.catalogue.by_extension(path.extension()?.to_str()?)
        })
    }

    fn runtime_of_file(&self, entry: &Path) -> Result<RuntimeChoice, InferError> {
        let file = self.package.root.join(entry);
        if entry == Path::new(BOOTSTRAP) {
            return match bootstrap_in(&self.package.root) {
                Bootstrap::Executable => Ok(self.custom_choice()),
                _ => Err(self.not_executable()),
            };
        }
        let extension = entry.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if let Some(language) = self.catalogue.by_extension(extension) {
            return Ok(RuntimeChoice { language, identifier: None });
        }
        if let Some(source) = Source::of(&file) {
            return Err(self.not_built(&source));
        }
        let known = self.catalogue.known();
        Err(match later_by_extension(extension) {
            Some(later) => InferError::Later { file, language: later.name, known },
            None if TYPESCRIPT.contains(&extension) => InferError::TypeScript { file },
            None => InferError::UnknownFile { file, known },
        })
    }

    fn custom_choice(&self) -> RuntimeChoice {
        let language = self.catalogue.language(CUSTOM).expect("the provided folder is embedded");
        let newest = language.identifiers.first().map(|identifier| identifier.name.as_str());
        RuntimeChoice { language, identifier: newest }
    }

    fn custom(&self, runtime: RuntimeChoice) -> Result<Inference, InferError> {
        let bootstrap = match bootstrap_in(&self.package.root) {
            Bootstrap::Executable => Some(BOOTSTRAP_IN_TASK),
            _ if self.bootstrap_in_layer() => Some(BOOTSTRAP_IN_LAYER),
            Bootstrap::Plain => return Err(self.not_executable()),
            Bootstrap::Absent => None,
        };
        let (mut said, mut notices) = (Vec::new(), Vec::new());
        match bootstrap {
            Some(place) if self.wanted.runtime.is_none() => said.push(format!(
                "runtime {}, because there is an executable {place} (--runtime says otherwise)",
                runtime.identifier.unwrap_or(CUSTOM),
            )),
            Some(_) => {}
            None => notices.push(format!(
                "there is no bootstrap in {} or in a layer, and a custom runtime is nothing else",
                self.package.called.display()
            )),
        }
        let handler = self.wanted.handler.unwrap_or(BOOTSTRAP).to_owned();
        Ok(Inference { runtime, handler, client: Client::Own, bootstrap, said, notices })
    }

    fn managed(&self, runtime: RuntimeChoice) -> Result<Inference, InferError> {
        let language = runtime.language;
        let (mut said, mut notices) = (Vec::new(), Vec::new());
        let handler = match self.wanted.handler {
            Some(handler) => {
                notices.extend(self.doubts_about(handler, language));
                handler.to_owned()
            }
            None => {
                let handler = match &self.package.entry_file {
                    Some(entry) => self.handler_of_file(entry, language)?,
                    None => self.handler_of_directory(language)?,
                };
                let name = &language.name;
                said.push(match self.wanted.runtime {
                    Some(_) => format!("handler {handler} (--handler says otherwise)"),
                    None => format!(
                        "handler {handler}, runtime {name} (--handler and --runtime say otherwise)"
                    ),
                });
                handler
            }
        };
        if self.wanted.handler.is_some() && self.wanted.runtime.is_none() {
            said.push(format!("runtime {} (--runtime says otherwise)", language.name));
        }
        let marker = language.official.as_ref().map(|client| client.package.as_str());
        let brought = marker.filter(|marker| self.package.root.join(marker).is_dir());
        let client = match (self.wanted.client, brought) {
            (Some(client), _) => client,
            (None, Some(marker)) => {
                said.push(format!(
                    "AWS's own client runs the function, because the package has {marker}/ \
                     (--runtime-client says otherwise)"
                ));
                Client::Official
            }
            (None, None) => Client::Own,
        };
        Ok(Inference { runtime, handler, client, bootstrap: None, said, notices })
    }

    fn handler_of_file(&self, entry: &Path, language: &Language) -> Result<String, InferError> {
        let file = self.package.root.join(entry);
        let extension = entry.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if !language.extensions.iter().any(|known| known == extension) {
            return Err(InferError::UnknownFile { file, known: self.catalogue.known() });
        }
        let module = entry.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if module.is_empty() || module.contains('.') {
            return Err(InferError::UnusableName { file });
        }
        let names = look_into(&file, language);
        usual_function(&names, language).map(|function| format!("{module}.{function}")).ok_or_else(
            || InferError::NoFunction {
                file,
                wanted: language.functions.join(" nor "),
                remedy: pass_handler(&offered(module, &names)),
            },
        )
    }

    fn handler_of_directory(&self, language: &Language) -> Result<String, InferError> {
        let root = &self.package.root;
        let mut offers = Vec::new();
        let mut first = None;
        for module in &language.modules {
            let Some(file) = module_file(root, module, language) else { continue };
            let names = look_into(&file, language);
            if let Some(function) = usual_function(&names, language) {
                return Ok(format!("{module}.{function}"));
            }
            offers.extend(offered(module, &names));
            first.get_or_insert(file);
        }
        match first {
            Some(file) => Err(InferError::NoFunction {
                file: self.package.called(&file),
                wanted: language.functions.join(" nor "),
                remedy: pass_handler(&offers),
            }),
            None => Err(self.nothing_found()),
        }
    }

    /// Why a given handler may not be there; a notice, never a refusal.
    fn doubts_about(&self, handler: &str, language: &Language) -> Option<String> {
        let Some((module, function)) = split_handler(handler, language) else {
            return Some(format!("handler {handler}: it is not of the form MODULE.FUNCTION"));
        };
        // Classes are in jars, which nobody looks into here; of an assembly AWS's own words are better.
        if matches!(language.handler_form, HandlerForm::Class | HandlerForm::Assembly) {
            let file = self.source_alone(module, language)?;
            return Some(format!("handler {handler}: {} has to be compiled first", file.display()));
        }
        let Some(file) = module_file(&self.package.root, module, language) else {
            // A layer may hold it; where in it is the language's own business.
            let extension = language.extensions.first()?;
            return self.layers.root.is_none().then(|| {
                let other = other_language::hint(&self.package.root, language, self.catalogue);
                format!(
                    "handler {handler}: there is no {}.{extension} in {}{}",
                    module_path(module, language),
                    self.package.called.display(),
                    other.map_or_else(String::new, |other| format!(", but {other}"))
                )
            });
        };
        let names = look_into(&file, language)?;
        let first = function.split('.').next().unwrap_or(function);
        (!names.open_ended && !names.has(first)).then(|| {
            let offers = offered(module, &Some(names));
            let offers = match offers.as_slice() {
                [] => "nor any other function".to_owned(),
                offers => format!("but {}", offers.join(", ")),
            };
            format!(
                "handler {handler}: {} has no {function} to be seen, {offers}",
                self.package.called(&file).display()
            )
        })
    }

    fn bootstrap_in_layer(&self) -> bool {
        let root = self.layers.root.as_deref();
        root.is_some_and(|root| matches!(bootstrap_in(root), Bootstrap::Executable))
    }

    fn not_executable(&self) -> InferError {
        InferError::NotExecutable {
            file: self.package.called.join(BOOTSTRAP),
            remedy: match self.package.origin {
                Origin::Zip => {
                    "run chmod +x bootstrap and zip it again, on Linux or macOS: a zip \
                                made on Windows has no such bit"
                }
                Origin::File | Origin::Directory => "run chmod +x on it",
            },
        }
    }

    /// A file that is surely another language's handler.
    fn later_in_root(&self) -> Option<InferError> {
        let handler = self.wanted.handler.and_then(|handler| handler.split('.').next());
        let mut files = files_in(&self.package.root);
        files.sort();
        files.into_iter().find_map(|file| {
            let stem = file.file_stem()?.to_str()?;
            let extension = file.extension()?.to_str()?;
            let called = self.package.called(&file);
            if !USUAL_STEMS.contains(&stem) && handler != Some(stem) {
                return None;
            }
            if TYPESCRIPT.contains(&extension) {
                return Some(InferError::TypeScript { file: called });
            }
            if let Some(source) = Source::of(&file) {
                return Some(self.not_compiled(&source));
            }
            later_by_extension(extension).map(|later| InferError::Later {
                language: later.name,
                known: self.catalogue.known(),
                file: called,
            })
        })
    }

    fn nothing_found(&self) -> InferError {
        let managed = self.catalogue.languages().iter().filter(|l| l.kind == Kind::Managed);
        let wanted: Vec<String> = managed
            .flat_map(|language| {
                let ending = language.extensions.first().map_or("", String::as_str);
                let given =
                    self.wanted.handler.and_then(|handler| split_handler(handler, language));
                let modules = match given {
                    Some((module, _)) => vec![module_path(module, language)],
                    None => language.modules.clone(),
                };
                modules.into_iter().map(move |module| format!("{module}.{ending}"))
            })
            .collect();
        let mut offers = Vec::new();
        for file in files_in(&self.package.root) {
            let Some(extension) = file.extension().and_then(|e| e.to_str()) else { continue };
            let Some(language) = self.catalogue.by_extension(extension) else { continue };
            let Some(stem) = file.file_stem().and_then(|stem| stem.to_str()) else { continue };
            offers.extend(offered(stem, &look_into(&file, language)));
        }
        offers.sort();
        if let Some(source) = self.source_in_root().filter(|_| offers.is_empty()) {
            return self.not_compiled(&source);
        }
        let remedy = || match self.wanted.handler {
            Some(_) => "say by --runtime what runs it (`lambdabox runtimes` lists them)".to_owned(),
            None => pass_handler(&offers),
        };
        InferError::NothingFound {
            root: self.package.called.clone(),
            wanted: wanted.join(", "),
            remedy: self.other_language().unwrap_or_else(remedy),
        }
    }

    /// The runtime that was named is another one than the package's.
    fn other_language(&self) -> Option<String> {
        let (language, _) = self.catalogue.find(self.wanted.runtime?).ok()?;
        other_language::hint(&self.package.root, language, self.catalogue)
    }
}

/// The first usual function a module has. Of a language nobody can look into, the first is taken.
fn usual_function<'a>(names: &Option<TopLevel>, language: &'a Language) -> Option<&'a str> {
    let mut usual = language.functions.iter().map(String::as_str);
    match names {
        Some(names) if names.open_ended && names.functions.is_empty() => usual.next(),
        Some(names) => usual.find(|function| names.has(function)),
        None => usual.next(),
    }
}

fn look_into(file: &Path, language: &Language) -> Option<TopLevel> {
    // Unreadable for us is for the runtime to report, which may read it through the bind.
    top_level(language.folder, &fs::read(file).ok()?)
}

fn bootstrap_in(root: &Path) -> Bootstrap {
    match fs::metadata(root.join(BOOTSTRAP)) {
        Ok(meta) if !meta.is_file() => Bootstrap::Absent,
        Ok(meta) if meta.permissions().mode() & 0o111 != 0 => Bootstrap::Executable,
        Ok(_) => Bootstrap::Plain,
        Err(_) => Bootstrap::Absent,
    }
}

fn files_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
}

#[cfg(test)]
#[path = "infer_tests.rs"]
mod tests;
