//! One `lambdabox invoke`, from checked settings to an exit status.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};

use super::answers::{Answers, Streamed};
use super::at_once;
use super::blueprint::{self, Opened};
use super::build::built;
use super::error::AppError;
use super::resources::{Ground, Resources, Wants};
use super::timings;
use crate::config::{self, Explain, Keep, Verbosity};
use crate::model::{
    AnswerAt, Bandwidth, Event, Failure, FailureKind, Function, Invocation, MEMORY_MB, Outcome,
    RequestId, Sampled, StreamTo, TIMEOUT_SECS, passed_on,
};
use crate::pool::{Environment, Log};
use crate::sandbox::StartedSpawner;
use crate::usage::{Labels, LogRenderer, Metrics, Paint, Say, SpanExporter, stderr};

/// The function failed.
pub(super) const EXIT_FUNCTION_FAILED: u8 = 1;
/// Ctrl-C, as shells have it: 128 and the signal's number.
const EXIT_INTERRUPTED: u8 = 130;
/// Notices that wait for the terminal; more are dropped by whoever has them.
const NOTICES_WAITING: usize = 64;

/// After Ctrl-C, for a reader of standard error that is there but slow.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs the function as `config` says. `started` is the spawner that `main` forked.
pub fn invoke(config: &config::Invoke, started: StartedSpawner) -> ExitCode {
    timings::start();
    let say = Say::new(config.color, config.verbosity);
    let config = match built(config, &say) {
        Ok(config) => config,
        Err(error) => {
            say.error(&error, error.hint().as_deref());
            return ExitCode::from(error.exit_code());
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.and_then(|runtime| stderr::start().map(|()| runtime));
    match runtime.map_err(AppError::EventLoop) {
        Ok(runtime) => ExitCode::from(runtime.block_on(to_the_end(&config, started, &say))),
        Err(error) => {
            say.error(&error, error.hint().as_deref());
            ExitCode::from(error.exit_code())
        }
    }
}

/// Runs it, and ends when all that was said is out, or somebody does not want to wait for that.
async fn to_the_end(config: &config::Invoke, started: StartedSpawner, say: &Say) -> u8 {
    let interrupted = match watch_for_interruption() {
        Ok(interrupted) => interrupted,
        Err(error) => {
            say.error(&error, error.hint().as_deref());
            return error.exit_code();
        }
    };
    let code = match run(config, started, &interrupted, say).await {
        Ok(code) => code,
        Err(error) => {
            say.error(&error, error.hint().as_deref());
            error.exit_code()
        }
    };
    if code == EXIT_INTERRUPTED {
        // Who has interrupted it does not wait for a reader that has stopped reading.
        let _in_time = tokio::time::timeout(LAST_WORDS, stderr::written()).await;
    } else {
        tokio::select! {
            () = stderr::written() => {}
            () = interrupted.notified() => {}
        }
    }
    code
}

async fn run(
    config: &config::Invoke,
    started: StartedSpawner,
    interrupted: &Notify,
    say: &Say,
) -> Result<u8, AppError> {
    let ground = Ground::take(&Wants::of_invoke(config), &started).await?;
    timings::lap("lease");
    // Before anything that costs: what is wrong with a package is said at once.
    let opened = match blueprint::open(config, ground.lease.work_dir()) {
        Ok(opened) => opened,
        Err(error) => return Err(ground.give_back(error)),
    };
    timings::lap("package");
    let (mut resources, notices) =
        Resources::take(ground, started, &Wants::of_invoke(config), *say).await?;
    timings::lap("resources");
    for notice in opened.code.said.iter().chain(&notices) {
        say.notice(notice);
    }
    let result = run_with(config, opened, &mut resources, interrupted, say).await;
    for failed in resources.give_back().await {
        say.warning(&format!("failed to clean up: {failed}"));
    }
    timings::lap("end");
    timings::peak_memory();
    result
}

/// Remembers the first Ctrl-C or SIGTERM until somebody asks.
fn watch_for_interruption() -> Result<Arc<Notify>, AppError> {
    // A caller may ignore SIGCHLD and so make us: then no child's end would be told, not even `nft`'s.
    let _handled_from_now_on = signal(SignalKind::child()).map_err(AppError::EventLoop)?;
    let interrupted = Arc::new(Notify::new());
    let ending = [SignalKind::interrupt(), SignalKind::terminate()];
    // Who starts us by `nohup` wants to go.
    let hang_up = (!is_ignored(SignalKind::hangup())).then(SignalKind::hangup);
    for kind in ending.into_iter().chain(hang_up) {
        let (mut signals, told) =
            (signal(kind).map_err(AppError::EventLoop)?, Arc::clone(&interrupted));
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                told.notify_one();
            }
        });
    }
    Ok(interrupted)
}

/// Whether our caller has a signal ignored: signal N is bit N-1 of `SigIgn` (proc_pid_status(5)).
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (kind.as_raw_value() - 1) & 1 == 1
}

async fn run_with(
    config: &config::Invoke,
    opened: Opened,
    resources: &mut Resources,
    interrupted: &Notify,
    say: &Say,
) -> Result<u8, AppError> {
    let function = opened.function.clone();
    let (hear, mut heard) = mpsc::channel(NOTICES_WAITING);
    let network_notice = resources.network_notice.clone();
    let blueprint = opened.blueprint(config, resources, hear)?;
    let voice = *say;
    // Ends when the environment, the only one that holds the other end, does.
    let speaking = tokio::spawn(async move {
        while let Some(notice) = heard.recv().await {
            voice.notice(&notice);
        }
    });
    let exporting = config
        .collector
        .clone()
        .map(|collector| SpanExporter::start(collector, Arc::new(Metrics::new()), *say));
    let (exporter, sending) = exporting.unzip();
    let log = log(config, &function, say, exporter);
    let mut environment = Environment::new(Arc::clone(&resources.workshop), blueprint, log);
    if config.explain == Explain::Explain {
        let plan = environment.planned().to_string();
        let written = io::stdout().write_all(plan.as_bytes()).and_then(|()| io::stdout().flush());
        return match written {
            Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
                Err(AppError::Write { path: PathBuf::from("standard output"), source })
            }
            _ => Ok(0),
        };
    }
    let mut answers = Told::new(config)?;
    let result = tokio::select! {
        result = invocations(config, &function, &mut environment, &mut answers, say) => result,
        () = interrupted.notified() => Ok(EXIT_INTERRUPTED),
    };
    if let (Ok(code), Keep::Keep) = (&result, config.keep)
        && *code != EXIT_INTERRUPTED
    {
        let user_namespace = resources.workshop.spawner.user_namespace();
        keep(&environment, &user_namespace, interrupted, say).await;
    }
    let ended = match environment.wind_down().await {
        Ok(()) => environment.shut_down().await,
        Err(error) => environment.shut_down().await.and(Err(error)),
    };
    drop(environment);
    if let Some(sending) = sending {
        sending.finish().await;
    }
    // It has nothing to return, and a panic in it has been printed.
    let _ended = speaking.await;
    let code = result?;
    ended?;
    if code == EXIT_FUNCTION_FAILED {
        answers.explain(&function, network_notice.as_deref(), say);
    }
    Ok(code)
}

async fn invocations(
    config: &config::Invoke,
    function: &Function,
    environment: &mut Environment,
    answers: &mut Told,
    say: &Say,
) -> Result<u8, AppError> {
    environment.begin().await?;
    timings::lap("init");
    if config.verbosity == Verbosity::Verbose
        && let Some(sandbox) = environment.sandbox()
    {
        say.detail(&format!("the sandbox:\n{}", sandbox.plan()));
    }
    if let Some(most) = config.max_concurrency {
        return at_once::invocations(config, function, most, environment, answers).await;
    }
    let mut code = 0;
    for _ in 0..config.repeat {
        let mut written = Ok(());
        let mut failed = false;
        let (stream_to, pieces) = StreamTo::new(Bandwidth::Unlimited);
        let streamed = answers.answers.stream(&stream_to, pieces)?;
        let mut answer = |_: &RequestId, outcome: Outcome| {
            timings::lap("answer");
            failed = matches!(outcome, Outcome::Failed(_));
            written = answers.write(outcome, &streamed);
        };
        let invocation = Invocation { stream_to: Some(stream_to), ..invocation(config, function) };
        environment.invoke(invocation, &mut answer).await?;
        if failed {
            code = EXIT_FUNCTION_FAILED;
        }
        let written = match written {
            Ok(()) => answers.answers.end(streamed).await,
            failed => failed,
        };
        match written {
            // What is left of --repeat would be for nobody.
            Err(AppError::ReaderGone) => break,
            written => written?,
        }
    }
    Ok(code)
}

/// The invocation as an invoker without a qualifier makes it.
pub(super) fn invocation(config: &config::Invoke, function: &Function) -> Invocation {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let deadline = now + function.timeout;
    let accepted = SystemTime::now();
    // Nothing is sampled here.
    let (trace_id, traced) =
        passed_on(None, accepted, function.tracing, &function.arn(), || Sampled::No);
    Invocation {
        request_id: RequestId::random(),
        attempt_id: uuid::Uuid::new_v4().to_string(),
        payload: config.event.clone(),
        content_type: "application/json".to_owned(),
        arn: function.arn(),
        timeout: function.timeout,
        deadline_epoch_ms: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
        trace_id: Some(trace_id),
        client_context: config.client_context.clone(),
        cognito_identity: None,
        tenant_id: config.tenant_id.clone(),
        stream_to: None,
        traced,
        answer_at: AnswerAt::Response,
    }
}

/// Says where the sandbox is and waits until the user has seen enough.
async fn keep(environment: &Environment, user_namespace: &Path, interrupted: &Notify, say: &Say) {
    match environment.sandbox() {
        Some(sandbox) => {
            let pid = sandbox.pid();
            let groups: Vec<_> =
                sandbox.group().dirs().iter().map(|dir| dir.display().to_string()).collect();
            let groups = match groups.is_empty() {
                true => String::new(),
                false => format!(", its control groups are {}", groups.join(" ")),
            };
            // What an ordinary user's sandbox is made of belongs to a user namespace above the function's.
            let user = match rustix::process::geteuid().is_root() {
                true => String::new(),
                false => format!("--user={} --preserve-credentials ", user_namespace.display()),
            };
            say.warning(&format!(
                "the sandbox is kept until Ctrl-C: its files are in /proc/{pid}/root, a shell in it is \
                 `nsenter {user}-t {pid} -m -n -p -i -u`{groups}"
            ));
            interrupted.notified().await;
        }
        None => say.warning("the sandbox has ended with its function; there is nothing to keep"),
    }
}

/// Platform lines and the function's own, on standard error; spans where they go.
fn log(
    config: &config::Invoke,
    function: &Function,
    say: &Say,
    exporter: Option<SpanExporter>,
) -> Log {
    let log = written(config, function, say);
    let Some(exporter) = exporter else { return log };
    let function = function.clone();
    Arc::new(move |event: Event| {
        if let Event::Report(report) = &event {
            exporter.report(&function, "", report);
        }
        log(event);
    })
}

fn written(config: &config::Invoke, function: &Function, say: &Say) -> Log {
    if config.verbosity == Verbosity::Quiet {
        return Arc::new(|_| {});
    }
    let paint = if say.is_colored() { Paint::Ansi } else { Paint::Plain };
    let labels = Labels::of(function);
    let renderer =
        LogRenderer::new(config.log_format, paint, labels).with_levels(function.effective_levels());
    Arc::new(move |event: Event| {
        let mut lines = Vec::new();
        renderer.render(&event, jiff::Timestamp::now(), &mut lines);
        stderr::write(lines);
    })
}

/// Answers on their way out, and what is remembered of them.
pub(super) struct Told {
    answers: Answers,
    last_failure: Option<Failure>,
}

impl Told {
    fn new(config: &config::Invoke) -> Result<Self, AppError> {
        let answers = Answers::new(config.output.as_deref(), config.repeat)?;
        Ok(Self { answers, last_failure: None })
    }

    fn write(&mut self, outcome: Outcome, streamed: &Streamed) -> Result<(), AppError> {
        match outcome {
            // What has come of it is an answer's beginning.
            Outcome::Failed(failure) if streamed.has_begun() => {
                stderr::write([&failure.payload[..], b"\n"].concat());
                self.last_failure = Some(failure);
                Ok(())
            }
            whole => self.write_whole(whole),
        }
    }

    /// One that was not streamed.
    pub(super) fn write_whole(&mut self, outcome: Outcome) -> Result<(), AppError> {
        match outcome {
            Outcome::Answered { payload, .. } => self.answers.write(&payload),
            Outcome::Streamed { .. } => Ok(()),
            Outcome::Failed(failure) => {
                let payload = failure.payload.clone();
                self.last_failure = Some(failure);
                self.answers.write(&payload)
            }
        }
    }

    /// Whether the error is that of a client that nobody answered, as Python and its SDK word it.
    fn was_refused(&self) -> bool {
        let payload = self.last_failure.as_ref().map(|failure| failure.payload.as_ref());
        let text = String::from_utf8_lossy(payload.unwrap_or_default());
        ["Connection refused", "Could not connect to the endpoint"].iter().any(|w| text.contains(w))
    }

    /// Which setting would have helped, and what the function had to do without.
    fn explain(&self, function: &Function, network_notice: Option<&str>, say: &Say) {
        match self.last_failure.as_ref().map(|failure| failure.kind) {
            Some(FailureKind::Timeout) => say.hint(&format!(
                "--timeout SECONDS gives the function more time (now {}, at most {})",
                function.timeout.as_secs(),
                TIMEOUT_SECS.end()
            )),
            Some(FailureKind::OutOfMemory) => say.hint(&format!(
                "--memory-size MB gives the function more memory (now {}, at most {})",
                function.memory_mb,
                MEMORY_MB.end()
            )),
            Some(FailureKind::Extension) => say.hint(
                "the extension is a file of /opt/extensions, from a layer; what it wrote is in the log",
            ),
            Some(FailureKind::Handler) if self.was_refused() => say.hint(
                "localhost is the function's own: --forward PORT lets a service of this machine in",
            ),
            _ => {}
        }
        if let Some(notice) = network_notice {
            say.notice(notice);
        }
    }
}
