//! Taking more than one's share: memory, processes, `/tmp`, descriptors.

use serde_json::json;

use super::attack::{Attacker, Caller, Outcome, all_refused, probe_source};
use crate::harness::{Function, Run, full_cpu_if_slow, wait_until_gone};

attacks! {
    a_gigabyte_in_128_mb_is_ended needs Limits,
    a_gigabyte_of_a_grandchild_ends_the_whole_environment needs Limits,
    memory_in_many_small_processes_counts_together needs Limits,
    memory_held_by_shared_or_unnamed_files_counts needs Limits,
    a_fork_bomb_meets_the_process_limit_and_leaves_nothing,
    a_shells_fork_bomb_is_ended_by_the_timeout,
    tmp_is_sized_and_not_the_functions_memory needs Root,
    filling_tmp_ends_at_its_size_or_at_the_functions_memory,
    tmp_can_be_made_larger,
    a_million_files_in_tmp_meet_a_limit,
    descriptors_end_at_1024,
    a_caller_of_high_priority_does_not_hand_it_on,
    a_caller_of_real_time_policy_does_not_hand_it_on,
    a_caller_whom_the_kernel_spares_does_not_hand_that_on needs Limits,
    a_crash_starts_nothing_on_the_host,
}

fn a_gigabyte_in_128_mb_is_ended(by: &Attacker) -> String {
    let run = by.probe_run("held = bytearray(1 << 30)\nprint('HAS IT')", full_cpu_if_slow());
    let run = run.failed_with("Runtime.OutOfMemory");
    assert!(!run.stderr.contains("HAS IT"), "{}", run.stderr);
    "Runtime.OutOfMemory".to_owned()
}

fn a_gigabyte_of_a_grandchild_ends_the_whole_environment(by: &Attacker) -> String {
    // On version 1 the kernel kills the one process and the host, told of it, the others: at once, but a
    // busy machine may let them run for a moment.
    let run = by.probe_run(
        "code = 'held = bytearray(1 << 30); print(\"HAS IT\", flush=True)'
subprocess.run(['sh', '-c', '\"$0\" -c \"$1\"; sleep 5; echo RUNTIME LIVES ON', sys.executable, code])
time.sleep(5)
print('RUNTIME LIVES ON', flush=True)",
        full_cpu_if_slow(),
    );
    let run = run.failed_with("Runtime.OutOfMemory");
    assert!(!run.stderr.contains("HAS IT"), "{}", run.stderr);
    assert!(!run.stderr.contains("RUNTIME LIVES ON"), "the group ends as one: {}", run.stderr);
    "Runtime.OutOfMemory".to_owned()
}

fn memory_in_many_small_processes_counts_together(by: &Attacker) -> String {
    let run = by.probe_run(
        "code = 'import time; held = bytearray(40 << 20); time.sleep(600)'
children = [subprocess.Popen([sys.executable, '-I', '-S', '-c', code]) for _ in range(10)]
for child in children:
    child.wait()
print('HAVE IT')",
        full_cpu_if_slow(),
    );
    let run = run.failed_with("Runtime.OutOfMemory");
    assert!(!run.stderr.contains("HAVE IT"), "{}", run.stderr);
    "Runtime.OutOfMemory".to_owned()
}

fn memory_held_by_shared_or_unnamed_files_counts(by: &Attacker) -> String {
    let run = by.probe_run(
        "file = os.memfd_create('hidden')
block = b'x' * (1 << 20)
for i in range(1024):
    os.write(file, block)
print('HAS IT')",
        full_cpu_if_slow(),
    );
    assert_eq!(run.code(), 1, "a gigabyte of memfd is memory too: {}", run.stderr);
    assert!(!run.stderr.contains("HAS IT"), "{}", run.stderr);
    "ended".to_owned()
}

fn a_fork_bomb_meets_the_process_limit_and_leaves_nothing(by: &Attacker) -> String {
    let run = by.probe_run(
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
    format!("EAGAIN after {children}")
}

fn a_shells_fork_bomb_is_ended_by_the_timeout(by: &Attacker) -> String {
    let function = Function::bootstrap(
        "#!/bin/bash\nmark() { mark 86402.5 | mark 86402.5 & }\nmark\nsleep 86402.5\n",
    );
    let run =
        by.invoke(&function).args(["--timeout", "2"]).env("LAMBDABOX_INIT_LIMIT_MS", "1000").run();
    assert_eq!(run.code(), 1, "{}", run.stderr.chars().take(2_000).collect::<String>());
    wait_until_gone("86402.5");
    let hello = Function::python("def lambda_handler(e, c):\n    return 1\n");
    by.invoke(&hello).run().answered();
    "all killed, the next environment answers".to_owned()
}

/// Fills `/tmp`, then makes room and writes again.
const FILL: &str = "block, written = b'x' * (1 << 20), 0
try:
    with open('/tmp/fill', 'wb', buffering=0) as file:
        while written < 2000:
            written += file.write(block) / len(block)
except OSError as error:
    found['error'] = errno.errorcode[error.errno]
found['written'] = int(written)
os.unlink('/tmp/fill')
open('/tmp/after', 'w').write('room again')
found['after'] = os.path.getsize('/tmp/after')";

fn tmp_is_sized_and_not_the_functions_memory(by: &Attacker) -> String {
    let run = by.probe_run(FILL, &["--timeout", "120"]).answered();
    format!("ENOSPC after {} MB", filled(&run))
}

/// How much went in before the end, MB.
fn filled(run: &Run) -> u64 {
    let found = run.json();
    assert_eq!(found["error"], "ENOSPC", "{found}");
    let written = found["written"].as_u64().unwrap();
    assert!((450..=512).contains(&written), "512 MB less the file system's own: {written}");
    assert_eq!(found["after"], 10);
    written
}

fn filling_tmp_ends_at_its_size_or_at_the_functions_memory(by: &Attacker) -> String {
    let run = by.probe_run(FILL, &["--timeout", "120"]);
    if by.caller == Caller::OrdinaryUser && run.code() == 1 {
        run.failed_with("Runtime.OutOfMemory");
        return "Runtime.OutOfMemory: it is memory there".to_owned();
    }
    format!("ENOSPC after {} MB", filled(&run.answered()))
}

fn tmp_can_be_made_larger(by: &Attacker) -> String {
    let run = by.probe_run(
        "s = os.statvfs('/tmp')\nfound['mb'] = s.f_bsize * s.f_blocks >> 20",
        &["--ephemeral-storage", "1024"],
    );
    let mb = run.answered().json()["mb"].as_u64().unwrap();
    assert!((950..=1100).contains(&mb), "{mb}");
    format!("{mb} MB")
}

fn a_million_files_in_tmp_meet_a_limit(by: &Attacker) -> String {
    let run = by.probe_run(
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
    "ENOSPC".to_owned()
}

fn descriptors_end_at_1024(by: &Attacker) -> String {
    let found = by.probe(
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
    "EMFILE".to_owned()
}

/// Runs a handler by a caller that a shell line has prepared, if that line can be run here.
fn prepared(by: &Attacker, line: &str, probe: &str) -> Result<Run, Outcome> {
    let line = format!("{line} || exit 77\nexec \"$@\"");
    let function = Function::python(&probe_source(probe));
    let run =
        by.invoke(&function).args(["--timeout", "30"]).through(["sh", "-c", &line, "sh"]).run();
    match run.code() {
        77 => Err(Outcome::NotHere("this caller may not have it itself".to_owned())),
        _ => Ok(run),
    }
}

fn a_caller_of_high_priority_does_not_hand_it_on(by: &Attacker) -> Outcome {
    let probe =
        "found['real time'] = attempt(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(10))
found['nicer'] = attempt(os.nice, -5)";
    match prepared(by, "prlimit --pid $$ --rtprio=50:50 --nice=40:40 2>/dev/null", probe) {
        Ok(run) => Outcome::Held(all_refused(&run.answered().json())),
        Err(not_here) => not_here,
    }
}

fn a_caller_of_real_time_policy_does_not_hand_it_on(by: &Attacker) -> Outcome {
    if !nix::unistd::geteuid().is_root() {
        return Outcome::NotHere("only root can give a caller that place".to_owned());
    }
    // What a process holds, limits take nothing of; a user keeps it of the root that started it.
    let holding = "{ chrt -f -p 10 $$ && renice -n -5 -p $$ && ionice -c 1 -p $$; } \
                   >/dev/null 2>&1 || exit 77";
    let function = Function::python(&probe_source(
        "found['policy'] = os.sched_getscheduler(0)
found['nice'] = os.getpriority(os.PRIO_PROCESS, 0)
IOPRIO_GET, PROCESS = 31 if os.uname().machine == 'aarch64' else 252, 1
io = ctypes.CDLL(None).syscall(ctypes.c_long(IOPRIO_GET), ctypes.c_long(PROCESS), ctypes.c_long(0))
found['real-time I/O'] = io >> 13 == 1",
    ));
    let run = by.invoke(&function).args(["--timeout", "30"]).inside(holding, &[]).run();
    if run.code() == 77 {
        return Outcome::NotHere("the machine gives no such place".to_owned());
    }
    let found = run.answered().json();
    assert_eq!(found, json!({ "policy": 0, "nice": 0, "real-time I/O": false }));
    Outcome::Held("SCHED_OTHER, nice 0, no real-time I/O".to_owned())
}

fn a_caller_whom_the_kernel_spares_does_not_hand_that_on(by: &Attacker) -> Outcome {
    let spared = "echo -1000 2>/dev/null >/proc/$$/oom_score_adj";
    match prepared(by, spared, "held = bytearray(1 << 30)\nprint('HAS IT')") {
        Ok(run) => {
            let run = run.failed_with("Runtime.OutOfMemory");
            assert!(!run.stderr.contains("HAS IT"), "{}", run.stderr);
            Outcome::Held("Runtime.OutOfMemory".to_owned())
        }
        Err(not_here) => not_here,
    }
}

fn a_crash_starts_nothing_on_the_host(by: &Attacker) -> String {
    // What takes cores there (core_pattern) runs outside of every sandbox, as root.
    let found = by.probe(
        "import resource
os.chdir('/tmp')
if os.fork() == 0:
    os.abort()
found['core dumped'] = os.WCOREDUMP(os.wait()[1])
found['files'] = os.listdir('/tmp')
found['limit'] = resource.getrlimit(resource.RLIMIT_CORE)[1]
found['raise'] = attempt(resource.setrlimit, resource.RLIMIT_CORE, (-1, -1))",
    );
    assert_eq!(found["core dumped"], false, "{found}");
    assert_eq!(found["files"], json!([]), "{found}");
    assert_eq!(found["raise"][0], "refused", "{found}");
    assert!(found["limit"].as_u64().is_some_and(|bytes| bytes <= 1), "{found}");
    "no core, and none can be asked for".to_owned()
}
