//! Execution environments of deployed versions: what the pool's environments are made from.
//!
//! # Invariants
//! - A version's package, layers and interpreter are opened once for all its environments, and stay
//!   as they were for those that have them.
//!
//! # Not here
//! When an environment is made and for whom (`pool`), where versions come from (`store`).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OnceCell, mpsc, watch};

use super::archive::{Archives, ClassArchive};
use super::blueprint::{Asked, Code, Seat, Site, open_code};
use super::error::AppError;
use super::resources::{Ids, Images, Resources};
use super::seats::{Lent, Seats};
use crate::config::{self, Cpu, DevShm, Isolation, RuntimeCompat, Sdk};
use crate::model::{Network, Version, with_causes};
use crate::pool::{Environment, Provider, Sink, Tmp};
use crate::sandbox::network::Inside;
use crate::sandbox::{Ahead, Outbound, Workshop};

/// Opened versions that are kept though they have no environment: opening one again looks at every
/// file of it.
const OPENED_KEPT: usize = 256;

/// What of an environment is the operator's choice, for all functions alike.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    pub(super) isolation: Isolation,
    pub(super) cpu: Cpu,
    pub(super) dev_shm: DevShm,
    pub(super) sdk: Sdk,
    pub(super) runtime_compat: RuntimeCompat,
    pub(super) credentials: config::Credentials,
    /// Services of the host's loopback that every function may reach.
    pub(super) forwards: Vec<config::Forward>,
    pub(super) xray_daemon: Option<SocketAddr>,
}

/// Makes environments of deployed versions.
pub(super) struct Deployed {
    workshop: Arc<Workshop>,
    lease: String,
    ids: Ids,
    seats: Seats,
    network: Network,
    nat: Option<Arc<Ahead<Outbound>>>,
    inside: Inside,
    images: Option<Images>,
    manner: Manner,
    data_dir: PathBuf,
    /// Each opened version has a directory of its own in it.
    workspaces: PathBuf,
    notices: mpsc::Sender<String>,
    archives: Arc<Archives>,
    opened: Mutex<Opened>,
}

/// Versions that have been opened, and when each was last asked for.
#[derive(Default)]
struct Opened {
    all: HashMap<Opening, (Cell, u64)>,
    asked: u64,
}

/// Filled by whoever asks first.
type Cell = Arc<OnceCell<Arc<OpenedCode>>>;

/// What is opened apart.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Opening {
    function: String,
    version: String,
    revision: String,
}

impl Opening {
    pub(super) fn of(version: &Version) -> Self {
        Self {
            function: version.function.name.clone(),
            version: version.function.version.clone(),
            revision: version.revision.clone(),
        }
    }
}

/// Kept by each environment made from it.
struct OpenedCode {
    code: Code,
    archive: Option<Arc<ClassArchive>>,
    /// The directory goes with it.
    _workspace: Arc<tempfile::TempDir>,
}

/// What an environment holds until it is gone.
struct Keeping {
    _lent: Lent,
    _code: Arc<OpenedCode>,
    /// The store keeps the files of a version that somebody holds.
    _version: Arc<Version>,
}

impl Deployed {
    /// Takes what it needs of this process' resources, which must outlive it.
    pub(super) fn new(
        resources: &Resources,
        data_dir: &Path,
        manner: Manner,
        notices: mpsc::Sender<String>,
        archives: Arc<Archives>,
    ) -> Result<Self, AppError> {
        let ids = Ids::of_process(resources.lease.slot())?;
        let workspaces = resources.lease.work_dir().join("versions");
        super::language_loop::make_directory(&workspaces)?;
        Ok(Self {
            workshop: Arc::clone(&resources.workshop),
            lease: resources.lease.name().to_owned(),
            ids,
            seats: Seats::new(ids.environments()),
            network: resources.network,
            nat: resources.nat.clone(),
            inside: resources.inside.clone(),
            images: resources.images.clone(),
            manner,
            data_dir: data_dir.to_owned(),
            workspaces,
            notices,
            archives,
            opened: Mutex::default(),
        })
    }

    /// How many environments there can be at once.
    pub(super) fn environments_max(&self) -> u32 {
        self.ids.environments()
    }

    /// The version's code, opened by whoever asks first.
    async fn code(&self, version: &Arc<Version>) -> Result<Arc<OpenedCode>, AppError> {
        let cell = self.cell(version);
        let opening_of = &**version;
        let open = || async {
            let (version, manner) = (Arc::clone(version), self.manner.clone());
            let (data_dir, workspaces) = (self.data_dir.clone(), self.workspaces.clone());
            let opening = move || open(&version, &manner, &data_dir, &workspaces);
            // Looks at every file and may start an interpreter.
            let opened = match tokio::task::spawn_blocking(opening).await {
                Ok(opened) => opened?,
                Err(panicked) => return Err(AppError::EventLoop(panicked.into())),
            };
            if let Some(archive) = &opened.archive {
                self.archives.wanted(Opening::of(opening_of), archive);
            }
            Ok(Arc::new(opened))
        };
        cell.get_or_try_init(open).await.cloned()
    }

    fn cell(&self, version: &Version) -> Cell {
        let key = Opening::of(version);
        // Nothing in it is ever half changed.
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.asked += 1;
        let asked = opened.asked;
        if opened.all.len() >= OPENED_KEPT && !opened.all.contains_key(&key) {
            let oldest = opened.all.iter().min_by_key(|(_, (_, asked))| *asked);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                opened.all.remove(&oldest);
            }
        }
        let (cell, last) = opened.all.entry(key).or_default();
        *last = asked;
        Arc::clone(cell)
    }

    async fn environment(
        &self,
        version: Arc<Version>,
        sink: Sink,
    ) -> Result<Environment, AppError> {
        let opened = self.code(&version).await?;
        let lent = self.seats.lend().ok_or(AppError::NoIds)?;
        let id = self.ids.environment(lent.index)?;
        let forwards = config::with_implied(&self.manner.forwards, &version.function.environment);
        let site = Site {
            lease: &self.lease,
            joins_v1: self.workshop.joins_v1(),
            network: self.network,
            nat: self.nat.clone(),
            inside: &self.inside,
            forwards: &forwards,
            xray_daemon: self.manner.xray_daemon,
            isolation: self.manner.isolation,
            cpu: self.manner.cpu,
            dev_shm: self.manner.dev_shm,
            credentials: &self.manner.credentials,
            // The host's log waits for nobody.
            log_waiting_bytes: watch::Sender::new(0).subscribe(),
        };
        let size_mb = version.function.ephemeral_storage_mb;
        let tmp = self.images.as_ref().map_or(Tmp::Memory, |i| Tmp::Image(i.make(size_mb)));
        let number = lent.number;
        let (function, purpose) = (version.function.clone(), version.purpose);
        let kept = Keeping { _lent: lent, _code: Arc::clone(&opened), _version: version };
        let seat = Seat { id, number, tmp, kept: Some(Box::new(kept)) };
        let mut blueprint = opened.code.blueprint(function, &site, seat, self.notices.clone())?;
        if let Some(archive) = &opened.archive {
            archive.apply(purpose, opened.code.archive(), &mut blueprint);
        }
        let stream = blueprint.log_stream.clone();
        let log = Arc::new(move |event| sink(&stream, event));
        Ok(Environment::new(Arc::clone(&self.workshop), blueprint, log))
    }
}

fn open(
    version: &Version,
    manner: &Manner,
    data_dir: &Path,
    workspaces: &Path,
) -> Result<OpenedCode, AppError> {
    let path = workspaces.to_owned();
    let workspace =
        tempfile::tempdir_in(workspaces).map_err(|source| AppError::Write { path, source })?;
    // What is merged or copied into it is shown to environments.
    super::language_loop::make_directory(workspace.path())?;
    let asked = Asked {
        path: &version.code,
        layers: &version.layers,
        runtime: Some(&version.function.runtime),
        handler: Some(&version.function.handler),
        client: None,
        runtime_compat: manner.runtime_compat,
        memory_mb: version.function.memory_mb,
        environment: &version.function.environment,
        sdk: manner.sdk,
        venv: None,
        data_dir,
    };
    let code = open_code(&asked, workspace.path())?;
    let workspace = Arc::new(workspace);
    let archive = code.archive().map(|of| Arc::new(ClassArchive::new(of, Arc::clone(&workspace))));
    Ok(OpenedCode { code, archive, _workspace: workspace })
}

impl Provider for Deployed {
    type Home = Environment;

    async fn home(&self, version: Arc<Version>, sink: Sink) -> Result<Environment, String> {
        self.environment(version, sink).await.map_err(|error| with_causes(&error))
    }
}
