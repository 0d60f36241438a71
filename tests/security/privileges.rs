//! What the function's process holds: no privilege, no descriptor, no variable too many.

use serde_json::json;

use super::attack::{Attacker, Caller, all_refused, guard};
use crate::harness::Function;

attacks! {
    it_has_no_capabilities_and_no_way_to_new_privileges,
    it_is_awss_sandbox_user_and_has_no_other_id,
    it_inherits_no_descriptor_but_its_own,
    a_child_of_a_custom_runtime_inherits_nothing_either,
    it_leads_a_session_of_its_own_without_a_terminal,
    the_terminal_of_whoever_called_cannot_be_opened,
    set_user_id_programs_give_nothing,
    every_namespace_is_its_own,
    privileges_cannot_be_had_back,
}

fn it_has_no_capabilities_and_no_way_to_new_privileges(by: &Attacker) -> String {
    let found = by.probe(
        "for line in open('/proc/self/status'):
    name, value = line.split(':', 1)
    if name.startswith('Cap') or name in ('NoNewPrivs', 'Seccomp', 'Groups'):
        found[name] = value.strip()",
    );
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(found[set], "0000000000000000", "{set}: {found}");
    }
    assert_eq!(found["NoNewPrivs"], "1");
    assert_eq!(found["Seccomp"], "2");
    // An ordinary user's own groups cannot be dropped; inside they are nobody's (user_namespaces(7)).
    let groups = found["Groups"].as_str().unwrap();
    let nobodys = groups.split_whitespace().all(|group| group == "65534");
    assert!(groups.is_empty() || (by.caller == Caller::OrdinaryUser && nobodys), "{groups}");
    "all sets empty".to_owned()
}

fn it_is_awss_sandbox_user_and_has_no_other_id(by: &Attacker) -> String {
    let found = by.probe(
        "import pwd
found['ids'] = [os.getuid(), os.geteuid(), os.getgid(), os.getegid()]
found['name'] = pwd.getpwuid(os.getuid()).pw_name
found['root'] = attempt(os.setuid, 0)
found['other'] = attempt(os.setuid, 1000)
found['group'] = attempt(os.setgid, 0)
found['groups'] = attempt(os.setgroups, [0])
found['map'] = open('/proc/self/uid_map').read().split()",
    );
    assert_eq!(found["ids"], json!([993, 993, 990, 990]));
    assert_eq!(found["name"], "sbx_user1051");
    for attempt in ["root", "other", "group", "groups"] {
        assert_eq!(found[attempt][0], "refused", "{attempt}: {found}");
    }
    let map: Vec<String> = serde_json::from_value(found["map"].clone()).unwrap();
    assert_eq!(map.len(), 3, "one line: {map:?}");
    if by.caller == Caller::Root {
        assert_ne!(map[1], "0", "not the host's root: {map:?}");
    }
    assert_eq!(map[2], "1", "one id: {map:?}");
    "one id, no group".to_owned()
}

fn it_inherits_no_descriptor_but_its_own(by: &Attacker) -> String {
    let found = by.probe(
        "found['fds'] = {}
for fd in os.listdir('/proc/self/fd'):
    try:
        found['fds'][fd] = os.readlink('/proc/self/fd/' + fd)
    except OSError:
        pass",
    );
    let fds = found["fds"].as_object().unwrap();
    for (number, target) in fds {
        let target = target.as_str().unwrap();
        let own = match number.as_str() {
            "0" => target == "/dev/null",
            "1" | "2" | "3" => target.starts_with("pipe:"),
            // The loop's connection to the Runtime API, and this very listing.
            _ => target.starts_with("socket:") || target.starts_with("/proc/"),
        };
        assert!(own, "{number} -> {target}: {found}");
    }
    let sockets = fds.values().filter(|t| t.as_str().unwrap().starts_with("socket:")).count();
    assert!(sockets <= 1, "{found}");
    format!("{} descriptors, all its own", fds.len())
}

fn a_child_of_a_custom_runtime_inherits_nothing_either(by: &Attacker) -> String {
    let function = Function::bootstrap("#!/bin/sh\nls -l /proc/self/fd\nexit 1\n");
    let run = by.invoke(&function).run().expect_code(1);
    let descriptors: Vec<&str> = run.stderr.lines().filter(|line| line.contains(" -> ")).collect();
    assert!(!descriptors.is_empty(), "{}", run.stderr);
    for line in &descriptors {
        let (_, target) = line.split_once(" -> ").unwrap();
        let own =
            target == "/dev/null" || target.starts_with("pipe:") || target.starts_with("/proc/");
        assert!(own, "{line}");
    }
    format!("{} descriptors, all its own", descriptors.len())
}

fn it_leads_a_session_of_its_own_without_a_terminal(by: &Attacker) -> String {
    let found = by.probe(
        "found['session'] = os.getsid(0) == os.getpid()
found['terminal'] = attempt(os.open, '/dev/tty', os.O_RDWR)",
    );
    assert_eq!(found["session"], true);
    assert_eq!(found["terminal"][0], "refused");
    "no terminal".to_owned()
}

fn set_user_id_programs_give_nothing(by: &Attacker) -> String {
    let found = by.probe(
        "found['ids'] = set()
for program in ('/bin/su', '/usr/bin/sudo', '/bin/mount', '/usr/bin/passwd', '/usr/bin/chsh'):
    if os.path.exists(program):
        child = subprocess.Popen([program], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        child.wait()
found['ids'] = subprocess.check_output(['id', '-u']).decode().strip()",
    );
    assert_eq!(found["ids"], "993");
    "still 993".to_owned()
}

fn every_namespace_is_its_own(by: &Attacker) -> String {
    let found = by.probe(
        "for name in ('user', 'pid', 'mnt', 'net', 'ipc', 'uts', 'cgroup'):
    found[name] = os.readlink('/proc/self/ns/' + name)",
    );
    for name in ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup"] {
        let host = std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        assert_ne!(found[name].as_str().unwrap(), host.to_str().unwrap(), "{name}");
    }
    "seven namespaces".to_owned()
}

fn privileges_cannot_be_had_back(by: &Attacker) -> String {
    let found = by.probe(
        "libc = ctypes.CDLL(None, use_errno=True)
def prctl(*arguments):
    ctypes.set_errno(0)
    if libc.prctl(*arguments) == -1:
        raise OSError(ctypes.get_errno(), 'prctl')
found['ambient'] = attempt(prctl, 47, 2, 21, 0, 0)
found['new privileges'] = attempt(prctl, 38, 0, 0, 0, 0)
found['securebits'] = attempt(prctl, 28, 0, 0, 0, 0)",
    );
    all_refused(&found)
}

fn the_terminal_of_whoever_called_cannot_be_opened(by: &Attacker) -> String {
    const ON_A_TERMINAL: &str = "import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let guard = guard();
    let function = Function::python(&format!(
        "import errno, os
{guard}def lambda_handler(event, context):
    answers = []
    for path in ['/dev/tty'] + ['/proc/%s/fd/%d' % (pid, n) for pid in ('self', '1') for n in range(256)]:
        try:
            terminal = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            if path == '/dev/tty' or os.isatty(terminal):
                answers.append('OPENED ' + path)
            os.close(terminal)
        except OSError as error:
            answers.append(errno.errorcode[error.errno])
    return 'answers: ' + ' '.join(sorted(set(answers)))
"
    ));
    let run = by.invoke(&function).args(["--timeout", "30"]);
    let run = run.through(["/usr/bin/python3", "-c", ON_A_TERMINAL]).run().answered();
    let text = run.text();
    let answers = text.lines().find_map(|line| line.trim().strip_prefix("\"answers: "));
    let answers = answers.unwrap_or_else(|| panic!("no answer on the terminal: {text}"));
    assert!(!answers.contains("OPENED"), "{answers}");
    answers.trim_end_matches('"').to_owned()
}
