//! What one process holds of the machine: its lease, and what it makes sandboxes with.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use super::error::AppError;
use crate::config::{self, Cpu, Isolation};
use crate::model::Network;
use crate::sandbox::cgroup::{Cgroups, Controllers};
use crate::sandbox::lease::{self, IdRange, Lease};
use crate::sandbox::network::{self, Inside, Outbound, OutboundMeans};
use crate::sandbox::{
    Ahead, HostRoot, Identity, SandboxError, Spawner, StartedSpawner, TmpImage, TmpImages, Workshop,
};
use crate::usage::Say;

/// Where leases are kept by root: shared by all instances of the machine, gone after a reboot.
const RUN_DIR: &str = "/run/lambdabox";

/// Everything to be given back at the end.
pub(super) struct Resources {
    pub(super) lease: Lease,
    pub(super) workshop: Arc<Workshop>,
    pub(super) nat: Option<Arc<Ahead<Outbound>>>,
    /// Where the function's network reaches, now that it is known what can be had.
    pub(super) network: Network,
    /// What the plan says because of `nat`.
    pub(super) inside: Inside,
    /// Said once, and again when an invocation fails: why there is no `nat`.
    pub(super) network_notice: Option<String>,
    pub(super) tmp: Option<Ahead<TmpImage>>,
    /// The id of the only environment.
    pub(super) id: Identity,
}

/// What to say on the way, in the order it came up.
pub(super) type Notices = Vec<String>;

/// How the sandbox of an ordinary user differs from root's, in one sentence for both.
const ROOTLESS: &str = "not root: functions run with your own user id, and their /tmp is memory";
/// And that where memory is limited.
const COUNTS: &str = " that counts as theirs";

/// What is taken first and costs nothing: enough to open a package.
pub(super) struct Ground {
    pub(super) lease: Lease,
    cgroups: Option<Cgroups>,
    run_dir: PathBuf,
    notices: Notices,
}

impl Ground {
    /// Cleans up after dead instances, then takes a lease.
    pub(super) async fn take(
        config: &config::Invoke,
        started: &StartedSpawner,
    ) -> Result<Self, AppError> {
        let mut notices = Vec::new();
        let run_dir = run_dir();
        let cgroups = match config.isolation {
            Isolation::Full => {
                let host = rustix::process::getpid().as_raw_nonzero().get();
                let wanted = match config.cpu {
                    Cpu::Proportional => Controllers::All,
                    Cpu::Unlimited => Controllers::AllButCpu,
                };
                Some(Cgroups::take(&[host, started.pid], wanted).await?)
            }
            Isolation::NoLimits => None,
        };
        // Groups of dead instances that had some are swept all the same.
        let swept = cgroups.clone().or_else(|| Cgroups::detect(Path::new("/proc")).ok());
        sweep(&run_dir, &config.data_dir, swept.as_ref(), &mut notices).await?;
        let lease = Lease::take(&run_dir, &config.data_dir)?;
        Ok(Self { lease, cgroups, run_dir, notices })
    }

    /// Gives the lease back after a failure, which is returned; it is the one to tell, and what
    /// cannot be removed is swept by the next start.
    pub(super) fn give_back(self, error: AppError) -> AppError {
        let _swept_later = self.lease.release();
        error
    }
}

impl Resources {
    /// Takes what this process needs for sandboxes. What takes time is started and not waited for.
    pub(super) async fn take(
        ground: Ground,
        started: StartedSpawner,
        config: &config::Invoke,
        say: Say,
    ) -> Result<(Self, Notices), AppError> {
        let slot = ground.lease.slot();
        let placed = match place(config.network, slot) {
            Ok(placed) => placed,
            Err(error) => return Err(ground.give_back(error)),
        };
        let nat = placed.means.map(|means| {
            let run_dir = ground.run_dir.clone();
            Arc::new(Ahead::start(async move {
                let (nat, notices) = means.open(slot, &run_dir).await?;
                notices.iter().for_each(|notice| say.notice(notice));
                Ok(nat)
            }))
        });
        let (tmp, tmp_notice) = make_tmp(&ground.lease, config);
        let Ground { lease, cgroups, mut notices, .. } = ground;
        notices.extend(tmp_notice.into_iter().chain(placed.missing.clone()));
        // Whether sandboxes can be made at all comes before whose they would be.
        let spawner = Spawner::adopt(started).await.map_err(AppError::from);
        let spawner = spawner.and_then(|spawner| Ok((spawner, environment_id(slot)?)));
        let (root, made) = (HostRoot::look(), AtomicU32::new(0));
        let (network, inside) = (placed.network, placed.inside);
        let network_notice = placed.missing;
        match spawner {
            Ok((spawner, id)) => {
                let workshop = Arc::new(Workshop { spawner, cgroups, root, made });
                let made = Self { lease, workshop, nat, network, inside, network_notice, tmp, id };
                Ok((made, notices))
            }
            Err(error) => {
                // The first error is the one to tell; the next start sweeps what stays.
                if close_nat(nat, slot, &run_dir()).await.is_empty() {
                    let _swept_later = lease.release();
                }
                Err(error)
            }
        }
    }

    /// Gives everything back; what cannot be is named, and left to the next start's sweep.
    pub(super) async fn give_back(self) -> Vec<String> {
        let Self { lease, workshop, nat, tmp, .. } = self;
        let mut failed = close_nat(nat, lease.slot(), &run_dir()).await;
        drop(tmp);
        if let Some(cgroups) = &workshop.cgroups {
            failed.extend(cgroups.sweep(lease.name()).err().map(|error| error.to_string()));
            cgroups.remove_empty_parents();
        }
        if !failed.is_empty() {
            // Dropped, not released: only what a lease stands for is swept.
            return failed;
        }
        failed.extend(lease.release().err().map(|error| error.to_string()));
        failed
    }
}

fn run_dir() -> PathBuf {
    let uid = rustix::process::geteuid();
    if uid.is_root() {
        return PathBuf::from(RUN_DIR);
    }
    let is_ours = |dir: &PathBuf| {
        std::fs::metadata(dir).is_ok_and(|data| data.is_dir() && data.uid() == uid.as_raw())
    };
    // `su` keeps the variable of whoever called it, `su -` and cron set none where there is one.
    let told = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let usual = PathBuf::from(format!("/run/user/{}", uid.as_raw()));
    match told.into_iter().chain([usual]).find(is_ours) {
        Some(dir) => dir.join("lambdabox"),
        None => PathBuf::from(format!("/tmp/lambdabox-{}", uid.as_raw())),
    }
}

/// What dead instances left goes; living neighbours hold their locks and stay.
async fn sweep(
    run_dir: &Path,
    data_dir: &Path,
    cgroups: Option<&Cgroups>,
    notices: &mut Notices,
) -> Result<(), AppError> {
    let mut network_of_dead = |dead: &lease::DeadLease| -> Result<(), lease::HookError> {
        if !rustix::process::geteuid().is_root() {
            // It made no rule and no link, and could not.
            return Ok(());
        }
        // The sweep is plain blocking code, so this gets an event loop, and a thread, of its own.
        let (slot, dir) = (dead.slot(), run_dir);
        let sweep = || -> Result<(), lease::HookError> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(network::sweep(slot, dir)).map_err(|errors| {
                errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ").into()
            })
        };
        std::thread::scope(|scope| scope.spawn(sweep).join())
            .unwrap_or_else(|_| Err("the network sweep panicked".into()))
    };
    let swept = lease::sweep(run_dir, data_dir, cgroups, &mut network_of_dead)?;
    if swept.leases > 0 {
        notices.push(format!("cleaned up after {} instance(s) that were killed", swept.leases));
    }
    notices.extend(swept.failed.iter().map(|error| format!("left for a later start: {error}")));
    Ok(())
}

fn environment_id(slot: u16) -> Result<Identity, AppError> {
    let caller = rustix::process::geteuid();
    if !caller.is_root() {
        let (uid, gid) = (caller.as_raw(), rustix::process::getegid().as_raw());
        return Ok(Identity::Callers { uid, gid });
    }
    let read = std::fs::read_to_string("/proc/self/uid_map");
    let map =
        read.map_err(|source| AppError::Write { path: "/proc/self/uid_map".into(), source })?;
    let id = IdRange::of_uid_map(&map).and_then(|range| range.environment_uid(slot, 0));
    id.map(|id| Identity::Own { id }).ok_or(AppError::NoIds)
}

/// A `/tmp` image in the making, or why there is none; without one `/tmp` is memory.
fn make_tmp(lease: &Lease, config: &config::Invoke) -> (Option<Ahead<TmpImage>>, Option<String>) {
    if !rustix::process::geteuid().is_root() {
        let counts = if config.isolation == Isolation::Full { COUNTS } else { "" };
        return (None, Some(format!("{ROOTLESS}{counts}")));
    }
    let means = match TmpImages::probe() {
        Ok(means) => means,
        Err(missing) => {
            let remedy = missing.remedy();
            let text = format!("/tmp is memory and counts as the function's: {missing} ({remedy})");
            return (None, Some(text));
        }
    };
    let (data_dir, work_dir) = (config.data_dir.clone(), lease.work_dir().to_owned());
    let size_mb = config.ephemeral_storage_mb;
    let image = Ahead::start(async move {
        let make = move || TmpImages::open(means, &data_dir)?.make(size_mb, &work_dir);
        match tokio::task::spawn_blocking(make).await {
            Ok(image) => Ok(image?),
            Err(panicked) => Err(SandboxError::Ahead(panicked.into())),
        }
    });
    (Some(image), None)
}

/// Where the network reaches, and by what.
struct Placed {
    network: Network,
    means: Option<OutboundMeans>,
    inside: Inside,
    missing: Option<String>,
}

fn place(wanted: Option<Network>, slot: u16) -> Result<Placed, AppError> {
    let without =
        |network, missing| Placed { network, means: None, inside: Inside::default(), missing };
    let probed = match wanted {
        Some(network @ (Network::None | Network::Host)) => return Ok(without(network, None)),
        Some(Network::Nat) | None => OutboundMeans::probe(),
    };
    match (probed, wanted) {
        (Ok(means), _) => {
            let inside = means.inside(slot)?;
            Ok(Placed { network: Network::Nat, means: Some(means), inside, missing: None })
        }
        (Err(missing), Some(_)) => Err(AppError::NoNat(missing)),
        (Err(missing), None) => {
            let remedy = missing.remedy();
            let text = format!("no network inside: {missing}; for --network nat: {remedy}");
            Ok(without(Network::None, Some(text)))
        }
    }
}

/// What could not be taken away, in words that end "failed to clean up: …".
async fn close_nat(nat: Option<Arc<Ahead<Outbound>>>, slot: u16, run_dir: &Path) -> Vec<String> {
    let Some(nat) = nat.and_then(Arc::into_inner) else { return Vec::new() };
    let closed = match nat.into_made().await {
        Ok(Some(nat)) => nat.close().await,
        // Whoever needed it has been told why there is none. What was made of it before is taken away
        // already, or could not be, and then it is for this to say and for the next start to sweep.
        Ok(None) | Err(_) if rustix::process::geteuid().is_root() => {
            network::sweep(slot, run_dir).await
        }
        Ok(None) | Err(_) => Ok(()),
    };
    closed.err().into_iter().flatten().map(|error| error.to_string()).collect()
}
