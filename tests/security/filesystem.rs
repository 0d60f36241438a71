//! What a function can read and write: its own, and nothing of the host's.

use serde_json::json;

use super::attack::{Attacker, all_refused};
use crate::harness::Function;

attacks! {
    nothing_outside_tmp_can_be_written,
    code_layers_runtime_and_system_cannot_be_changed,
    kernel_settings_cannot_be_written,
    the_cgroup_limits_cannot_be_reached,
    the_hosts_shadow_file_is_not_there,
    files_of_other_users_are_not_there_whatever_their_modes,
    only_the_interpreter_is_there_of_the_homes,
    a_symlink_in_the_code_does_not_lead_to_the_hosts_files,
    files_in_tmp_may_be_run_but_never_gain_privileges,
    every_mount_is_read_only_or_private,
    the_devices_are_the_harmless_ones,
    the_program_itself_cannot_be_overwritten_from_inside,
}

fn nothing_outside_tmp_can_be_written(by: &Attacker) -> String {
    let run = by.probe_run(
        "done = []
for top, names, files in os.walk('/', topdown=True):
    names[:] = [n for n in names if os.path.join(top, n) not in ('/proc', '/sys', '/tmp')]
    path = os.path.join(top, '.e2e-written')
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        done.append(path)
    except OSError:
        pass
found['written'] = done
found['looked'] = os.path.isdir('/usr') and os.path.isdir('/var/task')",
        &["--cpu", "unlimited"],
    );
    let found = run.answered().json();
    assert_eq!(found, json!({"written": [], "looked": true}));
    "nothing written".to_owned()
}

fn code_layers_runtime_and_system_cannot_be_changed(by: &Attacker) -> String {
    let found = by.probe(
        "def change(path):
    os.close(os.open(path, os.O_WRONLY | os.O_APPEND))
found['code'] = attempt(change, '/var/task/lambda_function.py')
found['unlink'] = attempt(os.unlink, '/var/task/lambda_function.py')
found['rename'] = attempt(os.rename, '/var/task/lambda_function.py', '/var/task/x.py')
found['mode'] = attempt(os.chmod, '/var/task/lambda_function.py', 0o777)
found['times'] = attempt(os.utime, '/var/task/lambda_function.py')
found['link'] = attempt(os.link, '/var/task/lambda_function.py', '/tmp/x.py')
found['interpreter'] = attempt(change, os.path.realpath(sys.executable))
found['loop'] = attempt(change, '/var/runtime/bootstrap.py')
found['passwd'] = attempt(change, '/etc/passwd')
found['shell'] = attempt(change, '/bin/sh')
found['opt'] = attempt(os.mkdir, '/opt/x')
found['root'] = attempt(os.mkdir, '/x')
found['dev'] = attempt(os.mkdir, '/dev/x')
found['shm'] = attempt(os.mkdir, '/dev/shm/x')",
    );
    all_refused(&found)
}

fn kernel_settings_cannot_be_written(by: &Attacker) -> String {
    let found = by.probe(
        "def change(path, value):
    with open(path, 'w') as file:
        file.write(value)
for path in ('/proc/sys/kernel/core_pattern', '/proc/sys/kernel/hostname',
             '/proc/sys/vm/overcommit_memory', '/proc/sysrq-trigger',
             '/proc/sys/net/ipv4/ip_forward', '/proc/sys/user/max_user_namespaces',
             '/sys/kernel/uevent_helper', '/sys/fs/cgroup/cgroup.procs',
             '/proc/self/oom_score_adj_', '/proc/self/uid_map', '/proc/self/setgroups'):
    found[path] = attempt(change, path, '1')",
    );
    all_refused(&found)
}

fn the_cgroup_limits_cannot_be_reached(by: &Attacker) -> String {
    let found = by.probe(
        "writable = []
for root in ('/sys', '/sys/fs/cgroup', '/cgroup'):
    for top, names, files in os.walk(root):
        for file in files:
            path = os.path.join(top, file)
            if 'memory' in file or 'procs' in file or 'tasks' in file or 'cpu.' in file:
                try:
                    os.close(os.open(path, os.O_WRONLY))
                    writable.append(path)
                except OSError:
                    pass
found['writable'] = writable",
    );
    assert_eq!(found["writable"], json!([]));
    "nothing writable".to_owned()
}

fn the_hosts_shadow_file_is_not_there(by: &Attacker) -> String {
    let host = std::fs::read_to_string("/etc/shadow").unwrap_or_default();
    let run = by.probe_run(
        "for path in ('/etc/shadow', '/etc/shadow-', '/etc/gshadow', '/etc/sudoers',
             '/etc/ssh/ssh_host_ed25519_key', '/proc/1/root/etc/shadow'):
    found[path] = attempt(lambda: open(path).read())",
        &[],
    );
    let run = run.answered();
    let answers = all_refused(&run.json());
    let secret = host.lines().next().unwrap_or("no shadow here");
    assert!(!run.text().contains(secret));
    answers
}

fn files_of_other_users_are_not_there_whatever_their_modes(by: &Attacker) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let mut secrets = Vec::new();
    for parent in ["/root", "/home", "/var/tmp", "/srv", "/tmp", "/var/lib", "/mnt", "/opt"] {
        let Ok(dir) = tempfile::Builder::new().prefix("e2e-other-").tempdir_in(parent) else {
            continue;
        };
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(dir.path().join("public.txt"), "of another user").unwrap();
        secrets.push(dir);
    }
    assert!(secrets.len() >= 2, "the test could place its files");
    let paths: Vec<String> =
        secrets.iter().map(|dir| dir.path().join("public.txt").display().to_string()).collect();
    let function = Function::python(
        "import os
def lambda_handler(event, context):
    return [path for path in event if os.path.exists(path) or os.path.exists('/proc/1/root' + path)]
",
    );
    let run = by.invoke(&function).event(json!(paths).to_string()).run().answered();
    assert_eq!(run.json(), json!([]));
    "none is there".to_owned()
}

fn only_the_interpreter_is_there_of_the_homes(by: &Attacker) -> String {
    let found = by.probe(
        "found['root'] = sorted(os.listdir('/root')) if os.path.isdir('/root') else []
found['home'] = sorted(os.listdir('/home')) if os.path.isdir('/home') else []
found['var'] = sorted(os.listdir('/var'))
found['top'] = sorted(os.listdir('/'))",
    );
    let names = |key: &str| -> Vec<String> { serde_json::from_value(found[key].clone()).unwrap() };
    assert!(names("root").iter().all(|name| name == ".pyenv"), "{found}");
    assert!(
        names("var").iter().all(|n| [
            "lambdabox",
            "lang",
            "runtime",
            "task",
            "lib",
            "cache",
            "tmp",
            "run"
        ]
        .contains(&n.as_str())),
        "{found}"
    );
    for absent in ["work", "srv", "mnt", "media", "boot", "lost+found"] {
        assert!(!names("top").contains(&absent.to_owned()), "{absent}: {found}");
    }
    "nothing else".to_owned()
}

fn a_symlink_in_the_code_does_not_lead_to_the_hosts_files(by: &Attacker) -> String {
    let secret = tempfile::NamedTempFile::new_in("/var/tmp").unwrap();
    std::fs::write(secret.path(), "the host's secret").unwrap();
    let function = Function::python(
        "def lambda_handler(event, context):
    found = {}
    for name in ('absolute', 'relative', 'directory/' + event):
        try:
            found[name] = open('/var/task/' + name).read()
        except OSError as error:
            found[name] = 'refused'
    return found
",
    );
    let link = |to: &std::path::Path, name: &str| {
        std::os::unix::fs::symlink(to, function.at(name)).unwrap();
    };
    link(secret.path(), "absolute");
    let up = format!("../../../../../../..{}", secret.path().display());
    link(std::path::Path::new(&up), "relative");
    link(std::path::Path::new("/var/tmp"), "directory");
    let name = secret.path().file_name().unwrap().to_string_lossy().into_owned();
    let run = by.invoke(&function).event(json!(name).to_string()).run().answered();
    assert!(!run.text().contains("the host's secret"), "{}", run.text());
    "it leads nowhere".to_owned()
}

fn files_in_tmp_may_be_run_but_never_gain_privileges(by: &Attacker) -> String {
    let found = by.probe(
        "import shutil
shutil.copy('/bin/cat', '/tmp/cat')
os.chmod('/tmp/cat', 0o6755)
found['runs'] = subprocess.run(['/tmp/cat', '/proc/self/status'], capture_output=True).returncode
flags = [line.split()[3] for line in open('/proc/mounts') if line.split()[1] == '/tmp'][0]
found['nosuid'] = 'nosuid' in flags.split(',')
found['nodev'] = 'nodev' in flags.split(',')",
    );
    assert_eq!(found, json!({"runs": 0, "nosuid": true, "nodev": true}));
    "nosuid, nodev".to_owned()
}

fn every_mount_is_read_only_or_private(by: &Attacker) -> String {
    let found = by.probe(
        "found['writable'] = [line.split()[1] for line in open('/proc/mounts')
    if 'rw' in line.split()[3].split(',') and line.split()[2] not in ('proc', 'devtmpfs')]
found['suid'] = [line.split()[1] for line in open('/proc/mounts')
    if 'nosuid' not in line.split()[3].split(',')]",
    );
    let writable: Vec<String> = serde_json::from_value(found["writable"].clone()).unwrap();
    let expected =
        |path: &String| path == "/tmp" || path.starts_with("/dev") || path.starts_with("/proc");
    assert!(writable.iter().all(expected), "{found}");
    assert_eq!(found["suid"], json!([]));
    "read-only, nosuid".to_owned()
}

fn the_devices_are_the_harmless_ones(by: &Attacker) -> String {
    let found = by.probe(
        "found['names'] = sorted(os.listdir('/dev'))
import stat
found['block'] = [n for n in os.listdir('/dev') if stat.S_ISBLK(os.lstat('/dev/' + n).st_mode)]
found['null'] = os.write(os.open('/dev/null', os.O_WRONLY), b'x')
found['random'] = len(os.read(os.open('/dev/urandom', os.O_RDONLY), 8))",
    );
    let names: Vec<String> = serde_json::from_value(found["names"].clone()).unwrap();
    let harmless = [
        "fd", "full", "null", "random", "stderr", "stdin", "stdout", "tty", "urandom", "zero",
        "pts", "ptmx",
    ];
    assert!(names.iter().all(|name| harmless.contains(&name.as_str())), "{names:?}");
    assert!(!names.contains(&"shm".to_owned()), "no /dev/shm, as on AWS");
    assert_eq!(
        (&found["block"], &found["null"], &found["random"]),
        (&json!([]), &json!(1), &json!(8))
    );
    "none else".to_owned()
}

fn the_program_itself_cannot_be_overwritten_from_inside(by: &Attacker) -> String {
    let before = std::fs::metadata(crate::harness::binary()).unwrap();
    let run = by.probe_run(
        "for pid in ('self', '1', str(os.getppid())):
    for how in (os.O_WRONLY, os.O_RDWR | os.O_TRUNC):
        found[pid + str(how)] = attempt(os.open, '/proc/%s/exe' % pid, how)",
        &[],
    );
    let answers = all_refused(&run.answered().json());
    let after = std::fs::metadata(crate::harness::binary()).unwrap();
    assert_eq!(
        (before.len(), before.modified().unwrap()),
        (after.len(), after.modified().unwrap())
    );
    answers
}
