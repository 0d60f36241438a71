//! What wakes an environment's driver, in the rule book's words.

use std::time::{Duration, Instant};

use super::{Environment, Woken};
use crate::model::{Event, patience};
use crate::pool::life::{End, Input, LaunchFault};
use crate::pool::running::Who;
use crate::pool::signals::signal_name;
use crate::pool::start::{EXTENSIONS_DIRECTORY, error_name};
use crate::runtime_api::{ExtensionSignal, Signal, TRUNCATED};
use crate::sandbox::{ExitStatus, ProcessKey, Sandbox, Word};

/// How long the end of a process may come behind what was cut off by it.
const CUT_OFF_GRACE: Duration = Duration::from_millis(100);

impl Environment {
    /// A streamed response that is cut off is often the first that is seen of a process's end, which
    /// then says more.
    pub(super) async fn word_behind_a_cut(&self, woken: &Woken) -> Option<Woken> {
        let Woken::Signal(Signal::Error { error_type, .. }) = woken else { return None };
        let running = self.running.as_ref().filter(|_| error_type == TRUNCATED)?;
        let word = tokio::time::timeout(patience(CUT_OFF_GRACE), running.sandbox.word()).await;
        word.ok().map(Woken::Word)
    }

    /// Puts what woke us into the rule book's words, with the moment it happened.
    pub(super) fn understand(&mut self, woken: Woken, now: Instant) -> Option<(Input, Instant)> {
        Some(match woken {
            // A runtime that lives on when a child of it was killed is ended with it, as on AWS.
            Woken::Signal(
                Signal::Response { .. }
                | Signal::Streamed { .. }
                | Signal::Error { .. }
                | Signal::Next { .. }
                | Signal::RestoreReady { .. },
            ) if self.sandbox().is_some_and(Sandbox::ran_out_of_memory) => {
                (Input::Ended(End::OutOfMemory), now)
            }
            Woken::Signal(signal) => match signal {
                Signal::Next { at, extensions } => (Input::Next { extensions }, at),
                Signal::RestoreReady { at, extensions } => (Input::RestoreReady { extensions }, at),
                Signal::Extension(ExtensionSignal::Subscribed {
                    name, api, state, types, ..
                }) => {
                    self.note(Event::Subscription { api, name, state, types });
                    return None;
                }
                Signal::Extension(signal) => of_extension(signal)?,
                Signal::Handed { request_id: id, at } => (Input::Handed { id }, at),
                Signal::NextGone { at } => (Input::NextGone, at),
                Signal::Late { request_id: id, at } => (Input::Late { id }, at),
                Signal::Response { request_id: id, payload, content_type, at } => {
                    (Input::Response { id, payload, content_type }, at)
                }
                Signal::Streamed { request_id: id, bytes, at } => {
                    (Input::Streamed { id, bytes }, at)
                }
                Signal::ResponseTooLarge { request_id: id, bytes, limit_bytes, at } => {
                    (Input::TooLarge { id, bytes, limit_bytes }, at)
                }
                Signal::Error { request_id: id, error_type, payload, at, .. } => {
                    (Input::Error { id, error_type, payload }, at)
                }
                Signal::InitError { error_type, payload, at, .. } => {
                    (Input::InitError { error_type, payload }, at)
                }
            },
            Woken::Word(Word::Socket(socket)) => {
                if let Some(running) = &mut self.running {
                    running.hand_out(socket);
                }
                return None;
            }
            Woken::Word(word) => (self.understand_word(word)?, now),
            Woken::SocketAsk(_) => return None,
            Woken::Deadline => (Input::Deadline, now),
            Woken::Output(line) => {
                line.into_iter().for_each(|line| self.note(Event::Log(line)));
                return None;
            }
        })
    }

    fn understand_word(&self, word: Word) -> Option<Input> {
        Some(match word {
            Word::Socket(_) => return None,
            Word::OutOfMemory => Input::Ended(End::OutOfMemory),
            Word::Gone => Input::Gone,
            Word::Exited(key, status) => {
                let end = match status {
                    ExitStatus::Code(code) => End::Code(code),
                    ExitStatus::Signal(number) => End::Signal(signal_name(number)),
                };
                match self.who(key) {
                    Who::Runtime => Input::Ended(end),
                    Who::Extension(name) => Input::ExtensionEnded { name, end },
                }
            }
            Word::NotStarted(key, errno) => match self.who(key) {
                Who::Runtime => Input::Ended(End::NoEntry(match &self.blueprint.no_entry {
                    Some(words) => words.clone(),
                    None => {
                        let program = self.blueprint.program.path.display();
                        format!("fork/exec {program}: {}", error_name(errno))
                    }
                })),
                Who::Extension(name) => {
                    let denied = [nix::libc::EACCES, nix::libc::EPERM].contains(&errno);
                    let fault = match denied {
                        true => LaunchFault::PermissionDenied,
                        false => LaunchFault::UnknownError,
                    };
                    let words =
                        format!("fork/exec {EXTENSIONS_DIRECTORY}/{name}: {}", error_name(errno));
                    Input::ExtensionNotStarted { name, fault, words }
                }
            },
        })
    }

    fn who(&self, key: ProcessKey) -> Who {
        self.running.as_ref().map_or(Who::Runtime, |running| running.who(key))
    }
}

/// What an extension did, in the rule book's words, and when.
fn of_extension(signal: ExtensionSignal) -> Option<(Input, Instant)> {
    Some(match signal {
        ExtensionSignal::Subscribed { .. } => return None,
        ExtensionSignal::Registered { name, place, events, at } => {
            (Input::Registered { name, place, events }, at)
        }
        ExtensionSignal::Waiting { name, extensions, at } => {
            (Input::ExtensionWaiting { name, extensions }, at)
        }
        ExtensionSignal::Failed { name, error, error_type, message, at } => {
            (Input::ExtensionFailed { name, error, error_type, message }, at)
        }
    })
}
