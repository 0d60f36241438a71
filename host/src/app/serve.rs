//! `lambdabox serve`: from checked settings to a host that answers, and to its end.
//!
//! # Invariants
//! - Ready is said only when everything answers.
//! - The end: new connections are refused, what was accepted finishes up to the deadline, then
//!   everything is ended and given back. A second signal brings the deadline to now.

use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout_at;

use super::archive::Archives;
use super::error::AppError;
use super::host::Host;
use super::pooled::{self, Pooled};
use crate::catalog::{Change, Deployed, Identity, Opening};
use crate::config::{self, Isolation};
use crate::front::{Admin, AdminThread, Front, Parts, Readiness, Sources, listen};
use crate::invoke::{Invoker, Queue, Service};
use crate::sandbox::StartedSpawner;
use crate::store::{DirectoryLock, Limits, Records};
use crate::usage::{Metrics, Say, SpanExporter, Traces, XrayDaemon, stderr};

/// Owner of every function here, as other local stand-ins for AWS have it (design section 6).
const ACCOUNT: &str = "000000000000";
/// How long connections may take to end after the answers they wait for are there, and a reader of
/// standard error to take what is left.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// For SHUTDOWN, which AWS gives two seconds at most (runtime-api.md 2.8), and for ending what is left.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(3);

/// Is a host until it is asked to end. `started` is the spawner that `main` forked.
pub fn serve(config: &config::Serve, started: StartedSpawner) -> ExitCode {
    let say = Say::new(config.color, config.verbosity);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.and_then(|runtime| stderr::start().map(|()| runtime));
    let failed = |error: AppError| {
        say.error(&error, error.hint().as_deref());
        ExitCode::from(error.exit_code())
    };
    match runtime.map_err(AppError::EventLoop) {
        Ok(runtime) => runtime.block_on(async {
            let code = run(config, started, say).await.map_or_else(failed, |()| ExitCode::SUCCESS);
            // Nobody may be reading.
            let _in_time = tokio::time::timeout(LAST_WORDS, stderr::written()).await;
            code
        }),
        Err(error) => failed(error),
    }
}

async fn run(config: &config::Serve, started: StartedSpawner, say: Say) -> Result<(), AppError> {
    let mut ending = Ending::watch()?;
    // First of all: two hosts in one directory would sweep each other.
    let _lock = DirectoryLock::take(&config.data_dir)?;
    let (readiness, is_ready) = watch::channel(Readiness::Starting);
    let (stop_admin, admin_stopped) = watch::channel(false);
    let (stop, stopped) = watch::channel(false);
    let admin = AdminThread::listen(config.admin).await?;
    let front_on = listen(config.listen).await?;
    let (front_at, admin_at) = (front_on.address, admin.address);
    let metrics = Arc::new(Metrics::new());

    let limits = Limits { log_bytes: config.log_bytes, log_age: config.log_age };
    let records = Records::open(&config.data_dir, limits, move |text| say.warning(text))?;
    let exporting = config.collector.clone().map(|collector| {
        say.notice(&format!("spans of invocations go to {}", collector.url));
        SpanExporter::start(collector, Arc::clone(&metrics), say)
    });
    let (exporter, sending) = exporting.unzip();
    let xray = config.xray_daemon.map(XrayDaemon::at).transpose().map_err(AppError::EventLoop)?;
    let traces = Traces { exporter, xray };
    let archives = Arc::<Archives>::default();
    let plan = pooled::plan(
        config,
        records.clone(),
        Arc::clone(&metrics),
        traces,
        Arc::clone(&archives),
        say,
    );
    let (host, notices) = Host::open(started, plan, say).await?;
    notices.iter().for_each(|notice| say.notice(notice));
    if config.isolation == Isolation::NoLimits {
        say.notice(
            "isolation is reduced: memory and CPU are not limited, and idle functions run on",
        );
    }
    let invoker: Arc<dyn Invoker> =
        Arc::new(Pooled { pool: host.pool().clone(), metrics: Arc::clone(&metrics), archives });

    let deployed = match open(config, &invoker).await {
        Ok(deployed) => deployed,
        Err(error) => {
            // The first error is the one to tell; the next start sweeps what stays.
            let _swept_later = host.close(Instant::now()).await;
            return Err(error);
        }
    };
    let service = Service::new(Arc::clone(&deployed), Arc::clone(&invoker));
    let queue =
        Queue::new(deployed.store().clone(), service.clone(), move |text| say.warning(text));
    let front = Front::new(Parts {
        deployed: Arc::clone(&deployed),
        service,
        queue: Arc::clone(&queue),
        records: records.clone(),
        address: front_at,
        allow_origin: config.allow_origin.clone(),
        concurrency: config.concurrency,
        bandwidth: config.stream_bandwidth,
        say: Arc::new(move |text| say.warning(text)),
    });
    let sources = Sources {
        pool: host.pool().clone(),
        store: deployed.store().clone(),
        records: records.clone(),
        metrics,
    };
    let admin = admin.serve(Admin::new(is_ready, sources), admin_stopped);
    let fronting = tokio::spawn(front.serve(front_on, stopped.clone()));
    let working = tokio::spawn(Arc::clone(&queue).work(stopped));
    let sweeping = tokio::spawn(Arc::clone(&deployed).sweep_for_ever(move |error| {
        say.warning(&format!("failed to remove packages that nobody needs: {error}"));
    }));
    readiness.send_replace(Readiness::Ready);
    tell_manager(say, &[NotifyState::Ready, NotifyState::Status("answering")]);
    say.notice(&format!("ready: AWS clients on http://{front_at}, /ready on http://{admin_at}"));

    ending.asked().await;
    readiness.send_replace(Readiness::Draining);
    tell_manager(say, &[NotifyState::Stopping, NotifyState::Status("finishing what was accepted")]);
    say.notice("ending: what is new is refused, what was accepted finishes");
    stop.send_replace(true);
    let deadline = Instant::now() + config.drain_timeout;
    let drained = async {
        // Nothing of it fails: a task that panicked has said so.
        let _fronted = fronting.await;
        let _worked = working.await;
        queue.idle().await;
    };
    // Those that wait are told to shut down and have time for it, unless there is none left.
    let end_by = tokio::select! {
        finished = timeout_at(deadline.into(), drained) => match finished {
            Ok(()) => Instant::now() + SHUTDOWN_WITHIN,
            Err(_late) => {
                say.warning("not everything that was accepted finished in time");
                Instant::now()
            }
        },
        () = ending.asked() => {
            say.warning("asked again: what still runs is ended now");
            Instant::now()
        }
    };
    sweeping.abort();
    let store = deployed.store().clone();
    drop((invoker, queue, deployed));
    let pool = host.pool().clone();
    let mut closing = pin!(host.close(end_by));
    let left = tokio::select! {
        left = closing.as_mut() => left,
        () = ending.asked() => {
            pool.drain(Instant::now()).await;
            closing.await
        }
    };
    for failed in left {
        say.warning(&format!("failed to clean up: {failed}"));
    }
    store.close().await;
    // After the last environment, whose end may be in its log.
    records.close().await;
    if let Some(sending) = sending {
        sending.finish().await;
    }
    stop_admin.send_replace(true);
    let _last = tokio::time::timeout(LAST_WORDS, admin).await;
    Ok(())
}

/// What is stored, with whoever runs it told of changes.
async fn open(
    config: &config::Serve,
    invoker: &Arc<dyn Invoker>,
) -> Result<Arc<Deployed>, AppError> {
    let telling = Arc::clone(invoker);
    Ok(Deployed::open(Opening {
        data_dir: &config.data_dir,
        identity: Identity { account: ACCOUNT.to_owned(), region: config.region.clone() },
        allowed: config.allow_code.clone(),
        object_store: config.object_store.clone(),
        observer: Arc::new(move |change: Change| telling.changed(change)),
    })
    .await?)
}

/// Tells a service manager that asked to be told (`Type=notify`); others have set no `NOTIFY_SOCKET`.
fn tell_manager(say: Say, states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        say.warning(&format!("the service manager was not told ({states:?}): {error}"));
    }
}

/// Signals that ask for the end.
struct Ending {
    terminate: Signal,
    interrupt: Signal,
}

impl Ending {
    fn watch() -> Result<Self, AppError> {
        // A caller may ignore SIGCHLD and so make us: then no child's end would be told.
        let _handled_from_now_on = signal(SignalKind::child()).map_err(AppError::EventLoop)?;
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(AppError::EventLoop)?,
            interrupt: signal(SignalKind::interrupt()).map_err(AppError::EventLoop)?,
        })
    }

    /// Ends with the next one.
    async fn asked(&mut self) {
        tokio::select! {
            _told = self.terminate.recv() => {}
            _told = self.interrupt.recv() => {}
        }
    }
}
