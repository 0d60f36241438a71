//! A host that dies while its environments are frozen.

use crate::harness::{Leftovers, Serving, alone, boto3_is_there};

const COUNTS: &str = "
deploy('counts', '''
import threading, time
def tick():
    while True: time.sleep(0.001)
def handler(event, context):
    threading.Thread(target=tick, daemon=True).start()
    time.sleep(1)
''')
with ThreadPoolExecutor(3) as callers:
    list(callers.map(lambda _: call('counts'), range(3)))
json.dump(1, sys.stdout)";

#[test]
fn a_host_killed_with_frozen_environments_leaves_nothing_after_the_next_start() {
    if let Err(reason) = boto3_is_there() {
        skip!("{reason}");
    }
    let _machine = alone();
    let data = tempfile::tempdir().unwrap();
    // Makes what stays on purpose: templates and the language loop.
    let first = Serving::start_alone(data.path(), &[]);
    first.boto3(COUNTS);
    first.end().expect_code(0);
    let before = Leftovers::now(data.path());
    let serving = Serving::start_alone(data.path(), &["--freeze-after", "0"]);
    serving.boto3(&COUNTS.replace("deploy(", "(lambda *_: None)("));
    serving.wait_for_pool(|pool| pool["environments"]["frozen"] == 3);
    serving.kill();
    Serving::start_alone(data.path(), &[]).end().expect_code(0);
    let left = before.since(data.path());
    assert!(left.is_empty(), "{left:#?}");
}
