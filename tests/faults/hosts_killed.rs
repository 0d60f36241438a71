//! A host under mixed load dies by `kill -9`: what it had accepted is run, what it had stored is whole,
//! and after the next end nothing is left.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use super::callers::{Load, Stop, Tally, source};
use super::repetitions;
use crate::harness::{Caller, Collector, Host, Leftovers, alone, stretched, wait_until};

const FUNCTIONS: usize = 4;
const CALLERS_OF_EACH: usize = 4;
/// The longest a victim lives from the load's begin: environments start, answer, are frozen.
const LONGEST_LIFE: Duration = Duration::from_millis(3_000);
const CATCH_UP: Duration = Duration::from_secs(120);

/// The function that is given other code all the time, and what is known of it.
#[derive(Default)]
struct Changing {
    /// The last that was answered.
    kept: u64,
    /// The last that was asked for, answered or not.
    asked: u64,
    /// Functions whose creation was answered.
    made: Vec<String>,
}

#[test]
fn a_host_killed_under_mixed_load_loses_nothing_and_leaves_nothing() {
    let _machine = alone();
    let kills = repetitions("LAMBDABOX_SOAK_HOST_KILLS", 3);
    let data = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let forward = collector.port.to_string();
    let start = || Host::start_while_alone(data.path(), &["--forward", &forward]);
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();

    let mut host = start();
    let functions: Vec<String> = (0..FUNCTIONS).map(|number| format!("f{number}")).collect();
    let load = |port, round: u32| Load {
        port,
        functions: functions.clone(),
        callers_of_each: CALLERS_OF_EACH,
        collector: collector.clone(),
        name: format!("round{round}"),
    };
    let mut changing = Changing::default();
    runtime.block_on(async {
        load(host.port, 0).deploy().await;
        let mut caller = Caller::connect(host.port).await.unwrap();
        caller.create("changing", &source(&collector, "pass", 0), &json!({})).await;
    });
    host.end().expect_code(0);
    let before = Leftovers::now(data.path());

    let (mut answered, mut accepted) = (0, 0);
    for round in 0..kills {
        host = start();
        let load = load(host.port, round);
        // The moment is the point here, so this waits for a duration.
        let life = stretched(LONGEST_LIFE) * ((round * 618 + 309) % 1_000) / 1_000;
        let tally = runtime.block_on(async {
            let stop = Stop::default();
            let killing = async {
                tokio::time::sleep(life).await;
                host.signal(Signal::SIGKILL);
                stop.now();
            };
            let changes = change(&mut changing, &load, round, &stop);
            tokio::join!(load.run(stop.clone()), killing, changes).0
        });
        host.wait();
        assert!(tally.wrong.is_empty(), "round {round}: {:?}", tally.wrong);
        answered += tally.answered.len();
        accepted += tally.accepted.len();

        host = start();
        expect_all_run(&collector, &tally, &host, round);
        runtime.block_on(expect_whole(&functions, &changing, host.port));
        host.end().expect_code(0);
        let stored = |what: &str| what.starts_with(&format!("file {}", data.path().display()));
        let left = before.since_but_for(data.path(), stored);
        assert!(left.is_empty(), "round {round}, killed after {life:?}, left {left:#?}");
    }
    // Files of what is not stored are gone, too: one package each, however often code was changed.
    let packages = std::fs::read_dir(data.path().join("blobs")).unwrap().count();
    let most = functions.len() + 1 + changing.made.len();
    eprintln!(
        "{kills} kills: {answered} answers, {accepted} accepted events, all run ({} more than once); \
         {} changes of code, {} functions made, {packages} packages kept",
        collector.repeated(),
        changing.kept,
        changing.made.len(),
    );
    assert!(packages <= most, "{packages} packages of {most} functions");
}

/// Changes code and makes functions until the host is gone.
async fn change(changing: &mut Changing, load: &Load, round: u32, stop: &Stop) {
    let Ok(mut caller) = Caller::connect(load.port).await else { return };
    while !stop.is_over() {
        changing.asked += 1;
        let code = source(&load.collector, "pass", changing.asked);
        let Ok(answer) = caller.update("changing", &code).await else { return };
        match answer.status {
            200 => changing.kept = changing.asked,
            // The update before is under way; nothing was changed.
            409 => changing.asked -= 1,
            status => panic!("{status}: {}", answer.json()),
        }
        let name = format!("made{round}-{}", changing.asked);
        if changing.made.len() < 3 * (round as usize + 1) && answer.status == 200 {
            let made = caller.try_create(&name, &source(&load.collector, "pass", 7)).await;
            match made {
                Ok(answer) if answer.status == 201 => changing.made.push(name),
                Ok(answer) => panic!("{}", answer.json()),
                Err(_) => return,
            }
        }
    }
}

fn expect_all_run(collector: &Collector, tally: &Tally, host: &Host, round: u32) {
    let since = Instant::now();
    let mut missing = Vec::new();
    wait_until(CATCH_UP, || {
        missing = collector.missing(&tally.accepted);
        missing.is_empty()
    });
    let waited = since.elapsed();
    let pool = crate::harness::pool_of(host);
    assert!(missing.is_empty(), "round {round}: {missing:?} not run in {waited:?}; {pool}");
}

/// Every function answers with the code that was last answered for, or one that was asked for later.
async fn expect_whole(functions: &[String], changing: &Changing, port: u16) {
    let mut caller = Caller::connect(port).await.unwrap();
    let names = functions.iter().chain(&changing.made).map(String::as_str);
    for name in names.chain(["changing"]) {
        caller.active(name).await;
        let answer = caller.invoke(name, &json!({ "nonce": "whole" })).await.unwrap();
        assert_eq!(answer.status, 200, "{name}: {}", answer.json());
        let edition = answer.json()["edition"].as_u64().expect("its answer has one");
        if name == "changing" {
            let known = changing.kept..=changing.asked;
            assert!(known.contains(&edition), "edition {edition}, not one of {known:?}");
        }
    }
}
