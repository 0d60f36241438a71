//! Many invocations at once: slots, and that each ends once.

use super::*;
use crate::pool::life::Invocations;

const MOST: usize = 2;

/// An environment whose runtime waits for `slots` events.
fn crowded(slots: usize) -> (Life, Instant) {
    let now = Instant::now();
    let mut life = Life::new(INIT_LIMIT, Vec::new()).with(Invocations::Many { most: MOST });
    life.begin(now);
    for _ in 0..slots {
        life.on(NEXT, now);
    }
    (life, now)
}

fn handed(id: &str) -> Input {
    Input::Handed { id: RequestId(id.to_owned()) }
}

fn endings(effects: &[Effect]) -> Vec<(String, Status)> {
    let of = |effect: &Effect| match effect {
        Effect::LogEnd(ending) => Some((ending.id.0.clone(), ending.status)),
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

fn failures(effects: &[Effect]) -> Vec<String> {
    let of = |effect: &Effect| match effect {
        Effect::Answer(_, OutcomeKey(Outcome::Failed(failure))) => Some(failure.error_type.clone()),
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

#[test]
fn each_next_is_a_slot_and_no_more_than_the_function_may_have() {
    let (mut life, now) = crowded(0);
    assert_eq!(life.idle_slots(), 0, "init is not over");
    for slots in [1, 2, 2] {
        life.on(NEXT, now);
        assert_eq!(life.idle_slots(), slots);
    }
    for id in ["a", "b"] {
        let effects = life.on(invoke(id), now);
        assert!(effects.iter().any(|effect| matches!(effect, Effect::Assign(_))), "{effects:?}");
    }
    assert_eq!(life.idle_slots(), 0, "the third next is one too many");
    let effects = life.on(invoke("c"), now);
    assert_eq!(failures(&effects), ["Runtime.Unavailable"]);
    assert_eq!(endings(&effects), [("c".to_owned(), Status::Error)]);
    let effects = life.on(response("b"), now + Duration::from_millis(1));
    assert_eq!(answers(&effects), 1);
    assert_eq!(endings(&effects), [("b".to_owned(), Status::Success)]);
    assert_eq!(life.on(response("b"), now), [], "once");
    assert_eq!(life.idle_slots(), 1);
}

#[test]
fn whose_time_is_over_is_answered_alone_and_its_handler_keeps_the_slot() {
    let (mut life, now) = crowded(MOST + 1);
    life.on(invoke("a"), now);
    life.on(handed("a"), now);
    let later = now + Duration::from_secs(1);
    let effects = life.on(invoke("b"), later);
    assert_eq!(effects.last(), Some(&Effect::Deadline(Some(now + TIMEOUT))), "the soonest");
    life.on(handed("b"), later);
    let effects = life.on(Input::Deadline, now + TIMEOUT);
    assert_eq!(failures(&effects), ["Sandbox.Timedout"]);
    assert_eq!(endings(&effects), [("a".to_owned(), Status::Timeout)]);
    assert!(!effects.contains(&Effect::Kill));
    assert_eq!(effects.last(), Some(&Effect::Deadline(Some(later + TIMEOUT))));
    assert_eq!(answers(&life.on(response("b"), later)), 1);
    assert_eq!(life.idle_slots(), 1, "one is still at work");
    life.on(NEXT, later);
    assert_eq!(life.idle_slots(), 1);
    life.on(Input::Late { id: RequestId("a".to_owned()) }, later + TIMEOUT);
    assert_eq!(life.idle_slots(), MOST);
}

#[test]
fn the_end_of_the_runtime_is_the_end_of_all_that_run_and_of_the_environment() {
    let (mut life, now) = crowded(MOST);
    life.on(invoke("a"), now);
    life.on(invoke("b"), now);
    let effects = life.on(Input::Ended(End::Code(3)), now);
    assert_eq!(failures(&effects), ["Runtime.ExitError"; 2]);
    assert_eq!(endings(&effects).len(), 2);
    assert!(effects.contains(&Effect::Kill) && life.is_over());
    assert_eq!(life.idle_slots(), 0);
    let effects = life.on(invoke("late"), now);
    assert_eq!(failures(&effects), ["Client.ExecutionEnvironmentUnhealthy"]);
    assert_eq!(endings(&effects).len(), 1);
}

#[test]
fn a_slot_that_is_gone_is_nobodys_and_who_was_promised_it_is_refused() {
    let (mut life, now) = crowded(MOST);
    life.on(Input::NextGone, now);
    assert_eq!(life.idle_slots(), 1);
    life.on(invoke("a"), now);
    let effects = life.on(Input::NextGone, now);
    assert_eq!(failures(&effects), ["Runtime.Unavailable"]);
    assert_eq!(endings(&effects), [("a".to_owned(), Status::Error)]);
    assert_eq!(life.idle_slots(), 0);
}

#[test]
fn a_failed_init_is_not_tried_again_and_is_what_everybody_gets() {
    let (mut life, now) = crowded(0);
    let payload = Bytes::from_static(b"{\"errorType\":\"X\"}");
    let error = Input::InitError { error_type: "Runtime.X".to_owned(), payload };
    assert!(life.on(error, now).contains(&Effect::Kill));
    assert!(life.idle_slots() > 0);
    for id in ["a", "b"] {
        let effects = life.on(invoke(id), now);
        assert_eq!(failures(&effects), ["Runtime.X"]);
        assert!(!effects.contains(&Effect::Start));
    }
    // Another start may go well.
    life.begin(now);
    life.on(NEXT, now);
    assert_eq!(life.idle_slots(), 1);
}

#[test]
fn the_processor_is_full_until_all_workers_have_come_or_it_takes_too_long() {
    let throttles = |effects: &[Effect]| effects.contains(&Effect::Throttle);
    let now = Instant::now();
    let mut life = Life::new(INIT_LIMIT, Vec::new()).with(Invocations::Many { most: MOST });
    life.begin(now);
    let ready = now + Duration::from_secs(3);
    let effects = life.on(NEXT, ready);
    assert!(!throttles(&effects));
    let until = ready + Duration::from_secs(3);
    assert_eq!(effects.last(), Some(&Effect::Deadline(Some(until))), "as long as the first took");
    assert!(!throttles(&life.on(invoke("a"), ready)));
    assert!(throttles(&life.on(NEXT, ready)), "one runs, one waits: all are here");
    assert!(!throttles(&life.on(response("a"), ready)), "once");

    life = Life::new(INIT_LIMIT, Vec::new()).with(Invocations::Many { most: MOST });
    life.begin(now);
    let effects = life.on(NEXT, now);
    let until = now + Duration::from_secs(1);
    assert_eq!(effects.last(), Some(&Effect::Deadline(Some(until))), "and at least a second");
    let effects = life.on(Input::Deadline, until);
    assert!(throttles(&effects));
    assert_eq!(effects.last(), Some(&Effect::Deadline(None)));
}
