//! How an environment's processes end: each in the time the reference gives it, then all.
//!
//! # Sources
//! `reference/runtime-api.md` 2.8.

use std::time::Instant;

use super::{Effect, Input, Life, State};
use crate::model::ShutdownReason;

/// Whose turn it is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Runtime,
    Extensions,
}

impl Life {
    /// Orders the end of an environment nobody needs. It is over when [`Life::is_over`].
    pub(crate) fn retire(&mut self, now: Instant) -> Vec<Effect> {
        match self.state {
            State::Idle { .. } => self.stop(ShutdownReason::Spindown, now),
            State::Crowded(_) if !self.is_busy() => self.stop(ShutdownReason::Spindown, now),
            State::Stopping { .. } => Vec::new(),
            // Nobody has it end graciously in the middle of something.
            State::New | State::Init { .. } | State::Busy(_) | State::Crowded(_) | State::Reset => {
                self.state = State::Reset;
                vec![Effect::Deadline(None), Effect::Kill]
            }
        }
    }

    /// Has all processes end: at once and before `said` if nobody must be waited for, else after it,
    /// so that caller and log need not wait.
    pub(super) fn end(
        &mut self,
        reason: ShutdownReason,
        said: Vec<Effect>,
        now: Instant,
    ) -> Vec<Effect> {
        let stop = self.stop(reason, now);
        match self.state {
            State::Reset => stop.into_iter().chain(said).collect(),
            _ => said.into_iter().chain(stop).collect(),
        }
    }

    pub(super) fn stop(&mut self, reason: ShutdownReason, now: Instant) -> Vec<Effect> {
        let Some(stop) = self.party.stop() else { return self.kill() };
        let ends = now + stop.budget;
        if !stop.runs {
            return self.shut_down_extensions(reason, ends);
        }
        self.state = State::Stopping { turn: Turn::Runtime, reason, ends };
        vec![Effect::Deadline(Some(now + stop.share)), Effect::TerminateRuntime]
    }

    pub(super) fn while_stopping(
        &mut self,
        turn: Turn,
        reason: ShutdownReason,
        ends: Instant,
        input: &Input,
    ) -> Vec<Effect> {
        match (input, turn) {
            (Input::Gone, _) | (Input::Deadline, Turn::Extensions) => self.kill(),
            (Input::Ended(_), Turn::Runtime) => self.shut_down_extensions(reason, ends),
            (Input::Deadline, Turn::Runtime) => {
                let mut effects = vec![Effect::KillRuntime];
                effects.extend(self.shut_down_extensions(reason, ends));
                effects
            }
            (_, Turn::Extensions) if self.party.awaited() == 0 => self.kill(),
            _ => self.stay(State::Stopping { turn, reason, ends }),
        }
    }

    fn shut_down_extensions(&mut self, reason: ShutdownReason, ends: Instant) -> Vec<Effect> {
        let told = self.party.shut_down(reason);
        if told.is_empty() {
            return self.kill();
        }
        self.state = State::Stopping { turn: Turn::Extensions, reason, ends };
        std::iter::once(Effect::Deadline(Some(ends))).chain(told).collect()
    }

    pub(super) fn kill(&mut self) -> Vec<Effect> {
        self.state = State::Reset;
        vec![Effect::Deadline(None), Effect::Kill]
    }
}
