//! What one process holds of the machine: its lease, and what it makes sandboxes with.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use super::error::AppError;
use crate::config;
use crate::model::Network;
use crate::sandbox::cgroup::Cgroups;
use crate::sandbox::lease::{self, IdRange, Lease};
use crate::sandbox::network::{self, Nat, NatMeans, NatMissing};
use crate::sandbox::{HostRoot, Spawner, StartedSpawner, TmpImage, TmpImages, Workshop};

/// Where leases are kept by root: shared by all instances of the machine, gone after a reboot.
const RUN_DIR: &str = "/run/lambdabox";

/// Everything to be given back at the end.
pub(super) struct Resources {
    pub(super) lease: Lease,
    pub(super) workshop: Arc<Workshop>,
    pub(super) nat: Option<Arc<Nat>>,
    /// Where the function's network reaches, now that it is known what can be had.
    pub(super) network: Network,
    /// Said once, and again when an invocation fails: why there is no `nat`.
    pub(super) network_notice: Option<String>,
    pub(super) tmp: Option<TmpImage>,
    /// The id of the only environment.
    pub(super) id: u32,
}

/// What to say on the way, in the order it came up.
pub(super) type Notices = Vec<String>;

/// What is taken first and costs nothing: enough to open a package.
pub(super) struct Ground {
    pub(super) lease: Lease,
    cgroups: Cgroups,
    run_dir: PathBuf,
    notices: Notices,
}

impl Ground {
    /// Cleans up after dead instances, then takes a lease.
    pub(super) async fn take(config: &config::Invoke) -> Result<Self, AppError> {
        let mut notices = Vec::new();
        let run_dir = run_dir();
        let cgroups = Cgroups::detect(Path::new("/proc"))?;
        sweep(&run_dir, &config.data_dir, &cgroups, &mut notices).await?;
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
    /// Takes what this process needs for sandboxes, all of it at the same time.
    pub(super) async fn take(
        ground: Ground,
        started: StartedSpawner,
        config: &config::Invoke,
    ) -> Result<(Self, Notices), AppError> {
        let (lease, run_dir) = (&ground.lease, ground.run_dir.as_path());
        let tmp = make_tmp(lease, config);
        let nat = open_nat(config.network, lease.slot(), run_dir);
        let spawner = async { Spawner::adopt(started).await.map_err(AppError::from) };
        let (tmp, nat, spawner) = tokio::join!(tmp, nat, spawner);
        let id = environment_id(lease.slot());
        // The spawner's error comes first: without it nothing else matters.
        let others = (|| Ok::<_, AppError>((spawner?, tmp?, id?)))();
        let (spawner, tmp, id) = match others {
            Ok(others) => others,
            Err(error) => {
                if let Ok(Placed { nat: Some(nat), .. }) = nat {
                    let _swept_later = nat.close().await;
                }
                return Err(ground.give_back(error));
            }
        };
        let nat = match nat {
            Ok(nat) => nat,
            Err(error) => return Err(ground.give_back(error)),
        };
        let Ground { lease, cgroups, mut notices, .. } = ground;
        let (tmp, tmp_notice) = tmp;
        notices.extend(tmp_notice.into_iter().chain(nat.notices).chain(nat.missing.clone()));
        let root = HostRoot::look();
        let workshop = Arc::new(Workshop { spawner, cgroups, root, made: AtomicU32::new(0) });
        let (network, network_notice) = (nat.network, nat.missing);
        let nat = nat.nat.map(Arc::new);
        Ok((Self { lease, workshop, nat, network, network_notice, tmp, id }, notices))
    }

    /// Gives everything back; what cannot be is named, and left to the next start's sweep.
    pub(super) async fn give_back(self) -> Vec<String> {
        let Self { lease, workshop, nat, tmp, .. } = self;
        let mut failed = Vec::new();
        if let Some(nat) = nat.and_then(Arc::into_inner)
            && let Err(errors) = nat.close().await
        {
            failed.extend(errors.iter().map(ToString::to_string));
        }
        drop(tmp);
        if let Err(error) = workshop.cgroups.sweep(lease.name()) {
            failed.push(error.to_string());
        }
        workshop.cgroups.remove_empty_parents();
        if let Err(error) = lease.release() {
            failed.push(error.to_string());
        }
        failed
    }
}

fn run_dir() -> PathBuf {
    let uid = rustix::process::geteuid();
    if uid.is_root() {
        return PathBuf::from(RUN_DIR);
    }
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(dir) => Path::new(&dir).join("lambdabox"),
        None => PathBuf::from(format!("/tmp/lambdabox-{}", uid.as_raw())),
    }
}

/// What dead instances left goes; living neighbours hold their locks and stay.
async fn sweep(
    run_dir: &Path,
    data_dir: &Path,
    cgroups: &Cgroups,
    notices: &mut Notices,
) -> Result<(), AppError> {
    let mut network_of_dead = |dead: &lease::DeadLease| -> Result<(), lease::HookError> {
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
    let swept = lease::sweep(run_dir, data_dir, Some(cgroups), &mut network_of_dead)?;
    if swept.leases > 0 {
        notices.push(format!("cleaned up after {} instance(s) that were killed", swept.leases));
    }
    notices.extend(swept.failed.iter().map(|error| format!("left for a later start: {error}")));
    Ok(())
}

fn environment_id(slot: u16) -> Result<u32, AppError> {
    let read = std::fs::read_to_string("/proc/self/uid_map");
    let map =
        read.map_err(|source| AppError::Write { path: "/proc/self/uid_map".into(), source })?;
    IdRange::of_uid_map(&map).and_then(|range| range.environment_uid(slot, 0)).ok_or_else(|| {
        AppError::Usage {
            message: "this user namespace has no user ids for functions".to_owned(),
            hint: Some("run as root".to_owned()),
        }
    })
}

/// A `/tmp` image, or why there is none; without one `/tmp` is memory.
async fn make_tmp(
    lease: &Lease,
    config: &config::Invoke,
) -> Result<(Option<TmpImage>, Option<String>), AppError> {
    let means = match TmpImages::probe() {
        Ok(means) => means,
        Err(missing) => {
            let text = format!(
                "/tmp is memory and counts as the function's: {missing} ({})",
                missing.remedy()
            );
            return Ok((None, Some(text)));
        }
    };
    let (data_dir, work_dir) = (config.data_dir.clone(), lease.work_dir().to_owned());
    let size_mb = config.ephemeral_storage_mb;
    let made = tokio::task::spawn_blocking(move || {
        TmpImages::open(means, &data_dir)?.make(size_mb, &work_dir)
    });
    match made.await {
        Ok(image) => Ok((Some(image?), None)),
        Err(panicked) => Err(AppError::EventLoop(io::Error::other(panicked))),
    }
}

/// Where the network reaches and what that took.
struct Placed {
    network: Network,
    nat: Option<Nat>,
    notices: Notices,
    missing: Option<String>,
}

async fn open_nat(wanted: Option<Network>, slot: u16, run_dir: &Path) -> Result<Placed, AppError> {
    let plain = |network, missing| Placed { network, nat: None, notices: Vec::new(), missing };
    let probed: Result<NatMeans, NatMissing> = match wanted {
        Some(network @ (Network::None | Network::Host)) => return Ok(plain(network, None)),
        Some(Network::Nat) | None => Nat::probe(),
    };
    match (probed, wanted) {
        (Ok(means), _) => {
            let (nat, notices) = Nat::open(means, slot, run_dir).await?;
            Ok(Placed { network: Network::Nat, nat: Some(nat), notices, missing: None })
        }
        (Err(missing), Some(_)) => Err(AppError::NoNat(missing)),
        (Err(missing), None) => {
            let text =
                format!("no network inside: {missing}; for --network nat: {}", missing.remedy());
            Ok(plain(Network::None, Some(text)))
        }
    }
}
