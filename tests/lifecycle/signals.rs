//! Ctrl-C, SIGTERM and hang-up end everything and leave nothing behind.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::harness::{Function, Leftovers, Run, alone, invoke, lambdabox, settings};

const SLEEPS: &str = "import subprocess, time
def lambda_handler(event, context):
    subprocess.Popen(['setsid', 'sleep', '1000'])
    print('in the handler', flush=True)
    time.sleep(600)
";

/// Starts a function, waits for this text of its log, signals, and proves that nothing is left.
fn ended_by(signal: Signal, source: &str, when: &str) -> Run {
    let _machine = alone();
    let data = tempfile::tempdir().unwrap();
    warm_up(data.path());
    let before = Leftovers::now(data.path());
    let function = Function::python(source);
    let command = invoke(&function).args(["--timeout", "900"]).data(data.path());
    let running = command.while_alone().start();
    running.wait_for_log(when);
    running.signal(signal);
    let run = running.wait();
    let left = before.since(data.path());
    assert!(left.is_empty(), "left behind: {left:#?}\n{}", run.stderr);
    assert!(run.wall < Duration::from_secs(30), "it ended promptly: {:?}", run.wall);
    run
}

/// Lets the store make what it keeps for good.
fn warm_up(data: &std::path::Path) {
    let function = Function::python("def lambda_handler(e, c):\n    return 1\n");
    invoke(&function).data(data).while_alone().run().answered();
}

#[test]
fn ctrl_c_in_the_handler_is_exit_130_and_leaves_nothing() {
    let run = ended_by(Signal::SIGINT, SLEEPS, "in the handler").expect_code(130);
    assert!(run.stdout.is_empty(), "no answer: {}", run.text());
}

#[test]
fn ctrl_c_during_init_is_exit_130_and_leaves_nothing() {
    let source = "import time\nprint('in init', flush=True)\ntime.sleep(600)\n\
                  def lambda_handler(event, context):\n    return 1\n";
    ended_by(Signal::SIGINT, source, "in init").expect_code(130);
}

#[test]
fn sigterm_leaves_nothing() {
    let run = ended_by(Signal::SIGTERM, SLEEPS, "in the handler");
    assert!(!run.status.success(), "{:?}", run.status);
}

/// As behind `nohup … &`: whoever ignores a signal has children that do.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(ignored.trim(), 16).unwrap() & (1 << (signal as u32 - 1)) != 0
}

#[test]
fn behind_nohup_a_hang_up_changes_nothing() {
    let function = Function::python(
        "import time
def lambda_handler(event, context):
    print('in the handler', flush=True)
    time.sleep(1)
    return 1
",
    );
    // `$$` is the shell, which becomes the program.
    let script = "trap '' HUP
(while ! grep -q 'in the handler' \"$LOG\"; do sleep 0.05; done; kill -HUP $$) &
exec \"$@\" 2> \"$LOG\"";
    let (data, log) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
    let output = std::process::Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(crate::harness::binary())
        .arg("invoke")
        .arg(function.path())
        .envs(settings())
        .env("LAMBDABOX_DATA_DIR", data.path())
        .env("LOG", log.path())
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"1", "{}", std::fs::read_to_string(log.path()).unwrap());
}

#[test]
fn a_hang_up_leaves_nothing() {
    if is_ignored(Signal::SIGHUP) {
        skip!("SIGHUP is ignored here");
    }
    let run = ended_by(Signal::SIGHUP, SLEEPS, "in the handler");
    assert!(!run.status.success(), "{:?}", run.status);
}

#[test]
fn ctrl_c_on_a_terminal_reaches_only_the_program() {
    // A terminal signals its whole foreground group; the function is in a session of its own.
    let _machine = alone();
    let data = tempfile::tempdir().unwrap();
    warm_up(data.path());
    let before = Leftovers::now(data.path());
    let function = Function::python(SLEEPS);
    let script = "import os, pty, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b''
while b'in the handler' not in seen:
    seen += os.read(fd, 4096)
os.write(fd, b'\\x03')
try:
    while os.read(fd, 4096):
        pass
except OSError:
    pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";
    let output = std::process::Command::new("python3")
        .args(["-c", script])
        .arg(crate::harness::binary())
        .args(["invoke", "--timeout", "900"])
        .arg(function.path())
        .envs(settings())
        .env("LAMBDABOX_DATA_DIR", data.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let left = before.since(data.path());
    assert!(left.is_empty(), "left behind: {left:#?}");
}

#[test]
fn ctrl_c_while_reading_the_event_from_standard_input_ends_it() {
    use std::process::{Command, Stdio};
    if is_ignored(Signal::SIGINT) {
        skip!("SIGINT is ignored here");
    }
    let function = Function::python("def lambda_handler(e, c):\n    return 1\n");
    let mut child = Command::new(crate::harness::binary())
        .arg("invoke")
        .arg(function.path())
        .args(["--event", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = child.id();
    // Blocked in read(2) of its standard input: system call 0 on this descriptor.
    let syscall = format!("/proc/{pid}/syscall");
    let reads = crate::harness::wait_until(Duration::from_secs(10), || {
        std::fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|tasks| {
            tasks.flatten().any(|task| {
                std::fs::read_to_string(task.path().join("syscall"))
                    .is_ok_and(|call| call.starts_with("0 0x0 "))
            })
        }) || std::fs::read_to_string(&syscall).is_err()
    });
    assert!(reads, "it reads its standard input");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.cast_signed()), Signal::SIGINT).unwrap();
    let status = child.wait().unwrap();
    use std::os::unix::process::ExitStatusExt as _;
    assert!(status.code() == Some(130) || status.signal() == Some(2), "{status:?}");
}

#[test]
fn a_second_program_is_not_touched_by_the_first_ones_end() {
    let function = Function::python(SLEEPS);
    let first = invoke(&function).args(["--timeout", "900"]).start();
    first.wait_for_log("in the handler");
    let second = invoke(&function).args(["--timeout", "2"]).start();
    second.wait_for_log("in the handler");
    first.signal(Signal::SIGINT);
    first.wait().expect_code(130);
    second.wait().failed_with("Sandbox.Timedout");
    lambdabox(["--version"]).run().answered();
}
