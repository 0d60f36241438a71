//! Functions: created, changed, made to serve, deleted.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::error::DeployError;
use super::object::{Object, fetch};
use super::packages::Packages;
use super::serving::{Change, Observer, Serving};
use super::snapshot::snapshot;
use super::standing::is_under_way;
use crate::config::ObjectStore;
use crate::model::{
    ApplicationLevel, Function, LogFormat, LogLevels, Purpose, SystemLevel, Tenancy, Version,
    with_causes,
};
use crate::store::{
    Blobs, Code, Dead, Expected, FunctionRecord, LastUpdate, Logging, Pinned, Put, Reserve, State,
    Store, StoreError, UpdateStatus,
};

/// The one version there is until versions can be published.
const LATEST: &str = "$LATEST";
/// Between two tries to end a change that the store did not take: doubled each time, up to a limit.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Between two sweeps of packages that nobody needs.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Whose functions these are.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Twelve digits.
    pub account: String,
    /// As in every ARN.
    pub region: String,
}

/// What [`Deployed::open`] works with.
pub struct Opening<'a> {
    /// The directory, whose lock the caller holds.
    pub data_dir: &'a Path,
    /// Whose functions.
    pub identity: Identity,
    /// Directories below which code may be deployed as it lies, without symbolic links.
    pub allowed: Vec<PathBuf>,
    /// Where code in S3 is read from, if anywhere.
    pub object_store: Option<ObjectStore>,
    /// Told what no longer serves.
    pub observer: Observer,
}

/// Everything deployed on this host.
pub struct Deployed {
    pub(super) store: Store,
    blobs: Blobs,
    packages: Packages,
    identity: Identity,
    allowed: Vec<PathBuf>,
    object_store: Option<ObjectStore>,
    serving: Serving,
    observer: Observer,
    /// Held while the database and what serves change together.
    changing: tokio::sync::Mutex<()>,
}

/// Where a package comes from.
#[derive(Debug)]
pub enum Source {
    /// The zip itself.
    Zip(Bytes),
    /// A directory of this machine.
    Directory(PathBuf),
    /// In S3.
    Object(Object),
}

/// A package at hand.
enum Package {
    Zip(Bytes),
    Directory(PathBuf),
    Fetched(File),
}

/// A package that was taken in; it stays while this is held.
#[derive(Debug)]
pub struct Taken {
    /// What a record says of it.
    pub code: Code,
    _pinned: Pinned,
}

impl Deployed {
    /// Opens the store, and finishes what was under way when the last host ended.
    ///
    /// # Errors
    /// A store that cannot be opened or read.
    pub async fn open(opening: Opening<'_>) -> Result<Arc<Self>, DeployError> {
        let Opening { data_dir, identity, allowed, object_store, observer } = opening;
        let store = Store::open(data_dir)?;
        let blobs = Blobs::open(data_dir)?;
        let packages = Packages::open(data_dir, blobs.clone())?;
        let deployed = Arc::new(Self {
            store,
            blobs,
            packages,
            identity,
            allowed,
            object_store,
            serving: Serving::default(),
            observer,
            changing: tokio::sync::Mutex::new(()),
        });
        deployed.store.forget_leases().await?;
        for record in deployed.store.functions(LATEST, None, u32::MAX).await? {
            if is_under_way(&record) {
                deployed.finish(&record.name, &record.deployment).await?;
            }
        }
        Ok(deployed)
    }

    /// The facts themselves, for whoever keeps more of them.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Whose functions these are.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Where a stored package can be read; it may be gone if nothing refers to it any more.
    pub fn blob_path(&self, sha256: &str) -> PathBuf {
        self.blobs.path(sha256)
    }

    /// Keeps and unpacks a package.
    ///
    /// # Errors
    /// A package that is none, is too large, or may not be deployed.
    pub async fn take_in(self: &Arc<Self>, source: Source) -> Result<Taken, DeployError> {
        let deployed = Arc::clone(self);
        let package = match source {
            Source::Zip(bytes) => Package::Zip(bytes),
            Source::Directory(path) => Package::Directory(path),
            Source::Object(object) => {
                let (store, region) = (self.object_store.as_ref(), &self.identity.region);
                Package::Fetched(fetch(store, region, &object, &self.packages).await?)
            }
        };
        let taking = tokio::task::spawn_blocking(move || deployed.take_in_here(package));
        let taken = taking.await;
        let taken =
            taken.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()));
        if taken.is_err() {
            // What was kept of it must not fill the disk until the next sweep, which tells what cannot be
            // removed; the first error is the one to return.
            let _told_by_the_next_sweep = self.sweep().await;
        }
        taken
    }

    fn take_in_here(&self, package: Package) -> Result<Taken, DeployError> {
        let pinned = match package {
            Package::Zip(bytes) => self.blobs.keep(&bytes)?,
            Package::Fetched(file) => self.blobs.take_in(file)?,
            Package::Directory(path) => {
                self.blobs.take_in(snapshot(&path, &self.allowed, &self.packages)?)?
            }
        };
        let sha256 = pinned.blob().sha256.clone();
        let unpacked_bytes = self.packages.ensure(&sha256)?;
        let code = Code { sha256, bytes: pinned.blob().bytes, unpacked_bytes };
        Ok(Taken { code, _pinned: pinned })
    }

    /// The record of a function.
    ///
    /// # Errors
    /// [`DeployError::NoFunction`].
    pub async fn find(&self, name: &str) -> Result<FunctionRecord, DeployError> {
        // Whoever is told that an update was successful must be served by it.
        let _settled = self.changing.lock().await;
        self.stored(name).await
    }

    async fn stored(&self, name: &str) -> Result<FunctionRecord, DeployError> {
        let found = self.store.function(name, LATEST).await?;
        found.ok_or_else(|| DeployError::NoFunction { name: name.to_owned() })
    }

    /// Stores a new function, which is pending until it serves.
    ///
    /// # Errors
    /// [`DeployError::Exists`].
    pub async fn create(
        self: &Arc<Self>,
        record: FunctionRecord,
    ) -> Result<FunctionRecord, DeployError> {
        let record = FunctionRecord { state: State::Pending, update: None, ..changed(record) };
        match self.store.put_function(record.clone(), Expected::Absent).await? {
            Put::Conflict => Err(DeployError::Exists { name: record.name }),
            Put::Stored => {
                self.finish_soon(&record);
                Ok(record)
            }
        }
    }

    /// Stores a change of `before`; what serves stays until the change is finished.
    ///
    /// # Errors
    /// [`DeployError::Busy`] if somebody else was faster.
    pub async fn update(
        self: &Arc<Self>,
        before: &FunctionRecord,
        after: FunctionRecord,
    ) -> Result<FunctionRecord, DeployError> {
        let update = Some(LastUpdate { status: UpdateStatus::InProgress, reason: None });
        let record = FunctionRecord { update, ..changed(after) };
        let seen = Expected::Revision(before.revision.clone());
        match self.store.put_function(record.clone(), seen).await? {
            Put::Conflict => Err(DeployError::Busy { name: record.name }),
            Put::Stored => {
                self.finish_soon(&record);
                Ok(record)
            }
        }
    }

    /// Removes a function; what runs of it runs to its end.
    ///
    /// # Errors
    /// [`DeployError::NoFunction`].
    pub async fn delete(self: &Arc<Self>, name: &str) -> Result<(), DeployError> {
        let removed = {
            let _changing = self.changing.lock().await;
            if self.store.delete_function(name).await? == Dead::Absent {
                return Err(DeployError::NoFunction { name: name.to_owned() });
            }
            self.serving.remove(name)
        };
        removed.into_iter().for_each(|old| (self.observer)(Change::Removed { old }));
        Ok(())
    }

    /// Sets or takes away a function's reserved concurrency; `most` is what all together may have.
    ///
    /// # Errors
    /// [`DeployError::NoFunction`], [`DeployError::TooMuchReserved`].
    pub async fn reserve(
        &self,
        name: &str,
        reserved: Option<u32>,
        most: u32,
    ) -> Result<(), DeployError> {
        let _changing = self.changing.lock().await;
        match self.store.reserve(name, reserved, most).await? {
            Reserve::NoFunction => Err(DeployError::NoFunction { name: name.to_owned() }),
            Reserve::TooMuch => Err(DeployError::TooMuchReserved),
            Reserve::Stored => {
                if let Some(old) = self.serving.get(name) {
                    let new = Version { reserved_concurrency: reserved, ..(*old).clone() };
                    self.serve(Arc::new(new));
                }
                Ok(())
            }
        }
    }

    /// Changes a function's tags, and with them its revision; what serves stays.
    ///
    /// # Errors
    /// [`DeployError::NoFunction`].
    pub async fn tag(
        &self,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>),
    ) -> Result<(), DeployError> {
        let _changing = self.changing.lock().await;
        let mut record = self.stored(name).await?;
        let seen = std::mem::replace(&mut record.revision, random_id());
        change(&mut record.tags);
        match self.store.put_tags(record, seen).await? {
            Put::Stored => Ok(()),
            Put::Conflict => Err(DeployError::Busy { name: name.to_owned() }),
        }
    }

    /// The version that serves a function.
    ///
    /// # Errors
    /// [`DeployError::NoFunction`], or [`DeployError::NotActive`].
    pub async fn resolve(self: &Arc<Self>, name: &str) -> Result<Arc<Version>, DeployError> {
        if let Some(version) = self.serving.get(name) {
            return Ok(version);
        }
        let _changing = self.changing.lock().await;
        let record = self.stored(name).await?;
        Self::check_invocable(&record)?;
        if let Some(version) = self.serving.get(name) {
            return Ok(version);
        }
        self.unpack_all(&record).await?;
        let version = Arc::new(self.version(&record));
        self.serving.put(Arc::clone(&version));
        Ok(version)
    }

    /// Removes packages that nobody needs, now and then, as long as it is not dropped.
    pub async fn sweep_for_ever(self: Arc<Self>, failed: impl Fn(DeployError)) {
        let mut ticks = tokio::time::interval(SWEEP_EVERY);
        loop {
            ticks.tick().await;
            if let Err(error) = self.sweep().await {
                failed(error);
            }
        }
    }

    /// Removes packages that nobody needs.
    ///
    /// # Errors
    /// What cannot be removed.
    pub async fn sweep(self: &Arc<Self>) -> Result<(), DeployError> {
        let _changing = self.changing.lock().await;
        let needed = self.store.needed_blobs().await?;
        let in_use = self.serving.in_use();
        let deployed = Arc::clone(self);
        let sweeping = tokio::task::spawn_blocking(move || {
            deployed.packages.sweep(&needed, &in_use)?;
            deployed.blobs.sweep(&needed)?;
            Ok(())
        });
        sweeping.await.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))
    }

    /// Ends `Pending` and `InProgress` soon; whoever made the change does not wait for it.
    fn finish_soon(self: &Arc<Self>, record: &FunctionRecord) {
        let deployed = Arc::clone(self);
        let (name, deployment) = (record.name.clone(), record.deployment.clone());
        tokio::spawn(async move {
            // A store that fails now, such as on a full disk, leaves the record as it is.
            let mut pause = FIRST_PAUSE;
            while deployed.finish(&name, &deployment).await.is_err() {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
    }

    async fn finish(self: &Arc<Self>, name: &str, deployment: &str) -> Result<(), StoreError> {
        let _changing = self.changing.lock().await;
        let Some(record) = self.store.function(name, LATEST).await? else { return Ok(()) };
        if record.deployment != deployment || !is_under_way(&record) {
            return Ok(());
        }
        let unpacked = self.unpack_all(&record).await;
        let seen = Expected::Revision(record.revision.clone());
        let mut after = FunctionRecord { revision: random_id(), ..record };
        match &unpacked {
            Ok(()) => {
                after.state = State::Active;
                after.update = Some(LastUpdate { status: UpdateStatus::Successful, reason: None });
            }
            Err(error) if after.state == State::Pending => {
                after.state = State::Failed { reason: format!("failed to {}", with_causes(error)) };
            }
            Err(error) => {
                let reason = Some(format!("failed to {}", with_causes(error)));
                after.update = Some(LastUpdate { status: UpdateStatus::Failed, reason });
            }
        }
        let stored = self.store.put_function(after.clone(), seen).await?;
        if stored == Put::Stored && unpacked.is_ok() {
            self.serve(Arc::new(self.version(&after)));
        }
        Ok(())
    }

    fn serve(&self, new: Arc<Version>) {
        if let Some(old) = self.serving.put(Arc::clone(&new)) {
            (self.observer)(Change::Replaced { old, new });
        }
    }

    async fn unpack_all(self: &Arc<Self>, record: &FunctionRecord) -> Result<(), DeployError> {
        let deployed = Arc::clone(self);
        let layers = record.configuration.layers.iter().map(|layer| layer.code.sha256.clone());
        let needed: Vec<String> = layers.chain([record.code.sha256.clone()]).collect();
        let unpacking = tokio::task::spawn_blocking(move || {
            needed.iter().try_for_each(|sha256| deployed.packages.ensure(sha256).map(drop))
        });
        let unpacked = unpacking
            .await
            .unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()));
        Ok(unpacked?)
    }

    fn version(&self, record: &FunctionRecord) -> Version {
        let set = &record.configuration;
        Version {
            function: Function {
                name: record.name.clone(),
                version: record.version.clone(),
                account: self.identity.account.clone(),
                region: self.identity.region.clone(),
                runtime: set.runtime.clone(),
                handler: set.handler.clone(),
                memory_mb: set.memory_mb,
                timeout: Duration::from_secs(set.timeout_seconds.into()),
                ephemeral_storage_mb: set.ephemeral_storage_mb,
                log_format: match set.logging.format.as_str() {
                    "JSON" => LogFormat::Json,
                    _ => LogFormat::Text,
                },
                log_group: set.logging.group.clone(),
                log_levels: levels(&set.logging),
                tracing: set.tracing.as_str().into(),
                initialization: set.snap_start.as_str().into(),
                max_concurrency: set.capacity_provider.as_ref().map(|set| set.max_concurrency),
                environment: set.environment.clone().unwrap_or_default(),
            },
            code: self.packages.path(&record.code.sha256),
            layers: set.layers.iter().map(|layer| self.packages.path(&layer.code.sha256)).collect(),
            revision: record.deployment.clone(),
            reserved_concurrency: record.reserved,
            purpose: Purpose::Serving,
            tenancy: match set.is_per_tenant {
                true => Tenancy::PerTenant,
                false => Tenancy::Shared,
            },
        }
    }
}

impl std::fmt::Debug for Deployed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let serving = &self.serving;
        f.debug_struct("Deployed").field("serving", serving).finish_non_exhaustive()
    }
}

/// What was checked when it was set; AWS's defaults where nothing was.
fn levels(logging: &Logging) -> LogLevels {
    let (application, system) = (&logging.application_level, &logging.system_level);
    LogLevels {
        application: application.as_deref().and_then(ApplicationLevel::named).unwrap_or_default(),
        system: system.as_deref().and_then(SystemLevel::named).unwrap_or_default(),
    }
}

fn changed(record: FunctionRecord) -> FunctionRecord {
    FunctionRecord { revision: random_id(), deployment: random_id(), modified: now(), ..record }
}

fn random_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// AWS's form of a moment (lambda-service.md 1).
pub(super) fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string()
}
