//! A runtime that holds many invocations at once (Managed Instances).
//!
//! Each `next` that waits is one idle slot and may come from any of the runtime's threads or
//! processes; answers are told apart by their ids alone. How many may run is the owner's to say.
//!
//! # Sources
//! `reference/runtime-api.md` 7.1, 7.3 and 7.4.

#[cfg(test)]
mod tests;

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
    /// Whose answer has not come, or is coming; newest last.
    timed_out: VecDeque<(RequestId, Progress)>,
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
        let at = self.attempts.iter().position(|held| held.invocation.request_id == *id);
        let Some(attempt) = at.map(|at| self.attempts.swap_remove(at)) else { return };
        self.timed_out.push_back((id.clone(), attempt.progress));
        if self.timed_out.len() > TIMED_OUT_REMEMBERED {
            self.timed_out.pop_front();
        }
    }

    /// The answer to one that has timed out came after that; each is told so once.
    fn late(&mut self, id: &str) -> Option<Refusal> {
        self.forget_late(|late, _| late.0 == id)
    }

    /// The same of one that was on its way when that happened.
    pub(super) fn late_by(&mut self, held: Ticket) -> Option<Refusal> {
        self.forget_late(
            |_, progress| matches!(progress, Progress::Answering { ticket, .. } if ticket == held),
        )
    }

    fn forget_late(&mut self, is_it: impl Fn(&RequestId, Progress) -> bool) -> Option<Refusal> {
        let at = self.timed_out.iter().position(|(id, progress)| is_it(id, *progress))?;
        let (request_id, _) = self.timed_out.remove(at)?;
        Some(Refusal::Late { request_id })
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
            return Err(many.late(id).unwrap_or(Refusal::InvalidRequestId));
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
