//! What runs a function: an interpreter with a loop, or the package's own program.
//!
//! # Sources
//! `reference/runtime-api.md` 6.4 (bootstrap lookup), 6.5 (wrapper); issue 3 items 2, 5 and 7.

use std::path::{Path, PathBuf};

use lambdabox_runtimes::discover::Interpreter;
use lambdabox_runtimes::packages;
use lambdabox_runtimes::{EntryForm, EntryInputs, Language};

use super::blueprint::Asked;
use super::error::AppError;
use super::language_loop;
use super::tree::{closed_to_others, tree};
use crate::catalog::{self, Client, Inference};
use crate::config;
use crate::pool::NetworkLaid;
use crate::sandbox::{Link, Program, Tree};

/// Where an offered SDK appears.
const SDK_INSIDE: &str = "/var/lambdabox/sdk";
/// Where the package directories of `--venv` appear.
const VENV_INSIDE: &str = "/var/lambdabox/venv";

/// What the choice of runtime decided.
pub(super) struct Running {
    pub(super) runtime: String,
    pub(super) program: Program,
    pub(super) no_entry: Option<String>,
    pub(super) frames: bool,
    pub(super) network_laid: NetworkLaid,
    pub(super) runtime_variables: Vec<(String, String)>,
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
        self.interpreter(interpreter);
        let mut search_path = Vec::new();
        self.venv(interpreter, &mut search_path)?;
        self.sdk(interpreter, &mut search_path);
        let form = self.form(inference.client);
        let language_loop = self.language_loop(language, interpreter)?;
        let executable = interpreter.executable.to_string_lossy();
        let inputs = EntryInputs {
            interpreter: Some(&executable),
            handler: Some(&inference.handler),
            language_loop: language_loop.as_deref(),
            ..EntryInputs::default()
        };
        let argv = language.entry.argv(form, inputs).ok_or_else(|| AppError::Usage {
            message: format!("--runtime-client official: {} has no such client", language.name),
            hint: None,
        })?;
        let mut runtime_variables: Vec<(String, String)> =
            language.environment.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        self.said.push(format!(
            "{} is {}",
            interpreter.identifier,
            interpreter.executable.display()
        ));
        if form == EntryForm::Official {
            self.require_official_client(language, interpreter)?;
            let own = self.config.environment.get(PYTHONPATH).cloned();
            let path = official_path(interpreter.minor_version(), own, search_path);
            runtime_variables.retain(|(name, _)| name != PYTHONPATH);
            runtime_variables.push((PYTHONPATH.to_owned(), path));
        } else {
            if !search_path.is_empty() {
                runtime_variables
                    .push(("_LAMBDABOX_SEARCH_PATH".to_owned(), search_path.join(":")));
            }
            let (python, path) = (interpreter.found_at.display(), self.task_root.display());
            let hint = format!("{python} -m pip install --target {path} {{module}}");
            runtime_variables.push(("_LAMBDABOX_PIP_HINT".to_owned(), hint));
        }
        // Only our own loop, started by nothing of the customer's, keeps the promise to wait.
        let network_laid = match form {
            EntryForm::Lean | EntryForm::Plain => {
                runtime_variables.push(("_LAMBDABOX_WAIT".to_owned(), "1".to_owned()));
                NetworkLaid::DuringStart
            }
            EntryForm::Wrapped | EntryForm::Official => NetworkLaid::BeforeStart,
        };
        Ok(Running {
            runtime: interpreter.identifier.clone(),
            program: self.wrapped(argv),
            no_entry: None,
            frames: true,
            network_laid,
            runtime_variables,
        })
    }

    /// The client is a package like any other: of the function, a layer or `--venv`.
    fn require_official_client(
        &self,
        language: &Language,
        interpreter: &Interpreter,
    ) -> Result<(), AppError> {
        let Some(client) = language.entry.official_marker.as_deref() else { return Ok(()) };
        let site = format!("python/lib/python{}/site-packages", interpreter.minor_version());
        let places = ["", "python", site.as_str()];
        let found = self.trees.iter().any(|tree| {
            let inside = tree.target.starts_with("/var/task")
                || tree.target.starts_with("/opt")
                || tree.target.starts_with(VENV_INSIDE);
            inside && places.iter().any(|place| tree.source.join(place).join(client).is_dir())
        });
        if found {
            return Ok(());
        }
        let (python, path) = (interpreter.found_at.display(), self.task_root.display());
        Err(AppError::Usage {
            message: format!(
                "--runtime-client official: {client} is in neither the package nor a layer"
            ),
            hint: Some(format!("{python} -m pip install --target {path} {client}")),
        })
    }

    fn interpreter(&mut self, interpreter: &Interpreter) {
        for prefix in &interpreter.prefixes {
            self.trees.push(Tree {
                source: prefix.clone(),
                target: prefix.clone(),
                only_readable_by: closed_to_others(prefix, &interpreter.executable),
                copy_to: None,
            });
        }
        let path = PathBuf::from("/var/lang");
        self.links.push(Link { path, target: interpreter.prefix.clone() });
    }

    /// Shows the language's loop as `/var/runtime` and says its path inside.
    fn language_loop(
        &mut self,
        language: &Language,
        interpreter: &Interpreter,
    ) -> Result<Option<String>, AppError> {
        let Some(home) = language_loop::home(self.config.data_dir, language, interpreter)? else {
            return Ok(None);
        };
        let target = PathBuf::from("/var/runtime");
        let source = home.directory;
        self.trees.push(Tree { source, target, only_readable_by: None, copy_to: None });
        Ok(Some(format!("/var/runtime/{}", home.entry)))
    }

    fn venv(
        &mut self,
        interpreter: &Interpreter,
        search_path: &mut Vec<String>,
    ) -> Result<(), AppError> {
        let Some(venv) = self.config.venv else { return Ok(()) };
        for (i, source) in packages::venv_site_packages(venv, interpreter)?.into_iter().enumerate()
        {
            let target = format!("{VENV_INSIDE}/{i}");
            let access = catalog::survey(&source)?.access;
            self.trees.push(tree(&source, &target, access, &self.workspace.join("copies"))?);
            search_path.push(target);
        }
        Ok(())
    }

    fn sdk(&mut self, interpreter: &Interpreter, search_path: &mut Vec<String>) {
        if self.config.sdk == config::Sdk::Off {
            return;
        }
        let Some(sdk) = packages::sdk(interpreter) else { return };
        let shown = |path: &Path| {
            path.starts_with("/usr")
                || interpreter.prefixes.iter().any(|prefix| path.starts_with(prefix))
        };
        for (name, source) in &sdk.packages {
            let target = Path::new(SDK_INSIDE).join(name);
            if shown(source) {
                self.links.push(Link { path: target, target: source.clone() });
            } else {
                let only_readable_by = closed_to_others(source, source);
                let tree = Tree { source: source.clone(), target, only_readable_by, copy_to: None };
                self.trees.push(tree);
            }
        }
        search_path.push(SDK_INSIDE.to_owned());
        let version = sdk.version.as_deref().unwrap_or("of unknown version");
        self.said.push(format!(
            "boto3 {version} of {} is offered (--sdk off to hide it)",
            interpreter.executable.display()
        ));
    }

    /// `-I -S` unless the customer wants to be heard by the interpreter itself.
    fn form(&self, client: Client) -> EntryForm {
        let environment = self.config.environment;
        let heard = environment.keys().any(|name| name.starts_with("PYTHON"));
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
    }
}

pub(super) const PYTHONPATH: &str = "PYTHONPATH";
/// Where the official client finds what is not in the package: layers as on AWS, then the user's own
/// directories, then what is offered.
fn official_path(version: &str, own: Option<String>, offered: Vec<String>) -> String {
    let layers =
        [format!("/opt/python/lib/python{version}/site-packages"), "/opt/python".to_owned()];
    layers.into_iter().chain(own).chain(offered).collect::<Vec<_>>().join(":")
}

const WRAPPER: &str = "AWS_LAMBDA_EXEC_WRAPPER";
const WRAPPER_SCRIPT: &str = "\
if [ ! -f \"$1\" ]; then echo \"$1: does not exist\"; exit 127; fi
if [ ! -x \"$1\" ]; then echo \"$1: is not an executable\"; exit 126; fi
exec \"$@\"";

fn program(argv: Vec<String>) -> Program {
    let path = argv.first().map(PathBuf::from).unwrap_or_default();
    Program { path, argv, env: Vec::new(), cwd: PathBuf::from("/var/task") }
}
