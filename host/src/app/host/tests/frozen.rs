//! Freezing between invocations, seen by a thread of the function's own that counts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::lab::{Lab, with_host};
use crate::model::Version;
use crate::pool::Freeze;

/// Counts milliseconds in the background; answers how far it was when asked.
const COUNTS: &str = "
import threading, time
count = 0
def tick():
    global count
    while True:
        count += 1
        time.sleep(0.001)
threading.Thread(target=tick, daemon=True).start()
def handler(event, context):
    found = count
    time.sleep(event)
    return [found, count]
";

/// How long it is left alone.
const IDLE: Duration = Duration::from_millis(400);

/// How far the counter came while nobody asked, in an environment that is frozen or not.
async fn idle_progress(lab: &Lab, version: &Arc<Version>) -> u64 {
    let before = lab.ask(version, json!(0.05)).await;
    let since = Instant::now();
    if !matches!(before[1].as_u64(), Some(counted) if counted > 5) {
        panic!("the thread does not count: {before}");
    }
    tokio::time::sleep(IDLE.saturating_sub(since.elapsed())).await;
    let after = lab.ask(version, json!(0)).await;
    after[0].as_u64().unwrap() - before[1].as_u64().unwrap()
}

#[test]
fn at_delay_0_a_background_thread_makes_no_progress_while_idle() {
    with_host(
        "freeze at once",
        |s| s.freeze = Freeze::Immediate,
        async |lab| {
            let version = Arc::new(lab.version("counts", COUNTS));
            for _ in 0..3 {
                let progress = idle_progress(lab, &version).await;
                // The moments before the freeze and after the thaw.
                assert!(progress < 60, "{progress}");
            }
            lab.until(|snapshot| snapshot.environments.frozen == 1).await;
        },
    );
}

#[test]
fn in_delayed_mode_a_background_thread_stops_after_the_delay() {
    let delay = Duration::from_millis(50);
    with_host(
        "freeze after 50 ms",
        |s| s.freeze = Freeze::After(delay),
        async |lab| {
            let version = Arc::new(lab.version("counts", COUNTS));
            for _ in 0..3 {
                let progress = idle_progress(lab, &version).await;
                assert!((5..150).contains(&progress), "{progress}");
            }
        },
    );
}

#[test]
fn with_freezing_off_a_background_thread_runs_on() {
    with_host(
        "freeze off",
        |s| s.freeze = Freeze::Off,
        async |lab| {
            let version = Arc::new(lab.version("counts", COUNTS));
            let progress = idle_progress(lab, &version).await;
            assert!(progress > 100, "{progress}");
            assert_eq!(lab.pool().snapshot().await.environments.frozen, 0);
        },
    );
}

#[test]
fn a_frozen_environment_is_ended_like_any_other() {
    with_host(
        "end of the frozen",
        |s| s.freeze = Freeze::Immediate,
        async |lab| {
            let version = Arc::new(lab.version("counts", COUNTS));
            lab.ask(&version, json!(0)).await;
            lab.until(|snapshot| snapshot.environments.frozen == 1).await;
            assert_eq!(lab.groups(), 1);
            lab.pool().retire("counts", "$LATEST", None).await;
            lab.until(|snapshot| snapshot.functions.is_empty()).await;
            assert_eq!(lab.groups(), 0);
        },
    );
}

#[test]
fn what_a_thread_writes_while_idle_is_logged() {
    with_host(
        "idle output",
        |s| s.freeze = Freeze::Off,
        async |lab| {
            let code = "import os, threading, time
def later():
    time.sleep(0.02)
    print('written while idle', flush=True)
def handler(event, context):
    threading.Thread(target=later).start()
    return os.environ['AWS_LAMBDA_LOG_STREAM_NAME']
";
            let version = Arc::new(lab.version("later", code));
            let stream = lab.ask(&version, json!(0)).await;
            let deadline = Instant::now() + Duration::from_secs(20);
            while !lab.log.of(stream.as_str().unwrap()).contains("written while idle") {
                assert!(Instant::now() < deadline);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        },
    );
}
