//! Many callers of many functions at once, and what became of every call.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Caller, Collector, TELL};

/// Every so many calls of a caller is an `Event`.
const EVENT_EVERY: u64 = 10;

/// What functions do beside answering: nothing, wait, work, write.
const KINDS: [&str; 4] =
    ["pass", "time.sleep(0.02)", "sum(range(20_000))", "[print('line', n) for n in range(5)]"];

/// Who calls what.
pub(super) struct Load {
    pub(super) port: u16,
    pub(super) functions: Vec<String>,
    pub(super) callers_of_each: usize,
    pub(super) collector: Collector,
    /// Makes nonces of several loads in one test different.
    pub(super) name: String,
}

/// Ends the calls of a load.
#[derive(Clone, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(super) fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What became of all calls.
#[derive(Default)]
pub(super) struct Tally {
    /// When each call that was answered began, after the load did, and how long it took.
    pub(super) answered: Vec<(Duration, Duration)>,
    /// Nonces of events that were accepted.
    pub(super) accepted: Vec<String>,
    /// What should not have been answered, and how often.
    pub(super) wrong: BTreeMap<String, u64>,
    /// Connections that broke.
    pub(super) broken: BTreeMap<String, u64>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.answered.extend(other.answered);
        self.accepted.extend(other.accepted);
        for (text, times) in other.wrong {
            *self.wrong.entry(text).or_default() += times;
        }
        for (text, times) in other.broken {
            *self.broken.entry(text).or_default() += times;
        }
    }

    /// Of the calls that began after `from`.
    pub(super) fn percentile(&self, percent: usize, from: Duration) -> Duration {
        let late = self.answered.iter().filter(|(begun, _)| *begun >= from);
        let mut took: Vec<Duration> = late.map(|(_, took)| *took).collect();
        took.sort_unstable();
        assert!(!took.is_empty(), "nothing was answered");
        took[(took.len() * percent / 100).min(took.len() - 1)]
    }
}

impl Load {
    /// Makes the functions.
    pub(super) async fn deploy(&self) {
        let mut caller = Caller::connect(self.port).await.unwrap();
        for (number, name) in self.functions.iter().enumerate() {
            let kind = KINDS[number % KINDS.len()];
            caller.create(name, &source(&self.collector, kind, 0), &json!({})).await;
        }
    }

    /// Calls until it is over. A caller whose connection breaks ends, which is for the test to judge.
    pub(super) async fn run(&self, stop: Stop) -> Tally {
        let begun = Instant::now();
        let nonces = Arc::new(AtomicU64::new(0));
        let mut calling = tokio::task::JoinSet::new();
        for function in &self.functions {
            for _ in 0..self.callers_of_each {
                let (name, function) = (self.name.clone(), function.clone());
                let (port, stop, nonces) = (self.port, stop.clone(), Arc::clone(&nonces));
                calling.spawn(async move {
                    let mut tally = Tally::default();
                    let called = call(port, &function, &stop, begun, &mut tally, || {
                        format!("{name}-{}", nonces.fetch_add(1, Ordering::Relaxed))
                    });
                    if let Err(error) = called.await {
                        *tally.broken.entry(error).or_default() += 1;
                    }
                    tally
                });
            }
        }
        let mut all = Tally::default();
        while let Some(tally) = calling.join_next().await {
            all.add(tally.expect("a caller does not panic"));
        }
        all
    }
}

async fn call(
    port: u16,
    function: &str,
    stop: &Stop,
    begun: Instant,
    tally: &mut Tally,
    nonce: impl Fn() -> String,
) -> Result<(), String> {
    let mut caller = Caller::connect(port).await?;
    let mut calls = 0;
    while !stop.is_over() {
        calls += 1;
        let nonce = nonce();
        if calls % EVENT_EVERY == 0 {
            let answer = caller.send(function, &json!({ "nonce": nonce, "tell": true })).await?;
            match answer.status {
                202 => tally.accepted.push(nonce),
                status => wrong(tally, format!("Event: {status} {}", answer.json())),
            }
            continue;
        }
        let since = Instant::now();
        let answer = caller.invoke(function, &json!({ "nonce": nonce })).await?;
        let is_right = answer.status == 200 && answer.json()["nonce"] == nonce;
        match is_right {
            true => tally.answered.push((since - begun, since.elapsed())),
            false => wrong(tally, format!("{} {}", answer.status, answer.json())),
        }
    }
    Ok(())
}

fn wrong(tally: &mut Tally, text: String) {
    *tally.wrong.entry(text).or_default() += 1;
}

/// A function of this kind that answers its event's nonce and which edition of its code it is.
pub(super) fn source(collector: &Collector, kind: &str, edition: u64) -> String {
    let port = collector.port;
    format!(
        "import time
{TELL}
def handler(event, context):
    if event.get('tell'): tell({port}, event['nonce'])
    {kind}
    return {{'nonce': event['nonce'], 'edition': {edition}}}
"
    )
}
