//! What is frozen does nothing at all, and leaves nothing when its host dies.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use nix::unistd::Pid;
use serde_json::json;

use crate::harness::{
    Caller, Host, Leftovers, Serving, alone, boto3_is_there, children_of, pool_of, stretched,
    wait_until,
};

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
    // A machine that is slow throughout may have one of them serve several of the calls.
    let second = Duration::from_secs(1);
    let at_least = if stretched(second) == second { 3 } else { 1 };
    serving.wait_for_pool(|pool| pool["environments"]["frozen"].as_u64() >= Some(at_least));
    serving.kill();
    Serving::start_alone(data.path(), &[]).end().expect_code(0);
    let left = before.since(data.path());
    assert!(left.is_empty(), "{left:#?}");
}

/// A thread that counts into a file of its `/tmp`, begun by the first event.
const TICKS: &str = "
import os, threading, time
def tick():
    count, file = 0, os.open('/tmp/count', os.O_CREAT | os.O_WRONLY)
    while True:
        count += 1
        os.pwrite(file, b'%020d' % count, 0)
        time.sleep(0.001)
thread = threading.Thread(target=tick, daemon=True)
def handler(event, context):
    if not thread.is_alive(): thread.start()
    time.sleep(0.05)
";

/// How long a frozen counter is watched.
const WATCHED: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(60);

/// A host with such a function, which was called once.
struct Ticking {
    host: Host,
    _data: tempfile::TempDir,
}

impl Ticking {
    fn start(freeze_after: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let host = Host::start(data.path(), &["--freeze-after", freeze_after]);
        let ticking = Self { host, _data: data };
        ticking.ask(async |caller| caller.create("ticks", TICKS, &json!({})).await);
        ticking.call();
        ticking
    }

    fn ask(&self, what: impl AsyncFn(&mut Caller)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut caller = Caller::connect(self.host.port).await.unwrap();
            what(&mut caller).await;
        });
    }

    fn call(&self) {
        self.ask(async |caller| {
            assert_eq!(caller.invoke("ticks", &json!(1)).await.unwrap().status, 200);
        });
    }

    /// The counter, as it is in the function's own `/tmp`, without waking anybody.
    fn count(&self) -> u64 {
        let mut count = None;
        // The file is there a moment after the first call.
        wait_until(PATIENCE, || {
            let files = descendants(Pid::from_raw(self.host.pid())).into_iter();
            let mut paths = files.map(|pid| PathBuf::from(format!("/proc/{pid}/root/tmp/count")));
            let text = paths.find_map(|path| fs::read_to_string(path).ok());
            count = text.and_then(|text| text.parse().ok());
            count.is_some()
        });
        count.expect("the function counts")
    }

    fn frozen(&self) -> bool {
        pool_of(&self.host)["environments"]["frozen"] == 1
    }

    #[track_caller]
    fn expect_stopped(&self) {
        assert!(wait_until(PATIENCE, || self.frozen()), "{}", pool_of(&self.host));
        let before = self.count();
        std::thread::sleep(WATCHED);
        assert_eq!(self.count(), before, "it went on while it was frozen");
        // It goes on where it was, with the next call.
        self.call();
        assert!(self.count() > before);
    }
}

fn descendants(pid: Pid) -> Vec<Pid> {
    let children = children_of(pid);
    let further: Vec<Pid> = children.iter().flat_map(|child| descendants(*child)).collect();
    children.into_iter().chain(further).collect()
}

#[test]
fn at_delay_0_a_background_thread_makes_no_progress_while_idle() {
    let ticking = Ticking::start("0");
    for _ in 0..3 {
        ticking.expect_stopped();
    }
    ticking.host.end().expect_code(0);
}

#[test]
fn after_a_delay_a_background_thread_goes_on_until_then_and_stops() {
    let delay = stretched(Duration::from_secs(3)).as_millis().to_string();
    let ticking = Ticking::start(&delay);
    let before = ticking.count();
    let progress = wait_until(PATIENCE, || ticking.frozen() || ticking.count() > before + 5);
    assert!(progress && !ticking.frozen(), "it is not to be frozen before its delay");
    ticking.expect_stopped();
    ticking.host.end().expect_code(0);
}

#[test]
fn with_freezing_off_a_background_thread_goes_on() {
    let ticking = Ticking::start("off");
    for _ in 0..3 {
        let before = ticking.count();
        assert!(wait_until(PATIENCE, || ticking.count() > before + 100), "it stopped");
        assert!(!ticking.frozen());
    }
    ticking.host.end().expect_code(0);
}
