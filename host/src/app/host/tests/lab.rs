//! A host of a test's own, and functions for it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::app::deployed::Manner;
use crate::app::host::{Host, Plan};
use crate::app::resources::Wants;
use crate::config::{Color, Cpu, Credentials, DevShm, Isolation, RuntimeCompat, Sdk, Verbosity};
use crate::model::{
    AnswerAt, Event, Function, Invocation, Invoked, LogFormat, LogLevels, Network, Outcome,
    Purpose, Refused, RequestId, Tenancy, Version,
};
use crate::pool::{Journal, Pool, Settings, Snapshot};
use crate::usage::{Labels, LogRenderer, Paint, Say};

/// Longest wait for a condition.
const PATIENCE: Duration = Duration::from_secs(60);

/// A host, its data, and everything it logged.
pub(super) struct Lab {
    host: Option<Host>,
    pub(super) log: Arc<Log>,
    data: TempDir,
    lease: String,
}

/// Keeps every line, as text.
#[derive(Default)]
pub(super) struct Log {
    lines: Mutex<Vec<(String, String)>>,
}

impl Journal for Log {
    fn note(&self, version: &Version, stream: &str, event: &Event, lines: &mut Vec<u8>) {
        let labels = Labels::of(&version.function);
        let from = lines.len();
        let renderer = LogRenderer::new(LogFormat::Text, Paint::Plain, labels);
        renderer.render(event, Timestamp::now(), lines);
        let text = String::from_utf8_lossy(&lines[from..]).into_owned();
        self.lines.lock().unwrap().push((stream.to_owned(), text));
    }

    fn trouble(&self, text: &str) {
        panic!("{text}");
    }
}

impl Log {
    /// The lines of a stream, joined.
    pub(super) fn of(&self, stream: &str) -> String {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|(of, _)| of == stream).map(|(_, text)| text.as_str()).collect()
    }
}

/// The program that tests of the library do not have in themselves.
fn program() -> Option<PathBuf> {
    let tests = std::env::current_exe().ok()?;
    let program = tests.parent()?.parent()?.join("lambdabox");
    program.exists().then_some(program)
}

/// Runs `test` with a host whose pool was adjusted; gives everything back and looks for leftovers.
pub(super) fn with_host(
    name: &str,
    adjust: impl FnOnce(&mut Settings) + Send,
    test: impl AsyncFnOnce(&Lab),
) {
    if !rustix::process::geteuid().is_root() {
        println!("SKIP {name}: needs root");
        return;
    }
    let Some(program) = program() else {
        println!("SKIP {name}: the program is not built (cargo build -p lambdabox)");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let started = crate::sandbox::start_program(&program).unwrap();
        let mut lab = Lab::open(started, adjust).await;
        test(&lab).await;
        lab.close().await;
    });
}

impl Lab {
    async fn open(
        started: crate::sandbox::StartedSpawner,
        adjust: impl FnOnce(&mut Settings) + Send,
    ) -> Self {
        let data = tempfile::tempdir().unwrap();
        let log = Arc::new(Log::default());
        let (notices, mut heard) = mpsc::channel(64);
        tokio::spawn(async move { while heard.recv().await.is_some() {} });
        let journal: Arc<Log> = Arc::clone(&log);
        let plan = Plan {
            wants: Wants {
                network: Some(Network::None),
                data_dir: data.path(),
                ephemeral_storage_mb: None,
                isolation: Isolation::Full,
                cpu: Cpu::Unlimited,
            },
            manner: Manner {
                isolation: Isolation::Full,
                cpu: Cpu::Unlimited,
                dev_shm: DevShm::Absent,
                sdk: Sdk::Off,
                runtime_compat: RuntimeCompat::Exact,
                credentials: Credentials::placeholder(),
                forwards: Vec::new(),
                xray_daemon: None,
            },
            adjust: Box::new(adjust),
            journal,
            notices,
            archives: Arc::default(),
        };
        let say = Say::new(Color::Never, Verbosity::Quiet);
        let (host, _said) = Host::open(started, plan, say).await.unwrap();
        let lease = host.resources.lease.name().to_owned();
        Self { host: Some(host), log, data, lease }
    }

    fn host(&self) -> &Host {
        self.host.as_ref().expect("it is closed by `with_host` only")
    }

    pub(super) fn pool(&self) -> &Pool {
        self.host().pool()
    }

    /// Groups of this host that exist now.
    pub(super) fn groups(&self) -> usize {
        let cgroups = self.host().resources.workshop.cgroups.as_ref().unwrap();
        cgroups
            .leftovers()
            .into_iter()
            .filter(|name| name.starts_with(&format!("{}-", self.lease)))
            .count()
    }

    /// Waits until so many groups are left.
    pub(super) async fn until_groups(&self, groups: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.groups() != groups {
            assert!(Instant::now() < deadline, "{} groups", self.groups());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn close(&mut self) {
        let host = self.host.take().expect("it is closed once");
        let cgroups = host.resources.workshop.cgroups.clone().unwrap();
        let failed = host.close(Instant::now() + PATIENCE).await;
        assert!(failed.is_empty(), "{failed:?}");
        let ours = format!("{}-", self.lease);
        let left: Vec<_> =
            cgroups.leftovers().into_iter().filter(|n| n.starts_with(&ours)).collect();
        assert!(left.is_empty(), "{left:?}");
    }

    /// A version with this code.
    pub(super) fn version(&self, name: &str, code: &str) -> Version {
        let directory = self.data.path().join("code").join(name);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("app.py"), code).unwrap();
        let function = Function {
            name: name.to_owned(),
            version: "$LATEST".to_owned(),
            account: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
            runtime: identifier(),
            handler: "app.handler".to_owned(),
            memory_mb: 128,
            timeout: Duration::from_secs(20),
            ephemeral_storage_mb: 512,
            log_format: LogFormat::Text,
            log_group: String::new(),
            log_levels: LogLevels::default(),
            tracing: crate::model::TracingMode::PassThrough,
            initialization: crate::model::Initialization::OnDemand,
            max_concurrency: None,
            environment: BTreeMap::new(),
        };
        Version {
            function,
            code: directory,
            layers: Vec::new(),
            revision: "1".to_owned(),
            reserved_concurrency: None,
            purpose: Purpose::Serving,
            tenancy: Tenancy::Shared,
        }
    }

    pub(super) async fn invoke(&self, version: &Arc<Version>, event: Value) -> Invoked {
        self.try_invoke(version, event).await.unwrap()
    }

    pub(super) async fn try_invoke(
        &self,
        version: &Arc<Version>,
        event: Value,
    ) -> Result<Invoked, Refused> {
        call(self.pool().clone(), Arc::clone(version), event).await
    }

    /// The answer to an invocation that must be answered.
    pub(super) async fn ask(&self, version: &Arc<Version>, event: Value) -> Value {
        json(&self.invoke(version, event).await)
    }

    /// Waits until the pool is as asked.
    pub(super) async fn until(&self, is_so: impl Fn(&Snapshot) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let snapshot = self.pool().snapshot().await;
            if is_so(&snapshot) {
                return;
            }
            assert!(Instant::now() < deadline, "{snapshot:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// One call, for tasks of their own.
pub(super) async fn call(
    pool: Pool,
    version: Arc<Version>,
    event: Value,
) -> Result<Invoked, Refused> {
    let invocation = Invocation {
        request_id: RequestId::random(),
        attempt_id: RequestId::random().0,
        payload: event.to_string().into(),
        content_type: "application/json".to_owned(),
        arn: version.function.arn(),
        timeout: version.function.timeout,
        deadline_epoch_ms: 0,
        trace_id: None,
        client_context: None,
        cognito_identity: None,
        tenant_id: None,
        stream_to: None,
        traced: crate::model::Traced::alone(std::time::SystemTime::now()),
        answer_at: AnswerAt::Report,
    };
    pool.invoke(version, invocation).await
}

/// What was answered, as JSON, failures too.
pub(super) fn json(invoked: &Invoked) -> Value {
    let payload = match &invoked.outcome {
        Outcome::Answered { payload, .. } => payload,
        Outcome::Failed(failure) => &failure.payload,
        Outcome::Streamed { .. } => panic!("nobody asked for a stream"),
    };
    serde_json::from_slice(payload).unwrap()
}

/// A Python that is here.
fn identifier() -> String {
    let search = lambdabox_runtimes::discover::Search::from_environment();
    lambdabox_runtimes::discover::python(None, &search).unwrap().identifier
}
