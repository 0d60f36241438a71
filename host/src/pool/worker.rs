//! One environment's task: owns it from its making to its end, and does what the schedule says.
//!
//! # Invariants
//! - It is told of one invocation at a time and says [`Told::Done`] once for each, whatever became of
//!   the caller. If it ends without, the schedule answers for it.
//! - It ends only when nothing is left of its environment, or says that this cannot be told.
//!
//! # Not here
//! Which invocation (`schedule.rs`), what an environment does with it (`environment.rs`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{mpsc, watch};

use super::home::{Home, Journal, Provider, Sink};
use super::schedule::{EnvId, Gone, Health, JobId};
use super::settings::Freeze;
use super::tail::Tail;
use crate::model::{Event, Invocation, Invoked, Outcome, Refused, Version};
use crate::sandbox::SandboxError;

/// An order to an environment. Closing the channel is the order to end when idle.
pub(super) struct Run {
    pub(super) job: JobId,
    pub(super) invocation: Invocation,
}

/// What an environment tells the schedule.
pub(super) enum Told {
    /// Its init is over.
    Ready { env: EnvId },
    /// Its invocation is over.
    Done { env: EnvId, job: JobId, result: Box<Result<Invoked, Refused>>, health: Health },
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

/// Why the loop of a living environment was left.
enum Left {
    /// It was told to end.
    Told,
    /// It cannot go on.
    Broken(SandboxError),
}

impl<P: Provider> Worker<P> {
    /// Lives until the environment is gone.
    pub(super) async fn live(mut self) -> Gone {
        let tail = Arc::new(Mutex::new(Tail::default()));
        let made = self.provider.home(Arc::clone(&self.version), self.sink(&tail));
        // A home that is not begun holds nothing that dropping does not give back.
        let made = tokio::select! {
            made = made => made,
            () = killed(&mut self.kill) => return Gone::Ended,
        };
        let mut home = match made {
            Ok(home) => home,
            Err(text) => return Gone::Failed(text),
        };
        let left = self.serve(&mut home, &tail).await;
        match (left, home.end().await) {
            (_, Err(error)) => Gone::Lost(in_words(&error)),
            (Left::Broken(error), Ok(())) => Gone::Failed(in_words(&error)),
            (Left::Told, Ok(())) => Gone::Ended,
        }
    }

    async fn serve(&mut self, home: &mut P::Home, tail: &Mutex<Tail>) -> Left {
        // Dropping the loser kills what it was about to make.
        let begun = tokio::select! {
            begun = home.begin() => begun,
            () = killed(&mut self.kill) => return Left::Told,
        };
        if let Err(error) = begun {
            return Left::Broken(error);
        }
        // Nobody listens only when the pool is gone, and then the next order is to end.
        let _gone = self.told.send(Told::Ready { env: self.env }).await;
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
                woken = home.woken() => home.attend(woken).await,
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
        let mut outcome = None;
        let ran = {
            let mut answer = |answered: Outcome| outcome = Some(answered);
            // Whoever hurries has no time for it; the home is ended next.
            tokio::select! {
                biased;
                () = killed(&mut self.kill) => return Ok(()),
                ran = home.invoke(invocation, &mut answer) => ran,
            }
        };
        let (log_tail, report) = lock(tail).take();
        let result = match (outcome, report, &ran) {
            (Some(outcome), Some(report), _) => Ok(Invoked { outcome, log_tail, report }),
            (_, _, Err(error)) => Err(Refused::Sandbox(in_words(error))),
            _ => Err(Refused::Sandbox("the invocation ended without an answer".to_owned())),
        };
        let health = match ran {
            Err(_) => Health::Broken,
            Ok(()) if home.is_ready() => Health::Ready,
            Ok(()) => Health::Reset,
        };
        let told = Told::Done { env: self.env, job, result: Box::new(result), health };
        // As above.
        let _gone = self.told.send(told).await;
        ran
    }

    /// Writes to the journal and remembers the end of it.
    fn sink(&self, tail: &Arc<Mutex<Tail>>) -> Sink {
        let (journal, version) = (Arc::clone(&self.journal), Arc::clone(&self.version));
        let tail = Arc::clone(tail);
        Arc::new(move |stream: &str, event: Event| {
            let mut lines = Vec::new();
            journal.note(&version, stream, &event, &mut lines);
            lock(&tail).push(&event, &lines);
        })
    }
}

/// Ends when everything is to end, also because whoever would say so is gone.
async fn killed(kill: &mut watch::Receiver<bool>) {
    // The error means just that.
    let _ended = kill.wait_for(|kill| *kill).await;
}

fn lock(tail: &Mutex<Tail>) -> std::sync::MutexGuard<'_, Tail> {
    // Each push is whole or not there; a panic in another cannot make it wrong.
    tail.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The error with everything it came from.
fn in_words(error: &SandboxError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
