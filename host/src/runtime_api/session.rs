//! What a runtime may call when: the classic state machine, without input, output or clock.
//!
//! Each method is one call or event: it checks, changes state and returns what must be said to the
//! runtime ([`Refusal`] or a value) and to the owner ([`Signal`]). What is not written is refused.
//!
//! State has two layers: [`Life`] belongs to the process, [`Progress`] to one invocation; of several at
//! once there are several [`Attempt`]s (`many`). The ten names AWS prints are made from both by [`Session::state`].
//!
//! # Invariants
//! - A [`Ticket`] stands for a body that is being read. Only its holder can finish or abandon it,
//!   and after [`Session::expire`] it can do neither.
//! - The id is checked before the attempt, the attempt before the state, the state before the body.
//!
//! # Not here
//! Waiting (`next`), bodies (`body`), the JSON of refusals (`reply`), what extensions may call
//! (`extensions`, whose state is kept here because some of the runtime's calls change it).
//!
//! # Sources
//! `reference/runtime-api.md` 1.2 to 1.8; names and texts as in AWS's emulator.

mod many;
mod refusal;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use many::Many;

use super::extensions::Extensions;
use super::signal::Signal;
use crate::model::{Invocation, RequestId, StreamTo};

pub use refusal::Busy;
pub(crate) use refusal::Refusal;

/// Target state named when `next` is refused.
const READY: &str = "Ready";
/// Target state named when `restore/next` is refused.
const RESTORE_READY: &str = "RestoreReady";

/// Whether the SnapStart paths exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restore {
    /// `restore/…` is 404, as everywhere but in snapshots.
    Disabled,
    /// The process is being made into a snapshot.
    Enabled,
}

/// Where the process stands, whatever its invocations do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Started,
    RestoreReady,
    Restoring,
    /// An init or restore error arrived; `reading` while its body is still under way.
    Failed {
        of: Phase,
        reading: Option<Ticket>,
    },
    Serving,
}

/// What a [`Life::Failed`] failed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Init,
    Restore,
}

/// One invocation in the runtime's hands.
#[derive(Debug)]
struct Attempt {
    invocation: Arc<Invocation>,
    progress: Progress,
}

/// How far one invocation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// The runtime has the event.
    Running,
    /// A post is being read.
    Answering { kind: Answer, ticket: Ticket },
    /// It was answered; the id stays known until the runtime's next `next`.
    Sent,
    /// It timed out; the id is unknown from here on.
    Expired,
}

/// Which of the two posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// `/response`.
    Response,
    /// `/error`.
    Error,
}

impl Answer {
    fn state(self) -> &'static str {
        match self {
            Self::Response => "InvocationResponse",
            Self::Error => "InvocationErrorResponse",
        }
    }
}

/// Right to finish or abandon one post, for as long as its invocation lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// What a post turned out to carry, once read.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// The answer.
    Response { payload: Bytes, content_type: Option<String> },
    /// The answer, passed on already.
    Streamed { bytes: usize },
    /// More than is allowed.
    TooLarge { bytes: usize, limit_bytes: usize },
    /// An error, by `/error` or at the end of a response.
    Error { error_type: String, payload: Bytes, xray_cause: Option<Bytes> },
}

/// What a call to `next` comes to.
#[derive(Debug)]
pub(crate) enum Next {
    /// Keep the runtime waiting; ask [`Session::wake`] whenever something was assigned.
    Wait { signal: Option<Signal> },
    /// Hand out this event. No signal if it was handed out before.
    Event { invocation: Arc<Invocation>, signal: Option<Signal> },
}

/// The state of one runtime process.
#[derive(Debug)]
pub(crate) struct Session {
    /// Beside the runtime: some of its calls end or begin things for them.
    pub(crate) extensions: Extensions,
    life: Life,
    restore: Restore,
    /// Given by the owner, not yet asked for by the runtime.
    assigned: Option<Arc<Invocation>>,
    /// In the runtime's hands. Classic: at most one.
    current: Option<Attempt>,
    /// The answer that is, or was last, passed on while it came.
    streaming: Option<Ticket>,
    /// Instead of both, where the runtime may hold many.
    many: Option<Many>,
    last_ticket: u64,
}

impl Session {
    pub(crate) fn new(restore: Restore, extensions: Extensions) -> Self {
        Self {
            extensions,
            life: Life::Started,
            restore,
            assigned: None,
            current: None,
            streaming: None,
            many: None,
            last_ticket: 0,
        }
    }

    /// AWS's name for where we are.
    pub(crate) fn state(&self) -> &'static str {
        if let (Life::Serving, Some(many)) = (self.life, &self.many) {
            return many.state();
        }
        match (self.life, self.current.as_ref().map(|attempt| attempt.progress)) {
            (Life::Started, _) => "Started",
            (Life::RestoreReady, _) => RESTORE_READY,
            (Life::Restoring, _) => "Restoring",
            (Life::Failed { of, .. }, _) => of.failed_state(),
            (Life::Serving, None) => READY,
            (Life::Serving, Some(Progress::Running)) => "Running",
            (Life::Serving, Some(Progress::Answering { kind, .. })) => kind.state(),
            (Life::Serving, Some(Progress::Sent | Progress::Expired)) => "RuntimeResponseSentState",
        }
    }

    /// `GET invocation/next`.
    pub(crate) fn next(&mut self, now: Instant) -> Result<Next, Refusal> {
        if self.is_of_many() {
            return self.next_of_many(now);
        }
        let over = match (self.life, &self.current) {
            (Life::Started | Life::Restoring, _) => true,
            (Life::Serving, None) => false,
            (Life::Serving, Some(attempt)) => match attempt.progress {
                Progress::Running => {
                    let invocation = Arc::clone(&attempt.invocation);
                    return Ok(Next::Event { invocation, signal: None });
                }
                Progress::Sent | Progress::Expired => true,
                Progress::Answering { .. } => return Err(self.not_allowed(READY)),
            },
            (Life::RestoreReady | Life::Failed { .. }, _) => return Err(self.not_allowed(READY)),
        };
        self.life = Life::Serving;
        self.current = None;
        self.extensions.close_registration();
        Ok(self.wake(now).unwrap_or_else(|| {
            let extensions = self.extensions.waiting();
            Next::Wait { signal: over.then_some(Signal::Next { at: now, extensions }) }
        }))
    }

    /// A suspended `next` looks again. Each assignment releases one of them, whichever is first.
    pub(crate) fn wake(&mut self, now: Instant) -> Option<Next> {
        if self.is_of_many() {
            return self.wake_of_many(now);
        }
        if self.life != Life::Serving || self.current.is_some() {
            return None;
        }
        let invocation = self.assigned.take()?;
        let held = Arc::clone(&invocation);
        self.current = Some(Attempt { invocation: held, progress: Progress::Running });
        let request_id = invocation.request_id.clone();
        Some(Next::Event { invocation, signal: Some(Signal::Handed { request_id, at: now }) })
    }

    /// The head of `POST …/{id}/response` or `…/error`; its body is read under the ticket.
    pub(crate) fn begin(
        &mut self,
        id: &str,
        attempt_id: Option<&[u8]>,
        kind: Answer,
    ) -> Result<Ticket, Refusal> {
        if self.is_of_many() {
            return self.begin_of_many(id, attempt_id, kind);
        }
        let from = self.state();
        let ticket = Ticket(self.last_ticket + 1);
        let current = self.current.as_mut().ok_or(Refusal::InvalidRequestId)?;
        if current.progress == Progress::Expired || current.invocation.request_id.0 != id {
            return Err(Refusal::InvalidRequestId);
        }
        // Absent is fine, wrong or empty is another attempt's answer (1.3).
        if attempt_id.is_some_and(|given| given != current.invocation.attempt_id.as_bytes()) {
            return Err(Refusal::InvokeTimeout);
        }
        if current.progress != Progress::Running {
            return Err(Refusal::NotAllowed { from, to: kind.state() });
        }
        current.progress = Progress::Answering { kind, ticket };
        self.last_ticket = ticket.0;
        Ok(ticket)
    }

    /// Where the answer that is being read goes, if it is a stream.
    pub(crate) fn stream_to(&mut self, ticket: Ticket) -> Option<StreamTo> {
        self.answering(ticket).and_then(|attempt| attempt.invocation.stream_to.clone())
    }

    /// The answer that is being read is a stream.
    pub(crate) fn streams(&mut self, ticket: Ticket) {
        self.streaming = Some(ticket);
    }

    /// Whether the end of a stream is still to come.
    pub(crate) fn is_streaming(&self) -> bool {
        self.current.as_ref().is_some_and(|attempt| match attempt.progress {
            Progress::Answering { ticket, .. } => self.streaming == Some(ticket),
            _ => false,
        })
    }

    /// The body of a post is here, or known to be too large.
    pub(crate) fn finish(
        &mut self,
        ticket: Ticket,
        delivery: Delivery,
        at: Instant,
    ) -> Result<Signal, Refusal> {
        let Some(current) = self.answering(ticket) else {
            let late = self.many.as_mut().and_then(|many| many.late_by(ticket));
            return Err(late.unwrap_or(Refusal::InvokeTimeout));
        };
        current.progress = Progress::Sent;
        let request_id = current.invocation.request_id.clone();
        self.many.iter_mut().for_each(Many::forget_answered);
        Ok(match delivery {
            Delivery::Response { payload, content_type } => {
                Signal::Response { request_id, payload, content_type, at }
            }
            Delivery::Streamed { bytes } => Signal::Streamed { request_id, bytes, at },
            Delivery::TooLarge { bytes, limit_bytes } => {
                Signal::ResponseTooLarge { request_id, bytes, limit_bytes, at }
            }
            Delivery::Error { error_type, payload, xray_cause } => {
                Signal::Error { request_id, error_type, payload, xray_cause, at }
            }
        })
    }

    /// A post was cut off or refused after its head: as if it had not been made.
    pub(crate) fn abandon(&mut self, ticket: Ticket) {
        if let Some(attempt) = self.answering(ticket) {
            attempt.progress = Progress::Running;
        }
        if let Life::Failed { of, reading: Some(held) } = self.life
            && held == ticket
        {
            self.life = match of {
                Phase::Init => Life::Started,
                Phase::Restore => Life::Restoring,
            };
        }
    }

    /// The head of `POST runtime/init/error`. While restoring it counts as a restore error.
    pub(crate) fn begin_init_error(&mut self) -> Result<Ticket, Refusal> {
        match self.life {
            Life::Started => Ok(self.fail(Phase::Init)),
            Life::Restoring => Ok(self.fail(Phase::Restore)),
            _ => Err(self.not_allowed(Phase::Init.failed_state())),
        }
    }

    /// The head of `POST runtime/restore/error`.
    pub(crate) fn begin_restore_error(&mut self) -> Result<Ticket, Refusal> {
        self.restore_exists()?;
        match self.life {
            Life::Restoring => Ok(self.fail(Phase::Restore)),
            _ => Err(self.not_allowed(Phase::Restore.failed_state())),
        }
    }

    /// The body of an init or restore error is here.
    pub(crate) fn finish_init_error(
        &mut self,
        ticket: Ticket,
        error_type: String,
        payload: Bytes,
        at: Instant,
    ) -> Result<Signal, Refusal> {
        match &mut self.life {
            Life::Failed { reading, .. } if *reading == Some(ticket) => {
                *reading = None;
                Ok(Signal::InitError { error_type, payload, at })
            }
            _ => {
                let to = Phase::Init.failed_state();
                Err(Refusal::Concurrent { from: self.state(), to })
            }
        }
    }

    /// Whether the restore paths are known at all.
    pub(crate) fn restore_exists(&self) -> Result<(), Refusal> {
        match self.restore {
            Restore::Disabled => Err(Refusal::NoSuchPath),
            Restore::Enabled => Ok(()),
        }
    }

    /// `GET runtime/restore/next`: the caller is suspended until [`Session::is_restored`].
    pub(crate) fn restore_next(&mut self) -> Result<(), Refusal> {
        self.restore_exists()?;
        match self.life {
            Life::Started => {
                self.life = Life::RestoreReady;
                self.extensions.close_registration();
                Ok(())
            }
            _ => Err(self.not_allowed(RESTORE_READY)),
        }
    }

    /// A suspended `restore/next` looks again.
    pub(crate) fn is_restored(&self) -> Result<bool, Refusal> {
        match self.life {
            Life::RestoreReady => Ok(false),
            Life::Restoring => Ok(true),
            _ => Err(Refusal::Concurrent { from: self.state(), to: RESTORE_READY }),
        }
    }

    /// The snapshot was taken and woken: `restore/next` may return.
    pub(crate) fn restored(&mut self) {
        if self.life == Life::RestoreReady {
            self.life = Life::Restoring;
        }
    }

    /// The owner gives an invocation: at once if the runtime waits, else when it next asks.
    pub(crate) fn assign(&mut self, invocation: Invocation) -> Result<(), Busy> {
        if self.is_of_many() {
            return self.assign_of_many(invocation);
        }
        if matches!(self.life, Life::Failed { .. }) {
            return Err(Busy::Over { state: self.state() });
        }
        let held = self.current.as_ref().filter(|attempt| attempt.is_open());
        let held = held.map(|attempt| &attempt.invocation).or(self.assigned.as_ref());
        if let Some(held) = held {
            return Err(Busy::Invocation { request_id: held.request_id.clone() });
        }
        self.extensions.release(&invocation);
        self.assigned = Some(Arc::new(invocation));
        Ok(())
    }

    /// The owner gave the caller a timeout: nothing of this invocation is taken any more.
    pub(crate) fn expire(&mut self, id: &RequestId) {
        self.many.iter_mut().for_each(|many| many.expire(id));
        if self.assigned.as_ref().is_some_and(|invocation| invocation.request_id == *id) {
            self.assigned = None;
        }
        if let Some(attempt) = &mut self.current
            && attempt.invocation.request_id == *id
        {
            attempt.progress = Progress::Expired;
        }
    }

    fn answering(&mut self, held: Ticket) -> Option<&mut Attempt> {
        let many = self.many.iter_mut().flat_map(|many| &mut many.attempts);
        self.current.iter_mut().chain(many).find(|attempt| {
            matches!(attempt.progress, Progress::Answering { ticket, .. } if ticket == held)
        })
    }

    fn fail(&mut self, of: Phase) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.life = Life::Failed { of, reading: Some(ticket) };
        ticket
    }

    fn not_allowed(&self, to: &'static str) -> Refusal {
        Refusal::NotAllowed { from: self.state(), to }
    }
}

impl Attempt {
    fn is_open(&self) -> bool {
        matches!(self.progress, Progress::Running | Progress::Answering { .. })
    }
}

impl Phase {
    fn failed_state(self) -> &'static str {
        match self {
            Self::Init => "InitError",
            Self::Restore => "RuntimeRestoreErrorState",
        }
    }
}
