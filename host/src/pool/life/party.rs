//! The processes of one start: the runtime and its extensions, as far as the rule book needs them.
//!
//! # Sources
//! `reference/runtime-api.md` 2.5 to 2.8.

use std::time::Duration;

use super::{Effect, End, Input};
use crate::model::{ExtensionState, LifecycleEvent, Place, ShutdownReason};
use crate::runtime_api::ReportedError;

/// How long an environment with external extensions may take to end, the runtime's share included.
const EXTERNAL_BUDGET: Duration = Duration::from_millis(2_000);
/// What of that the runtime has between SIGTERM and SIGKILL.
const RUNTIME_SHARE: Duration = Duration::from_millis(300);
/// How long one with internal extensions alone may take.
const INTERNAL_BUDGET: Duration = Duration::from_millis(500);

/// Why an extension's file could not be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LaunchFault {
    /// There are more files than extensions allowed.
    TooManyExtensions,
    /// It may not be executed.
    PermissionDenied,
    /// Anything else.
    UnknownError,
}

impl LaunchFault {
    /// AWS's name for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::TooManyExtensions => "TooManyExtensions",
            Self::PermissionDenied => "PermissionDenied",
            Self::UnknownError => "UnknownError",
        }
    }
}

/// A failure of an extension, in both readers' words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) error_type: &'static str,
    pub(super) message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RuntimeProcess {
    NotStarted,
    Running,
    Ended,
}

#[derive(Debug)]
struct Member {
    name: String,
    place: Place,
    events: Vec<LifecycleEvent>,
    state: ExtensionState,
    /// Of an external one: its process has ended or never ran.
    is_ended: bool,
    /// Its line in the log was written.
    is_told: bool,
}

/// The runtime and its extensions.
#[derive(Debug)]
pub(super) struct Party {
    stage: Stage,
    runtime: RuntimeProcess,
    members: Vec<Member>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Alive,
    /// What its processes do now is expected.
    Ending,
}

impl Party {
    /// Nothing runs.
    pub(super) fn none() -> Self {
        Self { stage: Stage::Ending, runtime: RuntimeProcess::Ended, members: Vec::new() }
    }

    /// A start with these external extensions, which come before the runtime.
    pub(super) fn starting(external: &[String]) -> Self {
        let runtime = match external.is_empty() {
            true => RuntimeProcess::Running,
            false => RuntimeProcess::NotStarted,
        };
        let members = external.iter().map(|name| Member {
            name: name.clone(),
            place: Place::External,
            events: Vec::new(),
            state: ExtensionState::Started,
            is_ended: false,
            is_told: false,
        });
        Self { stage: Stage::Alive, runtime, members: members.collect() }
    }

    /// Notes what happened; what must be done because of it whatever the environment's state.
    pub(super) fn hear(&mut self, input: &Input) -> Vec<Effect> {
        match input {
            // Nobody can be relied on after that: one limit holds for all of them.
            Input::Gone | Input::Ended(End::OutOfMemory) => {
                self.runtime = RuntimeProcess::Ended;
                self.members.iter_mut().for_each(|member| member.is_ended = true);
                Vec::new()
            }
            Input::Ended(_) => {
                self.runtime = RuntimeProcess::Ended;
                Vec::new()
            }
            Input::Registered { name, place, events } => self.registered(name, *place, events),
            Input::ExtensionWaiting { name, .. } => self.told(name, ExtensionState::Ready, None),
            Input::ExtensionFailed { name, error, error_type, .. } => {
                let state = match error {
                    ReportedError::Init => ExtensionState::InitError,
                    ReportedError::Exit => ExtensionState::ExitError,
                };
                self.failed(name, state, error_type)
            }
            Input::ExtensionEnded { name, .. } => {
                self.ended(name);
                self.failed(name, ExtensionState::Exited, "Extension.Crash")
            }
            Input::ExtensionNotStarted { name, fault, .. } => {
                self.ended(name);
                self.failed(name, ExtensionState::LaunchError, fault.as_str())
            }
            _ => Vec::new(),
        }
    }

    fn registered(&mut self, name: &str, place: Place, events: &[LifecycleEvent]) -> Vec<Effect> {
        match self.member(name) {
            Some(member) => {
                member.events = events.to_vec();
                member.state = ExtensionState::Registered;
            }
            None => self.members.push(Member {
                name: name.to_owned(),
                place,
                events: events.to_vec(),
                state: ExtensionState::Registered,
                is_ended: false,
                is_told: false,
            }),
        }
        let waits = |member: &Member| {
            member.place == Place::External && member.state == ExtensionState::Started
        };
        if self.runtime != RuntimeProcess::NotStarted || self.members.iter().any(waits) {
            return Vec::new();
        }
        self.runtime = RuntimeProcess::Running;
        vec![Effect::StartRuntime]
    }

    /// The first time that it waits makes a line; it may do so a thousand times a second.
    fn told(&mut self, name: &str, state: ExtensionState, error: Option<&str>) -> Vec<Effect> {
        let Some(member) = self.member(name) else { return Vec::new() };
        member.state = state;
        if member.is_told && error.is_none() {
            return Vec::new();
        }
        member.is_told = true;
        vec![member.line(error)]
    }

    fn failed(&mut self, name: &str, state: ExtensionState, error: &str) -> Vec<Effect> {
        let Some(member) = self.member(name) else { return Vec::new() };
        // That it exits after what it reported, or when it was told to, is no news.
        let has_failed = matches!(
            member.state,
            ExtensionState::InitError | ExtensionState::ExitError | ExtensionState::LaunchError
        );
        if has_failed || self.stage == Stage::Ending {
            return Vec::new();
        }
        self.told(name, state, Some(error))
    }

    fn ended(&mut self, name: &str) {
        if let Some(member) = self.member(name) {
            member.is_ended = true;
        }
    }

    fn member(&mut self, name: &str) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.name == name)
    }

    /// Lines about those that an init which is over still waited for.
    pub(super) fn unready(&mut self) -> Vec<Effect> {
        let unready = self.members.iter_mut().filter(|member| !member.is_told);
        unready
            .map(|member| {
                member.is_told = true;
                member.line(None)
            })
            .collect()
    }

    /// Begins an end: the first of its steps, and when to look again. `None` if there is nobody to wait
    /// for and everything can be killed at once.
    pub(super) fn stop(&mut self) -> Option<Stop> {
        self.stage = Stage::Ending;
        if self.runtime == RuntimeProcess::NotStarted {
            // Nor will it be.
            self.runtime = RuntimeProcess::Ended;
        }
        let registered = |place: Place| {
            self.members.iter().any(|member| {
                member.place == place && !member.is_ended && member.state != ExtensionState::Started
            })
        };
        let (budget, share) = if registered(Place::External) {
            (EXTERNAL_BUDGET, RUNTIME_SHARE)
        } else if registered(Place::Internal) && self.runtime == RuntimeProcess::Running {
            (INTERNAL_BUDGET, INTERNAL_BUDGET)
        } else {
            return None;
        };
        Some(Stop { budget, share, runs: self.runtime == RuntimeProcess::Running })
    }

    /// The runtime's turn to end is over: external extensions are told, or killed if they do not want
    /// to know. Empty if there is nobody to wait for.
    pub(super) fn shut_down(&mut self, reason: ShutdownReason) -> Vec<Effect> {
        self.runtime = RuntimeProcess::Ended;
        if self.awaited() == 0 {
            return Vec::new();
        }
        let deaf = self.members.iter().filter(|member| {
            member.place == Place::External && !member.is_ended && !member.is_awaited()
        });
        let mut effects: Vec<Effect> =
            deaf.map(|member| Effect::KillExtension(member.name.clone())).collect();
        effects.push(Effect::ShutDownExtensions(reason));
        effects
    }

    /// External extensions that were told to end and have not.
    pub(super) fn awaited(&self) -> usize {
        self.members.iter().filter(|member| member.is_awaited()).count()
    }
}

/// How an environment is to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stop {
    /// In all.
    pub(super) budget: Duration,
    /// The runtime's share of it.
    pub(super) share: Duration,
    /// Whether the runtime runs.
    pub(super) runs: bool,
}

impl Member {
    fn is_awaited(&self) -> bool {
        self.place == Place::External
            && !self.is_ended
            && self.events.contains(&LifecycleEvent::Shutdown)
    }

    fn line(&self, error: Option<&str>) -> Effect {
        Effect::LogExtension {
            name: self.name.clone(),
            state: self.state,
            events: self.events.clone(),
            error_type: error.map(str::to_owned),
        }
    }
}

/// The failure of an extension that `input` tells of, if it does.
pub(super) fn fault(input: &Input) -> Option<Fault> {
    let (error_type, name, message) = match input {
        Input::ExtensionFailed { name, error, error_type, message } => {
            let of = match error {
                ReportedError::Init => "Extension.InitError",
                ReportedError::Exit => "Extension.ExitError",
            };
            let said = match message {
                Some(message) => format!("{error_type}: {message}"),
                None => error_type.clone(),
            };
            (of, name, said)
        }
        Input::ExtensionEnded { name, end } => {
            let said = match end {
                End::Code(0) => "exit code 0".to_owned(),
                End::Code(code) => format!("exit status {code}"),
                End::Signal(signal) => format!("signal: {signal}"),
                End::OutOfMemory => "signal: killed".to_owned(),
                End::NoEntry(words) => words.clone(),
            };
            ("Extension.Crash", name, said)
        }
        Input::ExtensionNotStarted { name, fault, words } => {
            ("Extension.LaunchError", name, format!("{}: {words}", fault.as_str()))
        }
        _ => return None,
    };
    // Which of them it was is not in AWS's words, and is what everybody asks next.
    Some(Fault { error_type, message: format!("{message} (extension {name})") })
}
