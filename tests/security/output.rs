//! What a function writes, and the pipe it writes to.

use std::time::Duration;

use super::attack::Attacker;
use crate::harness::{Function, wait_until};

attacks! {
    megabytes_of_log_without_a_newline_keep_the_host_small,
    a_flood_of_lines_does_not_stall_the_function_for_ever,
    output_of_many_processes_without_end_does_not_put_off_the_timeout,
    closing_its_own_outputs_loses_no_answer,
    an_output_that_nobody_may_read_is_no_way_to_block_the_host,
}

fn megabytes_of_log_without_a_newline_keep_the_host_small(by: &Attacker) -> String {
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
    let running = by.invoke(&function).args(arguments).start();
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
    format!("the host held {peak_kb} kB")
}

fn a_flood_of_lines_does_not_stall_the_function_for_ever(by: &Attacker) -> String {
    let function = Function::python(
        "def lambda_handler(event, context):
    for i in range(200000):
        print('line', i)
    return 'done'
",
    );
    let arguments = ["--timeout", "60", "--cpu", "unlimited", "--memory-size", "512"];
    let run = by.invoke(&function).args(arguments).run().answered();
    assert_eq!(run.json(), "done");
    let lines = run.stderr.lines().filter(|line| line.starts_with("line ")).count();
    assert_eq!(lines, 200_000);
    "every line arrived".to_owned()
}

fn output_of_many_processes_without_end_does_not_put_off_the_timeout(by: &Attacker) -> String {
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
    let run = by.invoke(&function).args(arguments).run().failed_with("Sandbox.Timedout");
    assert!(run.wall < Duration::from_secs(8), "{:?}", run.wall);
    "Sandbox.Timedout".to_owned()
}

fn closing_its_own_outputs_loses_no_answer(by: &Attacker) -> String {
    let function = Function::python(
        "import os
def lambda_handler(event, context):
    print('before', flush=True)
    for fd in range(0, 3):
        os.close(fd)
    # The framed log of runtimes that know it; the loop must not need it either.
    try: os.close(3)
    except OSError: pass
    # What is opened next gets the numbers of the outputs: it must not become the log.
    taken = [os.open('/tmp/%d' % n, os.O_CREAT | os.O_RDWR) for n in range(4)]
    return taken
",
    );
    let run = by.invoke(&function).args(["--repeat", "2", "--timeout", "10"]).run();
    assert!(run.wall < Duration::from_secs(15), "{:?}", run.wall);
    assert!(run.stderr.contains("before"), "{}", run.stderr);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    let run = run.answered();
    let answers: Vec<Vec<u32>> =
        run.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers, [[0, 1, 2, 3], [0, 1, 2, 3]]);
    "the answer arrives".to_owned()
}

fn an_output_that_nobody_may_read_is_no_way_to_block_the_host(by: &Attacker) -> String {
    // The pipe is shared with the host: its flags and size are the function's to change.
    let function = Function::python(
        "import fcntl, os
def lambda_handler(event, context):
    for fd in (1, 2, 3):
        try:
            fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND)
            fcntl.fcntl(fd, 1031, 4096)
            fcntl.fcntl(fd, fcntl.F_SETOWN, 1)
        except OSError:
            pass
    os.write(1, b'a word\\n')
    return 'answered'
",
    );
    let run = by.invoke(&function).args(["--timeout", "10"]).run().answered();
    assert_eq!(run.json(), "answered");
    assert!(run.stderr.contains("a word"), "{}", run.stderr);
    "the host reads on".to_owned()
}
