//! What runs a function: an interpreter with a loop, or the package's own program.
//!
//! # Sources
//! `reference/runtime-api.md` 6.4 (bootstrap lookup), 6.5 (wrapper); issue 3 items 2, 5 and 7.

use std::path::{Path, PathBuf};

use lambdabox_runtimes::discover::{Fit, Interpreter};
use lambdabox_runtimes::{EntryForm, EntryInputs, Language};

use super::blueprint::Asked;
use super::dotnet::{self, Start};
use super::error::AppError;
use super::language_loop::{self, LoopHome};
use super::python::{self, PYTHONPATH};
use super::tree::closed_to_others;
use crate::catalog::{Client, Inference};
use crate::pool::NetworkLaid;
use crate::sandbox::{Link, Program, Tree};

/// The interpreter's directory on AWS.
const HOME_INSIDE: &str = "/var/lang";

/// Where a path of the interpreter's is inside: where it is on the host, as some know their own path; but
/// the function's own `/tmp` would hide what lies there.
pub(super) fn shown_at(path: &Path, interpreter: &Interpreter) -> PathBuf {
    let hidden = interpreter.prefixes.iter().enumerate().find_map(|(number, prefix)| {
        let rest = path.strip_prefix(prefix).ok().filter(|_| prefix.starts_with("/tmp"))?;
        let home = match *prefix == interpreter.prefix {
            true => HOME_INSIDE.to_owned(),
            false => format!("{HOME_INSIDE}-{number}"),
        };
        // Joined with nothing it would end in a slash.
        let is_it = rest.as_os_str().is_empty();
        Some(if is_it { home.into() } else { Path::new(&home).join(rest) })
    });
    hidden.unwrap_or_else(|| path.to_owned())
}

/// What the choice of runtime decided.
pub(super) struct Running {
    pub(super) runtime: String,
    pub(super) program: Program,
    pub(super) no_entry: Option<String>,
    pub(super) frames: bool,
    pub(super) network_laid: NetworkLaid,
    pub(super) runtime_variables: Vec<(String, String)>,
    pub(super) archive: Option<ArchiveOf>,
}

/// How a version's own archive of classes is made, where the one of the loop is used.
pub(super) struct ArchiveOf {
    /// Run instead of the function's program: it answers its one event with the archive.
    pub(super) program: Program,
    /// The loop's directory on the host, with the archive that all versions have.
    pub(super) home: PathBuf,
    /// Its name there.
    pub(super) name: String,
}

/// What a managed runtime adds to a function's own trees.
pub(super) struct Parts<'a> {
    pub(super) config: &'a Asked<'a>,
    pub(super) trees: Vec<Tree>,
    pub(super) links: Vec<Link>,
    pub(super) said: &'a mut Vec<String>,
    pub(super) workspace: &'a Path,
    /// Where the user keeps the code, for commands to be typed.
    pub(super) task_root: &'a Path,
}

impl Parts<'_> {
    /// Everything our loop, or AWS's client, needs: interpreter, loop, packages and command line.
    pub(super) fn managed(
        &mut self,
        inference: &Inference,
        interpreter: &Interpreter,
    ) -> Result<Running, AppError> {
        let language = inference.runtime.language;
        let known = language.identifier(&interpreter.identifier);
        let version = known.and_then(|known| known.version.as_deref()).unwrap_or_default();
        self.interpreter(interpreter);
        let search_path = match language.folder {
            python::FOLDER => self.python_packages(interpreter)?,
            _ if self.config.venv.is_some() => {
                return Err(AppError::Usage {
                    message: format!("--venv: it is for Python, and this is {}", language.name),
                    hint: None,
                });
            }
            _ => Vec::new(),
        };
        let form = self.form(inference.client, language);
        let client = match form {
            EntryForm::Official => self.official_client(language, interpreter, version)?,
            _ => None,
        };
        let of_language = language.environment.iter();
        let mut runtime_variables: Vec<(String, String)> =
            of_language.map(|(k, v)| (k.clone(), v.replace("{version}", version))).collect();
        let start = match language.folder {
            dotnet::FOLDER => self.dotnet(&inference.handler, interpreter, &mut runtime_variables),
            _ => Start::Loop(Vec::new()),
        };
        let home = match start {
            Start::Loop(_) => self.language_loop(language, interpreter)?,
            // The package brings its own; nothing is to be compiled for it.
            _ => None,
        };
        let language_loop = home.as_ref().map(|home| format!("/var/runtime/{}", home.entry));
        let has_file =
            |name: &str| home.as_ref().is_some_and(|home| home.directory.join(name).is_file());
        let executable = shown_at(&interpreter.executable, interpreter);
        let executable = executable.to_string_lossy();
        let set = |name: &str| self.config.environment.get(name).map(String::as_str);
        let options = language.options(
            &interpreter.identifier,
            &interpreter.version,
            self.config.memory_mb,
            has_file,
            set,
        );
        let program_words = match &start {
            Start::Loop(words) | Start::Own(words) => words.as_slice(),
            Start::Program(_) | Start::Refused { .. } => &[],
        };
        let inputs = EntryInputs {
            interpreter: Some(&executable),
            options: &options,
            program: program_words,
            handler: Some(&inference.handler),
            language_loop: language_loop.as_deref(),
            client: client.as_deref(),
            ..EntryInputs::default()
        };
        let argv = language.entry.argv(form, inputs).ok_or_else(|| AppError::Usage {
            message: format!("--runtime-client official: {} has no such client", language.name),
            hint: None,
        })?;
        let archive = match form {
            EntryForm::Lean | EntryForm::Plain => archive_of(language, home.as_ref(), inputs),
            EntryForm::Wrapped | EntryForm::Official | EntryForm::Archive => None,
        };
        self.say_which(language, interpreter);
        if form == EntryForm::Official {
            if language.folder == python::FOLDER {
                let own = self.config.environment.get(PYTHONPATH).cloned();
                let path = python::official_path(&interpreter.release, own, search_path);
                runtime_variables.retain(|(name, _)| name != PYTHONPATH);
                runtime_variables.push((PYTHONPATH.to_owned(), path));
            }
        } else {
            if !search_path.is_empty() {
                runtime_variables
                    .push(("_LAMBDABOX_SEARCH_PATH".to_owned(), search_path.join(":")));
            }
            if let Some(missing) = &language.missing_module {
                let hint = commanded(&missing.command, interpreter, self.task_root);
                runtime_variables.push((missing.variable.clone(), hint));
            }
        }
        // Only our own loop, started by nothing of the customer's, keeps the promise to wait.
        let network_laid = match form {
            EntryForm::Lean | EntryForm::Plain if matches!(start, Start::Loop(_)) => {
                runtime_variables.push(("_LAMBDABOX_WAIT".to_owned(), "1".to_owned()));
                NetworkLaid::DuringStart
            }
            _ => NetworkLaid::BeforeStart,
        };
        let program = match start {
            Start::Loop(_) | Start::Own(_) => self.wrapped(argv),
            Start::Program(path) => self.wrapped(vec![path]),
            Start::Refused { message, status } => refusing(message, status),
        };
        Ok(Running {
            runtime: interpreter.identifier.clone(),
            program,
            no_entry: None,
            frames: true,
            network_laid,
            runtime_variables,
            archive,
        })
    }

    /// Which interpreter runs, whether it is the one AWS means, and what AWS says of that runtime.
    fn say_which(&mut self, language: &Language, interpreter: &Interpreter) {
        let (identifier, path) = (&interpreter.identifier, interpreter.executable.display());
        self.said.push(match interpreter.fit {
            Fit::Exact => format!("{identifier} is {path}"),
            Fit::Near => format!(
                "{identifier} is not on this machine: the nearest, {} {}, stands in for it ({path})",
                language.name, interpreter.version
            ),
        });
        let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
        let date = language.identifier(identifier).and_then(|known| known.deprecation.as_ref());
        if let Some(date) = date.filter(|date| **date <= today) {
            self.said.push(format!("{identifier} is deprecated on AWS since {date}; it runs here"));
        }
    }

    fn interpreter(&mut self, interpreter: &Interpreter) {
        for prefix in &interpreter.prefixes {
            self.trees.push(Tree {
                source: prefix.clone(),
                target: shown_at(prefix, interpreter),
                only_readable_by: closed_to_others(prefix, &interpreter.executable),
                copy_to: None,
            });
        }
        let (path, target) =
            (PathBuf::from(HOME_INSIDE), shown_at(&interpreter.prefix, interpreter));
        if path != target {
            self.links.push(Link { path, target });
        }
    }

    /// Shows the language's loop as `/var/runtime`.
    fn language_loop(
        &mut self,
        language: &Language,
        interpreter: &Interpreter,
    ) -> Result<Option<LoopHome>, AppError> {
        let Some(home) = language_loop::home(self.config.data_dir, language, interpreter)? else {
            return Ok(None);
        };
        let target = PathBuf::from("/var/runtime");
        let source = home.directory.clone();
        self.trees.push(Tree { source, target, only_readable_by: None, copy_to: None });
        Ok(Some(home))
    }

    /// Lean unless the customer wants to be heard by the interpreter itself.
    fn form(&self, client: Client, language: &Language) -> EntryForm {
        let environment = self.config.environment;
        let prefix = language.interpreter.heard.as_deref();
        let heard = prefix.is_some_and(|prefix| environment.keys().any(|n| n.starts_with(prefix)));
        match client {
            Client::Official => EntryForm::Official,
            Client::Own if environment.contains_key(WRAPPER) => EntryForm::Wrapped,
            Client::Own if heard => EntryForm::Plain,
            Client::Own => EntryForm::Lean,
        }
    }

    /// What AWS's launch script does with the wrapper (runtime-api.md 6.5).
    fn wrapped(&self, argv: Vec<String>) -> Program {
        let Some(wrapper) = self.config.environment.get(WRAPPER) else { return program(argv) };
        let mut all: Vec<String> =
            ["/bin/sh", "-c", WRAPPER_SCRIPT, "bootstrap", wrapper].map(str::to_owned).to_vec();
        all.extend(argv);
        program(all)
    }
}

/// The package's own program, and what AWS says when there is none (runtime-api.md 5.2).
pub(super) fn custom(inference: &Inference) -> Running {
    let no_entry = inference.bootstrap.is_none().then(|| {
        "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]".to_owned()
    });
    let path = inference.bootstrap.unwrap_or("/var/task/bootstrap").to_owned();
    Running {
        runtime: inference.runtime.identifier.unwrap_or("provided.al2023").to_owned(),
        program: program(vec![path]),
        no_entry,
        frames: false,
        network_laid: NetworkLaid::BeforeStart,
        runtime_variables: Vec::new(),
        archive: None,
    }
}

/// Only where the customer's settings leave the archive of the loop in use.
fn archive_of(
    language: &Language,
    home: Option<&LoopHome>,
    inputs: EntryInputs<'_>,
) -> Option<ArchiveOf> {
    let name = language.entry.archived.clone()?;
    let home = home?.directory.clone();
    inputs.options.iter().find(|word| word.ends_with(&name))?;
    let program = program(language.entry.argv(EntryForm::Archive, inputs)?);
    Some(ArchiveOf { program, home, name })
}

/// A command of a manifest, for this interpreter and the directory of the user's code.
pub(super) fn commanded(template: &str, interpreter: &Interpreter, task_root: &Path) -> String {
    let found = interpreter.found_at.display().to_string();
    template.replace("{found}", &found).replace("{path}", &task_root.display().to_string())
}

/// The variable that names a script to start the runtime by.
pub(super) const WRAPPER: &str = "AWS_LAMBDA_EXEC_WRAPPER";
const WRAPPER_SCRIPT: &str = "\
if [ ! -f \"$1\" ]; then echo \"$1: does not exist\"; exit 127; fi
if [ ! -x \"$1\" ]; then echo \"$1: is not an executable\"; exit 126; fi
exec \"$@\"";

/// Says what AWS's start script says where there is nothing to start.
fn refusing(message: String, status: u8) -> Program {
    let script = format!("echo \"$1\" >&2; exit {status}");
    let words = ["/bin/sh", "-c", &script, "bootstrap", &message];
    program(words.map(str::to_owned).to_vec())
}

fn program(argv: Vec<String>) -> Program {
    let path = argv.first().map(PathBuf::from).unwrap_or_default();
    Program { path, argv, env: Vec::new(), cwd: PathBuf::from("/var/task") }
}
