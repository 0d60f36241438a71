//! A provider whose environments do what the payload says, and count.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::model::{
    AnswerAt, Event, Function, Invocation, Invoked, LogFormat, LogLevels, Outcome, Purpose,
    Refused, Report, RequestId, Status, Tenancy, Version,
};
use crate::pool::home::Answering;
use crate::pool::{Freeze, Home, Journal, Pool, Provider, Settings, Sink};
use crate::sandbox::SandboxError;

/// Room for eight of 128 MB or one of 1,000 MB.
pub(super) fn settings() -> Settings {
    Settings {
        memory_budget_mb: 1_100,
        starts_at_once: 100,
        memory_within: Duration::from_secs(600),
        freeze: Freeze::Off,
        ..Settings::of_machine(0, 2, 100)
    }
}

/// Everything that is counted.
#[derive(Default)]
struct Counts {
    made: AtomicU32,
    running: AtomicU32,
    finished: AtomicU32,
    frozen: AtomicU32,
    freezes: AtomicU32,
    ending: AtomicU32,
    ended: AtomicU32,
}

/// A pool and its make-believe environments.
pub(super) struct Stage {
    pub(super) pool: Pool,
    counts: Arc<Counts>,
    /// Each `wait` takes one permit.
    pub(super) gate: Arc<Semaphore>,
    /// While set, each end takes a permit of `ends`.
    pub(super) hold_ends: Arc<AtomicBool>,
    pub(super) ends: Arc<Semaphore>,
}

struct Maker {
    counts: Arc<Counts>,
    gate: Arc<Semaphore>,
    hold_ends: Arc<AtomicBool>,
    ends: Arc<Semaphore>,
}

pub(super) struct Fake {
    counts: Arc<Counts>,
    gate: Arc<Semaphore>,
    hold_ends: Arc<AtomicBool>,
    ends: Arc<Semaphore>,
    sink: Sink,
    is_frozen: bool,
    /// Its next freeze does not succeed.
    breaks: bool,
}

struct NoLog;

impl Journal for NoLog {
    fn note(&self, _: &Version, _: &str, _: &Event, _: &mut Vec<u8>) {}

    fn trouble(&self, _: &str) {}
}

impl Stage {
    pub(super) fn start(settings: Settings) -> Self {
        let counts = Arc::new(Counts::default());
        let (gate, ends) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let hold_ends = Arc::new(AtomicBool::new(false));
        let maker = Maker {
            counts: Arc::clone(&counts),
            gate: Arc::clone(&gate),
            hold_ends: Arc::clone(&hold_ends),
            ends: Arc::clone(&ends),
        };
        let pool = Pool::start(settings, maker, Arc::new(NoLog));
        Self { pool, counts, gate, hold_ends, ends }
    }

    pub(super) fn call(&self, function: &str, payload: &str) -> Call {
        self.call_version(version(function, "1", 128), payload)
    }

    pub(super) fn call_sized(&self, function: &str, payload: &str, memory_mb: u32) -> Call {
        self.call_version(version(function, "1", memory_mb), payload)
    }

    pub(super) fn call_revision(&self, function: &str, revision: &str) -> Call {
        self.call_version(version(function, revision, 128), "x")
    }

    /// A caller that does not wait for the end of the log.
    pub(super) fn call_in_a_hurry(&self, function: &str, payload: &str) -> Call {
        let invocation = Invocation { answer_at: AnswerAt::Response, ..invocation(payload) };
        let (pool, version) = (self.pool.clone(), version(function, "1", 128));
        tokio::spawn(async move { pool.invoke(version, invocation).await })
    }

    fn call_version(&self, version: Arc<Version>, payload: &str) -> Call {
        let (pool, invocation) = (self.pool.clone(), invocation(payload));
        tokio::spawn(async move { pool.invoke(version, invocation).await })
    }

    pub(super) fn drop_pool(&mut self) {
        let nothing = Maker {
            counts: Arc::default(),
            gate: Arc::clone(&self.gate),
            hold_ends: Arc::clone(&self.hold_ends),
            ends: Arc::clone(&self.ends),
        };
        self.pool = Pool::start(settings(), nothing, Arc::new(NoLog));
    }

    pub(super) fn made(&self) -> u32 {
        self.counts.made.load(Ordering::SeqCst)
    }
    pub(super) fn running(&self) -> u32 {
        self.counts.running.load(Ordering::SeqCst)
    }
    pub(super) fn finished(&self) -> u32 {
        self.counts.finished.load(Ordering::SeqCst)
    }
    pub(super) fn frozen(&self) -> u32 {
        self.counts.frozen.load(Ordering::SeqCst)
    }
    pub(super) fn freezes(&self) -> u32 {
        self.counts.freezes.load(Ordering::SeqCst)
    }
    pub(super) fn ending(&self) -> u32 {
        self.counts.ending.load(Ordering::SeqCst)
    }
    pub(super) fn ended(&self) -> u32 {
        self.counts.ended.load(Ordering::SeqCst)
    }
}

type Call = JoinHandle<Result<Invoked, Refused>>;

pub(super) async fn ask(stage: &Stage, function: &str, payload: &str) -> Result<Invoked, Refused> {
    stage.call(function, payload).await.expect("a caller does not panic")
}

/// What it answered.
pub(super) fn text(result: Result<Invoked, Refused>) -> String {
    match result.expect("it was run").outcome {
        Outcome::Answered { payload, .. } => String::from_utf8(payload.to_vec()).expect("text"),
        other => panic!("{other:?}"),
    }
}

/// Waits for a condition, as long as a busy machine may take.
pub(super) async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("it comes to be so");
}

impl Provider for Maker {
    type Home = Fake;

    async fn home(&self, _: Arc<Version>, sink: Sink) -> Result<Fake, String> {
        self.counts.made.fetch_add(1, Ordering::SeqCst);
        Ok(Fake {
            counts: Arc::clone(&self.counts),
            gate: Arc::clone(&self.gate),
            hold_ends: Arc::clone(&self.hold_ends),
            ends: Arc::clone(&self.ends),
            sink,
            is_frozen: false,
            breaks: false,
        })
    }
}

impl Fake {
    fn thaw(&mut self) {
        if std::mem::replace(&mut self.is_frozen, false) {
            self.counts.frozen.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Home for Fake {
    type Woken = ();

    async fn begin(&mut self) -> Result<(), SandboxError> {
        Ok(())
    }

    async fn invoke(
        &mut self,
        invocation: Invocation,
        answer: &mut Answering<'_>,
    ) -> Result<(), SandboxError> {
        self.thaw();
        self.counts.running.fetch_add(1, Ordering::SeqCst);
        let payload = invocation.payload.clone();
        match payload.as_ref() {
            wait if wait.starts_with(b"wait") => {
                self.gate.acquire().await.expect("it is never closed").forget();
            }
            b"panic" => panic!("as it was told"),
            b"break" => return Err(SandboxError::InitEnded),
            b"break when idle" => self.breaks = true,
            _ => {}
        }
        self.counts.running.fetch_sub(1, Ordering::SeqCst);
        self.counts.finished.fetch_add(1, Ordering::SeqCst);
        let outcome = Outcome::Answered { payload: payload.clone(), content_type: None };
        answer(&invocation.request_id, outcome);
        match payload.as_ref() {
            b"then wait" => self.gate.acquire().await.expect("it is never closed").forget(),
            b"then break" => return Err(SandboxError::InitEnded),
            _ => {}
        }
        (self.sink)("stream", Event::Report(report(invocation.request_id)));
        Ok(())
    }

    async fn woken(&mut self) {
        std::future::pending().await
    }

    async fn attend(&mut self, (): (), _: &mut Answering<'_>) -> Result<(), SandboxError> {
        Ok(())
    }

    async fn give(
        &mut self,
        invocation: Invocation,
        answer: &mut Answering<'_>,
    ) -> Result<(), SandboxError> {
        self.invoke(invocation, answer).await
    }

    fn idle_slots(&self) -> usize {
        1
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn freeze(&mut self) -> Result<(), SandboxError> {
        if self.breaks {
            return Err(SandboxError::InitEnded);
        }
        self.is_frozen = true;
        self.counts.frozen.fetch_add(1, Ordering::SeqCst);
        self.counts.freezes.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn wind_down(&mut self) -> Result<(), SandboxError> {
        Ok(())
    }

    async fn end(self) -> Result<(), SandboxError> {
        self.counts.ending.fetch_add(1, Ordering::SeqCst);
        if self.hold_ends.load(Ordering::SeqCst) {
            self.ends.acquire().await.expect("it is never closed").forget();
        }
        self.counts.ended.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

fn report(request_id: RequestId) -> Report {
    Report {
        request_id,
        duration: Duration::ZERO,
        billed_ms: 0,
        memory_size_mb: 128,
        max_memory_used_mb: 1,
        raw_peak_mb: 1,
        init_duration: None,
        restore_duration: None,
        status: Status::Success,
        error_type: None,
        tenant_id: None,
        extension_overhead: None,
        notes: Vec::new(),
        timeline: None,
    }
}

fn version(name: &str, revision: &str, memory_mb: u32) -> Arc<Version> {
    let function = Function {
        name: name.to_owned(),
        version: "$LATEST".to_owned(),
        account: "000000000000".to_owned(),
        region: "us-east-1".to_owned(),
        runtime: "python3.11".to_owned(),
        handler: "app.handler".to_owned(),
        memory_mb,
        timeout: Duration::from_secs(3),
        ephemeral_storage_mb: 512,
        log_format: LogFormat::Text,
        log_group: String::new(),
        log_levels: LogLevels::default(),
        tracing: crate::model::TracingMode::PassThrough,
        initialization: crate::model::Initialization::OnDemand,
        max_concurrency: None,
        environment: BTreeMap::new(),
    };
    Arc::new(Version {
        function,
        code: "/nonexistent".into(),
        layers: Vec::new(),
        revision: revision.to_owned(),
        reserved_concurrency: None,
        purpose: Purpose::Serving,
        tenancy: Tenancy::Shared,
    })
}

fn invocation(payload: &str) -> Invocation {
    Invocation {
        request_id: RequestId::random(),
        attempt_id: "attempt".to_owned(),
        payload: payload.to_owned().into(),
        content_type: "application/json".to_owned(),
        arn: "arn".to_owned(),
        timeout: Duration::from_secs(3),
        deadline_epoch_ms: 1,
        trace_id: None,
        client_context: None,
        cognito_identity: None,
        tenant_id: None,
        stream_to: None,
        traced: crate::model::Traced::alone(std::time::SystemTime::now()),
        answer_at: AnswerAt::Report,
    }
}
