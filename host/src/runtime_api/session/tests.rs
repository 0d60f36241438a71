//! Every state with every call, allowed and refused, and what each leads to.

use std::time::Duration;

use super::super::signal::Waiting;
use super::*;

const ID: &str = "8f5c1c1e-0000-4000-8000-000000000001";
const OTHER_ID: &str = "8f5c1c1e-0000-4000-8000-000000000002";
const ATTEMPT: &[u8] = b"attempt-1";

const STATES: [&str; 10] = [
    "Started",
    "InitError",
    "Ready",
    "Running",
    "RestoreReady",
    "Restoring",
    "InvocationResponse",
    "InvocationErrorResponse",
    "RuntimeResponseSentState",
    "RuntimeRestoreErrorState",
];

fn invocation(id: &str) -> Invocation {
    Invocation {
        request_id: RequestId(id.to_owned()),
        attempt_id: "attempt-1".to_owned(),
        payload: Bytes::from_static(b"{}"),
        content_type: "application/json".to_owned(),
        arn: "arn".to_owned(),
        timeout: Duration::from_secs(3),
        deadline_epoch_ms: 1,
        trace_id: None,
        client_context: None,
        cognito_identity: None,
        tenant_id: None,
        stream_to: None,
        traced: crate::model::Traced::alone(std::time::SystemTime::now()),
        answer_at: crate::model::AnswerAt::Report,
    }
}

fn payload() -> Bytes {
    Bytes::from_static(b"body")
}

fn response() -> Delivery {
    Delivery::Response { payload: payload(), content_type: None }
}

/// A session that has come to `state` by legal calls, and the ticket it holds there, if any.
fn session_in(state: &str) -> (Session, Option<Ticket>) {
    let now = Instant::now();
    let mut session = Session::new(Restore::Enabled, Extensions::disabled());
    let mut held = None;
    let run = |session: &mut Session| {
        session.next(now).unwrap();
        session.assign(invocation(ID)).unwrap();
        session.wake(now).unwrap();
    };
    let restoring = |session: &mut Session| {
        session.restore_next().unwrap();
        session.restored();
    };
    match state {
        "Started" => {}
        "InitError" => held = Some(session.begin_init_error().unwrap()),
        "Ready" => drop(session.next(now).unwrap()),
        "Running" => run(&mut session),
        "RestoreReady" => session.restore_next().unwrap(),
        "Restoring" => restoring(&mut session),
        "InvocationResponse" => {
            run(&mut session);
            held = Some(session.begin(ID, None, Answer::Response).unwrap());
        }
        "InvocationErrorResponse" => {
            run(&mut session);
            held = Some(session.begin(ID, None, Answer::Error).unwrap());
        }
        "RuntimeResponseSentState" => {
            run(&mut session);
            let ticket = session.begin(ID, None, Answer::Response).unwrap();
            session.finish(ticket, response(), now).unwrap();
        }
        "RuntimeRestoreErrorState" => {
            restoring(&mut session);
            held = Some(session.begin_restore_error().unwrap());
        }
        unknown => panic!("{unknown}"),
    }
    assert_eq!(session.state(), state);
    (session, held)
}

fn forbidden(from: &str, to: &str) -> String {
    format!(
        "State transition from {from} to {to} failed for runtime. \
         Error: State transition is not allowed"
    )
}

/// Checks one call in every state: `allowed` maps a state to the one after; all others refuse with
/// 403's text naming `to` and change nothing.
fn in_every_state(
    to: &str,
    allowed: &[(&str, &str)],
    mut call: impl FnMut(&mut Session) -> Result<(), Refusal>,
) {
    for from in STATES {
        let (mut session, _) = session_in(from);
        let result = call(&mut session);
        match allowed.iter().find(|(state, _)| *state == from) {
            Some((_, after)) => {
                assert_eq!(result, Ok(()), "{from}");
                assert_eq!(session.state(), *after, "{from}");
            }
            None => {
                let refusal = result.unwrap_err();
                assert!(matches!(refusal, Refusal::NotAllowed { .. }), "{from}: {refusal:?}");
                assert_eq!(refusal.to_string(), forbidden(from, to));
                assert_eq!(session.state(), from, "a refusal changes nothing");
            }
        }
    }
}

#[test]
fn next_in_every_state() {
    let allowed = [
        ("Started", "Ready"),
        ("Ready", "Ready"),
        ("Running", "Running"),
        ("Restoring", "Ready"),
        ("RuntimeResponseSentState", "Ready"),
    ];
    in_every_state("Ready", &allowed, |session| session.next(Instant::now()).map(drop));
}

#[test]
fn init_error_in_every_state() {
    let allowed = [("Started", "InitError"), ("Restoring", "RuntimeRestoreErrorState")];
    in_every_state("InitError", &allowed, |session| session.begin_init_error().map(drop));
}

#[test]
fn restore_next_in_every_state() {
    let allowed = [("Started", "RestoreReady")];
    in_every_state("RestoreReady", &allowed, Session::restore_next);
}

#[test]
fn restore_error_in_every_state() {
    let allowed = [("Restoring", "RuntimeRestoreErrorState")];
    in_every_state("RuntimeRestoreErrorState", &allowed, |session| {
        session.begin_restore_error().map(drop)
    });
}

#[test]
fn response_and_error_in_every_state() {
    for (kind, to) in
        [(Answer::Response, "InvocationResponse"), (Answer::Error, "InvocationErrorResponse")]
    {
        for from in STATES {
            let (mut session, _) = session_in(from);
            let result = session.begin(ID, Some(ATTEMPT), kind);
            match from {
                "Running" => {
                    result.unwrap();
                    assert_eq!(session.state(), to);
                }
                // The id is still the current one.
                "InvocationResponse" | "InvocationErrorResponse" | "RuntimeResponseSentState" => {
                    assert_eq!(result.unwrap_err().to_string(), forbidden(from, to));
                    assert_eq!(session.state(), from);
                }
                // There is no current invocation: the id check comes first.
                _ => {
                    assert_eq!(result, Err(Refusal::InvalidRequestId), "{from}");
                    assert_eq!(session.state(), from);
                }
            }
        }
    }
}

#[test]
fn a_wrong_id_is_told_before_the_state_in_every_state() {
    for from in STATES {
        for id in [OTHER_ID, "", "not a uuid", "8F5C1C1E-0000-4000-8000-000000000001"] {
            for kind in [Answer::Response, Answer::Error] {
                let (mut session, _) = session_in(from);
                let refusal = session.begin(id, None, kind).unwrap_err();
                assert_eq!(refusal.to_string(), "Invalid request ID", "{from} {id}");
                assert_eq!(session.state(), from);
            }
        }
    }
}

#[test]
fn a_wrong_attempt_is_told_before_the_state_and_does_not_consume_the_invocation() {
    for from in
        ["Running", "InvocationResponse", "InvocationErrorResponse", "RuntimeResponseSentState"]
    {
        for wrong in [&b""[..], b"attempt-2", b"\xff"] {
            let (mut session, _) = session_in(from);
            let refusal = session.begin(ID, Some(wrong), Answer::Response).unwrap_err();
            assert_eq!(refusal, Refusal::InvokeTimeout, "{from}");
            assert_eq!(session.state(), from);
        }
    }
    let (mut session, _) = session_in("Running");
    session.begin(ID, Some(b"attempt-2"), Answer::Response).unwrap_err();
    session.begin(ID, Some(ATTEMPT), Answer::Response).unwrap();
}

#[test]
fn finish_and_abandon_in_every_state_act_only_with_the_ticket_held_there() {
    let now = Instant::now();
    let stranger = Ticket(999);
    for from in STATES {
        let (mut session, _) = session_in(from);
        assert_eq!(session.finish(stranger, response(), now).unwrap_err(), Refusal::InvokeTimeout);
        let refusal = session.finish_init_error(stranger, String::new(), payload(), now);
        assert!(matches!(refusal.unwrap_err(), Refusal::Concurrent { .. }), "{from}");
        session.abandon(stranger);
        assert_eq!(session.state(), from);

        let (mut session, held) = session_in(from);
        let Some(ticket) = held else { continue };
        session.abandon(ticket);
        let before = match from {
            "InitError" => "Started",
            "RuntimeRestoreErrorState" => "Restoring",
            _ => "Running",
        };
        assert_eq!(session.state(), before, "{from}");

        let (mut session, held) = session_in(from);
        let ticket = held.unwrap();
        if before == "Running" {
            session.finish(ticket, response(), now).unwrap();
            assert_eq!(session.state(), "RuntimeResponseSentState");
            session.finish(ticket, response(), now).unwrap_err();
        } else {
            let finish = |session: &mut Session| {
                session.finish_init_error(ticket, "T".to_owned(), payload(), now)
            };
            let signal = finish(&mut session).unwrap();
            assert!(matches!(signal, Signal::InitError { error_type, .. } if error_type == "T"));
            assert_eq!(session.state(), from);
            assert!(matches!(finish(&mut session), Err(Refusal::Concurrent { .. })));
        }
        let after = session.state();
        session.abandon(ticket);
        assert_eq!(session.state(), after, "what is finished cannot be abandoned");
    }
}

#[test]
fn the_owners_calls_in_every_state() {
    let id = RequestId(ID.to_owned());
    for from in STATES {
        let (mut session, _) = session_in(from);
        let assigned = session.assign(invocation(OTHER_ID));
        match from {
            "InitError" | "RuntimeRestoreErrorState" => {
                assert_eq!(assigned, Err(Busy::Over { state: from }));
            }
            "Running" | "InvocationResponse" | "InvocationErrorResponse" => {
                assert_eq!(assigned, Err(Busy::Invocation { request_id: id.clone() }));
            }
            _ => {
                assert_eq!(assigned, Ok(()));
                let second = session.assign(invocation(ID)).unwrap_err();
                assert_eq!(second, Busy::Invocation { request_id: RequestId(OTHER_ID.to_owned()) });
            }
        }
        assert_eq!(session.state(), from, "assigning alone moves nothing");

        let (mut session, held) = session_in(from);
        session.expire(&RequestId(OTHER_ID.to_owned()));
        assert_eq!(session.state(), from, "another's expiry moves nothing");
        session.expire(&id);
        let after = match from {
            "Running" | "InvocationResponse" | "InvocationErrorResponse" => {
                "RuntimeResponseSentState"
            }
            other => other,
        };
        assert_eq!(session.state(), after, "{from}");
        let late = session.begin(ID, Some(ATTEMPT), Answer::Response);
        assert_eq!(late, Err(Refusal::InvalidRequestId), "{from}: a late post");
        if after != from {
            let refusal = session.finish(held.unwrap_or(Ticket(0)), response(), Instant::now());
            assert_eq!(refusal.unwrap_err(), Refusal::InvokeTimeout, "{from}");
        }

        let (mut session, _) = session_in(from);
        session.restored();
        let after = if from == "RestoreReady" { "Restoring" } else { from };
        assert_eq!(session.state(), after);
    }
}

#[test]
fn a_suspended_call_looks_again_in_every_state() {
    for from in STATES {
        let (mut session, _) = session_in(from);
        assert!(session.wake(Instant::now()).is_none(), "{from}: nothing is assigned");
        assert_eq!(session.state(), from);
        match from {
            "RestoreReady" => assert_eq!(session.is_restored(), Ok(false)),
            "Restoring" => assert_eq!(session.is_restored(), Ok(true)),
            _ => {
                let text = session.is_restored().unwrap_err().to_string();
                let expected = format!(
                    "State transition from {from} to RestoreReady failed for runtime. \
                     Error: Concurrent state modification"
                );
                assert_eq!(text, expected);
            }
        }
    }
}

#[test]
fn restore_calls_do_not_exist_without_snapshots() {
    let mut session = Session::new(Restore::Disabled, Extensions::disabled());
    assert_eq!(session.restore_exists(), Err(Refusal::NoSuchPath));
    assert_eq!(session.restore_next(), Err(Refusal::NoSuchPath));
    assert_eq!(session.begin_restore_error(), Err(Refusal::NoSuchPath));
    assert_eq!(session.state(), "Started");
}

#[test]
fn a_second_next_returns_the_same_event_and_says_nothing() {
    let (mut session, _) = session_in("Running");
    for _ in 0..2 {
        let Ok(Next::Event { invocation, signal: None }) = session.next(Instant::now()) else {
            panic!("the event again, without a signal");
        };
        assert_eq!(invocation.request_id.0, ID);
    }
}

#[test]
fn the_owner_hears_each_step_of_a_cycle_once() {
    let now = Instant::now();
    let mut session = Session::new(Restore::Disabled, Extensions::disabled());
    for (id, ended) in [(ID, "init"), (OTHER_ID, "the previous one")] {
        let Ok(Next::Wait { signal: Some(Signal::Next { at, extensions: Waiting::All }) }) =
            session.next(now)
        else {
            panic!("{ended} is over");
        };
        assert_eq!(at, now);
        let again = session.next(now);
        assert!(matches!(again, Ok(Next::Wait { signal: None })), "a next again while waiting");
        session.assign(invocation(id)).unwrap();
        let handed = session.wake(now);
        let Some(Next::Event { signal: Some(Signal::Handed { .. }), .. }) = handed else {
            panic!("handed out");
        };
        assert!(session.wake(now).is_none(), "another waiter gets nothing of it");
        let ticket = session.begin(id, None, Answer::Error).unwrap();
        let error =
            Delivery::Error { error_type: "T".to_owned(), payload: payload(), xray_cause: None };
        let signal = session.finish(ticket, error, now).unwrap();
        let Signal::Error { request_id, .. } = signal else { panic!("{signal:?}") };
        assert_eq!(request_id.0, id);
    }
}

#[test]
fn an_invocation_assigned_before_the_runtime_asks_is_handed_out_by_its_next() {
    for from in ["Started", "RuntimeResponseSentState", "Restoring"] {
        let (mut session, _) = session_in(from);
        session.assign(invocation(OTHER_ID)).unwrap();
        assert!(session.wake(Instant::now()).is_none(), "{from}: the runtime has not asked");
        let handed = session.next(Instant::now());
        let Ok(Next::Event { signal: Some(Signal::Handed { .. }), .. }) = handed else {
            panic!("{from}: {handed:?}");
        };
        assert_eq!(session.state(), "Running");
    }
}

#[test]
fn an_expired_invocation_is_not_handed_out_and_the_next_one_is_not_confused_with_it() {
    let now = Instant::now();
    let (mut session, _) = session_in("Ready");
    session.assign(invocation(ID)).unwrap();
    session.expire(&RequestId(ID.to_owned()));
    assert!(session.wake(now).is_none());

    // The late body of an expired attempt must not answer the next, even under the same id.
    let (mut session, held) = session_in("InvocationResponse");
    session.expire(&RequestId(ID.to_owned()));
    assert!(matches!(session.next(now), Ok(Next::Wait { signal: Some(Signal::Next { .. }) })));
    session.assign(invocation(ID)).unwrap();
    session.wake(now).unwrap();
    let refusal = session.finish(held.unwrap(), response(), now).unwrap_err();
    assert_eq!(refusal, Refusal::InvokeTimeout);
    session.abandon(held.unwrap());
    assert_eq!(session.state(), "Running");
}

#[test]
fn each_delivery_becomes_its_signal() {
    let now = Instant::now();
    let (mut session, held) = session_in("InvocationResponse");
    let delivery =
        Delivery::Response { payload: payload(), content_type: Some("text/x".to_owned()) };
    let signal = session.finish(held.unwrap(), delivery, now).unwrap();
    let Signal::Response { request_id, payload: body, content_type, at } = signal else {
        panic!("{signal:?}");
    };
    assert_eq!((request_id.0.as_str(), body, at), (ID, payload(), now));
    assert_eq!(content_type.as_deref(), Some("text/x"));

    let (mut session, held) = session_in("InvocationResponse");
    let signal = session
        .finish(held.unwrap(), Delivery::TooLarge { bytes: 7, limit_bytes: 6 }, now)
        .unwrap();
    assert!(matches!(signal, Signal::ResponseTooLarge { bytes: 7, .. }));
    assert_eq!(session.state(), "RuntimeResponseSentState", "the runtime may go on");
}
