//! Starts that end in a snapshot, and what follows when hooks fail.

use super::*;

const LIMIT: Duration = Duration::from_secs(10);
const READY: Input = Input::RestoreReady { extensions: Waiting::All };

fn snapshot() -> (Life, Instant) {
    let now = Instant::now();
    let mut life = Life::new(INIT_LIMIT, Vec::new()).initialized(Initialization::SnapStart, LIMIT);
    let begun = life.begin(now);
    assert_eq!(begun[0], Effect::InitStart(InitPhase::SnapStart));
    (life, now)
}

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn an_init_ends_in_its_snapshot_which_is_restored_and_told_by_the_first_report() {
    let (mut life, start) = snapshot();
    let taken = life.on(READY, start + ms(20));
    assert_eq!(
        taken,
        [
            init_runtime_done(InitPhase::SnapStart, Status::Success, None),
            init_report(InitPhase::SnapStart, ms(20), Status::Success, None),
            Effect::Deadline(Some(start + ms(20) + LIMIT)),
            Effect::RestoreStart,
            Effect::Restore,
        ]
    );
    assert!(!life.accepts());
    let restored = life.on(NEXT, start + ms(25));
    let (status, error_type) = (Status::Success, None);
    assert_eq!(
        restored,
        [
            Effect::RestoreRuntimeDone { status, error_type: error_type.clone() },
            Effect::Deadline(None),
            Effect::RestoreReport { duration: ms(5), status, error_type },
            Effect::Throttle,
        ]
    );
    assert!(life.accepts());
    let now = start + ms(30);
    for restore in [Some(ms(5)), None] {
        life.on(invoke("a"), now);
        life.on(response("a"), now + Duration::from_micros(2_100));
        let effects = life.on(NEXT, now + Duration::from_micros(2_100));
        let ending = ending(&effects);
        assert_eq!((ending.init_duration, ending.restore_duration), (None, restore));
        assert_eq!(ending.billed_ms(), if restore.is_some() { 8 } else { 3 });
    }
}

#[test]
fn hooks_that_fail_or_take_too_long_end_the_restore_and_are_tried_again_inside() {
    let error = |error_type: &str| Input::InitError {
        error_type: error_type.to_owned(),
        payload: Bytes::from_static(b"{}"),
    };
    for (failure, error_type, after) in [
        (error("Runtime.AfterRestoreError"), "Runtime.AfterRestoreError", ms(3)),
        (Input::Ended(End::Code(65)), "Runtime.ExitError", ms(3)),
        (Input::Deadline, "Runtime.RestoreHookUserTimeout", LIMIT),
    ] {
        let (mut life, start) = snapshot();
        life.on(READY, start);
        let effects = life.on(failure.clone(), start + after);
        let status = match failure {
            Input::Deadline => Status::Timeout,
            _ => Status::Error,
        };
        let error_type = Some(error_type.to_owned());
        let done = Effect::RestoreRuntimeDone { status, error_type: error_type.clone() };
        let report =
            Effect::RestoreReport { duration: after, status, error_type: error_type.clone() };
        assert!(effects.contains(&done) && effects.contains(&report), "{effects:?}");
        assert!(effects.contains(&Effect::Kill) && life.accepts());
        // The next one begins with all of it.
        let now = start + LIMIT + ms(1);
        assert!(life.on(invoke("a"), now).contains(&Effect::Start));
        assert!(life.on(READY, now).contains(&Effect::Restore));
        let effects = life.on(failure, now + ms(2));
        assert_eq!(answers(&effects), 1, "{effects:?}");
        assert_eq!(ending(&effects).error_type, error_type, "{effects:?}");
        started_after_its_restore(&effects);
    }
}

fn started_after_its_restore(effects: &[Effect]) {
    let report = effects.iter().position(|e| matches!(e, Effect::RestoreReport { .. }));
    let start = effects.iter().position(|e| matches!(e, Effect::LogStart(_)));
    assert!(report.is_some() && report < start, "{effects:?}");
}

#[test]
fn inside_an_invocation_hooks_have_what_is_left_of_its_time_and_it_the_rest() {
    let (mut life, start) = snapshot();
    life.on(Input::Ended(End::Code(1)), start);
    life.on(invoke("a"), start);
    let taken = life.on(READY, start + ms(5));
    // The function's own time is shorter than that of hooks.
    assert!(taken.contains(&Effect::Deadline(Some(start + TIMEOUT))), "{taken:?}");
    let restored = life.on(NEXT, start + ms(6));
    let assigned = restored.iter().position(|e| matches!(e, Effect::Assign(_)));
    let deadline = restored.iter().position(|e| *e == Effect::Deadline(Some(start + TIMEOUT)));
    assert!(deadline.is_some() && deadline < assigned, "{restored:?}");
    let effects = life.on(Input::Deadline, start + TIMEOUT);
    assert_eq!(ending(&effects).status, Status::Timeout);
}

#[test]
fn a_runtime_that_does_not_ask_for_a_snapshot_has_none() {
    let (mut life, start) = snapshot();
    let effects = life.on(NEXT, start + ms(20));
    assert!(life.accepts());
    let report = init_report(InitPhase::SnapStart, ms(20), Status::Success, None);
    assert!(effects.contains(&report), "{effects:?}");
}
