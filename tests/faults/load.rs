//! Many callers for minutes: nothing lost, nothing doubled, nothing that grows; and bad neighbours.

use std::time::{Duration, Instant};

use serde_json::json;

use super::callers::{Load, Stop, Tally};
use super::held::Held;
use super::repetitions;
use crate::harness::{Caller, Collector, Host, alone, stretched, too_slow_for_load, wait_until};

const FUNCTIONS: usize = 20;
const CALLERS_OF_EACH: usize = 10;
/// What an environment of 128 MB is promised, and room for so many, of fewer functions.
const PLACE_MB: u64 = 128 + 8;
const SCARCE_PLACES: u64 = 16;
const SCARCE_FUNCTIONS: usize = 6;
/// The longest that accepted events may take after the last one.
const CATCH_UP: Duration = Duration::from_secs(120);
/// From here on what the host holds is looked at.
const SETTLED_AT_MOST: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many are looked at for one moment.
const LOOKS: usize = 5;
/// The most that memory and descriptors may grow with the same environments, percent.
const GROWTH_PERCENT: u64 = 10;
/// Of the run, the least time over which that is told. A short run on a busy machine has none: it
/// starts environments until its end.
const COMPARABLE_PART: u32 = 4;
/// What each environment that came meanwhile may hold then. An idle one holds 113 KiB and 14
/// descriptors (debug build, measured from 1 to 150 of them); a busy one has buffers, too.
const ENVIRONMENT_KIB: u64 = 256;
const ENVIRONMENT_DESCRIPTORS: u64 = 18;

#[test]
fn under_load_nothing_is_lost_or_doubled_or_grows_and_bad_neighbours_are_bounded() {
    if let Some(reason) = too_slow_for_load() {
        skip!("{reason}");
    }
    let _machine = alone();
    let length = Duration::from_secs(repetitions("LAMBDABOX_SOAK_LOAD_SECS", 20).into());
    let data = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let forward = collector.port.to_string();
    let host = Host::start_while_alone(data.path(), &["--forward", &forward]);
    let functions = (0..FUNCTIONS).map(|number| format!("f{number}")).collect();
    let (port, name) = (host.port, "quiet".to_owned());
    let load = Load { port, functions, callers_of_each: CALLERS_OF_EACH, collector, name };

    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(load.deploy());
    let settled = (length / 2).min(SETTLED_AT_MOST);
    let (quiet, looks) = runtime.block_on(async {
        let stop = Stop::default();
        let watching = async {
            tokio::time::sleep(settled).await;
            let mut looks = vec![(settled, Held::by(&host))];
            let begun = Instant::now();
            while settled + begun.elapsed() < length {
                tokio::time::sleep(LOOK_EVERY).await;
                looks.push((settled + begun.elapsed(), Held::by(&host)));
            }
            stop.now();
            looks
        };
        tokio::join!(load.run(stop.clone()), watching)
    });
    tell("quiet", &quiet, settled);
    expect_all(&load, &host, &quiet);
    expect_no_growth(&looks, length);

    let load = Load { name: "noisy".to_owned(), ..load };
    let noisy = runtime.block_on(with_bad_neighbours(&load, length.min(SETTLED_AT_MOST)));
    tell("with a CPU hog and one that runs out of memory", &noisy, Duration::ZERO);
    let ratio = noisy.percentile(99, Duration::ZERO).as_secs_f64()
        / quiet.percentile(99, settled).as_secs_f64();
    eprintln!("p99 with bad neighbours is {ratio:.2} times the quiet one (aim: under 3)");
    expect_all(&load, &host, &noisy);
    host.end().expect_code(0);
}

#[test]
fn versions_with_more_work_than_memory_share_it_and_all_are_served() {
    let _machine = alone();
    let length = Duration::from_secs(repetitions("LAMBDABOX_SOAK_LOAD_SECS", 20).into()) / 4;
    let data = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let forward = collector.port.to_string();
    let budget = (SCARCE_PLACES * PLACE_MB).to_string();
    let arguments = ["--forward", &forward, "--memory-budget", &budget];
    let host = Host::start_while_alone(data.path(), &arguments);
    let functions = (0..SCARCE_FUNCTIONS).map(|number| format!("f{number}")).collect();
    let (port, name) = (host.port, "scarce".to_owned());
    let load = Load { port, functions, callers_of_each: CALLERS_OF_EACH, collector, name };
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(load.deploy());
    let tally = runtime.block_on(async {
        let stop = Stop::default();
        let ending = async {
            tokio::time::sleep(length).await;
            stop.now();
        };
        tokio::join!(load.run(stop.clone()), ending).0
    });
    tell("with more work than memory", &tally, Duration::ZERO);
    expect_all(&load, &host, &tally);
    let pool = crate::harness::pool_of(&host);
    assert!(pool["memory_promised_mb"].as_u64().unwrap() <= SCARCE_PLACES * PLACE_MB, "{pool}");
    let log = host.end().expect_code(0).stderr;
    let (starts, runs) = (log.matches("Init Duration: ").count(), log.matches("REPORT ").count());
    eprintln!("{starts} environments were started for {runs} invocations");
    // One for each invocation is what versions that end each other's environments would come to.
    assert!(starts < runs / 3 + SCARCE_FUNCTIONS * CALLERS_OF_EACH, "{starts} for {runs}");
}

/// The load beside a function that uses all CPU it gets and one that asks for more memory than it has,
/// both called again and again.
async fn with_bad_neighbours(load: &Load, length: Duration) -> Tally {
    let mut caller = Caller::connect(load.port).await.unwrap();
    let hog = "import time
def handler(event, context):
    end = time.monotonic() + 4
    while time.monotonic() < end: pass
    return 'burnt'
";
    let fills = "def handler(event, context):\n    return len(b'x' * (1 << 30))\n";
    caller.create("hog", hog, &json!({ "MemorySize": 1769 })).await;
    caller.create("fills", fills, &json!({})).await;
    let stop = Stop::default();
    let bad = |name: &'static str| {
        let (stop, port) = (stop.clone(), load.port);
        async move {
            let mut caller = Caller::connect(port).await.unwrap();
            let mut calls = 0_u32;
            while !stop.is_over() {
                let answer = caller.invoke(name, &json!({})).await.unwrap();
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                let is_right = match name {
                    "hog" => text == "\"burnt\"",
                    _ => text.contains("Runtime.OutOfMemory") && answer.function_error,
                };
                assert!(is_right, "{name}: {} {text}", answer.status);
                calls += 1;
            }
            eprintln!("{name} was called {calls} times");
        }
    };
    let ending = async {
        tokio::time::sleep(length).await;
        stop.now();
    };
    tokio::join!(load.run(stop.clone()), ending, bad("hog"), bad("fills")).0
}

/// A host does not hold more at the end than it did with as many environments before; one that was
/// still starting some, not more than they take.
#[track_caller]
fn expect_no_growth(looks: &[(Duration, Held)], length: Duration) {
    let (ended, late) = typical(&looks[looks.len().saturating_sub(LOOKS)..]);
    let as_many = looks.iter().position(|(_, held)| held.environments >= late.environments);
    let as_many = as_many.map(|from| typical(&looks[from..looks.len().min(from + LOOKS)]));
    let as_many = as_many.filter(|(at, _)| ended.saturating_sub(*at) >= length / COMPARABLE_PART);
    let (at, early) = as_many.unwrap_or(looks[0]);
    let more = late.environments.saturating_sub(early.environments);
    let times = |early: u64, late: u64| late as f64 / early as f64;
    eprintln!(
        "host after {at:.0?}: {early:?}; after {ended:.0?}: {late:?}: {:.2} times the memory, {:.2} \
         times the descriptors, {more} environments more",
        times(early.resident_kib, late.resident_kib),
        times(early.descriptors, late.descriptors),
    );
    let bound = |early: u64, each: u64| early * (100 + GROWTH_PERCENT) / 100 + more * each;
    let most_kib = bound(early.resident_kib, ENVIRONMENT_KIB);
    assert!(late.resident_kib <= most_kib, "memory grows: over {most_kib} KiB");
    let most = bound(early.descriptors, ENVIRONMENT_DESCRIPTORS);
    assert!(late.descriptors <= most, "descriptors grow: over {most}");
}

/// The one in the middle by memory: a single look may be in a moment of many or of no answers.
fn typical(looks: &[(Duration, Held)]) -> (Duration, Held) {
    let mut looks = looks.to_vec();
    looks.sort_by_key(|(_, held)| held.resident_kib);
    looks[looks.len() / 2]
}

/// Every call had its answer, and every accepted event was run.
#[track_caller]
fn expect_all(load: &Load, host: &Host, tally: &Tally) {
    assert!(tally.broken.is_empty(), "connections broke: {:?}", tally.broken);
    assert!(tally.wrong.is_empty(), "answers were wrong: {:?}", tally.wrong);
    let since = Instant::now();
    let mut missing = Vec::new();
    wait_until(CATCH_UP, || {
        missing = load.collector.missing(&tally.accepted);
        missing.is_empty()
    });
    let pool = crate::harness::pool_of(host);
    assert!(missing.is_empty(), "{} events were accepted and not run; {pool}", missing.len());
    eprintln!(
        "{} accepted events were all run, the last {:.1} s after the load; {} more than once",
        tally.accepted.len(),
        since.elapsed().as_secs_f64(),
        load.collector.repeated(),
    );
    assert!(since.elapsed() < stretched(CATCH_UP));
}

fn tell(what: &str, tally: &Tally, from: Duration) {
    let took = |percent| tally.percentile(percent, from).as_secs_f64() * 1e3;
    let last = tally.answered.iter().map(|(begun, _)| *begun).max().unwrap_or_default();
    eprintln!(
        "{what}: {} answers ({:.0}/s), p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms; {} events accepted",
        tally.answered.len(),
        tally.answered.len() as f64 / last.as_secs_f64().max(0.001),
        took(50),
        took(90),
        took(99),
        tally.accepted.len(),
    );
}
