//! How an environment ends: at once, or after its processes had the time the reference gives them.
//!
//! # Sources
//! `reference/runtime-api.md` 2.8.

use std::time::Instant;

use super::{Effect, Input, Life, State, Turn};
use crate::model::ShutdownReason;

impl Life {
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

    fn kill(&mut self) -> Vec<Effect> {
        self.state = State::Reset;
        vec![Effect::Deadline(None), Effect::Kill]
    }
}
