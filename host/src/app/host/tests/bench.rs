//! Figures, printed and not asserted: `cargo test -p lambdabox --lib host::tests::bench -- --nocapture
//! --ignored`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::lab::{self, with_host};
use crate::pool::Freeze;

const WARM: usize = 2_000;
const COLD_AT_ONCE: u32 = 20;

#[test]
#[ignore = "a benchmark: minutes of CPU are no test's business"]
fn warm_and_cold() {
    for freeze in [Freeze::Off, Freeze::After(Duration::from_millis(50)), Freeze::Immediate] {
        with_host(
            "warm",
            |settings| settings.freeze = freeze,
            async |lab| {
                let version = Arc::new(lab.version("echo", "def handler(e, c): return e"));
                lab.ask(&version, json!({})).await;
                let mut took: Vec<Duration> = Vec::with_capacity(WARM);
                for n in 0..WARM {
                    let since = Instant::now();
                    lab.ask(&version, json!(n)).await;
                    took.push(since.elapsed());
                    if freeze == Freeze::Immediate {
                        lab.until(|snapshot| snapshot.environments.frozen == 1).await;
                    }
                }
                took.sort_unstable();
                let (p50, p99) = (took[WARM / 2], took[WARM * 99 / 100]);
                println!("warm, {freeze:?}: p50 {p50:?} p99 {p99:?}");
            },
        );
    }
    for starts_at_once in [2, 4, 8, COLD_AT_ONCE] {
        with_host(
            "cold",
            |settings| settings.starts_at_once = starts_at_once,
            async |lab| {
                let first = Arc::new(lab.version("first", "def handler(e, c): return e"));
                lab.ask(&first, json!({})).await;
                let version = Arc::new(lab.version(
                    "slow",
                    "import time\ndef handler(e, c):\n  time.sleep(5)\n  return e",
                ));
                let since = Instant::now();
                let calls: Vec<_> = (0..COLD_AT_ONCE)
                    .map(|n| {
                        let pool = lab.pool().clone();
                        tokio::spawn(lab::call(pool, Arc::clone(&version), json!(n)))
                    })
                    .collect();
                lab.until(|snapshot| snapshot.environments.busy == COLD_AT_ONCE).await;
                let all = since.elapsed();
                let mut inits = Vec::new();
                for call in calls {
                    let report = call.await.unwrap().unwrap().report.unwrap();
                    inits.push(report.init_duration.unwrap_or_default());
                }
                inits.sort_unstable();
                let (median, last) = (inits[inits.len() / 2], inits[inits.len() - 1]);
                println!(
                    "cold, {COLD_AT_ONCE} environments, {starts_at_once} at once: all busy after \
                 {all:?}, init p50 {median:?} max {last:?}"
                );
            },
        );
    }
}
