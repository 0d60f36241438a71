//! The machine's side of a sandbox: what its kernel was told, looked at from outside while it lives.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::attack::{Attacker, Outcome};
use crate::harness::{Function, processes_with};

attacks! {
    memory_cannot_go_to_swap_instead needs Limits,
    no_user_namespace_can_be_made_even_without_the_filter,
    mounts_of_a_sandbox_never_reach_a_machine_that_shares_its_own needs Root,
    the_init_ends_with_its_host,
}

/// A handler that becomes findable from outside and waits to be ended.
fn findable(mark: &str) -> Function {
    Function::python(&format!(
        "import subprocess
def lambda_handler(event, context):
    child = subprocess.Popen(['sleep', '{mark}'])
    print('it sleeps', flush=True)
    child.wait()
"
    ))
}

/// The process with this text in its command line.
fn process_with(mark: &str) -> String {
    let found = processes_with(mark);
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].split(':').next().unwrap().to_owned()
}

/// A file of the control group that limits a process's memory, if that group has it.
fn group_file(pid: &str, file: &str) -> Option<PathBuf> {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let find = |root: &str, named: &dyn Fn(&str) -> bool| {
        groups.lines().find_map(|line| {
            // number:controllers:path (cgroups(7)).
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?);
            let file = Path::new(root).join(path.trim_start_matches('/')).join(file);
            (named(controllers) && file.exists()).then_some(file)
        })
    };
    find("/sys/fs/cgroup/memory", &|names| names.split(',').any(|name| name == "memory"))
        .or_else(|| find("/sys/fs/cgroup", &str::is_empty))
}

fn memory_cannot_go_to_swap_instead(by: &Attacker) -> Outcome {
    let function = findable("86408.25");
    let running = by.invoke(&function).args(["--timeout", "60"]).start();
    running.wait_for_log("it sleeps");
    let pid = process_with("86408.25");
    let read = |file: &str| {
        let path = group_file(&pid, file)?;
        Some(std::fs::read_to_string(path).unwrap().trim().to_owned())
    };
    let (together, memory) = (read("memory.memsw.limit_in_bytes"), read("memory.limit_in_bytes"));
    let on_v2 = read("memory.swap.max");
    running.signal(nix::sys::signal::Signal::SIGINT);
    running.wait();
    match (on_v2, together, memory) {
        (Some(swap), _, _) => {
            assert_eq!(swap, "0");
            Outcome::Held("memory.swap.max is 0".to_owned())
        }
        (None, Some(together), Some(memory)) => {
            assert_eq!(together, memory, "memory and swap together have memory's limit");
            assert_eq!(memory, (128 << 20).to_string());
            Outcome::Held("memory with swap is limited to memory".to_owned())
        }
        (None, None, memory) => {
            let reason = format!("this kernel does not count swap (memory {memory:?})");
            Outcome::NotHere(reason)
        }
        (None, Some(_), None) => panic!("a limit of swap without one of memory"),
    }
}

fn no_user_namespace_can_be_made_even_without_the_filter(by: &Attacker) -> String {
    let found =
        by.probe("found['limit'] = open('/proc/sys/user/max_user_namespaces').read().strip()");
    assert_eq!(found, json!({"limit": "0"}));
    "max_user_namespaces is 0".to_owned()
}

fn mounts_of_a_sandbox_never_reach_a_machine_that_shares_its_own(by: &Attacker) -> String {
    // systemd shares every mount; here a namespace of the test's own does.
    let function = Function::python("def lambda_handler(event, context):\n    return 'inside'\n");
    let watch = "before=$(cat /proc/self/mountinfo); \"$@\"; code=$?
after=$(cat /proc/self/mountinfo)
echo \"$before\" | grep -q shared: && echo 'IT SHARES' >&2
[ \"$before\" = \"$after\" ] && echo 'SAME MOUNTS' >&2
exit $code";
    let shared = ["unshare", "--mount", "--propagation", "shared", "sh", "-c", watch, "sh"];
    let run = by.invoke(&function).through(shared).run().answered();
    assert_eq!(run.json(), "inside");
    assert!(run.stderr.contains("IT SHARES"), "{}", run.stderr);
    assert!(run.stderr.contains("SAME MOUNTS"), "the machine's table changed: {}", run.stderr);
    "the machine's table is what it was".to_owned()
}

fn the_init_ends_with_its_host(by: &Attacker) -> String {
    let function = findable("86409.25");
    let running = by.invoke(&function).args(["--timeout", "60"]).start();
    running.wait_for_log("it sleeps");
    running.signal(nix::sys::signal::Signal::SIGKILL);
    running.wait();
    crate::harness::wait_until_gone("86409.25");
    "every process is gone".to_owned()
}
