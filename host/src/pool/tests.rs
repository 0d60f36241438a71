//! The pool with environments that are none: what becomes of callers, tasks and memory.

mod stage;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::model::Refused;
use crate::pool::settings::Freeze;
use stage::{Stage, ask, settings, until};

#[tokio::test]
async fn eight_at_once_are_eight_environments_and_each_is_answered_with_its_own() {
    let stage = Stage::start(settings());
    let calls: Vec<_> = (0..8).map(|n| stage.call("f", &format!("wait {n}"))).collect();
    until(|| stage.running() == 8).await;
    stage.gate.add_permits(8);
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(stage::text(call.await.unwrap()), format!("wait {n}"));
    }
    assert_eq!(stage.made(), 8);
}

#[tokio::test]
async fn one_after_the_other_is_one_environment() {
    let stage = Stage::start(settings());
    for n in 0..50 {
        assert_eq!(stage::text(ask(&stage, "f", &n.to_string()).await), n.to_string());
    }
    assert_eq!(stage.made(), 1);
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_stop_its_invocation() {
    let stage = Stage::start(settings());
    let call = stage.call("f", "wait");
    until(|| stage.running() == 1).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    stage.gate.add_permits(1);
    until(|| stage.finished() == 1).await;
    // Its environment is whole and serves the next.
    ask(&stage, "f", "next").await.unwrap();
    assert_eq!(stage.made(), 1);
}

#[tokio::test]
async fn a_caller_that_hangs_up_while_it_waits_does_not_stop_its_invocation() {
    let stage = Stage::start(settings());
    let busy = stage.call_sized("f", "wait", 1_000);
    until(|| stage.running() == 1).await;
    let waits = stage.call_sized("g", "later", 1_000);
    until_waiting(&stage, 1).await;
    waits.abort();
    stage.gate.add_permits(1);
    busy.await.unwrap().unwrap();
    until(|| stage.finished() == 2).await;
}

#[tokio::test]
async fn an_answer_does_not_wait_for_what_is_done_after_it_unless_the_log_is_wanted() {
    let stage = Stage::start(settings());
    let waits = stage.call("f", "then wait");
    until(|| stage.finished() == 1).await;
    let hurries = stage.call_in_a_hurry("g", "then wait");
    let invoked = hurries.await.unwrap().unwrap();
    assert!(invoked.report.is_none() && invoked.log_tail.is_empty());
    // Both environments are at work: who calls now gets another.
    assert_eq!(stage::text(ask(&stage, "g", "x").await), "x");
    assert!(!waits.is_finished());
    assert_eq!(stage.made(), 3);
    stage.gate.add_permits(2);
    assert!(waits.await.unwrap().unwrap().report.is_some());
}

#[tokio::test]
async fn an_environment_whose_task_panics_answers_and_is_replaced() {
    let stage = Stage::start(settings());
    assert!(matches!(ask(&stage, "f", "panic").await, Err(Refused::Sandbox(_))));
    ask(&stage, "f", "next").await.unwrap();
    assert_eq!(stage.made(), 2);
}

#[tokio::test]
async fn an_environment_that_breaks_is_said_and_gets_nothing_any_more() {
    let stage = Stage::start(settings());
    assert!(matches!(ask(&stage, "f", "break").await, Err(Refused::Sandbox(_))));
    until(|| stage.ended() == 1).await;
    ask(&stage, "f", "next").await.unwrap();
    assert_eq!(stage.made(), 2);
}

#[tokio::test]
async fn memory_comes_back_when_the_environment_is_gone_and_not_before() {
    let stage = Stage::start(settings());
    stage.hold_ends.store(true, Ordering::SeqCst);
    ask_large(&stage, "f").await.unwrap();
    let second = stage.call_sized("g", "x", 1_000);
    until(|| stage.ending() == 1).await;
    let snapshot = stage.pool.snapshot().await;
    assert_eq!((snapshot.environments.ending, snapshot.waiting), (1, 1));
    assert_eq!(snapshot.memory_promised_mb, 1_008);
    stage.ends.add_permits(1);
    second.await.unwrap().unwrap();
}

async fn ask_large(stage: &Stage, function: &str) -> Result<crate::model::Invoked, Refused> {
    stage.call_sized(function, "x", 1_000).await.unwrap()
}

async fn until_waiting(stage: &Stage, waiting: u32) {
    while stage.pool.snapshot().await.waiting != waiting {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_waits_for_memory_too_long_is_refused() {
    let stage =
        Stage::start(super::Settings { memory_within: Duration::from_millis(30), ..settings() });
    let busy = stage.call_sized("f", "wait", 1_000);
    until(|| stage.running() == 1).await;
    let refused = Refused::NoMemory { needed_mb: 1_008, free_mb: 92 };
    assert_eq!(ask_large(&stage, "g").await.unwrap_err(), refused);
    stage.gate.add_permits(1);
    busy.await.unwrap().unwrap();
}

#[tokio::test]
async fn draining_finishes_what_was_accepted_and_refuses_what_is_new() {
    let stage = Stage::start(settings());
    ask(&stage, "idle", "x").await.unwrap();
    let busy = stage.call("f", "wait");
    until(|| stage.running() == 1).await;
    let pool = stage.pool.clone();
    let far = Instant::now() + Duration::from_secs(600);
    let drain = tokio::spawn(async move { pool.drain(far).await });
    until(|| stage.ended() == 1).await;
    assert_eq!(ask(&stage, "f", "new").await.unwrap_err(), Refused::ShuttingDown);
    assert!(!drain.is_finished());
    stage.gate.add_permits(1);
    assert_eq!(stage::text(busy.await.unwrap()), "wait");
    drain.await.unwrap();
    assert_eq!((stage.made(), stage.ended()), (2, 2));
    assert_eq!(ask(&stage, "f", "later").await.unwrap_err(), Refused::ShuttingDown);
}

#[tokio::test]
async fn what_has_not_finished_at_the_deadline_is_ended_and_answered() {
    let stage = Stage::start(settings());
    let busy = stage.call("f", "wait");
    until(|| stage.running() == 1).await;
    stage.pool.drain(Instant::now() + Duration::from_millis(20)).await;
    assert_eq!(busy.await.unwrap().unwrap_err(), Refused::ShuttingDown);
    assert_eq!((stage.made(), stage.ended()), (1, 1));
}

#[tokio::test]
async fn a_second_drain_hurries_the_first() {
    let stage = Stage::start(settings());
    let busy = stage.call("f", "wait");
    until(|| stage.running() == 1).await;
    let pool = stage.pool.clone();
    let far = Instant::now() + Duration::from_secs(600);
    let first = tokio::spawn(async move { pool.drain(far).await });
    stage.pool.drain(Instant::now()).await;
    first.await.unwrap();
    assert_eq!(busy.await.unwrap().unwrap_err(), Refused::ShuttingDown);
}

#[tokio::test]
async fn without_handles_it_ends_what_is_idle() {
    let mut stage = Stage::start(settings());
    ask(&stage, "f", "x").await.unwrap();
    stage.drop_pool();
    until(|| stage.ended() == 1).await;
}

#[tokio::test]
async fn an_idle_environment_ends_after_its_time() {
    let stage = Stage::start(super::Settings { idle_for: Duration::from_millis(20), ..settings() });
    ask(&stage, "f", "x").await.unwrap();
    until(|| stage.ended() == 1).await;
}

#[tokio::test]
async fn a_new_revision_has_environments_of_its_own_and_the_old_ones_end() {
    let stage = Stage::start(settings());
    ask(&stage, "f", "x").await.unwrap();
    stage.pool.retire("f", "$LATEST", Some("2")).await;
    until(|| stage.ended() == 1).await;
    stage.call_revision("f", "2").await.unwrap().unwrap();
    stage.pool.retire("f", "$LATEST", Some("2")).await;
    stage.call_revision("f", "2").await.unwrap().unwrap();
    assert_eq!((stage.made(), stage.ended()), (2, 1));
}

#[tokio::test]
async fn an_idle_environment_is_frozen_when_it_is_time_and_thawed_by_the_next_event() {
    for freeze in [Freeze::Immediate, Freeze::After(Duration::from_millis(5))] {
        let stage = Stage::start(super::Settings { freeze, ..settings() });
        ask(&stage, "f", "x").await.unwrap();
        until(|| stage.frozen() == 1).await;
        assert_eq!(stage.pool.snapshot().await.environments.frozen, 1);
        let busy = stage.call("f", "wait");
        until(|| stage.running() == 1).await;
        assert_eq!(stage.frozen(), 0);
        assert_eq!(stage.pool.snapshot().await.environments.busy, 1);
        stage.gate.add_permits(1);
        busy.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_environment_that_is_used_again_before_its_delay_is_not_frozen() {
    let freeze = Freeze::After(Duration::from_hours(1));
    let stage = Stage::start(super::Settings { freeze, ..settings() });
    for _ in 0..20 {
        ask(&stage, "f", "x").await.unwrap();
    }
    assert_eq!(stage.freezes(), 0);
}

#[tokio::test]
async fn with_freezing_off_nothing_is_frozen() {
    let stage = Stage::start(super::Settings { freeze: Freeze::Off, ..settings() });
    ask(&stage, "f", "x").await.unwrap();
    // Another environment's whole life is time enough.
    ask(&stage, "g", "x").await.unwrap();
    stage.pool.retire("g", "$LATEST", None).await;
    until(|| stage.ended() == 1).await;
    assert_eq!(stage.freezes(), 0);
}

#[tokio::test]
async fn an_answer_that_was_given_is_told_whatever_becomes_of_its_environment() {
    let stage = Stage::start(settings());
    assert_eq!(stage::text(ask(&stage, "f", "then break").await), "then break");
    let call = stage.call("f", "then wait");
    until(|| stage.finished() == 2).await;
    // Everything is to end now.
    stage.pool.drain(Instant::now()).await;
    assert_eq!(stage::text(call.await.unwrap()), "then wait");
}

#[tokio::test]
async fn nobody_waits_for_an_environment_that_broke_while_it_was_idle() {
    let stage = Stage::start(super::Settings { freeze: Freeze::Immediate, ..settings() });
    stage.hold_ends.store(true, Ordering::SeqCst);
    ask(&stage, "f", "break when idle").await.unwrap();
    until(|| stage.ending() == 1).await;
    assert_eq!(stage::text(ask(&stage, "f", "next").await), "next");
    assert_eq!((stage.made(), stage.ended()), (2, 0));
    stage.ends.add_permits(2);
}
