//! A deployed version's own archive of classes: made once, behind its first cold start, and mapped by the
//! starts that follow.
//!
//! It is made by an invocation of the host's own, in an environment like any other of the version but
//! for its program, which goes through the function's init and answers with the archive.
//!
//! # Invariants
//! - The version's code is run in a sandbox only, within the pool's limits; no caller waits for it, and
//!   it takes nothing of the function's concurrency.
//! - What one version's code made is shown to environments of that version only.
//! - Where it cannot be made, starts go on with the archive that all versions have.
//!
//! # Not here
//! The archive of the loop's own classes (`language_loop`), which this one replaces.
//!
//! # Sources
//! JEP 350 (dynamic archives); docs/decisions.md, "Java maps an archive of each version's classes".

use std::collections::HashMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

use super::deployed::Opening;
use super::runtime::ArchiveOf;
use crate::model::{
    AnswerAt, Bandwidth, Initialization, Invocation, Outcome, Piece, Purpose, RequestId, StreamTo,
    Tenancy, Traced, Version, patience,
};
use crate::pool::{Blueprint, Extensions, Pool};

/// For init and for writing the archive: a large one takes seconds.
const MAKING_WITHIN: Duration = Duration::from_secs(120);
/// Two interpreters live in its environment for a moment.
const MEMORY_AT_LEAST_MB: u32 = 512;
const RUNTIME_INSIDE: &str = "/var/runtime";
const DIRECTORY_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;

/// Versions whose archive nobody has begun to make.
#[derive(Default)]
pub(super) struct Archives {
    wanted: Mutex<HashMap<Opening, Weak<ClassArchive>>>,
    /// How many those are: known without a lock, as every invocation asks.
    waiting: AtomicUsize,
}

/// The archive of one opened version.
pub(super) struct ClassArchive {
    /// The loop's directory, with the archive that all versions have.
    home: PathBuf,
    name: String,
    /// That directory again, with the version's own archive, once it is whole.
    made: OnceLock<PathBuf>,
    workspace: Arc<tempfile::TempDir>,
}

impl Archives {
    /// Has it made behind the version's next invocation.
    pub(super) fn wanted(&self, version: Opening, archive: &Arc<ClassArchive>) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.retain(|_, archive| archive.strong_count() > 0);
        wanted.insert(version, Arc::downgrade(archive));
        self.waiting.store(wanted.len(), Ordering::Relaxed);
    }

    /// What is to be made for this version; once.
    fn take(&self, version: &Version) -> Option<Arc<ClassArchive>> {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let archive = wanted.remove(&Opening::of(version));
        self.waiting.store(wanted.len(), Ordering::Relaxed);
        archive?.upgrade()
    }

    /// Told of an invocation that has an outcome: makes the version's archive if that is still to be done.
    pub(super) fn ran(&self, version: &Arc<Version>, pool: &Pool) {
        if self.waiting.load(Ordering::Relaxed) == 0 || version.purpose != Purpose::Serving {
            return;
        }
        if let Some(archive) = self.take(version) {
            tokio::spawn(archive.make(Arc::clone(version), pool.clone()));
        }
    }
}

impl ClassArchive {
    pub(super) fn new(of: &ArchiveOf, workspace: Arc<tempfile::TempDir>) -> Self {
        let (home, name) = (of.home.clone(), of.name.clone());
        Self { home, name, made: OnceLock::new(), workspace }
    }

    /// Turns what an environment is made from into one that makes the archive, or uses it.
    pub(super) fn apply(&self, purpose: Purpose, of: Option<&ArchiveOf>, it: &mut Blueprint) {
        match (purpose, of, self.made.get()) {
            (Purpose::Archive, Some(of), _) => {
                it.program.clone_from(&of.program);
                // They would take it for an invocation.
                it.extensions = Extensions::Disabled;
            }
            (Purpose::Serving, _, Some(made)) => {
                let mut trees = it.trees.iter_mut();
                if let Some(tree) = trees.find(|tree| tree.target == Path::new(RUNTIME_INSIDE)) {
                    tree.source.clone_from(made);
                }
            }
            _ => {}
        }
    }

    /// Whatever goes wrong leaves things as they are: a start is then slower, and as well.
    async fn make(self: Arc<Self>, mut version: Arc<Version>, pool: Pool) {
        let it = Arc::make_mut(&mut version);
        it.purpose = Purpose::Archive;
        // One event, of nobody's, without a snapshot.
        it.tenancy = Tenancy::Shared;
        it.function.max_concurrency = None;
        it.function.initialization = Initialization::OnDemand;
        it.function.timeout = patience(MAKING_WITHIN);
        it.function.memory_mb = it.function.memory_mb.max(MEMORY_AT_LEAST_MB);
        let (stream_to, mut pieces) = StreamTo::new(Bandwidth::Unlimited);
        let Ok(mut file) = tempfile::Builder::new().tempfile_in(self.workspace.path()) else {
            return;
        };
        let invocation = invocation(&version, stream_to);
        let (ran, kept) =
            tokio::join!(pool.invoke(version, invocation), keep(&mut pieces, file.as_file_mut()));
        let is_whole = ran.is_ok_and(|ran| matches!(ran.outcome, Outcome::Streamed { .. }));
        if is_whole && matches!(kept, Ok(1..)) {
            // As above.
            if let Ok(directory) = self.place(file.path()) {
                let _nobody_else_makes_it = self.made.set(directory);
            }
        }
    }

    /// Makes the directory that environments are shown.
    fn place(&self, archive: &Path) -> io::Result<PathBuf> {
        let directory = self.workspace.path().join("runtime");
        fs::create_dir(&directory)?;
        for entry in fs::read_dir(&self.home)? {
            let entry = entry?;
            if entry.file_name() != *self.name {
                // The archive holds for a file of this time of change, which a link has too.
                fs::hard_link(entry.path(), directory.join(entry.file_name()))?;
            }
        }
        let own = directory.join(&self.name);
        fs::rename(archive, &own)?;
        fs::set_permissions(&own, Permissions::from_mode(FILE_MODE))?;
        fs::set_permissions(&directory, Permissions::from_mode(DIRECTORY_MODE))?;
        Ok(directory)
    }
}

/// Writes what is streamed; how many bytes there were. A stream is bounded (`MAX_STREAM_BYTES`).
async fn keep(pieces: &mut mpsc::Receiver<Piece>, file: &mut File) -> io::Result<usize> {
    let mut bytes = 0;
    while let Some(piece) = pieces.recv().await {
        if let Piece::Data(data) = piece {
            bytes += data.len();
            file.write_all(&data)?;
        }
    }
    Ok(bytes)
}

fn invocation(version: &Version, stream_to: StreamTo) -> Invocation {
    let timeout = version.function.timeout;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Invocation {
        request_id: RequestId::random(),
        attempt_id: uuid::Uuid::new_v4().to_string(),
        payload: "{}".into(),
        content_type: "application/json".to_owned(),
        arn: version.function.arn(),
        timeout,
        deadline_epoch_ms: u64::try_from((now + timeout).as_millis()).unwrap_or(u64::MAX),
        trace_id: None,
        client_context: None,
        cognito_identity: None,
        tenant_id: None,
        stream_to: Some(stream_to),
        traced: Traced::alone(SystemTime::now()),
        answer_at: AnswerAt::Report,
    }
}
