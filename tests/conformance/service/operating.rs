//! What the operator sees: metrics, usage, the pool, and what a service manager is told.

use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::harness::{Host, lambdabox, stretched_ms, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);

const WORKER: &str = r#"
WORKER = '''
import time
def handler(event, context):
    if event.get("fail"):
        raise ValueError("it failed")
    time.sleep(event.get("sleep", 0))
'''
def call(name="worker", **event):
    return c.invoke(FunctionName=name, Payload=json.dumps(event))
"#;

/// Status, headers and body of an operator's request.
fn get(host: &Host, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", host.admin)).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
    (head.to_owned(), body.to_owned())
}

fn usage(host: &Host, query: &str) -> Value {
    let (_, body) = get(host, &format!("/usage{query}"));
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// The value of a series.
fn metric(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    line.parse().ok()
}

#[test]
fn metrics_count_what_happened_in_prometheus_text() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    host.python(&format!(
        "{WORKER}{}",
        r#"
create(c, "worker", WORKER)
call(); call(); call(fail=True)
create(c, "limited", WORKER)
c.put_function_concurrency(FunctionName="limited", ReservedConcurrentExecutions=0)
refused(call, "TooManyRequestsException", name="limited")
"#
    ));
    let (head, text) = get(&host, "/metrics");
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    for (series, value) in [
        ("lambdabox_invocations_total{function=\"worker\",start=\"cold\"}", 1.0),
        ("lambdabox_invocations_total{function=\"worker\",start=\"warm\"}", 2.0),
        ("lambdabox_errors_total{function=\"worker\",status=\"error\"}", 1.0),
        ("lambdabox_throttles_total{function=\"limited\"}", 1.0),
        ("lambdabox_duration_seconds_count{function=\"worker\"}", 3.0),
        ("lambdabox_init_duration_seconds_count{function=\"worker\"}", 1.0),
        ("lambdabox_async_queue_events", 0.0),
        ("lambdabox_environments{state=\"busy\"}", 0.0),
        ("lambdabox_pool_is_late", 0.0),
    ] {
        assert_eq!(metric(&text, series), Some(value), "{series}\n{text}");
    }
    assert!(metric(&text, "lambdabox_memory_bytes{kind=\"budget\"}").unwrap() > 0.0);
    assert!(metric(&text, "lambdabox_memory_bytes{kind=\"promised\"}").unwrap() >= 134_217_728.0);
    // Each family is introduced once, as the format has it.
    for family in ["invocations_total counter", "duration_seconds histogram", "environments gauge"]
    {
        let line = format!("# TYPE lambdabox_{family}");
        assert_eq!(text.lines().filter(|found| *found == line).count(), 1, "{line}\n{text}");
    }
}

#[test]
fn usage_has_each_invocation_and_survives_end_and_kill_and_idle_adds_nothing() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    host.python(&format!(
        "{WORKER}{}",
        r#"
create(c, "worker", WORKER)
create(c, "other", WORKER, MemorySize=256)
for _ in range(3): call()
call(fail=True)
call("other", sleep=0.2)
"#
    ));
    let by_function = usage(&host, "?by=function");
    let parts = by_function["usage"].as_array().unwrap();
    assert_eq!(parts.len(), 2, "{by_function}");
    let (other, worker) = (&parts[0], &parts[1]);
    assert_eq!(worker["function"], "worker");
    assert_eq!((&worker["invocations"], &worker["errors"]), (&4.into(), &1.into()), "{worker}");
    assert_eq!((&worker["cold_starts"], &worker["resets"]), (&1.into(), &0.into()), "{worker}");
    let billed_ms = other["billed_ms"].as_f64().unwrap();
    let gb_seconds = other["gb_seconds"].as_f64().unwrap();
    assert!(billed_ms >= 200.0, "{other}");
    assert!((gb_seconds - billed_ms / 1_000.0 / 4.0).abs() < 1e-9, "{other}");
    let price = if cfg!(target_arch = "aarch64") { 0.000_013_333_4 } else { 0.000_016_666_7 };
    let cost = other["cost_usd"].as_f64().unwrap();
    assert!((cost - (0.000_000_2 + gb_seconds * price)).abs() < 1e-11, "{other}");
    // Environments are kept, and what they cost does not grow.
    assert_eq!(by_function["idle"]["cost_usd"], 0.0);
    assert!(by_function["idle"]["environments"].as_u64().unwrap() >= 2, "{by_function}");
    let days = usage(&host, "?by=day");
    assert_eq!(days["usage"].as_array().unwrap().len(), 1, "{days}");
    assert_eq!(days["total"], by_function["total"]);
    host.end();

    let host = Host::start(data.path(), &[]);
    assert_eq!(usage(&host, "")["total"], days["total"]);
    host.python(&format!("{WORKER}call()"));
    // What was asked for is on disk.
    let total = usage(&host, "")["total"].clone();
    assert_eq!(total["invocations"], 6);
    host.signal(Signal::SIGKILL);
    host.wait();
    let host = Host::start(data.path(), &[]);
    assert_eq!(usage(&host, "")["total"], total);
}

#[test]
fn the_operator_is_answered_while_callers_take_everything() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &["--concurrency", "4"]);
    host.python(&format!("{WORKER}create(c, 'worker', WORKER, Timeout=60)"));
    let mut load = host.python_beside(&format!(
        "{WORKER}{}",
        r#"
many = client(max_pool_connections=100)
def hammer():
    end = time.monotonic() + 4 * SHORT
    while time.monotonic() < end:
        try:
            many.invoke(FunctionName="worker", Payload="{}")
        except ClientError as error:
            assert error.response["Error"]["Code"] == "TooManyRequestsException", error
threads = [threading.Thread(target=hammer) for _ in range(64)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"#
    ));
    let busy = || {
        let (_, text) = get(&host, "/metrics");
        metric(&text, "lambdabox_invocations_total{function=\"worker\",start=\"warm\"}")
            .is_some_and(|warm| warm > 20.0 / stretched_ms(1.0))
    };
    assert!(wait_until(PATIENCE, busy), "{}", host.log());
    let mut slowest = Duration::ZERO;
    let mut asked = 0;
    while load.try_wait().unwrap().is_none() && asked < 50 {
        for path in ["/metrics", "/ready", "/pool"] {
            let began = std::time::Instant::now();
            let (head, _) = get(&host, path);
            slowest = slowest.max(began.elapsed());
            assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        }
        asked += 1;
    }
    let ended = load.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(asked > 3, "{asked}");
    println!("{asked} rounds, the slowest answer after {slowest:?}");
    // The operator's own limit on others is a second for each of two questions.
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
}

#[test]
fn a_service_manager_is_told_when_it_is_ready_and_when_it_stops() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let config = data.path().join("empty.toml");
    std::fs::write(&config, "").unwrap();
    let running = lambdabox(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .args(["--network", "none", "--config"])
        .args([&config])
        .env("NOTIFY_SOCKET", path.to_str().expect("a plain path"))
        .data(data.path())
        .start();
    let told = || {
        let mut message = [0; 4_096];
        let length = manager.recv(&mut message).expect("it is told");
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let ready = told();
    assert!(ready.lines().any(|line| line == "READY=1"), "{ready}");
    running.wait_for_log("ready: AWS clients on ");
    running.signal(Signal::SIGTERM);
    let stopping = told();
    assert!(stopping.lines().any(|line| line == "STOPPING=1"), "{stopping}");
    assert_eq!(running.wait().code(), 0);
}

#[test]
fn the_unit_example_names_what_the_program_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/lambdabox.service");
    let unit = std::fs::read_to_string(path).unwrap();
    for line in ["Type=notify", "Delegate=yes", "KillMode=mixed", "Restart=on-failure"] {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
    let exec = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    assert!(exec.ends_with("lambdabox serve"), "{exec}");
}

/// Files that any user of the machine could read, if the directory itself lets everybody in.
fn open_to_others(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let (metadata, path) = (entry.metadata().unwrap(), entry.path());
        match metadata.mode() & 0o005 {
            _ if metadata.is_symlink() => {}
            others if metadata.is_dir() && others & 0o001 != 0 => open_to_others(&path, found),
            others if metadata.is_file() && others & 0o004 != 0 => found.push(path),
            _ => {}
        }
    }
}

#[test]
fn code_variables_and_logs_are_the_owners_alone_in_a_data_directory_that_is_open() {
    let data = tempfile::tempdir().unwrap();
    std::fs::set_permissions(data.path(), Permissions::from_mode(0o755)).unwrap();
    // As an earlier lambdabox made them.
    for directory in ["run", "blobs", "packages"] {
        std::fs::create_dir(data.path().join(directory)).unwrap();
    }
    std::fs::write(data.path().join("records.sqlite3"), "").unwrap();
    let host = Host::start(data.path(), &[]);
    host.python(&format!(
        "{WORKER}{}",
        r#"
create(c, "worker", WORKER, Environment={"Variables": {"SECRET": "x"}})
call()
"#
    ));
    let mut found = Vec::new();
    open_to_others(data.path(), &mut found);
    // What everybody has who has lambdabox, and what this test's host was started with.
    found.retain(|path| {
        !["loops", "empty.toml"].iter().any(|own| path.starts_with(data.path().join(own)))
    });
    assert_eq!(found, Vec::<PathBuf>::new());
    assert!(data.path().join("store.sqlite3").exists(), "it is where this test looks");
}
