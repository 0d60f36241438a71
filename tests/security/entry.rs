//! The way into the sandbox: the program that makes it, and what whoever called it had open.

use std::os::fd::AsFd as _;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use serde_json::json;

use super::attack::{Attacker, Outcome, guard};
use crate::harness::{Function, binary};

attacks! {
    the_entry_of_the_sandbox_cannot_be_overwritten_through_proc_self_exe,
    descriptors_of_whoever_called_do_not_come_along,
    keys_of_whoever_called_do_not_come_along,
}

/// A script whose interpreter is the program that executes it: the init, just before it is the function.
const OWN_EXECUTABLE: &str = "#!/proc/self/exe\n";

fn the_entry_of_the_sandbox_cannot_be_overwritten_through_proc_self_exe(by: &Attacker) -> Outcome {
    let function = Function::bootstrap(OWN_EXECUTABLE);
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/entry.c");
    let compiler = std::process::Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(function.at("entry.so"))
        .arg(source)
        .output();
    let Ok(compiled) = compiler else {
        return Outcome::NotHere("no C compiler".to_owned());
    };
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let before = std::fs::read(binary()).unwrap();
    let preload = ["--env", "LD_PRELOAD=/var/task/entry.so", "--timeout", "5"];
    let run = by.invoke(&function).args(preload).run().expect_code(1);
    let said: Vec<&str> =
        run.stderr.lines().filter_map(|line| line.strip_prefix("ENTRY ")).collect();
    if said.is_empty() {
        return Outcome::NotHere("the program is static: nothing can be preloaded".to_owned());
    }
    let held = |line: &&&str| **line == "mount read-only" || line.starts_with("refused ");
    assert!(said.iter().all(|line| held(&line)), "{said:?}");
    assert!(said.contains(&"refused EROFS"), "{said:?}");
    assert!(said.len() >= 4, "every way was tried: {said:?}");
    assert!(before == std::fs::read(binary()).unwrap(), "the program is what it was");
    Outcome::Held("a read-only mount, EROFS".to_owned())
}

fn descriptors_of_whoever_called_do_not_come_along(by: &Attacker) -> String {
    // What a careless caller leaves open: a secret, the machine's root directory, a service.
    let mut secret = tempfile::NamedTempFile::with_prefix("e2e-open-").unwrap();
    std::io::Write::write_all(&mut secret, b"of the caller").unwrap();
    let root = std::fs::File::open("/").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for file in [secret.as_file().as_fd(), root.as_fd(), listener.as_fd()] {
        fcntl(file, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    }
    let handler = "import os
def lambda_handler(event, context):
    leaks = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            numbers = os.listdir('/proc/%s/fd' % pid)
        except OSError:
            continue
        for number in numbers:
            path = '/proc/%s/fd/%s' % (pid, number)
            try:
                name = os.readlink(path)
            except OSError:
                continue
            if 'e2e-open-' in name or os.path.exists(path + '/etc/shadow') or os.path.isdir(path + '/proc/1'):
                leaks.append([path, name])
    own = []
    for number in range(0, 1024):
        try:
            os.fstat(number)
            own.append(number)
        except OSError:
            pass
    return [leaks, [n for n in own if n > 16]]
";
    let run = by.invoke(&Function::python(handler)).args(["--timeout", "10"]).run().answered();
    assert_eq!(run.json(), json!([[], []]), "{}", run.stderr);
    assert_eq!(descriptors_of_the_makers(by), Vec::<String>::new());
    let script = "#!/bin/sh\nls -l /proc/self/fd\nexit 1\n";
    let run = by.invoke(&Function::bootstrap(script)).run().expect_code(1);
    assert!(run.stderr.contains("/dev/null"), "it listed something: {}", run.stderr);
    assert!(!run.stderr.contains("e2e-open-"), "{}", run.stderr);
    assert!(!run.stderr.contains("socket:"), "{}", run.stderr);
    "a file, the root directory and a listener stayed outside".to_owned()
}

/// What the spawner and the init of a sandbox that lives now have open of the caller's.
fn descriptors_of_the_makers(by: &Attacker) -> Vec<String> {
    let waiting = Function::python(
        "import time
def lambda_handler(event, context):
    print('it waits', flush=True)
    time.sleep(60)
",
    );
    let running = by.invoke(&waiting).args(["--timeout", "60"]).start();
    running.wait_for_log("it waits");
    let host = running.pid().as_raw();
    let spawners = children(host);
    let inits: Vec<i32> = spawners.iter().flat_map(|pid| children(*pid)).collect();
    assert!(!spawners.is_empty() && !inits.is_empty(), "{spawners:?} {inits:?}");
    let mut open = Vec::new();
    for pid in spawners.into_iter().chain(inits) {
        for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
            let target = std::fs::read_link(entry.unwrap().path()).unwrap();
            let name = target.to_string_lossy();
            if name.contains("e2e-open-") || name == "/" {
                open.push(format!("{pid}: {name}"));
            }
        }
    }
    running.signal(nix::sys::signal::Signal::SIGINT);
    running.wait();
    open
}

/// Children of a process, by any of its threads.
fn children(pid: i32) -> Vec<i32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let lists = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("children")));
    let lists: Vec<String> = lists.map(Result::unwrap).collect();
    lists.iter().flat_map(|list| list.split_whitespace()).map(|pid| pid.parse().unwrap()).collect()
}

/// Joins a session keyring of its own with a key for each id a sandbox may get, readable by whoever has
/// the keyring, then becomes the command that follows.
const WITH_KEYS: &str = "import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    result = libc.syscall(*[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
ADD_KEY, KEYCTL, JOIN, CHOWN, SETPERM, SESSION = 248, 250, 1, 4, 5, -3
if os.uname().machine == 'aarch64':
    ADD_KEY, KEYCTL = 217, 219
try:
    call(KEYCTL, JOIN, b'e2e-keys')
except OSError as none:
    print('NO KEYRINGS', none, file=sys.stderr)
    sys.exit(77)
ids = [1900000000 + slot * 1024 + n for slot in range(32) for n in range(2)] if os.getuid() == 0 else [-1]
for number in ids:
    key = call(ADD_KEY, b'user', b'e2e-secret-%d' % number, b'secret', 6, SESSION)
    call(KEYCTL, SETPERM, key, 0x3f000000)
    if number != -1:
        call(KEYCTL, CHOWN, key, number, -1)
print('KEYS', sum('e2e-secret' in line for line in open('/proc/keys')), file=sys.stderr, flush=True)
os.execv(sys.argv[1], sys.argv[1:])
";

fn keys_of_whoever_called_do_not_come_along(by: &Attacker) -> Outcome {
    let guard = guard();
    let function = Function::python(&format!(
        "import os
{guard}def lambda_handler(event, context):
    try:
        return [line for line in open('/proc/keys') if 'e2e-secret' in line]
    except FileNotFoundError:
        return 'no /proc/keys'
"
    ));
    let run = by.invoke(&function).through(["/usr/bin/python3", "-c", WITH_KEYS]).run();
    if run.code() == 77 {
        return Outcome::NotHere("a kernel without keyrings".to_owned());
    }
    let run = run.answered();
    let held = run.stderr.lines().find_map(|line| line.strip_prefix("KEYS ")).unwrap_or("0");
    assert_ne!(held, "0", "the caller sees its own keys: {}", run.stderr);
    if run.json() == "no /proc/keys" {
        return Outcome::NotHere("a kernel that lists no keys".to_owned());
    }
    assert_eq!(run.json(), json!([]), "keys of the caller's session");
    Outcome::Held(format!("none of the caller's {held} keys"))
}
