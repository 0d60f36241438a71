//! Every state of an extension with every call.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::model::{LogFormat, LogLevels};

const STATES: [ExtensionState; 6] = [
    ExtensionState::Started,
    ExtensionState::Registered,
    ExtensionState::Ready,
    ExtensionState::Running,
    ExtensionState::InitError,
    ExtensionState::ExitError,
];

fn function() -> Function {
    Function {
        name: "hello".to_owned(),
        version: "1".to_owned(),
        account: "000000000000".to_owned(),
        region: "us-east-1".to_owned(),
        runtime: "provided".to_owned(),
        handler: "h".to_owned(),
        memory_mb: 128,
        timeout: Duration::from_secs(3),
        ephemeral_storage_mb: 512,
        log_format: LogFormat::Text,
        log_group: String::new(),
        log_levels: LogLevels::default(),
        tracing: crate::model::TracingMode::PassThrough,
        initialization: crate::model::Initialization::OnDemand,
        max_concurrency: None,
        environment: BTreeMap::new(),
    }
}

/// An external extension that has come to `state` by legal calls.
fn in_state(state: ExtensionState) -> (Extensions, Uuid) {
    let now = Instant::now();
    let mut extensions = Extensions::new(&function(), &["ext".to_owned()]);
    let both = ["INVOKE".to_owned(), "SHUTDOWN".to_owned()];
    if state == ExtensionState::Started {
        let id = extensions.agents[0].id;
        return (extensions, id);
    }
    let (id, _) = extensions.register("ext", &both, now).unwrap();
    let report = |extensions: &mut Extensions, error| {
        extensions.report(id, error, "T".to_owned(), None, now).unwrap();
    };
    match state {
        ExtensionState::Ready => drop(extensions.next(id, now).unwrap()),
        ExtensionState::Running => {
            extensions.next(id, now).unwrap();
            extensions.shut_down(ShutdownReason::Spindown, 1);
            extensions.wake(id).unwrap();
        }
        ExtensionState::InitError => report(&mut extensions, ReportedError::Init),
        ExtensionState::ExitError => report(&mut extensions, ReportedError::Exit),
        _ => {}
    }
    assert_eq!(extensions.agents[0].state, state);
    (extensions, id)
}

#[test]
fn every_state_with_every_call_is_allowed_or_refused_and_refusals_change_nothing() {
    use ExtensionState::{ExitError, InitError, Ready, Registered, Running, Started};
    let now = Instant::now();
    for state in STATES {
        for call in ["register", "next", "init", "exit"] {
            let (mut extensions, id) = in_state(state);
            let done = match call {
                "register" => extensions.register("ext", &[], now).map(|_| Registered),
                "next" => extensions.next(id, now).map(|_| Ready),
                "init" => extensions
                    .report(id, ReportedError::Init, "T".to_owned(), None, now)
                    .map(|_| InitError),
                _ => extensions
                    .report(id, ReportedError::Exit, "T".to_owned(), None, now)
                    .map(|_| ExitError),
            };
            let allowed: &[ExtensionState] = match call {
                "register" => &[Started],
                "next" => &[Registered, Ready, Running],
                "init" => &[Registered, InitError],
                _ => &[Registered, Ready, Running, ExitError],
            };
            assert_eq!(done.is_ok(), allowed.contains(&state), "{call} in {state:?}: {done:?}");
            let expected = done.clone().unwrap_or(state);
            assert_eq!(extensions.agents[0].state, expected, "{call} in {state:?}");
        }
    }
}

#[test]
fn an_event_that_comes_while_an_extension_is_busy_is_told_by_its_next_call() {
    let (mut extensions, id) = in_state(ExtensionState::Running);
    extensions.shut_down(ShutdownReason::Timeout, 9);
    assert_eq!(extensions.wake(id), None, "it has not asked");
    let (told, signal) = extensions.next(id, Instant::now()).unwrap();
    let event = AgentEvent::Shutdown { deadline_ms: 9, reason: ShutdownReason::Timeout };
    assert_eq!(told, Some(event));
    let ExtensionSignal::Waiting { extensions, .. } = signal else { panic!("{signal:?}") };
    assert_eq!(extensions, Waiting::Some, "it has something to do");
}

#[test]
fn nobody_waits_for_all_before_registration_is_closed() {
    let (mut extensions, _) = in_state(ExtensionState::Ready);
    assert_eq!(extensions.waiting(), Waiting::Some);
    extensions.close_registration();
    assert_eq!(extensions.waiting(), Waiting::All);
    assert!(extensions.register("late", &[], Instant::now()).is_err());
}

#[test]
fn one_that_has_not_registered_has_no_identifier_that_works() {
    let (mut extensions, id) = in_state(ExtensionState::Started);
    assert_eq!(extensions.name_of(id), None);
    let refused = extensions.next(id, Instant::now()).unwrap_err();
    assert_eq!(refused, ExtensionRefusal::UnknownExtension { id });
}

#[test]
fn names_are_joined_whole_ones_only_within_127_characters() {
    let now = Instant::now();
    let mut extensions = Extensions::new(&function(), &["first".to_owned(), "late".to_owned()]);
    assert_eq!(extensions.names(), "");
    extensions.register("first", &[], now).unwrap();
    extensions.register("inner", &[], now).unwrap();
    assert_eq!(extensions.names(), "first;inner");
    extensions.register(&"x".repeat(116), &[], now).unwrap();
    assert_eq!(extensions.names(), "first;inner", "128 are one too many");
    extensions.register(&"y".repeat(115), &[], now).unwrap();
    assert_eq!(extensions.names(), format!("first;inner;{}", "y".repeat(115)));
    assert_eq!(extensions.names().len(), 127);
}
