//! Many invocations in a runtime's hands: each is told apart by its id.

use std::time::Duration;

use bytes::Bytes;

use super::super::Delivery;
use super::*;

fn invocation(id: &str) -> Invocation {
    Invocation {
        request_id: RequestId(id.to_owned()),
        attempt_id: "attempt".to_owned(),
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
        answer_at: crate::model::AnswerAt::Response,
    }
}

/// A session whose runtime has these.
fn holding(ids: &[&str]) -> Session {
    let mut session = Session::of_many(Extensions::disabled());
    assert_eq!(session.state(), "Started");
    for id in ids {
        session.next(Instant::now()).unwrap();
        session.assign(invocation(id)).unwrap();
        session.wake(Instant::now()).unwrap();
    }
    session
}

fn begin(session: &mut Session, id: &str, kind: Answer) -> Result<Ticket, Refusal> {
    session.begin(id, None, kind)
}

fn response() -> Delivery {
    Delivery::Response { payload: Bytes::from_static(b"1"), content_type: None }
}

fn late(id: &str) -> Refusal {
    Refusal::Late { request_id: RequestId(id.to_owned()) }
}

#[test]
fn next_may_be_called_any_number_of_times_and_each_call_is_told() {
    let mut session = holding(&["a"]);
    assert_eq!(session.state(), "Running");
    for _ in 0..3 {
        let next = session.next(Instant::now());
        assert!(matches!(next, Ok(Next::Wait { signal: Some(Signal::Next { .. }) })), "{next:?}");
    }
    assert!(session.wake(Instant::now()).is_none(), "it has its event");
    assert_eq!(session.begin_init_error().unwrap_err().to_string(), {
        "State transition from Running to InitError failed for runtime. \
         Error: State transition is not allowed"
    });
}

#[test]
fn events_are_handed_out_in_the_order_they_came_and_answered_in_any() {
    let now = Instant::now();
    let mut session = holding(&[]);
    session.next(now).unwrap();
    for id in ["a", "b", "c"] {
        session.assign(invocation(id)).unwrap();
    }
    let twice = session.assign(invocation("b"));
    assert!(matches!(twice, Err(Busy::Invocation { .. })), "{twice:?}");
    for id in ["a", "b", "c"] {
        let Some(Next::Event { invocation, signal: Some(Signal::Handed { request_id, .. }) }) =
            session.wake(now)
        else {
            panic!("{id} is handed out");
        };
        assert_eq!((invocation.request_id.0.as_str(), request_id.0.as_str()), (id, id));
    }
    for id in ["c", "a", "b"] {
        let ticket = begin(&mut session, id, Answer::Response).unwrap();
        let signal = session.finish(ticket, response(), now).unwrap();
        assert!(matches!(signal, Signal::Response { request_id, .. } if request_id.0 == id));
        // Once answered, its id is nobody's.
        for kind in [Answer::Response, Answer::Error] {
            assert_eq!(begin(&mut session, id, kind), Err(Refusal::InvalidRequestId));
        }
    }
    assert_eq!(session.state(), "Ready");
}

#[test]
fn an_answer_that_comes_too_late_is_told_so_once() {
    let now = Instant::now();
    let mut session = holding(&["a", "b"]);
    let held = begin(&mut session, "b", Answer::Response).unwrap();
    for id in ["a", "b"] {
        session.expire(&RequestId(id.to_owned()));
    }
    assert_eq!(begin(&mut session, "a", Answer::Error), Err(late("a")));
    assert_eq!(begin(&mut session, "a", Answer::Error), Err(Refusal::InvalidRequestId));
    assert_eq!(session.finish(held, response(), now).unwrap_err(), late("b"));
    assert_eq!(session.finish(held, response(), now).unwrap_err(), Refusal::InvokeTimeout);
    // One that nobody had taken is not handed out any more.
    session.assign(invocation("c")).unwrap();
    session.expire(&RequestId("c".to_owned()));
    assert!(session.wake(now).is_none());
    assert_eq!(begin(&mut session, "c", Answer::Error), Err(Refusal::InvalidRequestId));
}

#[test]
fn no_more_than_a_thousand_that_timed_out_are_remembered() {
    let mut session = holding(&[]);
    for number in 0..=TIMED_OUT_REMEMBERED {
        let id = number.to_string();
        session.next(Instant::now()).unwrap();
        session.assign(invocation(&id)).unwrap();
        session.wake(Instant::now()).unwrap();
        session.expire(&RequestId(id));
    }
    assert_eq!(begin(&mut session, "0", Answer::Response), Err(Refusal::InvalidRequestId));
    assert_eq!(begin(&mut session, "1", Answer::Response), Err(late("1")));
}

#[test]
fn an_error_may_end_a_response_that_is_under_way_and_nothing_else() {
    let now = Instant::now();
    let mut session = holding(&["a"]);
    let streaming = begin(&mut session, "a", Answer::Response).unwrap();
    assert_eq!(begin(&mut session, "a", Answer::Response), Err(Refusal::InvalidRequestId));
    let error = begin(&mut session, "a", Answer::Error).unwrap();
    assert_eq!(begin(&mut session, "a", Answer::Error), Err(Refusal::InvalidRequestId));
    assert_eq!(session.finish(streaming, response(), now).unwrap_err(), Refusal::InvokeTimeout);
    let payload = Bytes::from_static(b"{}");
    let delivery = Delivery::Error { error_type: "T".to_owned(), payload, xray_cause: None };
    assert!(matches!(session.finish(error, delivery, now), Ok(Signal::Error { .. })));
}

#[test]
fn another_attempts_answer_is_refused_and_a_post_that_was_cut_off_was_not_made() {
    let mut session = holding(&["a", "b"]);
    let other = session.begin("a", Some(b"other"), Answer::Response);
    assert_eq!(other, Err(Refusal::InvokeTimeout));
    let held = session.begin("a", Some(b"attempt"), Answer::Response).unwrap();
    session.abandon(held);
    assert!(begin(&mut session, "a", Answer::Error).is_ok());
    assert!(begin(&mut session, "b", Answer::Response).is_ok());
}
