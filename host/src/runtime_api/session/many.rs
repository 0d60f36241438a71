//! A runtime that holds many invocations at once (Managed Instances).
//!
//! Each `next` that waits is one idle slot and may come from any of the runtime's threads or
//! processes; answers are told apart by their ids alone. How many may run is the owner's to say.
//!
//! # Sources
//! `reference/runtime-api.md` 7.1, 7.3 and 7.4.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::{
    Answer, Attempt, Busy, Life, Next, Phase, Progress, READY, Refusal, Restore, Session, Ticket,
};
use crate::model::{Invocation, RequestId};
use crate::runtime_api::extensions::Extensions;
use crate::runtime_api::signal::Signal;

/// Ids of invocations that timed out which are remembered (7.4).
const TIMED_OUT_REMEMBERED: usize = 1_000;

/// What a classic session has one of.
#[derive(Debug, Default)]
pub(super) struct Many {
    /// Given by the owner, not yet handed out; oldest first.
    assigned: VecDeque<Arc<Invocation>>,
    /// In the runtime's hands and not answered.
    pub(super) attempts: Vec<Attempt>,
    /// Whose answer is late and not known to be, newest last.
    timed_out: VecDeque<RequestId>,
}

impl Many {
    pub(super) fn state(&self) -> &'static str {
        if self.attempts.is_empty() { READY } else { "Running" }
    }

    /// Forgets what is answered: its id is unknown from here on.
    pub(super) fn forget_answered(&mut self) {
        self.attempts.retain(|attempt| attempt.progress != Progress::Sent);
    }

    pub(super) fn expire(&mut self, id: &RequestId) {
        self.assigned.retain(|invocation| invocation.request_id != *id);
        let before = self.attempts.len();
        self.attempts.retain(|attempt| attempt.invocation.request_id != *id);
        if self.attempts.len() < before {
            self.timed_out.push_back(id.clone());
            if self.timed_out.len() > TIMED_OUT_REMEMBERED {
                self.timed_out.pop_front();
            }
        }
    }

    /// Whether it timed out; each is told that once.
    fn was_late(&mut self, id: &str) -> bool {
        let at = self.timed_out.iter().position(|late| late.0 == id);
        at.and_then(|at| self.timed_out.remove(at)).is_some()
    }
}

impl Session {
    /// One whose runtime may hold many invocations.
    pub(crate) fn of_many(extensions: Extensions) -> Self {
        Self { many: Some(Many::default()), ..Self::new(Restore::Disabled, extensions) }
    }

    /// Whether each `next` is one more slot.
    pub(crate) fn is_of_many(&self) -> bool {
        self.many.is_some()
    }

    /// Any number of them may wait. None gets an event at once: that it waits is told before.
    pub(super) fn next_of_many(&mut self, now: Instant) -> Result<Next, Refusal> {
        if matches!(self.life, Life::RestoreReady | Life::Failed { .. }) {
            return Err(self.not_allowed(READY));
        }
        self.life = Life::Serving;
        self.extensions.close_registration();
        let extensions = self.extensions.waiting();
        Ok(Next::Wait { signal: Some(Signal::Next { at: now, extensions }) })
    }

    pub(super) fn wake_of_many(&mut self, now: Instant) -> Option<Next> {
        let many = self.many.as_mut()?;
        let invocation = many.assigned.pop_front()?;
        let held = Arc::clone(&invocation);
        many.attempts.push(Attempt { invocation: held, progress: Progress::Running });
        let request_id = invocation.request_id.clone();
        Some(Next::Event { invocation, signal: Some(Signal::Handed { request_id, at: now }) })
    }

    pub(super) fn begin_of_many(
        &mut self,
        id: &str,
        attempt_id: Option<&[u8]>,
        kind: Answer,
    ) -> Result<Ticket, Refusal> {
        let ticket = Ticket(self.last_ticket + 1);
        let many = self.many.as_mut().ok_or(Refusal::InvalidRequestId)?;
        let held = many.attempts.iter_mut().find(|held| held.invocation.request_id.0 == id);
        let Some(held) = held else {
            return Err(match many.was_late(id) {
                true => Refusal::InvokeTimeout,
                false => Refusal::InvalidRequestId,
            });
        };
        if attempt_id.is_some_and(|given| given != held.invocation.attempt_id.as_bytes()) {
            return Err(Refusal::InvokeTimeout);
        }
        match (held.progress, kind) {
            (Progress::Running, _) => {}
            // What is being streamed may end in an error that comes beside it.
            (Progress::Answering { kind: Answer::Response, .. }, Answer::Error) => {}
            _ => return Err(Refusal::InvalidRequestId),
        }
        held.progress = Progress::Answering { kind, ticket };
        self.last_ticket = ticket.0;
        Ok(ticket)
    }

    pub(super) fn assign_of_many(&mut self, invocation: Invocation) -> Result<(), Busy> {
        if let Life::Failed { of: Phase::Init | Phase::Restore, .. } = self.life {
            return Err(Busy::Over { state: self.state() });
        }
        let Some(many) = &mut self.many else { return Ok(()) };
        let is_same = |held: &Arc<Invocation>| held.request_id == invocation.request_id;
        if many.attempts.iter().map(|held| &held.invocation).chain(&many.assigned).any(is_same) {
            return Err(Busy::Invocation { request_id: invocation.request_id });
        }
        many.assigned.push_back(Arc::new(invocation));
        Ok(())
    }
}
