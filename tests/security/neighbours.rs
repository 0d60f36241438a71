//! One environment cannot reach another's, nor the host's, doors.

use std::time::Duration;

use serde_json::json;

use super::attack::{Attacker, Neighbour, Outcome, all_refused, guard};
use crate::harness::{Function, wait_until};

attacks! {
    code_in_one_sandbox_cannot_reach_the_runtime_api_of_another,
    abstract_and_named_sockets_of_the_host_are_out_of_reach,
    system_v_memory_of_the_host_is_out_of_reach,
    signals_do_not_cross_to_the_host,
    processes_of_the_host_cannot_be_traced_or_changed,
}

fn code_in_one_sandbox_cannot_reach_the_runtime_api_of_another(by: &Attacker) -> String {
    let victim = Neighbour::start(
        by,
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    s.connect(('192.0.2.1', 9))
    print('ADDRESS', s.getsockname()[0], flush=True)
except OSError:
    print('ADDRESS 127.0.0.1', flush=True)",
    );
    let log = victim.log();
    let word_after = |start: &str| {
        let rest = log.lines().find_map(|line| line.strip_prefix(start)).unwrap();
        rest.split_whitespace().next().unwrap().to_owned()
    };
    let (address, request) = (word_after("ADDRESS "), word_after("START RequestId: "));
    let attacker = Function::python(
        "import http.client, socket
def lambda_handler(event, context):
    reached = []
    if event['address'] != '127.0.0.1':
        try:
            socket.create_connection((event['address'], 9001), timeout=1)
            reached.append(event['address'])
        except OSError:
            pass
    # By the attacker's own Runtime API, in the victim's name.
    answers = []
    for what in ('response', 'error'):
        api = http.client.HTTPConnection('127.0.0.1', 9001, timeout=5)
        api.request('POST', '/2018-06-01/runtime/invocation/%s/%s' % (event['request'], what), 'stolen')
        answers.append(api.getresponse().status)
    return [reached, answers]
",
    );
    let run = by
        .invoke(&attacker)
        .args(["--timeout", "10"])
        .event(json!({"address": address, "request": request}).to_string())
        .run()
        .answered();
    let (reached, answers): (Vec<String>, Vec<u16>) = serde_json::from_value(run.json()).unwrap();
    assert_eq!(reached, Vec::<String>::new());
    assert!(answers.iter().all(|status| *status >= 400), "{answers:?}");
    assert!(!victim.log().contains("stolen"), "{}", victim.log());
    victim.lives_on();
    "not reached".to_owned()
}

fn abstract_and_named_sockets_of_the_host_are_out_of_reach(by: &Attacker) -> String {
    use std::os::linux::net::SocketAddrExt as _;
    let name = format!("e2e-abstract-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
    let _abstract = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("named");
    let _named = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let function = Function::python(
        "import socket
def lambda_handler(event, context):
    reached = []
    for name in ('\\0' + event[0], event[1], '/run/systemd/notify', '/var/run/docker.sock',
                 '/run/dbus/system_bus_socket'):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            try:
                socket.socket(socket.AF_UNIX, kind).connect(name)
                reached.append(name)
            except OSError:
                pass
    return reached
",
    );
    let run = by.invoke(&function).event(json!([name, path]).to_string()).run().answered();
    assert_eq!(run.json(), json!([]));
    "none reached".to_owned()
}

fn system_v_memory_of_the_host_is_out_of_reach(by: &Attacker) -> String {
    let found = by.probe(
        "found['segments'] = [line for line in open('/proc/sysvipc/shm')][1:]
found['queues'] = [line for line in open('/proc/sysvipc/msg')][1:]",
    );
    assert_eq!(found, json!({"segments": [], "queues": []}));
    "none there".to_owned()
}

fn signals_do_not_cross_to_the_host(by: &Attacker) -> String {
    let guard = guard();
    let function = Function::python(&format!(
        "import os, signal
{guard}def lambda_handler(event, context):
    sent = []
    for pid in [event] + list(range(2, 40000)):
        if pid == os.getpid() or pid == os.getppid():
            continue
        try:
            os.kill(pid, signal.SIGTERM)
            sent.append(pid)
        except OSError:
            pass
    return sent
"
    ));
    let arguments = ["--timeout", "30", "--cpu", "unlimited"];
    let run = by.invoke(&function).args(arguments).event(by.bystander().to_string()).run();
    let sent: Vec<u32> = serde_json::from_value(run.answered().json()).unwrap();
    assert!(!sent.contains(&by.bystander()), "{sent:?}");
    "ESRCH or EPERM for every number".to_owned()
}

fn processes_of_the_host_cannot_be_traced_or_changed(by: &Attacker) -> Outcome {
    if std::env::consts::ARCH != "x86_64" {
        return Outcome::NotHere("the numbers of its calls are those of x86-64".to_owned());
    }
    let guard = guard();
    let function = Function::python(&format!(
        "import ctypes, errno, os
{guard}libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    if libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]) == -1:
        raise OSError(ctypes.get_errno(), 'refused')
def lambda_handler(event, context):
    word = ctypes.create_string_buffer(64)
    limit = (ctypes.c_uint64 * 2)(1, 1)
    attempts = {{
        'ptrace attach': (101, 16, event, 0, 0), 'ptrace seize': (101, 0x4206, event, 0, 0),
        'process_vm_readv': (310, event, word, 1, word, 1, 0), 'process_vm_writev': (311, event, word, 1, word, 1, 0),
        'pidfd_open': (434, event, 0), 'tgkill': (234, event, event, 15), 'rt_sigqueueinfo': (129, event, 15, word),
        'kcmp': (312, event, os.getpid(), 0, 0, 0), 'setpriority': (141, 0, event, 19),
        'sched_setaffinity': (203, event, 8, word), 'prlimit64': (302, event, 7, limit, None),
        'migrate_pages': (256, event, 64, word, word), 'perf_event_open': (298, word, event, -1, -1, 0),
        'setpgid': (109, event, 0), 'get_robust_list': (274, event, word, word), 'ioprio_set': (251, 1, event, 0),
    }}
    found = {{}}
    for name, arguments in attempts.items():
        try:
            call(*arguments)
            found[name] = ['done', '']
        except OSError as error:
            found[name] = ['refused', errno.errorcode[error.errno]]
    return found
"
    ));
    let status = || {
        let pid = by.bystander();
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let kept = ["State:", "TracerPid:", "Cpus_allowed:", "SigPnd:", "ShdPnd:"];
        let lines: Vec<&str> =
            text.lines().filter(|line| kept.iter().any(|name| line.starts_with(name))).collect();
        lines.join(" ") + &std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap()
    };
    let asleep = wait_until(Duration::from_secs(10), || status().contains("(sleeping)"));
    assert!(asleep, "{}", status());
    let before = status();
    let run = by.invoke(&function).args(["--timeout", "10"]).event(by.bystander().to_string());
    let answers = all_refused(&run.run().answered().json());
    assert_eq!(status(), before);
    Outcome::Held(answers)
}
