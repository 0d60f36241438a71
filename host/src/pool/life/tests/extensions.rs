//! Lives with extensions: who waits for whom, and how they end.

use super::*;
use crate::model::{ExtensionState, LifecycleEvent, Place};
use crate::runtime_api::ReportedError;

const NOT_ALL: Input = Input::Next { extensions: Waiting::Some };

fn waiting(name: &str, extensions: Waiting) -> Input {
    Input::ExtensionWaiting { name: name.to_owned(), extensions }
}

fn registered(name: &str, place: Place, events: &[LifecycleEvent]) -> Input {
    Input::Registered { name: name.to_owned(), place, events: events.to_vec() }
}

fn ended(name: &str) -> Input {
    Input::ExtensionEnded { name: name.to_owned(), end: End::Code(0) }
}

const BOTH: [LifecycleEvent; 2] = [LifecycleEvent::Invoke, LifecycleEvent::Shutdown];

/// An idle environment with these external extensions, subscribed to `events`.
fn ready_with(names: &[&str], events: &[LifecycleEvent]) -> (Life, Instant) {
    let now = Instant::now();
    let mut life = Life::new(INIT_LIMIT, names.iter().map(|n| (*n).to_owned()).collect());
    life.begin(now);
    for name in names {
        life.on(registered(name, Place::External, events), now);
    }
    life.on(NOT_ALL, now);
    for name in names {
        life.on(waiting(name, Waiting::All), now);
    }
    assert!(life.accepts(), "{life:?}");
    (life, now)
}

fn deadline(effects: &[Effect]) -> Instant {
    let found = effects.iter().find_map(|e| if let Effect::Deadline(at) = e { *at } else { None });
    found.expect("a deadline is set")
}

#[test]
fn the_runtime_starts_when_the_last_external_extension_has_registered() {
    let now = Instant::now();
    let mut life = Life::new(INIT_LIMIT, vec!["a".to_owned(), "b".to_owned()]);
    assert!(life.begin(now).contains(&Effect::Start));
    let first = life.on(registered("a", Place::External, &BOTH), now);
    assert_eq!(first, []);
    let last = life.on(registered("b", Place::External, &[]), now);
    assert_eq!(last, [Effect::StartRuntime]);
    let internal = life.on(registered("in", Place::Internal, &[]), now);
    assert_eq!(internal, []);
}

#[test]
fn an_init_waits_for_the_runtime_and_every_extension_in_any_order() {
    for order in [[0, 1], [1, 0]] {
        let now = Instant::now();
        let mut life = Life::new(INIT_LIMIT, vec!["a".to_owned()]);
        life.begin(now);
        life.on(registered("a", Place::External, &BOTH), now);
        let steps = [NEXT, waiting("a", Waiting::All)];
        let [first, second] = order.map(|n| steps[n].clone());
        let first = match first {
            Input::Next { .. } => NOT_ALL,
            // Registration is open until the runtime has asked.
            _ => waiting("a", Waiting::Some),
        };
        life.on(first, now + Duration::from_millis(1));
        assert!(!life.accepts());
        let effects = life.on(second, now + Duration::from_millis(20));
        assert!(life.accepts());
        let report = effects.iter().find_map(|e| match e {
            Effect::InitReport { duration, .. } => Some(*duration),
            _ => None,
        });
        assert_eq!(report, Some(Duration::from_millis(20)));
    }
}

#[test]
fn an_invocation_is_over_when_the_last_extension_waits_and_its_time_counts() {
    let (mut life, now) = ready_with(&["a"], &BOTH);
    life.on(invoke("a"), now);
    life.on(Input::Handed { id: RequestId("a".to_owned()) }, now);
    assert_eq!(answers(&life.on(response("a"), now + Duration::from_millis(2))), 1);
    let done = life.on(NOT_ALL, now + Duration::from_millis(3));
    let [Effect::RuntimeDone(done)] = &done[..] else { panic!("{done:?}") };
    let answered = done.answered.unwrap();
    assert_eq!(answered.next - answered.handed, Duration::from_millis(3));
    assert!(!life.accepts(), "the extension is at work");
    let effects = life.on(waiting("a", Waiting::All), now + Duration::from_millis(50));
    assert_eq!(ending(&effects).duration, Duration::from_millis(50));
    assert_eq!(ending(&effects).extensions_since, Some(now + Duration::from_millis(3)));
    assert!(life.accepts());
}

#[test]
fn an_extension_that_never_comes_back_is_the_invocations_timeout_after_its_answer() {
    let (mut life, now) = ready_with(&["a"], &BOTH);
    life.on(invoke("a"), now);
    life.on(response("a"), now);
    life.on(NOT_ALL, now);
    let effects = life.on(Input::Deadline, now + TIMEOUT);
    assert_eq!(answers(&effects), 0, "the caller has its answer");
    assert_eq!(ending(&effects).status, Status::Timeout);
    assert!(effects.contains(&Effect::TerminateRuntime));
}

#[test]
fn each_failure_of_an_extension_has_its_type_and_names_the_extension() {
    let failed = |error| Input::ExtensionFailed {
        name: "ext".to_owned(),
        error,
        error_type: "Extension.NoConfig".to_owned(),
        message: Some("no key".to_owned()),
    };
    let not_started = Input::ExtensionNotStarted {
        name: "ext".to_owned(),
        fault: LaunchFault::PermissionDenied,
        words: "fork/exec /opt/extensions/ext: permission denied".to_owned(),
    };
    let exited = |end| Input::ExtensionEnded { name: "ext".to_owned(), end };
    for (input, error_type, message) in [
        (failed(ReportedError::Init), "Extension.InitError", "Extension.NoConfig: no key"),
        (failed(ReportedError::Exit), "Extension.ExitError", "Extension.NoConfig: no key"),
        (exited(End::Code(0)), "Extension.Crash", "exit code 0"),
        (exited(End::Code(3)), "Extension.Crash", "exit status 3"),
        (exited(End::Signal("killed")), "Extension.Crash", "signal: killed"),
        (
            not_started,
            "Extension.LaunchError",
            "PermissionDenied: fork/exec /opt/extensions/ext: permission denied",
        ),
    ] {
        let (mut life, now) = ready_with(&["ext"], &BOTH);
        life.on(invoke("a"), now);
        let effects = life.on(input, now);
        let Some(Effect::Answer(_, OutcomeKey(Outcome::Failed(failure)))) =
            effects.iter().find(|e| matches!(e, Effect::Answer(..)))
        else {
            panic!("{effects:?} has no answer")
        };
        let text = String::from_utf8_lossy(&failure.payload).into_owned();
        assert_eq!(failure.error_type, error_type);
        let said = format!("RequestId: a Error: {message} (extension ext)");
        assert!(text.contains(&said), "{text}");
        let line = effects.iter().any(|e| {
            matches!(e, Effect::LogExtension { name, error_type: Some(_), .. } if name == "ext")
        });
        assert!(line, "{effects:?} has no line for the operator");
    }
}

#[test]
fn without_extensions_everything_is_killed_at_once() {
    let (mut life, now) = ready();
    assert_eq!(life.retire(now), [Effect::Deadline(None), Effect::Kill]);
    assert!(life.is_over());
}

#[test]
fn internal_extensions_alone_give_the_runtime_500_ms() {
    let (mut life, now) = ready();
    life.on(registered("in", Place::Internal, &[]), now);
    let effects = life.retire(now);
    assert_eq!(deadline(&effects), now + Duration::from_millis(500));
    assert!(effects.contains(&Effect::TerminateRuntime));
    for end in [Input::Ended(End::Code(0)), Input::Deadline] {
        let (mut life, now) = ready();
        life.on(registered("in", Place::Internal, &[]), now);
        life.retire(now);
        assert!(life.on(end, now).contains(&Effect::Kill));
        assert!(life.is_over());
    }
}

#[test]
fn external_extensions_have_two_seconds_of_which_the_runtime_has_300_ms() {
    let (mut life, now) = ready_with(&["a", "b"], &BOTH);
    let effects = life.retire(now);
    assert_eq!(deadline(&effects), now + Duration::from_millis(300));
    assert!(effects.contains(&Effect::TerminateRuntime));
    let effects = life.on(Input::Deadline, now + Duration::from_millis(300));
    assert_eq!(deadline(&effects), now + Duration::from_millis(2_000));
    assert!(effects.contains(&Effect::KillRuntime));
    assert!(effects.contains(&Effect::ShutDownExtensions(ShutdownReason::Spindown)));
    assert_eq!(life.on(Input::Ended(End::Signal("killed")), now), []);
    assert_eq!(life.on(ended("a"), now), []);
    assert!(life.on(ended("b"), now).contains(&Effect::Kill), "nobody is waited for any more");
    assert!(life.is_over());
}

#[test]
fn a_stuck_extension_is_killed_at_the_end_and_one_that_does_not_want_to_know_before() {
    let now = Instant::now();
    let mut life = Life::new(INIT_LIMIT, vec!["deaf".to_owned(), "stuck".to_owned()]);
    life.begin(now);
    life.on(registered("deaf", Place::External, &[LifecycleEvent::Invoke]), now);
    life.on(registered("stuck", Place::External, &BOTH), now);
    life.on(NOT_ALL, now);
    life.on(waiting("stuck", Waiting::All), now);
    life.retire(now);
    let effects = life.on(Input::Ended(End::Code(0)), now);
    assert!(effects.contains(&Effect::KillExtension("deaf".to_owned())));
    assert_eq!(life.on(ended("deaf"), now), []);
    assert!(life.on(Input::Deadline, now).contains(&Effect::Kill));
    let (mut life, now) = ready_with(&["deaf"], &[LifecycleEvent::Invoke]);
    life.retire(now);
    assert!(life.on(Input::Ended(End::Code(0)), now).contains(&Effect::Kill));
}

#[test]
fn the_reason_is_the_failures_and_an_extension_that_ends_then_is_no_crash() {
    for (input, reason) in [
        (Input::Deadline, ShutdownReason::Timeout),
        (Input::Ended(End::Code(1)), ShutdownReason::Failure),
    ] {
        let (mut life, now) = ready_with(&["a"], &BOTH);
        life.on(invoke("a"), now);
        let mut effects = life.on(input, now);
        assert_eq!(answers(&effects), 1);
        effects.extend(life.on(Input::Deadline, now));
        assert!(effects.contains(&Effect::ShutDownExtensions(reason)), "{effects:?}");
        let last = life.on(ended("a"), now);
        assert!(!last.iter().any(|e| matches!(e, Effect::LogExtension { .. })), "{last:?}");
        assert!(life.accepts());
        assert!(life.on(invoke("b"), now).contains(&Effect::Start));
    }
}

#[test]
fn what_runs_out_of_memory_is_not_waited_for() {
    let (mut life, now) = ready_with(&["a"], &BOTH);
    life.on(invoke("a"), now);
    let effects = life.on(Input::Ended(End::OutOfMemory), now);
    assert!(effects.contains(&Effect::Kill));
    assert!(life.is_over());
}

#[test]
fn an_init_that_takes_too_long_says_for_whom_it_waited() {
    let now = Instant::now();
    let mut life = Life::new(INIT_LIMIT, vec!["slow".to_owned()]);
    life.begin(now);
    let effects = life.on(Input::Deadline, now + INIT_LIMIT);
    let line = effects.iter().any(|e| {
        matches!(e, Effect::LogExtension { name, state: ExtensionState::Started, .. } if name == "slow")
    });
    assert!(line, "{effects:?}");
    assert!(effects.contains(&Effect::Kill), "it has not registered");
}

#[test]
fn more_than_ten_files_are_refused_before_anything_is_started() {
    let now = Instant::now();
    let names = (0..11).map(|n| format!("e{n:02}")).collect();
    let mut life = Life::new(INIT_LIMIT, names);
    assert!(!life.begin(now).contains(&Effect::Start));
    let effects = life.on(invoke("a"), now);
    assert_eq!(answers(&effects), 1);
    assert_eq!(ending(&effects).error_type.as_deref(), Some("Extension.LaunchError"));
    assert!(!effects.contains(&Effect::Start));
}
