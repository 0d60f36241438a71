//! Every way an environment can live, without one.

use bytes::Bytes;

use super::*;
use crate::model::{AnswerAt, RequestId};

mod crowd;
mod extensions;
mod restore;

const TIMEOUT: Duration = Duration::from_secs(3);
/// The runtime asks for an event, and no extension is waited for.
const NEXT: Input = Input::Next { extensions: Waiting::All };

fn invocation(id: &str) -> Invocation {
    Invocation {
        request_id: RequestId(id.to_owned()),
        attempt_id: "attempt".to_owned(),
        payload: Bytes::from_static(b"{}"),
        content_type: "application/json".to_owned(),
        arn: "arn".to_owned(),
        timeout: TIMEOUT,
        deadline_epoch_ms: 1,
        trace_id: None,
        client_context: None,
        cognito_identity: None,
        tenant_id: None,
        stream_to: None,
        traced: crate::model::Traced::alone(std::time::SystemTime::now()),
        answer_at: AnswerAt::Report,
    }
}

fn invoke(id: &str) -> Input {
    Input::Invoke(Box::new(invocation(id)))
}

fn response(id: &str) -> Input {
    let payload = Bytes::from_static(b"1");
    Input::Response { id: RequestId(id.to_owned()), payload, content_type: None }
}

/// An environment whose init took 20 ms, and the moment it was ready.
fn ready() -> (Life, Instant) {
    let start = Instant::now();
    let mut life = Life::new(INIT_LIMIT, Vec::new());
    life.begin(start);
    let now = start + Duration::from_millis(20);
    life.on(NEXT, now);
    (life, now)
}

fn answers(effects: &[Effect]) -> usize {
    effects.iter().filter(|e| matches!(e, Effect::Answer(..))).count()
}

fn ending(effects: &[Effect]) -> &Ending {
    let found = effects.iter().find_map(|e| if let Effect::LogEnd(e) = e { Some(e) } else { None });
    found.expect("the effects end the invocation")
}

/// START follows what is said of the init that is part of the invocation.
fn started_after_its_init(effects: &[Effect]) {
    let report = effects.iter().position(|e| matches!(e, Effect::InitReport { .. }));
    let start = effects.iter().position(|e| matches!(e, Effect::LogStart(_)));
    assert!(report.is_some() && report < start, "{effects:?}");
}

#[test]
fn the_first_report_alone_carries_the_init_and_bills_it() {
    let (mut life, now) = ready();
    for (id, init) in [("a", Some(Duration::from_millis(20))), ("b", None)] {
        life.on(invoke(id), now);
        let answered = life.on(response(id), now + Duration::from_millis(2));
        assert_eq!(answers(&answered), 1);
        let ended = life.on(NEXT, now + Duration::from_micros(2_500));
        let ending = ending(&ended);
        assert_eq!((ending.init_duration, ending.status), (init, Status::Success));
        assert_eq!(ending.billed_ms(), if init.is_some() { 23 } else { 3 });
        assert!(life.accepts());
    }
}

#[test]
fn a_missed_deadline_kills_answers_once_and_reports_exactly_the_limit() {
    let (mut life, now) = ready();
    life.on(invoke("a"), now);
    let effects = life.on(Input::Deadline, now + TIMEOUT + Duration::from_millis(7));
    assert_eq!(effects[..2], [Effect::Deadline(None), Effect::Kill]);
    assert_eq!(answers(&effects), 1);
    assert_eq!(ending(&effects).duration, TIMEOUT);
    assert_eq!(ending(&effects).status, Status::Timeout);
    // What arrives too late changes nothing.
    assert_eq!(life.on(response("a"), now + TIMEOUT * 2), []);
    assert!(life.accepts());
}

#[test]
fn a_failed_init_runs_once_more_inside_the_invocation() {
    for failure in [
        Input::InitError { error_type: "Runtime.X".into(), payload: Bytes::new() },
        Input::Ended(End::Code(1)),
        Input::Deadline,
    ] {
        let start = Instant::now();
        let mut life = Life::new(INIT_LIMIT, Vec::new());
        life.begin(start);
        let effects = life.on(failure, start + Duration::from_millis(5));
        assert!(effects.contains(&Effect::Kill));
        assert!(matches!(
            effects.last(),
            Some(Effect::InitReport {
                phase: InitPhase::Init,
                status: Status::Error | Status::Timeout,
                ..
            })
        ));
        assert!(life.accepts());
        let effects = life.on(invoke("a"), start);
        assert!(effects.contains(&Effect::Start));
        assert!(effects.contains(&Effect::Deadline(Some(start + TIMEOUT))));
        let effects = life.on(NEXT, start + Duration::from_millis(8));
        assert!(effects.iter().any(|e| matches!(e, Effect::Assign(_))));
        started_after_its_init(&effects);
        life.on(response("a"), start + Duration::from_millis(9));
        let effects = life.on(NEXT, start + Duration::from_millis(10));
        let ending = ending(&effects);
        assert_eq!((ending.init_duration, ending.billed_ms()), (None, 10));
    }
}

#[test]
fn the_second_init_failure_is_what_the_caller_gets_with_both_reports() {
    let start = Instant::now();
    let mut life = Life::new(INIT_LIMIT, Vec::new());
    life.begin(start);
    life.on(Input::Ended(End::Code(1)), start);
    life.on(invoke("a"), start);
    let payload = Bytes::from_static(b"{\"errorType\":\"Runtime.ImportModuleError\"}");
    let error_type = "Runtime.ImportModuleError".to_owned();
    let effects = life.on(Input::InitError { error_type, payload }, start);
    assert!(effects.iter().any(|e| matches!(
        e,
        Effect::InitReport { phase: InitPhase::Invoke, status: Status::Error, .. }
    )));
    assert_eq!(answers(&effects), 1);
    assert_eq!(ending(&effects).error_type.as_deref(), Some("Runtime.ImportModuleError"));
    started_after_its_init(&effects);
}

#[test]
fn a_runtime_that_ends_after_its_answer_does_not_answer_again() {
    let (mut life, now) = ready();
    life.on(invoke("a"), now);
    life.on(response("a"), now);
    let effects = life.on(Input::Ended(End::Code(0)), now);
    assert_eq!(answers(&effects), 0);
    assert_eq!(ending(&effects).error_type.as_deref(), Some("Runtime.ExitError"));
    assert!(life.accepts());
}

#[test]
fn every_end_of_the_process_has_the_words_of_the_reference() {
    for (end, error_type, message) in [
        (End::Code(0), "Runtime.ExitError", "Runtime exited without providing a reason"),
        (End::Code(7), "Runtime.ExitError", "Runtime exited with error: exit status 7"),
        (End::Signal("killed"), "Runtime.ExitError", "Runtime exited with error: signal: killed"),
        (End::OutOfMemory, "Runtime.OutOfMemory", "Runtime exited with error: signal: killed"),
    ] {
        let (mut life, now) = ready();
        life.on(invoke("a"), now);
        let effects = life.on(Input::Ended(end), now);
        let Some(Effect::Answer(_, OutcomeKey(Outcome::Failed(failure)))) =
            effects.iter().find(|e| matches!(e, Effect::Answer(..)))
        else {
            panic!("{effects:?} has no answer")
        };
        let text = String::from_utf8_lossy(&failure.payload).into_owned();
        assert!(text.contains(&format!("RequestId: a Error: {message}")), "{text}");
        assert_eq!(failure.error_type, error_type);
    }
}

#[test]
fn an_answer_to_another_invocation_is_not_this_ones() {
    let (mut life, now) = ready();
    life.on(invoke("a"), now);
    assert_eq!(life.on(response("b"), now), []);
    assert_eq!(answers(&life.on(response("a"), now)), 1);
    assert_eq!(life.on(response("a"), now), []);
}

#[test]
fn an_idle_environment_that_dies_is_reset_and_serves_the_next_invocation() {
    let (mut life, now) = ready();
    let killed = life.on(Input::Ended(End::Signal("killed")), now);
    assert_eq!(killed, [Effect::Deadline(None), Effect::Kill]);
    assert!(life.on(invoke("a"), now).contains(&Effect::Start));
}

#[test]
fn the_first_failure_is_the_one_reported() {
    let (mut life, now) = ready();
    life.on(invoke("a"), now);
    let too_large =
        Input::TooLarge { id: RequestId("a".to_owned()), bytes: 6_291_557, limit_bytes: 6_291_556 };
    assert_eq!(answers(&life.on(too_large, now)), 1);
    let effects = life.on(Input::Ended(End::Code(1)), now);
    assert_eq!(answers(&effects), 0);
    assert_eq!(ending(&effects).error_type.as_deref(), Some("Function.ResponseSizeTooLarge"));
}
