//! From a function on disk and its settings to what an environment is made from.
//!
//! # Sources
//! Design section 4; `reference/runtime-api.md` 6.4 (bootstrap lookup), 6.5 (wrapper).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lambdabox_runtimes::discover::{self, Interpreter, Search};
use lambdabox_runtimes::packages::{self, Sdk};
use lambdabox_runtimes::{Catalogue, EntryForm, EntryInputs, Language};
use tokio::sync::mpsc;

use super::error::AppError;
use super::resources::Resources;
use super::{language_loop, timings};
use crate::catalog::{self, Access, Client, Inference};
use crate::config::{self, Cpu, DevShm, RuntimeClient};
use crate::model::{Function, Network};
use crate::pool::{Blueprint, CpuShare, INIT_LIMIT, NetworkLaid, Tmp};
use crate::sandbox::{Link, Program, Shell, Tree, loopback_addresses, network};

/// Owner of every function here, as other local stand-ins for AWS have it (design section 6).
const ACCOUNT: &str = "000000000000";
/// Where an offered SDK appears.
const SDK_INSIDE: &str = "/var/lambdabox/sdk";
/// Where the package directories of `--venv` appear.
const VENV_INSIDE: &str = "/var/lambdabox/venv";
/// Hidden: a shorter init limit, so that tests of its overrun do not take ten seconds each.
const INIT_LIMIT_VARIABLE: &str = "LAMBDABOX_INIT_LIMIT_MS";
/// Size of `--dev-shm`; Linux's own default is half the memory.
const DEV_SHM_SHARE: u64 = 2;

/// A function opened: everything known before a sandbox is needed.
pub(super) struct Opened {
    pub(super) function: Function,
    pub(super) said: Vec<String>,
    trees: Vec<Tree>,
    links: Vec<Link>,
    running: Running,
}

/// Opens package, layers and interpreter; `workspace` is empty and ours.
pub(super) fn open(config: &config::Invoke, workspace: &Path) -> Result<Opened, AppError> {
    let search = Search::from_environment();
    let homes: Vec<PathBuf> = search.home.iter().chain(&search.sudo_home).cloned().collect();
    let package = catalog::open(&config.path, workspace, &homes)?;
    let layers = catalog::open_layers(&config.layers, workspace, &package)?;
    let client = config.runtime_client.map(|client| match client {
        RuntimeClient::Official => Client::Official,
        RuntimeClient::Managed => Client::Own,
    });
    let wanted = catalog::Wanted {
        runtime: config.runtime.as_deref(),
        handler: config.handler.as_deref(),
        client,
    };
    let inference = catalog::infer(wanted, &package, &layers, Catalogue::embedded())?;
    let mut said =
        [package.warnings.as_slice(), &layers.warnings, &inference.notices, &inference.said]
            .concat();
    let copies = workspace.join("copies");
    let mut trees = vec![tree(&package.root, "/var/task", package.access, &copies)?];
    if let Some(root) = &layers.root {
        trees.push(tree(root, "/opt", layers.access, &copies)?);
    }
    let mut parts = Parts {
        config,
        trees,
        links: Vec::new(),
        said: &mut said,
        workspace,
        task_root: package.source(),
    };
    let running = if inference.runtime.is_custom() {
        custom(&inference)
    } else {
        let interpreter = discover::python(inference.runtime.identifier, &search)?;
        parts.managed(&inference, &interpreter)?
    };
    let Parts { trees, links, .. } = parts;
    let function = Function {
        name: config.function_name.clone().unwrap_or_else(|| name_of(&config.path)),
        version: "$LATEST".to_owned(),
        account: ACCOUNT.to_owned(),
        region: config.region.clone(),
        runtime: running.runtime.clone(),
        handler: inference.handler,
        memory_mb: config.memory_mb,
        timeout: config.timeout,
        ephemeral_storage_mb: config.ephemeral_storage_mb,
        log_format: config.log_format,
        environment: customers(&config.environment, &running.runtime_variables),
    };
    Ok(Opened { function, said, trees, links, running })
}

impl Opened {
    /// Joins what the function needs with what this process holds.
    pub(super) fn blueprint(
        self,
        config: &config::Invoke,
        resources: &mut Resources,
        notices: mpsc::Sender<String>,
    ) -> Result<Blueprint, AppError> {
        let network = resources.network;
        let mut notes = Vec::new();
        if network == Network::Host {
            notes.push("isolation is reduced: the function shares the host's network".to_owned());
        }
        if config.cpu == Cpu::Unlimited {
            notes.push("CPU is not limited (--cpu unlimited)".to_owned());
        }
        let resolv_conf = match network {
            Network::Nat => network::resolv_conf()?.text,
            Network::Host => std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default(),
            Network::None => String::new(),
        };
        // In the host's own network its loopback is the function's too.
        let forwards: &[config::Forward] =
            if network == Network::Host { &[] } else { &config.forwards };
        let addresses = loopback_addresses();
        let memory_bytes = u64::from(config.memory_mb) * 1024 * 1024;
        let init_limit = std::env::var(INIT_LIMIT_VARIABLE).ok().and_then(|ms| ms.parse().ok());
        Ok(Blueprint {
            function: self.function,
            lease: resources.lease.name().to_owned(),
            number: any_number(),
            id: resources.id,
            shell: Shell {
                network,
                forwards: forwards.iter().map(|forward| forward.port).collect(),
                forward_addresses: addresses.clone(),
                resolv_conf,
                joins_v1: resources.workshop.joins_v1(),
                born_in_cgroup_namespace: !resources.workshop.joins_v1(),
            },
            forwards_to: forwards
                .iter()
                .flat_map(|forward| addresses.iter().map(|_| forward.host_port))
                .collect(),
            nat: resources.nat.clone(),
            trees: self.trees,
            links: self.links,
            tmp: resources.tmp.take().map_or(Tmp::Memory, Tmp::Image),
            shared_memory_bytes: (config.dev_shm == DevShm::Present)
                .then_some(memory_bytes / DEV_SHM_SHARE),
            cpu: match config.cpu {
                Cpu::Proportional => CpuShare::Proportional,
                Cpu::Unlimited => CpuShare::Unlimited,
            },
            init_limit: init_limit.map_or(INIT_LIMIT, Duration::from_millis),
            no_entry: self.running.no_entry,
            program: self.running.program,
            frames: self.running.frames,
            network_laid: self.running.network_laid,
            credentials: credentials(&config.credentials),
            runtime_variables: self.running.runtime_variables,
            log_stream: log_stream(),
            lap: timings::lap,
            notes,
            notices,
        })
    }
}

/// The customer's variables without those that the launcher has worked into its own.
fn customers(
    all: &BTreeMap<String, String>,
    launcher: &[(String, String)],
) -> BTreeMap<String, String> {
    let replaced = |name: &String| {
        name == PYTHONPATH
            && launcher.iter().any(|(n, path)| n == name && path.contains(&all[name]))
    };
    all.iter().filter(|(name, _)| !replaced(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
}

/// What the choice of runtime decided.
struct Running {
    runtime: String,
    program: Program,
    no_entry: Option<String>,
    frames: bool,
    network_laid: NetworkLaid,
    runtime_variables: Vec<(String, String)>,
}

struct Parts<'a> {
    config: &'a config::Invoke,
    trees: Vec<Tree>,
    links: Vec<Link>,
    said: &'a mut Vec<String>,
    workspace: &'a Path,
    /// Where the user keeps the code, for commands to be typed.
    task_root: &'a Path,
}

impl Parts<'_> {
    fn managed(
        &mut self,
        inference: &Inference,
        interpreter: &Interpreter,
    ) -> Result<Running, AppError> {
        let language = inference.runtime.language;
        self.interpreter(interpreter);
        let mut search_path = Vec::new();
        self.venv(interpreter, &mut search_path)?;
        let sdk = self.sdk(interpreter, &mut search_path);
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
            if sdk.is_none() {
                let (python, path) = (interpreter.found_at.display(), self.task_root.display());
                let hint = format!("{python} -m pip install --target {path} {{module}}");
                runtime_variables.push(("_LAMBDABOX_PIP_HINT".to_owned(), hint));
            }
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
        let Some(home) = language_loop::home(&self.config.data_dir, language, interpreter)? else {
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
        let Some(venv) = &self.config.venv else { return Ok(()) };
        for (i, source) in packages::venv_site_packages(venv, interpreter)?.into_iter().enumerate()
        {
            let target = format!("{VENV_INSIDE}/{i}");
            let access = catalog::survey(&source)?.access;
            self.trees.push(tree(&source, &target, access, &self.workspace.join("copies"))?);
            search_path.push(target);
        }
        Ok(())
    }

    fn sdk(&mut self, interpreter: &Interpreter, search_path: &mut Vec<String>) -> Option<Sdk> {
        if self.config.sdk == config::Sdk::Off {
            return None;
        }
        let sdk = packages::sdk(interpreter)?;
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
            interpreter.found_at.display()
        ));
        Some(sdk)
    }

    /// `-I -S` unless the customer wants to be heard by the interpreter itself.
    fn form(&self, client: Client) -> EntryForm {
        let environment = &self.config.environment;
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
fn custom(inference: &Inference) -> Running {
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

const PYTHONPATH: &str = "PYTHONPATH";
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

/// A tree of the user's, by whatever way everybody inside can read it.
fn tree(source: &Path, target: &str, access: Access, copies: &Path) -> Result<Tree, AppError> {
    let copy = copies.join(target.trim_start_matches('/'));
    let target = PathBuf::from(target);
    Ok(match access {
        Access::Everybody => {
            Tree { source: source.to_owned(), target, only_readable_by: None, copy_to: None }
        }
        Access::OwnerOnly { uid, gid } => Tree {
            source: source.to_owned(),
            target,
            only_readable_by: Some((uid, gid)),
            copy_to: Some(copy),
        },
        Access::Mixed => {
            language_loop::make_directory(&copy)?;
            catalog::copy_tree(source, &copy)?;
            Tree { source: copy, target, only_readable_by: None, copy_to: None }
        }
    })
}

/// The owner, if others may not read the directory or run the program in it. Looks at these two
/// only: a prefix has ten thousand files, and its installer gave them all the same mode.
fn closed_to_others(directory: &Path, program: &Path) -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    const OTHERS_READ_EXECUTE: u32 = 0o005;
    let closed = [directory, program].iter().any(|path| {
        std::fs::metadata(path)
            .is_ok_and(|data| data.mode() & OTHERS_READ_EXECUTE != OTHERS_READ_EXECUTE)
    });
    let owner = std::fs::metadata(directory).ok()?;
    closed.then(|| (owner.uid(), owner.gid()))
}

fn credentials(keys: &config::Credentials) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("AWS_ACCESS_KEY_ID", keys.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key.clone()),
    ];
    all.extend(keys.session_token.clone().map(|token| ("AWS_SESSION_TOKEN", token)));
    all
}

/// The environment's place in the address range, at random: with the same one for every `invoke`, late
/// packets of one function's connections could reach the next function.
fn any_number() -> u32 {
    let [low, high, ..] = uuid::Uuid::new_v4().into_bytes();
    u32::from(u16::from_be_bytes([high, low])) % network::ENVIRONMENTS_PER_SLOT
}

/// AWS's form: `yyyy/mm/dd/[$LATEST]<32 hex digits>`.
fn log_stream() -> String {
    let today = jiff::Timestamp::now().strftime("%Y/%m/%d").to_string();
    format!("{today}/[$LATEST]{}", uuid::Uuid::new_v4().simple())
}

/// `thumbnail` of `thumbnail/app.py`, `thumbnail/` and `thumbnail.zip`: what AWS lets a name hold.
fn name_of(path: &Path) -> String {
    let named = if path.is_dir() || path.extension().is_some_and(|e| e == "zip") {
        path.file_stem()
    } else {
        path.file_stem()
            .filter(|stem| !GENERIC.contains(&&*stem.to_string_lossy()))
            .or_else(|| path.parent().and_then(Path::file_name))
    };
    let text = named.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let clean: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' })
        .take(64)
        .collect();
    if clean.is_empty() { "function".to_owned() } else { clean }
}

/// File names that say nothing about the function; its directory does.
const GENERIC: [&str; 4] = ["lambda_function", "app", "main", "bootstrap"];
