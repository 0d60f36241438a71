//! What exists while an environment's processes do.
//!
//! # Not here
//! What is done with it when (`environment.rs`), how it is made (`start.rs`).

use std::collections::VecDeque;
use std::future::poll_fn;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::task::Poll;

use tokio::sync::mpsc;

use crate::model::LogLine;
use crate::runtime_api::{OutputCollector, RuntimeApi, Signal, SocketAsk};
use crate::sandbox::{
    Connection, Forwarding, Process, ProcessKey, ProcessSignal, Relay, Sandbox, SandboxError,
};

/// The runtime's process among those of its sandbox.
pub(super) const RUNTIME: ProcessKey = ProcessKey(0);
/// External extensions come after it, in the order of their files.
const FIRST_EXTENSION: u32 = 1;

/// Which of an environment's processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    Runtime,
    Extension(String),
}

/// What exists while an environment's processes do.
pub(super) struct Running {
    pub(super) sandbox: Sandbox,
    pub(super) api: RuntimeApi,
    pub(super) signals: mpsc::Receiver<Signal>,
    /// The runtime's first, then the external extensions'.
    pub(super) outputs: Vec<OutputCollector>,
    /// External extensions, by their files' names.
    pub(super) extensions: Vec<String>,
    /// Starts when all external extensions have registered.
    pub(super) runtime: Option<Process>,
    /// Dropping one stops its port.
    pub(super) _forwards: Vec<Forwarding>,
    /// Likewise, for X-Ray segments.
    pub(super) _xray: Option<Relay>,
    /// Dropping it stops the DNS forwarder.
    pub(super) _connection: Option<Connection>,
    pub(super) is_frozen: bool,
    /// Who wants a socket of the environment's network; `None` where that is the host's.
    pub(super) socket_asks: Option<mpsc::Receiver<SocketAsk>>,
    /// Those whose socket is being made, in this order.
    pub(super) sockets_wanted: VecDeque<SocketAsk>,
}

/// How an external extension is named to its sandbox.
pub(super) fn key_of(index: usize) -> ProcessKey {
    // There are ten at most.
    ProcessKey(u32::try_from(index).unwrap_or(u32::MAX - FIRST_EXTENSION) + FIRST_EXTENSION)
}

impl Running {
    /// Whose process that is.
    pub(super) fn who(&self, key: ProcessKey) -> Who {
        let mut names = self.extensions.iter().enumerate();
        match names.find(|(index, _)| key_of(*index) == key) {
            Some((_, name)) => Who::Extension(name.clone()),
            None => Who::Runtime,
        }
    }

    /// Starts the runtime, if it waits for that.
    pub(super) async fn start_runtime(&mut self) -> Result<(), SandboxError> {
        match self.runtime.take() {
            Some(process) => self.sandbox.start(process).await,
            None => Ok(()),
        }
    }

    /// Somebody wants a socket.
    pub(super) async fn make_socket(&mut self, ask: SocketAsk) -> Result<(), SandboxError> {
        self.sockets_wanted.push_back(ask);
        self.sandbox.ask_for_socket().await
    }

    /// A socket was made, or could not be: then who wanted it is told by dropping the ask.
    pub(super) fn hand_out(&mut self, socket: Option<OwnedFd>) {
        if let (Some(ask), Some(socket)) = (self.sockets_wanted.pop_front(), socket) {
            // Who no longer wants it lets it be closed.
            let _unwanted = ask.send(socket);
        }
    }

    pub(super) async fn signal(
        &mut self,
        who: &Who,
        signal: ProcessSignal,
    ) -> Result<(), SandboxError> {
        // A frozen process would not act on it.
        self.thaw()?;
        let key = match who {
            Who::Runtime => Some(RUNTIME),
            Who::Extension(name) => self.extensions.iter().position(|n| n == name).map(key_of),
        };
        match key {
            Some(key) => self.sandbox.signal(key, signal).await,
            None => Ok(()),
        }
    }

    pub(super) fn freeze(&mut self) -> Result<(), SandboxError> {
        self.sandbox.freeze()?;
        self.is_frozen = true;
        Ok(())
    }

    pub(super) fn thaw(&mut self) -> Result<(), SandboxError> {
        if self.is_frozen {
            self.sandbox.thaw()?;
            self.is_frozen = false;
        }
        Ok(())
    }
}

/// The next line of any of them; `None` if one has ended by that. Loses nothing when dropped.
pub(super) async fn next_line(outputs: &mut [OutputCollector]) -> Option<LogLine> {
    if let [only] = outputs {
        return only.next().await;
    }
    // A future that is dropped has taken nothing, so each turn may ask all of them anew.
    poll_fn(|context| {
        for output in outputs.iter_mut().filter(|output| !output.is_finished()) {
            if let Poll::Ready(line) = pin!(output.next()).poll(context) {
                return Poll::Ready(line);
            }
        }
        Poll::Pending
    })
    .await
}

/// Somebody who wants a socket; never, where none are made.
pub(super) async fn next_ask(asks: &mut Option<mpsc::Receiver<SocketAsk>>) -> SocketAsk {
    if let Some(asks) = asks
        && let Some(ask) = asks.recv().await
    {
        return ask;
    }
    std::future::pending().await
}

/// Whether nothing will ever be written to any of them.
pub(super) fn are_ended(outputs: &[OutputCollector]) -> bool {
    outputs.iter().all(OutputCollector::is_finished)
}
