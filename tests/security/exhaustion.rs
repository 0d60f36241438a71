//! Taking more than one's share: memory, processes, `/tmp`, descriptors, the log.

use std::time::Duration;

use super::probe_run;
use crate::harness::{Function, invoke, wait_until, wait_until_gone};

#[test]
fn a_gigabyte_in_128_mb_is_ended() {
    let run = probe_run("held = bytearray(1 << 30)\nprint('HAS IT')", &[]);
    let run = run.failed_with("Runtime.OutOfMemory");
    assert!(!run.stderr.contains("HAS IT"), "{}", run.stderr);
}

#[test]
fn a_gigabyte_of_a_grandchild_ends_the_whole_environment() {
    let run = probe_run(
        "code = 'held = bytearray(1 << 30); print(\"HAS IT\", flush=True)'
subprocess.run(['sh', '-c', '\"$0\" -c \"$1\"; echo RUNTIME LIVES ON', sys.executable, code])
time.sleep(1)
print('RUNTIME LIVES ON', flush=True)",
        &[],
    );
    let run = run.failed_with("Runtime.OutOfMemory");
    assert!(!run.stderr.contains("HAS IT"), "{}", run.stderr);
    assert!(!run.stderr.contains("RUNTIME LIVES ON"), "the group ends as one: {}", run.stderr);
}

#[test]
fn memory_in_many_small_processes_counts_together() {
    let run = probe_run(
        "code = 'import time; held = bytearray(40 << 20); time.sleep(600)'
children = [subprocess.Popen([sys.executable, '-I', '-S', '-c', code]) for _ in range(10)]
for child in children:
    child.wait()
print('HAVE IT')",
        &[],
    );
    let run = run.failed_with("Runtime.OutOfMemory");
    assert!(!run.stderr.contains("HAVE IT"), "{}", run.stderr);
}

#[test]
fn memory_held_by_shared_or_unnamed_files_counts() {
    let run = probe_run(
        "file = os.memfd_create('hidden')
block = b'x' * (1 << 20)
for i in range(1024):
    os.write(file, block)
print('HAS IT')",
        &[],
    );
    assert_eq!(run.code(), 1, "a gigabyte of memfd is memory too: {}", run.stderr);
    assert!(!run.stderr.contains("HAS IT"), "{}", run.stderr);
}

#[test]
fn a_fork_bomb_meets_the_process_limit_and_leaves_nothing() {
    let run = probe_run(
        "children = 0
try:
    while children < 5000:
        if os.fork() == 0:
            signal.pause()
        children += 1
except OSError as error:
    found['error'] = errno.errorcode[error.errno]
found['children'] = children",
        &["--memory-size", "2048"],
    );
    let run = run.answered();
    let found = run.json();
    assert_eq!(found["error"], "EAGAIN", "{found}");
    let children = found["children"].as_u64().unwrap();
    assert!((200..=1_024).contains(&children), "AWS allows 1,024: {children}");
}

#[test]
fn a_shells_fork_bomb_is_ended_by_the_timeout() {
    let function = Function::bootstrap(
        "#!/bin/bash\nmark() { mark 86402.5 | mark 86402.5 & }\nmark\nsleep 86402.5\n",
    );
    let run =
        invoke(&function).args(["--timeout", "2"]).env("LAMBDABOX_INIT_LIMIT_MS", "1000").run();
    assert_eq!(run.code(), 1, "{}", run.stderr.chars().take(2_000).collect::<String>());
    wait_until_gone("86402.5");
    let hello = Function::python("def lambda_handler(e, c):\n    return 1\n");
    invoke(&hello).run().answered();
}

#[test]
fn tmp_is_sized_and_not_the_functions_memory() {
    let run = probe_run(
        "block, written = b'x' * (1 << 20), 0
try:
    with open('/tmp/fill', 'wb', buffering=0) as file:
        while written < 2000:
            written += file.write(block) / len(block)
except OSError as error:
    found['error'] = errno.errorcode[error.errno]
found['written'] = int(written)
os.unlink('/tmp/fill')
open('/tmp/after', 'w').write('room again')
found['after'] = os.path.getsize('/tmp/after')",
        &["--timeout", "120"],
    );
    let found = run.answered().json();
    assert_eq!(found["error"], "ENOSPC", "{found}");
    let written = found["written"].as_u64().unwrap();
    assert!((450..=512).contains(&written), "512 MB less the file system's own: {written}");
    assert_eq!(found["after"], 10);
}

#[test]
fn tmp_can_be_made_larger() {
    let run = probe_run(
        "s = os.statvfs('/tmp')\nfound['mb'] = s.f_bsize * s.f_blocks >> 20",
        &["--ephemeral-storage", "1024"],
    );
    let mb = run.answered().json()["mb"].as_u64().unwrap();
    assert!((950..=1100).contains(&mb), "{mb}");
}

#[test]
fn a_million_files_in_tmp_meet_a_limit() {
    let run = probe_run(
        "made = 0
try:
    while made < 200000:
        open('/tmp/%d' % made, 'w').close()
        made += 1
except OSError as error:
    found['error'] = errno.errorcode[error.errno]
found['made'] = made",
        &["--timeout", "120", "--cpu", "unlimited"],
    );
    assert_eq!(run.answered().json()["error"], "ENOSPC");
}

#[test]
fn descriptors_end_at_1024() {
    let found = super::probe(
        "import resource
files = []
try:
    while len(files) < 5000:
        files.append(os.open('/dev/null', os.O_RDONLY))
except OSError as error:
    found['error'] = errno.errorcode[error.errno]
found['opened'] = len(files)
for file in files: os.close(file)
found['raise'] = attempt(resource.setrlimit, resource.RLIMIT_NOFILE, (4096, 4096))",
    );
    assert_eq!(found["error"], "EMFILE");
    assert!(found["opened"].as_u64().unwrap() < 1_024, "{found}");
    assert_eq!(found["raise"][0], "refused", "{found}");
}

#[test]
fn megabytes_of_log_without_a_newline_keep_the_host_small() {
    let function = Function::python(
        "import sys
def lambda_handler(event, context):
    block = 'x' * 1048576
    for _ in range(64):
        sys.stdout.write(block)
    sys.stdout.flush()
    print()
    print('the end of it')
    return 'done'
",
    );
    let arguments = ["--timeout", "60", "--cpu", "unlimited"];
    let running = invoke(&function).args(arguments).start();
    let status = format!("/proc/{}/status", running.pid());
    let mut peak_kb = 0;
    let sampled = wait_until(Duration::from_secs(90), || {
        let Ok(text) = std::fs::read_to_string(&status) else { return true };
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let Some(line) = line else { return true };
        peak_kb = line.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
        false
    });
    assert!(sampled, "it ended");
    let run = running.wait().answered();
    assert_eq!(run.json(), "done");
    assert!(peak_kb > 0 && peak_kb < 100 << 10, "the host held {peak_kb} kB");
    assert!(run.stderr.contains("the end of it"), "what follows is not lost");
    let written = run.stderr.matches('x').count();
    assert!(written >= 64 << 20, "nothing is lost: {written} bytes");
}

#[test]
fn a_flood_of_lines_does_not_stall_the_function_for_ever() {
    let function = Function::python(
        "def lambda_handler(event, context):
    for i in range(200000):
        print('line', i)
    return 'done'
",
    );
    let arguments = ["--timeout", "60", "--cpu", "unlimited", "--memory-size", "512"];
    let run = invoke(&function).args(arguments).run().answered();
    assert_eq!(run.json(), "done");
    let lines = run.stderr.lines().filter(|line| line.starts_with("line ")).count();
    assert_eq!(lines, 200_000);
}

#[test]
fn output_of_many_processes_without_end_does_not_put_off_the_timeout() {
    let function = Function::python(
        "import os
def lambda_handler(event, context):
    for _ in range(8):
        if os.fork() == 0:
            break
    while True:
        os.write(1, b'x\\n' * 2000)
",
    );
    let arguments = ["--timeout", "2", "--cpu", "unlimited", "--memory-size", "512"];
    let run = invoke(&function).args(arguments).run().failed_with("Sandbox.Timedout");
    assert!(run.wall < Duration::from_secs(8), "{:?}", run.wall);
}
