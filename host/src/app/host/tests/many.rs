//! Many environments in one host.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::lab::{self, with_host};

/// Answers its event, and who it is.
const WHO: &str = "
import os, time
calls = 0
def handler(event, context):
    global calls
    calls += 1
    time.sleep(event.get('sleep', 0))
    with open('/tmp/mark', 'a') as mark:
        mark.write('x')
    return {'nonce': event['nonce'], 'calls': calls, 'marks': len(open('/tmp/mark').read()),
            'stream': os.environ['AWS_LAMBDA_LOG_STREAM_NAME'], 'left_ms': context.get_remaining_time_in_millis()}
";

#[test]
fn eight_at_once_are_eight_environments_of_their_own_and_each_is_answered_once() {
    with_host(
        "eight at once",
        |settings| settings.starts_at_once = 8,
        async |lab| {
            let version = Arc::new(lab.version("who", WHO));
            let calls: Vec<_> = (0..8)
                .map(|nonce| {
                    let event = json!({ "nonce": nonce, "sleep": 2 });
                    tokio::spawn(lab::call(lab.pool().clone(), Arc::clone(&version), event))
                })
                .collect();
            lab.until(|snapshot| snapshot.environments.busy == 8).await;
            assert_eq!(lab.groups(), 8);
            let mut streams = BTreeSet::new();
            for (nonce, call) in calls.into_iter().enumerate() {
                let answer = lab::json(&call.await.unwrap().unwrap());
                assert_eq!(answer["nonce"], nonce);
                assert_eq!(
                    (&answer["calls"], &answer["marks"]),
                    (&json!(1), &json!(1)),
                    "{answer}"
                );
                streams.insert(answer["stream"].as_str().unwrap().to_owned());
            }
            assert_eq!(streams.len(), 8);
            // Warm, most recently used: the same one again and again.
            let mut again = BTreeSet::new();
            for nonce in 0..5 {
                let answer = lab.ask(&version, json!({ "nonce": nonce })).await;
                assert!(answer["left_ms"].as_u64().unwrap() > 15_000, "{answer}");
                again.insert(answer["stream"].as_str().unwrap().to_owned());
            }
            assert_eq!(again.len(), 1);
            assert!(again.is_subset(&streams));
        },
    );
}

#[test]
fn a_new_revision_runs_in_a_new_environment_and_the_old_one_ends() {
    with_host(
        "a new revision",
        |_| {},
        async |lab| {
            let old = Arc::new(lab.version("revised", "def handler(e, c): return 'old'"));
            assert_eq!(lab.ask(&old, json!({})).await, "old");
            let mut new = lab.version("revised2", "def handler(e, c): return 'new'");
            new.function.name = "revised".to_owned();
            new.revision = "2".to_owned();
            lab.pool().retire("revised", "$LATEST", Some("2")).await;
            assert_eq!(lab.ask(&Arc::new(new), json!({})).await, "new");
            lab.until(|snapshot| snapshot.functions.len() == 1).await;
            assert_eq!(lab.groups(), 1);
        },
    );
}

#[test]
fn the_log_tail_is_the_end_of_the_invocations_own_lines() {
    with_host(
        "log tail",
        |_| {},
        async |lab| {
            let code =
                "def handler(e, c):\n  for i in range(e['lines']): print('line', i)\n  return 1";
            let version = Arc::new(lab.version("chatty", code));
            lab.invoke(&version, json!({ "lines": 3 })).await;
            let invoked = lab.invoke(&version, json!({ "lines": 2 })).await;
            let tail = String::from_utf8(invoked.log_tail).unwrap();
            assert!(tail.starts_with("START RequestId: "), "{tail}");
            assert_eq!(tail.matches("line").count(), 2);
            assert!(tail.contains("\nREPORT RequestId: "), "{tail}");
            let invoked = lab.invoke(&version, json!({ "lines": 2_000 })).await;
            assert_eq!(invoked.log_tail.len(), 4_096);
        },
    );
}

#[test]
fn memory_that_is_wanted_ends_an_idle_environment_of_another_function() {
    // Room for two.
    with_host(
        "eviction",
        |settings| settings.memory_budget_mb = 300,
        async |lab| {
            let code = "def handler(e, c): return 1";
            for name in ["a", "b", "c", "a"] {
                let version = Arc::new(lab.version(name, code));
                assert_eq!(lab.ask(&version, json!({})).await, 1);
                assert!(lab.pool().snapshot().await.memory_promised_mb <= 300);
                assert!(lab.groups() <= 2);
            }
        },
    );
}

#[test]
fn a_version_that_cannot_be_run_is_refused_with_the_reason() {
    with_host(
        "a bad version",
        |_| {},
        async |lab| {
            let mut version = lab.version("bad", "def handler(e, c): return 1");
            version.function.runtime = "python3.4".to_owned();
            let refused = lab.try_invoke(&Arc::new(version), json!({})).await.unwrap_err();
            assert!(refused.to_string().contains("python3.4"), "{refused}");
            assert_eq!(lab.groups(), 0);
        },
    );
}
