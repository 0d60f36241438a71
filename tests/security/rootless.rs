//! The sandbox of an ordinary user, who has no right that everybody else of the machine has not.
//!
//! The user here has no systemd of its own either, and so no control groups: what holds without them
//! is shown here, what holds with them by `scripts/test-vm user`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use super::{all_refused, guard};
use crate::harness::{
    Function, Host, Invoke, Server, boto3_is_there, invoke, ordinary_user, processes_with,
    wait_until, wait_until_gone,
};

/// What is asked for where nobody gives an ordinary user control groups.
const NO_LIMITS: [&str; 2] = ["--isolation", "no-limits"];

fn as_user(function: &Function) -> Invoke {
    invoke(function).as_user().args(NO_LIMITS).args(["--timeout", "30"])
}

/// A handler of these lines, which leave their findings in `found`.
fn prober(lines: &str) -> Function {
    let guard = guard();
    let body: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    Function::python(&format!(
        "import ctypes, errno, os, signal, socket, subprocess, sys
{guard}libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)
def attempt(action, *arguments):
    try:
        return ['done', str(action(*arguments))]
    except Exception as error:
        return ['refused', type(error).__name__]
def lambda_handler(event, context):
    found = {{}}
{body}
    return found
"
    ))
}

fn probe(lines: &str) -> serde_json::Value {
    as_user(&prober(lines)).run().answered().json()
}

#[test]
fn without_control_groups_of_its_own_nothing_runs_and_both_remedies_are_named() {
    let function = Function::python("def lambda_handler(event, context): return 'RAN'\n");
    let run = invoke(&function).as_user().run().expect_code(3);
    assert!(run.stdout.is_empty() && !run.stderr.contains("START"), "{}", run.stderr);
    run.said(&["error: failed to ", "hint: ", "root", "--isolation no-limits"]);
}

#[test]
fn without_limits_it_answers_and_every_report_says_so() {
    let function = Function::python("def lambda_handler(event, context): return event\n");
    let run = as_user(&function).event("{\"a\":1}").args(["--repeat", "2"]).run().answered();
    assert_eq!(run.text(), "{\"a\": 1}\n{\"a\": 1}\n");
    let reports = run.reports();
    assert_eq!(reports.len(), 2, "{}", run.stderr);
    for report in reports {
        let note = report.text("lambdabox").unwrap_or_default();
        assert!(note.contains("memory and CPU are not limited"), "{report:?}");
    }
    let said = run.stderr.matches("their /tmp is memory").count();
    assert_eq!(said, 1, "once, however often it is invoked: {}", run.stderr);
}

#[test]
fn a_file_that_comes_with_the_function_cannot_give_limits_up() {
    let function = Function::python("def lambda_handler(event, context): return 'RAN'\n")
        .file("lambdabox.toml", "isolation = \"no-limits\"\n");
    invoke(&function).as_user().run().refused(&["isolation", "flag"]);
    let variable = Function::python("def lambda_handler(event, context): return 'RAN'\n");
    let run = invoke(&variable).as_user().env("LAMBDABOX_ISOLATION", "no-limits").run();
    run.expect_code(3);
}

#[test]
fn inside_it_is_awss_user_as_everywhere() {
    let found = probe(
        "import pwd
found['ids'] = [os.getuid(), os.geteuid(), os.getgid(), os.getegid(), os.getgroups()]
found['name'] = pwd.getpwuid(os.getuid()).pw_name
open('/tmp/own', 'w').write('x')
found['owner'] = os.stat('/tmp/own').st_uid
found['code'] = os.stat('/var/task').st_uid
found['stderr'] = subprocess.call('echo to the log > /dev/stderr', shell=True)",
    );
    assert_eq!(found["ids"], json!([993, 993, 990, 990, []]));
    assert_eq!(found["name"], "sbx_user1051");
    assert_eq!((&found["owner"], &found["code"]), (&json!(993), &json!(993)));
    assert_eq!(found["stderr"], 0, "its own log can be opened by name");
}

#[test]
fn it_has_no_capabilities_and_no_way_to_any() {
    let found = probe(
        "found['status'] = {}
for line in open('/proc/self/status'):
    name, value = line.split(':', 1)
    if name.startswith('Cap') or name in ('NoNewPrivs', 'Seccomp'):
        found['status'][name] = value.strip()
tried = found['tried'] = {}
tried['root'] = attempt(os.setuid, 0)
tried['group'] = attempt(os.setgid, 0)
tried['groups'] = attempt(os.setgroups, [0])
CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET = 0x10000000, 0x20000, 0x40000000
for flag in (CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWUSER | CLONE_NEWNS):
    tried['unshare %x' % flag] = attempt(call, 'unshare', flag)
tried['mount'] = attempt(call, 'mount', b'none', b'/tmp', b'tmpfs', 0, None)
tried['remount'] = attempt(call, 'mount', None, b'/var/task', None, 0x20 | 0x1000, None)
tried['unmount'] = attempt(call, 'umount2', b'/var/task', 2)
tried['chroot'] = attempt(os.chroot, '/tmp')
tried['ambient'] = attempt(call, 'prctl', 47, 2, 21, 0, 0)
tried['enter'] = attempt(lambda: call('setns', os.open('/proc/1/ns/user', os.O_RDONLY), 0))
tried['write'] = attempt(open, '/var/task/x', 'w')
tried['system'] = attempt(open, '/usr/x', 'w')
tried['user namespaces'] = attempt(lambda: open('/proc/sys/user/max_user_namespaces', 'w').write('9'))",
    );
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(found["status"][set], "0000000000000000", "{set}: {found}");
    }
    assert_eq!(found["status"]["NoNewPrivs"], "1");
    assert_eq!(found["status"]["Seccomp"], "2");
    all_refused(&found["tried"]);
}

#[test]
fn files_of_others_and_of_the_user_are_not_there() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "do-not-tell").unwrap();
    // As open as can be, so that only the sandbox is in the way.
    for path in [outside.path(), &secret] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let found = probe(&format!(
        "for path in ('/etc/shadow', '{}', '/root', '/home', '/var/lib', '/run', '/sys/fs'):
    found[path] = attempt(lambda: os.listdir(path) if os.path.isdir(path) else open(path).read())
found['by its root'] = attempt(lambda: open('/proc/1/root/etc/shadow').read())",
        secret.display()
    ));
    all_refused(&found);
}

#[test]
fn its_proc_is_its_own_and_pid_1_is_closed() {
    let found = probe(
        "found['pids'] = sorted(int(p) for p in os.listdir('/proc') if p.isdigit())
tried = found['tried'] = {}
for name in ('mem', 'environ', 'maps', 'fd', 'exe', 'root/', 'ns/mnt'):
    path = '/proc/1/' + name
    tried[name] = attempt(os.readlink if name in ('exe', 'ns/mnt') else
                          os.listdir if name in ('fd', 'root/') else
                          lambda p: open(p, 'rb').read(8), path)
found['killed'] = attempt(os.kill, 1, signal.SIGKILL)",
    );
    let pids: Vec<u64> = serde_json::from_value(found["pids"].clone()).unwrap();
    assert!(pids.starts_with(&[1]) && pids.len() <= 4, "{found}");
    all_refused(&found["tried"]);
}

#[test]
fn the_hosts_loopback_is_reached_by_a_forward_only() {
    let server = Server::http("127.0.0.1:0", "from the host");
    let port = server.port();
    let fetch = format!(
        "import urllib.request
found['got'] = attempt(lambda: urllib.request.urlopen('http://127.0.0.1:{port}/').read())"
    );
    let function = prober(&fetch);
    let without = as_user(&function).run().answered().json();
    assert_eq!(without["got"][0], "refused", "{without}");
    let with = as_user(&function).args(["--forward", &port.to_string()]).run().answered().json();
    assert_eq!(with["got"], json!(["done", "b'from the host'"]), "{with}");
}

#[test]
fn failures_have_the_exit_statuses_they_have_for_root() {
    let function = Function::python(
        "import os, time
def lambda_handler(event, context):
    if event == 'raise': raise ValueError('so')
    if event == 'exit': os._exit(7)
    time.sleep(60)
",
    );
    as_user(&function).event("\"raise\"").run().failed_with("ValueError");
    as_user(&function).event("\"exit\"").run().failed_with("Runtime.ExitError");
    let late = invoke(&function).as_user().args(NO_LIMITS).args(["--timeout", "1"]);
    late.event("\"late\"").run().failed_with("Sandbox.Timedout");
    as_user(&function).args(["--memory-size", "1"]).run().refused(&["--memory-size"]);
    let less = invoke(&function).as_user().args(["--isolation", "none"]);
    less.run().refused(&["--isolation", "no-limits"]);
}

#[test]
fn without_groups_memory_used_is_what_the_processes_held() {
    let function = Function::python(
        "def lambda_handler(event, context):
    held = bytearray(300 << 20)
    return len(held)
",
    );
    let report = as_user(&function).run().answered().report();
    let used = report.number("Max Memory Used");
    assert!((300.0..400.0).contains(&used), "over the 128 MB nobody holds it to: {report:?}");
}

#[test]
fn without_groups_a_daemon_does_not_outlive_the_environment() {
    let function = Function::python(
        "import subprocess
def lambda_handler(event, context):
    subprocess.Popen(['sh', '-c', 'setsid sleep 86411.5 &']).wait()
    return 'left one'
",
    );
    assert_eq!(as_user(&function).run().answered().json(), "left one");
    wait_until_gone("86411.5");
}

#[test]
fn without_groups_nothing_stays_of_a_host_that_was_killed() {
    let function = Function::python(
        "import subprocess
def lambda_handler(event, context):
    subprocess.run(['sh', '-c', 'setsid sleep 86412.5'])
",
    );
    let data = tempfile::tempdir().unwrap();
    let own = |command: Invoke| command.data(data.path()).env("XDG_RUNTIME_DIR", data.path());
    let running = own(as_user(&function)).start();
    let there = wait_until(Duration::from_secs(60), || !processes_with("86412.5").is_empty());
    assert!(there, "{}", running.stderr_so_far());
    running.signal(Signal::SIGKILL);
    running.wait();
    wait_until_gone("86412.5");
    let quick = Function::python("def lambda_handler(event, context): return 1\n");
    let run = own(as_user(&quick)).run().answered();
    assert!(run.stderr.contains("cleaned up after 1 instance"), "{}", run.stderr);
    for left in ["run", "lambdabox/leases"] {
        let left = std::fs::read_dir(data.path().join(left)).unwrap().flatten();
        let left: Vec<_> = left.map(|entry| entry.path()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn a_host_of_a_users_functions_keeps_them_warm_and_leaves_nothing() {
    if let Err(reason) = boto3_is_there() {
        skip!("{reason}");
    }
    let data = tempfile::tempdir().unwrap();
    // Of a user's interpreters, those that everybody has.
    let host = Host::start_as_user(data.path(), &["--runtime-compat", "near"]);
    let said = host.python(
        "create(c, 'f', '''
import os, subprocess
calls = 0
def handler(event, context):
    global calls
    calls += 1
    if calls == 1: subprocess.Popen(['sleep', '86414.5'])
    return [calls, os.getuid(), event]
''')
print([answer(c.invoke(FunctionName='f', Payload=str(n))) for n in range(3)])",
    );
    assert_eq!(said.trim(), "[[1, 993, 0], [2, 993, 1], [3, 993, 2]]");
    assert!(!processes_with("86414.5").is_empty(), "what it started lives while it is warm");
    let log = host.end().expect_code(0).stderr;
    assert!(log.contains("memory and CPU are not limited, and idle functions run on"), "{log}");
    let reports = log.lines().filter(|line| line.contains("REPORT RequestId: "));
    assert_eq!(reports.filter(|line| line.contains("isolation is reduced")).count(), 3, "{log}");
    wait_until_gone("86414.5");
    let left = std::fs::read_dir(data.path().join("run")).unwrap().flatten();
    let left: Vec<_> = left.map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn its_tmp_is_sized_private_and_kept_when_the_runtime_is_started_again() {
    let function = Function::python(
        "import errno, os
def lambda_handler(event, context):
    if not os.path.exists('/tmp/first'):
        open('/tmp/first', 'w').close()
        os._exit(7)
    try:
        with open('/tmp/big', 'wb') as file:
            for _ in range(1024):
                file.write(bytes(1 << 20))
    except OSError as error:
        return [errno.errorcode[error.errno], os.path.getsize('/tmp/big') >> 20 > 500]
",
    );
    let twice = || as_user(&function).args(["--repeat", "2"]).run().expect_code(1).text();
    let text = twice();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("exit status 7"), "{text}");
    assert_eq!(lines[1], "[\"ENOSPC\", true]", "512 MB, and what was there before: {text}");
    assert!(twice().starts_with("{\"errorType\":\"Runtime.ExitError\""), "another's is empty");
}

#[test]
fn every_step_of_the_plan_is_explained() {
    let function = Function::python("def lambda_handler(event, context): return 'RAN'\n");
    let run = as_user(&function).args(["--explain"]).run().answered();
    let text = run.text();
    let position =
        |step: &str| text.find(step).unwrap_or_else(|| panic!("the plan lacks {step:?}:\n{text}"));
    let order = [
        "mount a new /proc",
        "detach the host's",
        "make the root read-only",
        "enter a user namespace (993:990 inside",
        "drop all capabilities",
        "install the system call filter",
    ];
    assert!(order.map(position).is_sorted(), "{text}");
    assert!(!text.contains("become user"), "it has no other id to become: {text}");
    assert!(!run.stderr.contains("START"), "{}", run.stderr);
}

#[test]
fn the_process_of_the_function_is_the_users_on_the_host() {
    let function = Function::python(
        "import subprocess
def lambda_handler(event, context):
    subprocess.run(['sleep', '86413.5'])
",
    );
    let running = as_user(&function).start();
    let there = wait_until(Duration::from_secs(60), || !processes_with("86413.5").is_empty());
    assert!(there, "{}", running.stderr_so_far());
    let found = processes_with("86413.5");
    let pid = found[0].split(':').next().unwrap();
    let status = std::fs::read_to_string(Path::new("/proc").join(pid).join("status")).unwrap();
    running.signal(Signal::SIGTERM);
    running.wait().expect_code(130);
    let uid = status.lines().find(|line| line.starts_with("Uid:")).unwrap().to_owned();
    let own = ordinary_user::uid().to_string();
    assert!(uid.split_whitespace().skip(1).all(|id| id == own), "{uid}");
    wait_until_gone("86413.5");
}
