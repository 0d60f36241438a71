//! One execution environment at a time, kept warm for the version that was asked for last.
//!
//! Stands in for the pool: it runs what is deployed, one invocation after another.

use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::blueprint;
use super::error::AppError;
use super::resources::{Resources, make_tmp};
use crate::catalog::Change;
use crate::config::{self, DevShm, Explain, Keep, Verbosity};
use crate::invoke::{Invoker, Ran};
use crate::model::{Event, Invocation, Invoked, LOG_TAIL_BYTES, Refused, Report, Version};
use crate::pool::{Environment, Log};
use crate::usage::{Labels, LogRenderer, Paint, Say};

const WAITING: usize = 1_024;
const NOTICES_WAITING: usize = 64;

/// Where invocations wait for the environment.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    jobs: mpsc::Sender<Job>,
}

#[derive(Debug)]
struct Job {
    version: Arc<Version>,
    invocation: Invocation,
    reply: oneshot::Sender<Result<Invoked, Refused>>,
}

impl Invoker for Stage {
    fn invoke(&self, version: Arc<Version>, invocation: Invocation) -> Ran {
        let jobs = self.jobs.clone();
        Box::pin(async move {
            if version.reserved_concurrency == Some(0) {
                return Err(Refused::ReservedConcurrency);
            }
            let (reply, told) = oneshot::channel();
            let job = Job { version, invocation, reply };
            jobs.send(job).await.map_err(|_| Refused::ShuttingDown)?;
            told.await.unwrap_or(Err(Refused::ShuttingDown))
        })
    }

    /// The next invocation is of another revision and gets an environment of its own.
    fn changed(&self, _change: Change) {}
}

/// Runs jobs until nobody can send any more; gives back what it was lent.
pub(super) fn start(
    mut resources: Resources,
    serve: config::Serve,
    say: Say,
) -> (Stage, tokio::task::JoinHandle<Vec<String>>) {
    let (jobs, mut waiting) = mpsc::channel(WAITING);
    let running = tokio::spawn(async move {
        let mut current: Option<Current> = None;
        while let Some(Job { version, invocation, reply }) = waiting.recv().await {
            let fits = current.as_ref().is_some_and(|held| held.revision == version.revision);
            if !fits {
                if let Some(held) = current.take() {
                    held.end(&say).await;
                }
                match Current::begin(&version, &mut resources, &serve, say).await {
                    Ok(begun) => current = Some(begun),
                    Err(error) => {
                        let text = Say::chain(&error);
                        let _hung_up = reply.send(Err(Refused::Sandbox(text)));
                        continue;
                    }
                }
            }
            let Some(held) = &mut current else { continue };
            let ran = held.run(invocation).await;
            let failed = ran.is_err();
            let _hung_up = reply.send(ran);
            if failed && let Some(held) = current.take() {
                held.end(&say).await;
            }
        }
        if let Some(held) = current.take() {
            held.end(&say).await;
        }
        resources.give_back().await
    });
    (Stage { jobs }, running)
}

struct Current {
    revision: String,
    environment: Environment,
    heard: Arc<Mutex<Heard>>,
    _workspace: tempfile::TempDir,
}

#[derive(Default)]
struct Heard {
    tail: Vec<u8>,
    report: Option<Report>,
}

impl Current {
    async fn begin(
        version: &Version,
        resources: &mut Resources,
        serve: &config::Serve,
        say: Say,
    ) -> Result<Self, AppError> {
        let config = config_of(version, serve);
        let at = resources.lease.work_dir();
        let workspace = tempfile::tempdir_in(at)
            .map_err(|source| AppError::Write { path: at.to_owned(), source })?;
        let opened = blueprint::open(&config, workspace.path())?;
        resources.tmp = make_tmp(&resources.lease, &config).0;
        let (hear, mut notices) = mpsc::channel::<String>(NOTICES_WAITING);
        tokio::spawn(async move {
            while let Some(notice) = notices.recv().await {
                say.notice(&notice);
            }
        });
        let blueprint = opened.blueprint(&config, resources, hear)?;
        let heard = Arc::new(Mutex::new(Heard::default()));
        let log = log(version, &heard);
        let mut environment = Environment::new(Arc::clone(&resources.workshop), blueprint, log);
        environment.begin().await?;
        let revision = version.revision.clone();
        Ok(Self { revision, environment, heard, _workspace: workspace })
    }

    async fn run(&mut self, invocation: Invocation) -> Result<Invoked, Refused> {
        lock(&self.heard).tail.clear();
        let mut outcome = None;
        let ran = self.environment.invoke(invocation, &mut |answer| outcome = Some(answer)).await;
        ran.map_err(|error| Refused::Sandbox(Say::chain(&error)))?;
        let mut heard = lock(&self.heard);
        match (outcome, heard.report.take()) {
            (Some(outcome), Some(report)) => {
                Ok(Invoked { outcome, log_tail: std::mem::take(&mut heard.tail), report })
            }
            _ => Err(Refused::Sandbox("there was no outcome".to_owned())),
        }
    }

    async fn end(mut self, say: &Say) {
        if let Err(error) = self.environment.shut_down().await {
            say.warning(&format!("failed to end an environment: {}", Say::chain(&error)));
        }
    }
}

fn log(version: &Version, heard: &Arc<Mutex<Heard>>) -> Log {
    let labels = Labels {
        function_name: version.function.name.clone(),
        function_version: version.function.version.clone(),
    };
    let renderer = LogRenderer::new(version.function.log_format, Paint::Plain, labels);
    let heard = Arc::clone(heard);
    Arc::new(move |event: Event| {
        let mut lines = Vec::new();
        renderer.render(&event, jiff::Timestamp::now(), &mut lines);
        // A log that nobody reads any more must not stop the function.
        let _unread = io::stderr().lock().write_all(&lines);
        let mut heard = lock(&heard);
        heard.tail.extend_from_slice(&lines);
        let over = heard.tail.len().saturating_sub(LOG_TAIL_BYTES);
        heard.tail.drain(..over);
        if let Event::Report(report) = event {
            heard.report = Some(report);
        }
    })
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    // A tail is a tail even if its writer panicked later.
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The version as one `invoke` would name it.
pub(super) fn config_of(version: &Version, serve: &config::Serve) -> config::Invoke {
    let function = &version.function;
    config::Invoke {
        path: version.code.clone(),
        handler: Some(function.handler.clone()),
        runtime: Some(function.runtime.clone()),
        function_name: Some(function.name.clone()),
        memory_mb: function.memory_mb,
        timeout: function.timeout,
        ephemeral_storage_mb: function.ephemeral_storage_mb,
        environment: function.environment.clone(),
        layers: version.layers.clone(),
        log_format: function.log_format,
        ..bare_config(serve)
    }
}

/// What a host takes for itself.
pub(super) fn bare_config(serve: &config::Serve) -> config::Invoke {
    config::Invoke {
        path: Default::default(),
        handler: None,
        runtime: None,
        function_name: None,
        memory_mb: 128,
        timeout: Default::default(),
        ephemeral_storage_mb: 512,
        network: serve.network,
        region: serve.region.clone(),
        credentials: serve.credentials.clone(),
        environment: Default::default(),
        layers: Vec::new(),
        forwards: serve.forwards.clone(),
        event: Default::default(),
        client_context: None,
        log_format: crate::model::LogFormat::Text,
        cpu: serve.cpu,
        sdk: serve.sdk,
        venv: None,
        runtime_client: None,
        repeat: 1,
        output: None,
        keep: Keep::Remove,
        dev_shm: DevShm::Absent,
        color: serve.color,
        verbosity: Verbosity::Normal,
        data_dir: serve.data_dir.clone(),
        explain: Explain::Run,
    }
}
