//! One environment's task: owns it from its making to its end, and does what the schedule says.
//!
//! # Invariants
//! - Unless many run at once (`sharing.rs`), it is told of one invocation at a time and says [`Told::Done`] once for each, whatever became of
//!   the caller. If it ends without, the schedule answers for it.
//! - It ends only when nothing is left of its environment, or says that this cannot be told.
//!
//! # Not here
//! Which invocation (`schedule.rs`), what an environment does with it (`environment.rs`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::home::{Home, Journal, Provider, Sink};
use super::schedule::{EnvId, Gone, Health, JobId};
use super::settings::Freeze;
use super::tail::{Keep, Tail, Tails};
use crate::model::{
    AnswerAt, Event, Invocation, Invoked, Outcome, Refused, RequestId, Version, patience,
    with_causes,
};
use crate::sandbox::SandboxError;

/// How long an answer is kept from its caller for the environment to be free: who calls again at once
/// finds it so, and waits for nothing.
const FREE_WITHIN: Duration = Duration::from_millis(10);

/// An order to an environment. Closing the channel is the order to end when idle.
pub(super) struct Run {
    pub(super) job: JobId,
    pub(super) invocation: Invocation,
}

/// What an environment tells the schedule.
pub(super) enum Told {
    /// Its init is over.
    Ready { env: EnvId },
    /// Its caller can be answered, though runtime, extensions or their end still take time.
    Answered { env: EnvId, job: JobId, invoked: Box<Invoked> },
    /// Of one that runs many at once: how many more it can be given than it said before.
    Slots { env: EnvId, before: usize, now: usize },
    /// It takes no more.
    Leaves { env: EnvId },
    /// An invocation that it never began.
    Back { env: EnvId, job: JobId, invocation: Box<Invocation> },
    /// Its invocation is over. The result is not there if it was told before.
    Done { env: EnvId, job: JobId, result: Option<Box<Result<Invoked, Refused>>>, health: Health },
}

/// Everything one environment's task needs.
pub(super) struct Worker<P> {
    pub(super) env: EnvId,
    pub(super) version: Arc<Version>,
    pub(super) provider: Arc<P>,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) freeze: Freeze,
    pub(super) told: mpsc::Sender<Told>,
    /// The schedule holds the other end.
    pub(super) runs: mpsc::Receiver<Run>,
    /// True once everything must end at once. The schedule holds the other end.
    pub(super) kill: watch::Receiver<bool>,
    /// For whoever asks what the pool does.
    pub(super) is_frozen: Arc<AtomicBool>,
}

/// What a look at an invocation has found.
enum Turn {
    /// The environment is free, or cannot go on.
    Ran(Result<(), SandboxError>),
    /// Its caller need not wait for that.
    Answered(Box<Invoked>),
    /// Everything must end.
    Killed,
}

/// Why the loop of a living environment was left.
pub(super) enum Left {
    /// It was told to end.
    Told,
    /// It cannot go on.
    Broken(SandboxError),
}

impl<P: Provider> Worker<P> {
    /// Lives until the environment is gone.
    pub(super) async fn live(mut self) -> Gone {
        if self.version.function.max_concurrency.is_some() {
            let tails = Arc::new(Mutex::new(Tails::default()));
            let mut home = match self.home(&tails).await {
                Ok(home) => home,
                Err(gone) => return gone,
            };
            let left = self.share(&mut home, &tails).await;
            return self.end(home, left).await;
        }
        let tail = Arc::new(Mutex::new(Tail::default()));
        let mut home = match self.home(&tail).await {
            Ok(home) => home,
            Err(gone) => return gone,
        };
        let left = self.serve(&mut home, &tail).await;
        if matches!(left, Left::Broken(_)) {
            // Its end takes time, and nobody is to wait for that.
            self.leave().await;
        }
        self.end(home, left).await
    }

    async fn home(&mut self, tail: &Arc<Mutex<impl Keep>>) -> Result<P::Home, Gone> {
        let made = self.provider.home(Arc::clone(&self.version), self.sink(tail));
        // A home that is not begun holds nothing that dropping does not give back.
        tokio::select! {
            made = made => made.map_err(Gone::Failed),
            () = killed(&mut self.kill) => Err(Gone::Ended),
        }
    }

    async fn end(&mut self, mut home: P::Home, left: Left) -> Gone {
        if matches!(left, Left::Told) {
            // Whoever loses is ended next, whatever came of it: also one that cannot go on.
            tokio::select! {
                biased;
                () = killed(&mut self.kill) => {}
                _wound_down = home.wind_down() => {}
            }
        }
        match (left, home.end().await) {
            (Left::Broken(first), Err(error)) => {
                Gone::Lost(format!("{}; {}", with_causes(&first), with_causes(&error)))
            }
            (Left::Told, Err(error)) => Gone::Lost(with_causes(&error)),
            (Left::Broken(error), Ok(())) => Gone::Failed(with_causes(&error)),
            (Left::Told, Ok(())) => Gone::Ended,
        }
    }

    /// Begins it and says that it is ready, or why it is not.
    pub(super) async fn begin(&mut self, home: &mut P::Home) -> Result<(), Left> {
        // Dropping the loser kills what it was about to make.
        let begun = tokio::select! {
            begun = home.begin() => begun,
            () = killed(&mut self.kill) => return Err(Left::Told),
        };
        begun.map_err(Left::Broken)?;
        // Nobody listens only when the pool is gone, and then the next order is to end.
        let _gone = self.told.send(Told::Ready { env: self.env }).await;
        Ok(())
    }

    async fn serve(&mut self, home: &mut P::Home, tail: &Mutex<Tail>) -> Left {
        if let Err(left) = self.begin(home).await {
            return left;
        }
        let mut freeze_at = self.freeze_at();
        loop {
            let freeze = async {
                match freeze_at {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            // None of these loses anything when another is first. An order comes before the freeze.
            let attended = tokio::select! {
                biased;
                () = killed(&mut self.kill) => return Left::Told,
                run = self.runs.recv() => match run {
                    None => return Left::Told,
                    Some(run) => {
                        self.is_frozen.store(false, Ordering::Relaxed);
                        let ran = self.run(home, tail, run).await;
                        freeze_at = self.freeze_at();
                        ran
                    }
                },
                () = freeze => {
                    freeze_at = None;
                    self.is_frozen.store(home.is_ready(), Ordering::Relaxed);
                    home.freeze()
                }
                woken = home.woken() => home.attend(woken, &mut |_, _| {}).await,
            };
            if let Err(error) = attended {
                return Left::Broken(error);
            }
        }
    }

    fn freeze_at(&self) -> Option<Instant> {
        self.freeze.delay().map(|delay| Instant::now() + delay)
    }

    /// Runs one invocation and says what became of it.
    async fn run(
        &mut self,
        home: &mut P::Home,
        tail: &Mutex<Tail>,
        run: Run,
    ) -> Result<(), SandboxError> {
        let Run { job, invocation } = run;
        let answer_at = invocation.answer_at;
        let outcome = Mutex::new(None);
        let whole = || {
            let mut tail = lock(tail);
            let outcome = lock(&outcome).take_if(|_| tail.has_report())?;
            let (log_tail, report) = tail.take();
            Some(Invoked { outcome, log_tail, report: Some(report?) })
        };
        let early = || {
            let outcome = lock(&outcome).take()?;
            Some(Invoked { outcome, log_tail: Vec::new(), report: None })
        };
        let mut is_told = false;
        let ran = {
            let mut answer = |_: &RequestId, answered: Outcome| *lock(&outcome) = Some(answered);
            let mut ran = std::pin::pin!(home.invoke(invocation, &mut answer));
            let mut killed = std::pin::pin!(killed(&mut self.kill));
            let mut late = std::pin::pin!(tokio::time::sleep(Duration::ZERO));
            let mut is_late_set = false;
            loop {
                // What an invocation does, it does while it is polled: no other task has word of it.
                let turn = std::future::poll_fn(|cx| {
                    if killed.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(Turn::Killed);
                    }
                    if let Poll::Ready(ran) = ran.as_mut().poll(cx) {
                        return Poll::Ready(Turn::Ran(ran));
                    }
                    if is_told {
                        return Poll::Pending;
                    }
                    // Processes end in their own time, and nobody waits for that.
                    if let Some(invoked) = whole() {
                        return Poll::Ready(Turn::Answered(Box::new(invoked)));
                    }
                    // Nor for what runtime and extensions do after the response.
                    if answer_at == AnswerAt::Response && lock(&outcome).is_some() {
                        if !std::mem::replace(&mut is_late_set, true) {
                            late.as_mut()
                                .reset(tokio::time::Instant::now() + patience(FREE_WITHIN));
                        }
                        std::task::ready!(late.as_mut().poll(cx));
                        return early().map_or(Poll::Pending, |invoked| {
                            Poll::Ready(Turn::Answered(Box::new(invoked)))
                        });
                    }
                    Poll::Pending
                })
                .await;
                match turn {
                    Turn::Ran(ran) => break ran,
                    Turn::Answered(invoked) => {
                        // As below.
                        let _gone =
                            self.told.send(Told::Answered { env: self.env, job, invoked }).await;
                        is_told = true;
                    }
                    // Whoever hurries has no time for the rest; the home is ended next. But what was answered
                    // is.
                    Turn::Killed => {
                        if let Some(invoked) = early().filter(|_| !is_told) {
                            let invoked = Box::new(invoked);
                            // As below.
                            let _gone = self
                                .told
                                .send(Told::Answered { env: self.env, job, invoked })
                                .await;
                        }
                        return Ok(());
                    }
                }
            }
        };
        let result = match (whole().or_else(early), &ran) {
            _ if is_told => None,
            (Some(invoked), _) => Some(Ok(invoked)),
            (None, Err(error)) => Some(Err(Refused::Sandbox(with_causes(error)))),
            (None, Ok(())) => {
                let text = "the invocation ended without an answer";
                Some(Err(Refused::Sandbox(text.to_owned())))
            }
        };
        let health = match ran {
            Err(_) => Health::Broken,
            Ok(()) if home.is_ready() => Health::Ready,
            Ok(()) => Health::Reset,
        };
        let told = Told::Done { env: self.env, job, result: result.map(Box::new), health };
        // As above.
        let _gone = self.told.send(told).await;
        ran
    }

    /// Writes to the journal and remembers the end of it.
    fn sink(&self, tail: &Arc<Mutex<impl Keep>>) -> Sink {
        let (journal, version) = (Arc::clone(&self.journal), Arc::clone(&self.version));
        let tail = Arc::clone(tail);
        Arc::new(move |stream: &str, event: Event| {
            let mut lines = Vec::new();
            journal.note(&version, stream, &event, &mut lines);
            lock(&tail).keep(&event, &lines);
        })
    }
}

/// Ends when everything is to end, also because whoever would say so is gone.
pub(super) async fn killed(kill: &mut watch::Receiver<bool>) {
    // The error means just that.
    let _ended = kill.wait_for(|kill| *kill).await;
}

pub(super) fn lock<T>(tail: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Each change is whole or not there; a panic in another cannot make it wrong.
    tail.lock().unwrap_or_else(PoisonError::into_inner)
}
