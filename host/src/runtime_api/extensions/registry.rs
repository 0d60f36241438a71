//! Who is registered and where each extension stands, without input, output or clock.
//!
//! # Invariants
//! - What is not written is refused, and a refused call changes nothing.
//! - An extension that is told of an event runs until it asks for the next one.
//!
//! # Not here
//! Waiting (`calls`), what follows from an extension's state (`pool::life`).
//!
//! # Sources
//! `reference/runtime-api.md` 2.2 to 2.5.

use std::time::Instant;

use thiserror::Error;
use uuid::Uuid;

use super::request;
use crate::model::{
    ExtensionState, Function, Invocation, LifecycleEvent, MAX_EXTENSIONS, Place, ShutdownReason,
};
use crate::runtime_api::signal::{ExtensionSignal, ReportedError, Waiting};

/// Longest list of names (runtime-api.md 8, number 22).
const NAMES_MOST_CHARS: usize = 127;

/// A call that changes nothing; 403. `Display` is the message the extension gets.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum ExtensionRefusal {
    #[error("Empty extension name")]
    EmptyName,
    #[error("{message}")]
    InvalidFormat { message: String },
    #[error("{event}: ErrorInvalidEventType")]
    UnknownEvent { event: String },
    #[error("SHUTDOWN: ShutdownEventNotSupportedForInternalExtension")]
    ShutdownForInternal,
    /// Where many invocations run at once.
    #[error("No events allowed for internal extensions")]
    EventForInternal,
    #[error("Extension registration closed already")]
    RegistrationClosed,
    #[error("Extension limit ({MAX_EXTENSIONS}) reached")]
    TooMany,
    #[error("Extension with this name already registered")]
    NameTaken,
    #[error(
        "State transition from {from} to {to} failed for extension {extension}. \
         Error: State transition is not allowed"
    )]
    NotAllowed { from: &'static str, to: &'static str, extension: String },
    #[error("Missing Lambda-Extension-Identifier header")]
    MissingIdentifier,
    #[error("Invalid Lambda-Extension-Identifier")]
    InvalidIdentifier,
    /// For whoever asks for events, logs or telemetry.
    #[error("Unknown extension {id}")]
    UnknownExtension { id: Uuid },
    /// For whoever reports an error.
    #[error("Unknown Lambda-Extension-Identifier")]
    UnknownIdentifier,
    #[error("Lambda-Extension-Function-Error-Type not found")]
    MissingErrorType,
}

impl ExtensionRefusal {
    /// AWS's name for it.
    pub(crate) fn error_type(&self) -> &'static str {
        match self {
            Self::EmptyName => "Extension.InvalidExtensionName",
            Self::InvalidFormat { .. } => "InvalidRequestFormat",
            Self::UnknownEvent { .. } | Self::ShutdownForInternal | Self::EventForInternal => {
                "Extension.InvalidEventType"
            }
            Self::RegistrationClosed => "Extension.RegistrationClosed",
            Self::TooMany => "Extension.TooManyExtensions",
            Self::NameTaken | Self::NotAllowed { .. } => "Extension.InvalidExtensionState",
            Self::MissingIdentifier => "Extension.MissingExtensionIdentifier",
            Self::InvalidIdentifier => "Extension.InvalidExtensionIdentifier",
            Self::UnknownExtension { .. } | Self::UnknownIdentifier => {
                "Extension.UnknownExtensionIdentifier"
            }
            Self::MissingErrorType => "Extension.MissingHeader",
        }
    }
}

/// What an extension is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AgentEvent {
    Invoke { deadline_ms: u64, request_id: String, arn: String, trace_id: Option<String> },
    Shutdown { deadline_ms: u64, reason: ShutdownReason },
}

/// What extensions are told of the function they register with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) function_name: String,
    pub(crate) function_version: String,
    pub(crate) handler: String,
    pub(crate) account_id: String,
}

/// One extension.
#[derive(Debug)]
struct Agent {
    id: Uuid,
    name: String,
    place: Place,
    state: ExtensionState,
    events: Vec<LifecycleEvent>,
    /// Not told yet.
    pending: Option<AgentEvent>,
}

/// Whether more may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Registration {
    Open,
    Closed,
}

/// All extensions of one environment's processes.
#[derive(Debug)]
pub(crate) struct Extensions {
    /// `None` where the API does not exist (`/opt/disable-extensions-jwigqn8j`).
    facts: Option<Facts>,
    agents: Vec<Agent>,
    registration: Registration,
    /// An invocation was assigned.
    init: Init,
    invocations: Invocations,
}

/// Whether init is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Init {
    Going,
    Over,
}

/// How many invocations run at once: of many, none is told to extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Invocations {
    One,
    Many,
}

impl Extensions {
    /// Of a function, with these external ones.
    pub(crate) fn new(function: &Function, external: &[String]) -> Self {
        let facts = Facts {
            function_name: function.name.clone(),
            function_version: function.version.clone(),
            handler: function.handler.clone(),
            account_id: function.account.clone(),
        };
        let agents = external
            .iter()
            .map(|name| Agent {
                id: Uuid::new_v4(),
                name: name.clone(),
                place: Place::External,
                state: ExtensionState::Started,
                events: Vec::new(),
                pending: None,
            })
            .collect();
        let invocations = match function.max_concurrency {
            Some(_) => Invocations::Many,
            None => Invocations::One,
        };
        let (registration, init) = (Registration::Open, Init::Going);
        Self { facts: Some(facts), agents, registration, init, invocations }
    }

    /// Where there is no such API.
    pub(crate) fn disabled() -> Self {
        Self {
            facts: None,
            agents: Vec::new(),
            registration: Registration::Closed,
            init: Init::Over,
            invocations: Invocations::One,
        }
    }

    /// Names of the registered, as AWS's agents report them: joined by `;`, whole names only.
    pub(crate) fn names(&self) -> String {
        let mut names = String::new();
        for agent in self.agents.iter().filter(|agent| agent.state != ExtensionState::Started) {
            let gap = usize::from(!names.is_empty());
            if names.chars().count() + gap + agent.name.chars().count() > NAMES_MOST_CHARS {
                continue;
            }
            if gap == 1 {
                names.push(';');
            }
            names.push_str(&agent.name);
        }
        names
    }

    /// What `register` tells; `None` where there is no such API.
    pub(crate) fn facts(&self) -> Option<&Facts> {
        self.facts.as_ref()
    }

    /// `POST extension/register`.
    pub(crate) fn register(
        &mut self,
        name: &str,
        events: &[String],
        at: Instant,
    ) -> Result<(Uuid, ExtensionSignal), ExtensionRefusal> {
        let external =
            self.agents.iter_mut().find(|a| a.name == name && a.place == Place::External);
        let (id, place, events) = match external {
            Some(agent) => {
                let events = request::allowed(events, Place::External, self.invocations)?;
                if agent.state != ExtensionState::Started {
                    return Err(agent.not_allowed(ExtensionState::Registered, name));
                }
                agent.state = ExtensionState::Registered;
                agent.events.clone_from(&events);
                (agent.id, Place::External, events)
            }
            None => {
                let events = request::allowed(events, Place::Internal, self.invocations)?;
                if self.registration == Registration::Closed {
                    return Err(ExtensionRefusal::RegistrationClosed);
                }
                if self.agents.len() >= MAX_EXTENSIONS {
                    return Err(ExtensionRefusal::TooMany);
                }
                if self.agents.iter().any(|agent| agent.name == name) {
                    return Err(ExtensionRefusal::NameTaken);
                }
                let id = Uuid::new_v4();
                self.agents.push(Agent {
                    id,
                    name: name.to_owned(),
                    place: Place::Internal,
                    state: ExtensionState::Registered,
                    events: events.clone(),
                    pending: None,
                });
                (id, Place::Internal, events)
            }
        };
        Ok((id, ExtensionSignal::Registered { name: name.to_owned(), place, events, at }))
    }

    /// `GET extension/event/next`: what it is told at once, if anything, and what its owner is told.
    pub(crate) fn next(
        &mut self,
        id: Uuid,
        at: Instant,
    ) -> Result<(Option<AgentEvent>, ExtensionSignal), ExtensionRefusal> {
        let agent = self.find(id).ok_or(ExtensionRefusal::UnknownExtension { id })?;
        match agent.state {
            // Once more while it waits: a client that has given up a poll asks again.
            ExtensionState::Registered | ExtensionState::Ready | ExtensionState::Running => {}
            _ => return Err(agent.not_allowed(ExtensionState::Ready, &id.to_string())),
        }
        agent.state = ExtensionState::Ready;
        let name = agent.name.clone();
        let event = agent.take();
        Ok((event, ExtensionSignal::Waiting { name, extensions: self.waiting(), at }))
    }

    /// A suspended `next` looks again.
    pub(crate) fn wake(&mut self, id: Uuid) -> Option<AgentEvent> {
        self.find(id).and_then(Agent::take)
    }

    /// `POST extension/init/error` or `…/exit/error`. No signal if it had said so before.
    pub(crate) fn report(
        &mut self,
        id: Uuid,
        error: ReportedError,
        error_type: String,
        message: Option<String>,
        at: Instant,
    ) -> Result<Option<ExtensionSignal>, ExtensionRefusal> {
        use ExtensionState::{ExitError, Exited, InitError, Ready, Registered, Running};
        let agent = self.find(id).ok_or(ExtensionRefusal::UnknownIdentifier)?;
        let (to, named) = match (error, agent.state) {
            (ReportedError::Init, Registered | InitError) => (InitError, InitError),
            (ReportedError::Init, _) => return Err(agent.not_allowed(InitError, &id.to_string())),
            (ReportedError::Exit, Registered | Ready | Running | ExitError) => (ExitError, Exited),
            (ReportedError::Exit, _) => return Err(agent.not_allowed(Exited, &id.to_string())),
        };
        debug_assert!(named == to || named == Exited);
        if agent.state == to {
            return Ok(None);
        }
        agent.state = to;
        let name = agent.name.clone();
        Ok(Some(ExtensionSignal::Failed { name, error, error_type, message, at }))
    }

    /// The runtime asked for its first event.
    pub(crate) fn close_registration(&mut self) {
        self.registration = Registration::Closed;
    }

    /// Whether the runtime and all extensions have waited for an event once.
    pub(crate) fn init_is_over(&self) -> bool {
        self.init == Init::Over || self.waiting() == Waiting::All
    }

    /// Whether every extension waits for an event; before registration is closed nobody can know.
    pub(crate) fn waiting(&self) -> Waiting {
        let waits = |agent: &Agent| agent.state == ExtensionState::Ready && agent.pending.is_none();
        match self.registration == Registration::Closed && self.agents.iter().all(waits) {
            true => Waiting::All,
            false => Waiting::Some,
        }
    }

    /// An invocation begins: whoever subscribed to it is told.
    pub(crate) fn release(&mut self, invocation: &Invocation) {
        self.init = Init::Over;
        for agent in self.subscribed(LifecycleEvent::Invoke) {
            agent.pending = Some(AgentEvent::Invoke {
                deadline_ms: invocation.deadline_epoch_ms,
                request_id: invocation.request_id.0.clone(),
                arn: invocation.arn.clone(),
                trace_id: invocation.trace_id.clone(),
            });
        }
    }

    /// The environment ends: whoever subscribed to it is told, now or when it asks.
    pub(crate) fn shut_down(&mut self, reason: ShutdownReason, deadline_ms: u64) {
        for agent in self.subscribed(LifecycleEvent::Shutdown) {
            agent.pending = Some(AgentEvent::Shutdown { deadline_ms, reason });
        }
    }

    /// Whether this is an extension's identifier, and whose.
    pub(crate) fn name_of(&self, id: Uuid) -> Option<&str> {
        let known = |agent: &&Agent| agent.id == id && agent.state != ExtensionState::Started;
        self.agents.iter().find(known).map(|agent| agent.name.as_str())
    }

    fn subscribed(&mut self, to: LifecycleEvent) -> impl Iterator<Item = &mut Agent> {
        self.agents.iter_mut().filter(move |agent| agent.events.contains(&to))
    }

    /// The identifier of one that has not registered is nobody's yet.
    fn find(&mut self, id: Uuid) -> Option<&mut Agent> {
        let known = |agent: &&mut Agent| agent.id == id && agent.state != ExtensionState::Started;
        self.agents.iter_mut().find(known)
    }
}

impl Agent {
    fn take(&mut self) -> Option<AgentEvent> {
        if self.state != ExtensionState::Ready {
            return None;
        }
        let event = self.pending.take()?;
        self.state = ExtensionState::Running;
        Some(event)
    }

    fn not_allowed(&self, to: ExtensionState, extension: &str) -> ExtensionRefusal {
        ExtensionRefusal::NotAllowed {
            from: self.state.as_str(),
            to: to.as_str(),
            extension: extension.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
