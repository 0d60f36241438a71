//! A process that ends in the middle of an invocation.

use crate::conformance::languages::guest::Host;
use crate::harness::full_cpu_if_slow;

pub(crate) fn a_crash_is_told_by_its_signal(host: &Host) {
    let run = host.invoke("crash").run().failed_with("Runtime.ExitError");
    let message = run.json()["errorMessage"].as_str().unwrap().to_owned();
    assert!(message.ends_with("Runtime exited with error: signal: aborted"), "{message}");
}

pub(crate) fn an_exit_is_told_by_its_status(host: &Host) {
    let run = host.invoke("exit_one").run().failed_with("Runtime.ExitError");
    let message = run.json()["errorMessage"].as_str().unwrap().to_owned();
    assert!(message.ends_with("Runtime exited with error: exit status 1"), "{message}");
}

pub(crate) fn a_timeout_is_told(host: &Host) {
    let run = host.invoke("sleep").args(["--timeout=1"]).run().failed_with("Sandbox.Timedout");
    let message = run.json()["errorMessage"].as_str().unwrap().to_owned();
    assert!(message.ends_with("Task timed out after 1.00 seconds"), "{message}");
}

pub(crate) fn out_of_memory_is_told(host: &Host) {
    host.invoke("eat_memory").args(full_cpu_if_slow()).run().failed_with("Runtime.OutOfMemory");
}
