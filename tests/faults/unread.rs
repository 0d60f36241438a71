//! A standard error that nobody reads: a pager that waits, a full pipe.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Function, binary, python_client_of, quiet_environment, shared, wait_until};

/// Far above what any pipe holds.
const MUCH: &str = "import sys, time
def lambda_handler(event, context):
    for number in range(event['lines']):
        sys.stdout.write('%07d ' % number + 'x' * 1000 + '\\n')
    sys.stdout.flush()
    time.sleep(event.get('sleep', 0))
    return 'wrote all'
";
const PATIENCE: Duration = Duration::from_secs(60);

/// The program with both outputs as pipes, of which nobody reads until a test does.
fn start(function: &Function, data: &std::path::Path, event: &str, timeout: &str) -> Child {
    let mut command = Command::new(binary());
    quiet_environment(&mut command);
    command.arg("invoke").arg(function.path()).args(["--network", "none", "--timeout", timeout]);
    command.args(["--event", event]).env("LAMBDABOX_DATA_DIR", data);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn lines_of(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.ends_with("xxx")).collect()
}

#[test]
fn a_function_whose_log_nobody_reads_still_times_out_and_its_answer_is_given() {
    let _shared = shared();
    let (function, data) = (Function::python(MUCH), tempfile::tempdir().unwrap());
    let mut child = start(&function, data.path(), r#"{"lines": 20000}"#, "2");
    // Reads to the newline's absence: one answer, and then the end of the process's writing to it.
    let mut stdout = child.stdout.take().unwrap();
    let mut answer = vec![0; 4_096];
    let started = Instant::now();
    let length = stdout.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(answer.contains("Sandbox.Timedout"), "{answer}");
    assert!(started.elapsed() < PATIENCE);
    assert!(child.try_wait().unwrap().is_none(), "it waits for its log to be read");
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let lines = lines_of(&log);
    // The function was kept from writing more, and of what it wrote nothing is missing.
    assert!((64..15_000).contains(&lines.len()), "{}", lines.len());
    for (number, line) in lines.iter().enumerate() {
        assert!(line.starts_with(&format!("{number:07} ")), "line {number} is {}", &line[..20]);
    }
    assert!(
        log.contains("REPORT RequestId") && log.contains("Status: timeout"),
        "the end is there"
    );
}

#[test]
fn ctrl_c_ends_a_run_whose_log_nobody_reads() {
    let _shared = shared();
    let (function, data) = (Function::python(MUCH), tempfile::tempdir().unwrap());
    for event in [r#"{"lines": 20000}"#, r#"{"lines": 1, "sleep": 600}"#] {
        let mut child = start(&function, data.path(), event, "600");
        // Once something of it is in the pipe, it runs.
        let stderr = child.stderr.take().unwrap();
        let waiting = || rustix::io::ioctl_fionread(&stderr).unwrap() > 0;
        assert!(wait_until(PATIENCE, waiting), "nothing was logged");
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
        let ended = wait_until(PATIENCE, || child.try_wait().unwrap().is_some());
        assert!(ended, "{event}: it waits for somebody to read");
        assert_eq!(child.wait().unwrap().code(), Some(130));
        drop(stderr);
    }
}

#[test]
fn a_log_that_is_read_slowly_is_whole_and_in_order() {
    let _shared = shared();
    let (function, data) = (Function::python(MUCH), tempfile::tempdir().unwrap());
    let mut child = start(&function, data.path(), r#"{"lines": 3000}"#, "120");
    let mut stderr = child.stderr.take().unwrap();
    let (mut log, mut part) = (Vec::new(), vec![0; 16 * 1024]);
    loop {
        let length = stderr.read(&mut part).unwrap();
        if length == 0 {
            break;
        }
        log.write_all(&part[..length]).unwrap();
    }
    let mut answer = String::new();
    child.stdout.take().unwrap().read_to_string(&mut answer).unwrap();
    assert_eq!((child.wait().unwrap().code(), answer.as_str()), (Some(0), "\"wrote all\""));
    let log = String::from_utf8(log).unwrap();
    let lines = lines_of(&log);
    assert_eq!(lines.len(), 3_000);
    assert!(lines.is_sorted());
    let last = log.lines().rfind(|line| !line.is_empty()).unwrap();
    assert!(last.starts_with("REPORT "), "{last}");
}

#[test]
fn a_hosts_functions_do_not_wait_for_a_reader_of_its_log_who_is_told_what_is_missing() {
    let _shared = shared();
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("empty.toml");
    std::fs::write(&config, "").unwrap();
    let mut command = Command::new(binary());
    quiet_environment(&mut command);
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.args(["--network", "none", "--config"]).arg(&config);
    command.env("LAMBDABOX_DATA_DIR", data.path());
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    let port = loop {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "the host ended");
        if let Some((_, rest)) = line.split_once("AWS clients on http://127.0.0.1:") {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            break digits.parse().unwrap();
        }
    };
    let run = |script: &str| {
        let output = python_client_of(port, script).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    // Of 20 MB the host keeps 16.
    run(&format!(
        "create(c, 'f', {MUCH:?}, Handler='app.lambda_handler', Timeout=300)
for lines in 20_000, 1:
    found = answer(c.invoke(FunctionName='f', Payload=json.dumps({{'lines': lines}})))
    assert found == 'wrote all', found"
    ));
    let read_bytes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&read_bytes);
    let reader = std::thread::spawn(move || {
        let (mut log, mut part) = (Vec::new(), vec![0; 64 * 1024]);
        loop {
            let length = stderr.read(&mut part).unwrap();
            if length == 0 {
                break String::from_utf8(log).unwrap();
            }
            log.extend_from_slice(&part[..length]);
            counted.fetch_add(length, Ordering::Relaxed);
        }
    });
    let reads = wait_until(PATIENCE, || read_bytes.load(Ordering::Relaxed) > 1024 * 1024);
    assert!(reads, "there is a log to read");
    // Once it is read again, what comes is written again, and what is missing is said.
    run("c.invoke(FunctionName='f', Payload=b'{\"lines\": 1}')");
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let log = reader.join().unwrap();
    assert!(log.contains("bytes of functions' logs are left out here"), "nothing is said");
    assert!(lines_of(&log).len() < 20_000, "{}", lines_of(&log).len());
    let last = log.lines().rfind(|line| line.starts_with("f | REPORT ")).unwrap();
    assert!(last.contains("Status") || last.contains("Duration"), "{last}");
}
