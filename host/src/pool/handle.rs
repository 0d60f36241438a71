//! The pool, for whoever has invocations.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::driver::{Ask, Driver};
use super::home::{Journal, Provider};
use super::settings::Settings;
use super::snapshot::Snapshot;
use crate::model::{Invocation, Invoked, Refused, Version};

/// Requests that wait for the pool's owner, which takes microseconds for each; who has more waits.
const ASKS_WAITING: usize = 256;

/// All execution environments of this host. Cheap to clone. When the last one is dropped, idle
/// environments end and busy ones after what they do.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    asks: mpsc::Sender<Ask>,
}

impl Pool {
    /// Starts the pool on the current tokio runtime.
    pub(crate) fn start(
        settings: Settings,
        provider: impl Provider,
        journal: Arc<dyn Journal>,
    ) -> Self {
        let (asks, asked) = mpsc::channel(ASKS_WAITING);
        tokio::spawn(Driver::new(settings, provider, journal).run(asked));
        Self { asks }
    }

    /// Runs an invocation in an environment of this version. Once it is accepted it runs to its end,
    /// also if the future is dropped: a caller that hangs up does not stop its invocation.
    ///
    /// # Errors
    /// Why it was not run, or why nobody can say what became of it ([`Refused::Sandbox`]).
    pub(crate) async fn invoke(
        &self,
        version: Arc<Version>,
        invocation: Invocation,
    ) -> Result<Invoked, Refused> {
        let (reply, replied) = oneshot::channel();
        let invocation = Box::new(invocation);
        self.ask(Ask::Invoke { version, invocation, reply }).await?;
        replied.await.unwrap_or(Err(Refused::ShuttingDown))
    }

    /// Lets environments of this function version end that are of another revision: idle ones now, busy
    /// ones after what they do. `None` keeps none, as for a version that was deleted.
    pub(crate) async fn retire(&self, function: &str, version: &str, keep_revision: Option<&str>) {
        let ask = Ask::Retire {
            function: function.to_owned(),
            version: version.to_owned(),
            keep_revision: keep_revision.map(str::to_owned),
        };
        // A pool that is gone has none.
        let _gone = self.ask(ask).await;
    }

    /// Refuses what is new, lets finish what was accepted, and kills what is left at the deadline.
    /// Ends when nothing is left. Called again it can only bring the deadline nearer.
    pub(crate) async fn drain(&self, deadline: Instant) {
        let (drained, done) = oneshot::channel();
        if self.ask(Ask::Drain { deadline, drained }).await.is_ok() {
            // Its owner gone means that it has drained.
            let _gone = done.await;
        }
    }

    /// What the pool does now; empty if it is gone.
    pub(crate) async fn snapshot(&self) -> Snapshot {
        let (reply, replied) = oneshot::channel();
        match self.ask(Ask::Snapshot { reply }).await {
            Ok(()) => replied.await.unwrap_or_default(),
            Err(_) => Snapshot::default(),
        }
    }

    async fn ask(&self, ask: Ask) -> Result<(), Refused> {
        self.asks.send(ask).await.map_err(|_gone| Refused::ShuttingDown)
    }
}
