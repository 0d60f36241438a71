//! From a function on disk and its settings to what an environment is made from.
//!
//! # Sources
//! Design section 4; `reference/runtime-api.md` 6.4 (bootstrap lookup), 6.5 (wrapper).

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lambdabox_runtimes::Catalogue;
use lambdabox_runtimes::discover::{self, Compat, Search};
use tokio::sync::{mpsc, watch};

use super::error::AppError;
use super::python::PYTHONPATH;
use super::resources::Resources;
use super::runtime::{ArchiveOf, Parts, Running, WRAPPER, custom};
use super::timings;
use super::tree::tree;
use crate::catalog::{self, Client, Diagnosis, Suspect};
use crate::config::{self, Cpu, DevShm, Isolation, RuntimeClient, RuntimeCompat};
use crate::model::{Function, Initialization, Network, TracingMode, patience, time_scale};
use crate::pool::{
    Blueprint, CpuShare, Extensions, INIT_LIMIT, INIT_LIMIT_OF_MANY, Kept, NetworkLaid,
    RESTORE_LIMIT, Tmp,
};
use crate::sandbox::network::{self, Inside};
use crate::sandbox::{Ahead, Identity, Link, Outbound, Shell, Tree, Xray, loopback_addresses};
use crate::usage::stderr;

/// Owner of every function here, as other local stand-ins for AWS have it (design section 6).
const ACCOUNT: &str = "000000000000";
/// Hidden: a shorter init limit, so that tests of its overrun do not take ten seconds each.
const INIT_LIMIT_VARIABLE: &str = "LAMBDABOX_INIT_LIMIT_MS";
/// Likewise of hooks after a restore.
const RESTORE_LIMIT_VARIABLE: &str = "LAMBDABOX_RESTORE_LIMIT_MS";
/// An init that ends in a snapshot may take this or the function's own time (runtime-api.md 1.7).
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(130);
/// A file of `/opt` that turns the Extensions API off (runtime-api.md 2.1).
const NO_EXTENSIONS: &str = "disable-extensions-jwigqn8j";
/// How a directory that is missing, or is a file, is told.
const NONE_THERE: [io::ErrorKind; 2] = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
/// Size of `--dev-shm`; Linux's own default is half the memory.
const DEV_SHM_SHARE: u64 = 2;

/// What is asked of a package, whoever asks: a command line or a deployed version.
pub(super) struct Asked<'a> {
    pub(super) path: &'a Path,
    pub(super) layers: &'a [PathBuf],
    pub(super) runtime: Option<&'a str>,
    pub(super) handler: Option<&'a str>,
    pub(super) client: Option<RuntimeClient>,
    pub(super) runtime_compat: RuntimeCompat,
    pub(super) memory_mb: u32,
    /// The customer's variables.
    pub(super) environment: &'a BTreeMap<String, String>,
    pub(super) sdk: config::Sdk,
    pub(super) venv: Option<&'a Path>,
    pub(super) data_dir: &'a Path,
}

/// Package, layers and interpreter, opened: what of a blueprint every environment of it shares.
pub(super) struct Code {
    pub(super) said: Vec<String>,
    handler: String,
    trees: Vec<Tree>,
    links: Vec<Link>,
    running: Running,
    extensions: Extensions,
    diagnosis: Arc<Diagnosis>,
}

/// Opens package, layers and interpreter; `workspace` is empty and ours.
pub(super) fn open_code(asked: &Asked<'_>, workspace: &Path) -> Result<Code, AppError> {
    let search = Search { time_scale: time_scale(), ..Search::from_environment() };
    let homes: Vec<PathBuf> = search.home.iter().chain(&search.sudo_home).cloned().collect();
    let package = catalog::open(asked.path, workspace, &homes)?;
    let layers = catalog::open_layers(asked.layers, workspace, &package)?;
    let client = asked.client.map(|client| match client {
        RuntimeClient::Official => Client::Official,
        RuntimeClient::Managed => Client::Own,
    });
    let wanted = catalog::Wanted { runtime: asked.runtime, handler: asked.handler, client };
    let inference = catalog::infer(wanted, &package, &layers, Catalogue::embedded())?;
    let mut said =
        [package.warnings.as_slice(), &layers.warnings, &inference.notices, &inference.said]
            .concat();
    let copies = workspace.join("copies");
    let mut trees = vec![tree(&package.root, "/var/task", package.access, &copies)?];
    let mut extensions = Extensions::Enabled { external: Vec::new() };
    if let Some(root) = &layers.root {
        extensions = extensions_of(root)?;
        trees.push(tree(root, "/opt", layers.access, &copies)?);
    }
    let mut parts = Parts {
        config: asked,
        trees,
        links: Vec::new(),
        said: &mut said,
        workspace,
        task_root: package.source(),
    };
    let (running, suspect) = if inference.runtime.is_custom() {
        let bootstrap = inference.bootstrap.unwrap_or(catalog::BOOTSTRAP_IN_TASK);
        (custom(&inference), Suspect::of_bootstrap(bootstrap, &package, &layers))
    } else {
        let compat = match asked.runtime_compat {
            RuntimeCompat::Exact => Compat::Exact,
            RuntimeCompat::Near => Compat::Near,
        };
        let (language, identifier) = (inference.runtime.language, inference.runtime.identifier);
        let interpreter = discover::find(language, identifier, compat, &search)?;
        let suspect = match asked.environment.get(WRAPPER) {
            Some(wrapper) => Suspect::Wrapper { inside: wrapper.clone() },
            None => Suspect::of_interpreter(&interpreter, language, &inference.handler),
        };
        (parts.managed(&inference, &interpreter)?, suspect)
    };
    let Parts { trees, links, .. } = parts;
    let diagnosis = Arc::new(Diagnosis::new(suspect, &package, &layers));
    Ok(Code { said, handler: inference.handler, trees, links, running, extensions, diagnosis })
}

/// What `/opt` has of extensions, in the order of their names: every entry of `extensions` that is no
/// directory, whether it can be started or not.
fn extensions_of(opt: &Path) -> Result<Extensions, AppError> {
    if opt.join(NO_EXTENSIONS).exists() {
        return Ok(Extensions::Disabled);
    }
    let directory = opt.join("extensions");
    let unread = |source| AppError::Read { path: directory.clone(), source };
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if NONE_THERE.contains(&error.kind()) => {
            return Ok(Extensions::Enabled { external: Vec::new() });
        }
        Err(error) => return Err(unread(error)),
    };
    let mut external = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unread)?;
        if !entry.file_type().map_err(unread)?.is_dir() {
            external.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    external.sort_unstable();
    Ok(Extensions::Enabled { external })
}

/// A function opened: everything known before a sandbox is needed.
pub(super) struct Opened {
    pub(super) function: Function,
    pub(super) code: Code,
}

/// Opens what a command line names; `workspace` is empty and ours.
pub(super) fn open(config: &config::Invoke, workspace: &Path) -> Result<Opened, AppError> {
    let asked = Asked {
        path: &config.path,
        layers: &config.layers,
        runtime: config.runtime.as_deref(),
        handler: config.handler.as_deref(),
        client: config.runtime_client,
        runtime_compat: config.runtime_compat,
        memory_mb: config.memory_mb,
        environment: &config.environment,
        sdk: config.sdk,
        venv: config.venv.as_deref(),
        data_dir: &config.data_dir,
    };
    let code = open_code(&asked, workspace)?;
    let name = config.function_name.clone().unwrap_or_else(|| config::name_of(&config.path));
    let function = Function {
        log_group: format!("/aws/lambda/{name}"),
        name,
        version: "$LATEST".to_owned(),
        account: ACCOUNT.to_owned(),
        region: config.region.clone(),
        runtime: code.running.runtime.clone(),
        handler: code.handler.clone(),
        memory_mb: config.memory_mb,
        timeout: config.timeout,
        ephemeral_storage_mb: config.ephemeral_storage_mb,
        log_format: config.log_format,
        log_levels: config.log_levels,
        tracing: TracingMode::PassThrough,
        initialization: Initialization::OnDemand,
        max_concurrency: config.max_concurrency,
        environment: config.environment.clone(),
    };
    Ok(Opened { function, code })
}

/// Where a function's environments live: what is the same for all of them.
pub(super) struct Site<'a> {
    pub(super) lease: &'a str,
    pub(super) joins_v1: bool,
    pub(super) network: Network,
    pub(super) nat: Option<Arc<Ahead<Outbound>>>,
    /// What the plan says because of `nat`.
    pub(super) inside: &'a Inside,
    pub(super) forwards: &'a [config::Forward],
    pub(super) xray_daemon: Option<SocketAddr>,
    pub(super) isolation: Isolation,
    pub(super) cpu: Cpu,
    pub(super) dev_shm: DevShm,
    pub(super) credentials: &'a config::Credentials,
    /// What of the log waits for its reader: functions wait with it.
    pub(super) log_waiting_bytes: watch::Receiver<usize>,
}

/// What one environment has of its own, until it is gone.
pub(super) struct Seat {
    pub(super) id: Identity,
    pub(super) number: u32,
    pub(super) tmp: Tmp,
    /// Kept as long as the environment is.
    pub(super) kept: Kept,
}

impl Opened {
    /// Joins what the function needs with what this process holds.
    pub(super) fn blueprint(
        self,
        config: &config::Invoke,
        resources: &mut Resources,
        notices: mpsc::Sender<String>,
    ) -> Result<Blueprint, AppError> {
        let site = Site {
            lease: resources.lease.name(),
            joins_v1: resources.workshop.joins_v1(),
            network: resources.network,
            nat: resources.nat.clone(),
            inside: &resources.inside,
            forwards: &config.forwards,
            xray_daemon: config.xray_daemon,
            isolation: config.isolation,
            cpu: config.cpu,
            dev_shm: config.dev_shm,
            credentials: &config.credentials,
            log_waiting_bytes: stderr::waiting_bytes(),
        };
        let seat = Seat {
            id: resources.id,
            number: any_number(),
            tmp: resources.tmp.take().map_or(Tmp::Memory, Tmp::Image),
            kept: Kept::default(),
        };
        self.code.blueprint(self.function, &site, seat, notices)
    }
}

impl Code {
    /// How an archive of the version's classes is made, if one is of use.
    pub(super) fn archive(&self) -> Option<&ArchiveOf> {
        self.running.archive.as_ref()
    }

    /// Everything one environment of `function` is made from.
    pub(super) fn blueprint(
        &self,
        mut function: Function,
        site: &Site<'_>,
        seat: Seat,
        notices: mpsc::Sender<String>,
    ) -> Result<Blueprint, AppError> {
        let network = site.network;
        let mut notes = Vec::new();
        if network == Network::Host {
            notes.push("isolation is reduced: the function shares the host's network".to_owned());
        }
        if site.isolation == Isolation::NoLimits {
            let what = "isolation is reduced: memory and CPU are not limited";
            notes.push(format!("{what} (--isolation no-limits)"));
        } else if site.cpu == Cpu::Unlimited {
            notes.push("CPU is not limited (--cpu unlimited)".to_owned());
        }
        let resolv_conf = match network {
            Network::Nat => site.inside.resolv_conf.clone(),
            Network::Host => std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default(),
            Network::None => String::new(),
        };
        // In the host's own network its loopback is the function's too.
        let forwards: &[config::Forward] =
            if network == Network::Host { &[] } else { site.forwards };
        let addresses = loopback_addresses();
        let memory_bytes = u64::from(function.memory_mb) * 1024 * 1024;
        let limit = |name| std::env::var(name).ok().and_then(|ms: String| ms.parse().ok());
        let (init_limit, restore_limit) =
            (limit(INIT_LIMIT_VARIABLE), limit(RESTORE_LIMIT_VARIABLE));
        let own_limit = match (function.max_concurrency, function.initialization) {
            (Some(_), _) => INIT_LIMIT_OF_MANY.max(function.timeout),
            (None, Initialization::SnapStart) => SNAPSHOT_LIMIT.max(function.timeout),
            (None, Initialization::OnDemand) => INIT_LIMIT,
        };
        // The workers of one runtime write to the same descriptor: a line is whole, a frame is not.
        let frames = self.running.frames && function.max_concurrency.is_none();
        function.environment = customers(&function.environment, &self.running.runtime_variables);
        let log_stream = log_stream(&function.version);
        Ok(Blueprint {
            function,
            lease: site.lease.to_owned(),
            number: seat.number,
            id: seat.id,
            shell: Shell {
                network,
                forwards: forwards.iter().map(|forward| forward.port).collect(),
                forward_addresses: addresses.clone(),
                xray: site.xray_daemon.map_or(Xray::Nobody, |_| Xray::Taken),
                resolv_conf,
                firewall: site.inside.firewall.clone(),
                joins_v1: site.joins_v1,
                born_in_cgroup_namespace: !site.joins_v1,
            },
            forwards_to: forwards
                .iter()
                .flat_map(|forward| addresses.iter().map(|_| forward.host_port))
                .collect(),
            xray_daemon: site.xray_daemon,
            nat: site.nat.clone(),
            trees: self.trees.clone(),
            links: self.links.clone(),
            tmp: seat.tmp,
            shared_memory_bytes: (site.dev_shm == DevShm::Present)
                .then_some(memory_bytes / DEV_SHM_SHARE),
            cpu: match site.cpu {
                Cpu::Proportional => CpuShare::Proportional,
                Cpu::Unlimited => CpuShare::Unlimited,
            },
            init_limit: init_limit.map_or_else(|| patience(own_limit), Duration::from_millis),
            restore_limit: restore_limit
                .map_or_else(|| patience(RESTORE_LIMIT), Duration::from_millis),
            no_entry: self.running.no_entry.clone(),
            program: self.running.program.clone(),
            frames,
            // Extensions do not ask for `ping` first.
            network_laid: match self.extensions.external() {
                [] => self.running.network_laid,
                _ => NetworkLaid::BeforeStart,
            },
            extensions: self.extensions.clone(),
            credentials: credentials(site.credentials),
            runtime_variables: self.running.runtime_variables.clone(),
            log_stream,
            lap: timings::lap,
            log_waiting_bytes: site.log_waiting_bytes.clone(),
            notes,
            diagnosis: Arc::clone(&self.diagnosis),
            notices,
            kept: seat.kept,
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
pub(super) fn any_number() -> u32 {
    let [low, high, ..] = uuid::Uuid::new_v4().into_bytes();
    u32::from(u16::from_be_bytes([high, low])) % network::ENVIRONMENTS_PER_SLOT
}

/// AWS's form: `yyyy/mm/dd/[$LATEST]<32 hex digits>`.
fn log_stream(version: &str) -> String {
    let today = jiff::Timestamp::now().strftime("%Y/%m/%d").to_string();
    format!("{today}/[{version}]{}", uuid::Uuid::new_v4().simple())
}
