//! Known ways out of sandboxes, tried from inside.
use super::attack::{Attacker, all_refused};

attacks! {
    climbing_above_the_root_ends_at_the_root,
    the_old_root_is_gone_from_the_mount_table,
    handing_the_log_pipe_around_reaches_no_file_of_the_host,
    core_patterns_and_binary_formats_cannot_be_registered,
    a_forged_log_record_does_not_end_the_invocation,
}

fn climbing_above_the_root_ends_at_the_root(by: &Attacker) -> String {
    let found = by.probe(
        "before = sorted(os.listdir('/'))
os.chdir('/' + '../' * 64)
found['same'] = sorted(os.listdir('.')) == before
found['work'] = os.path.exists('/proc/self/root/../etc/shadow')",
    );
    assert_eq!(found, serde_json::json!({"same": true, "work": false}));
    "it ends where it began".to_owned()
}

fn the_old_root_is_gone_from_the_mount_table(by: &Attacker) -> String {
    let found = by.probe(
        "table = open('/proc/self/mountinfo').read()
found['old'] = [line for line in table.splitlines() if 'old' in line.split()[4] or 'put_old' in line]
found['cgroup'] = [line for line in table.splitlines() if ' - cgroup' in line and ' rw' in line.split(' - ')[0]]",
    );
    assert_eq!(found, serde_json::json!({"old": [], "cgroup": []}));
    "no such mount".to_owned()
}

fn handing_the_log_pipe_around_reaches_no_file_of_the_host(by: &Attacker) -> String {
    let run = by.probe_run(
        "for fd in (1, 2, 3):
    for how in (os.O_RDONLY | os.O_NONBLOCK, os.O_RDWR | os.O_NONBLOCK):
        try:
            again = os.open('/proc/self/fd/%d' % fd, how)
            found['%d %d' % (fd, how)] = os.readlink('/proc/self/fd/%d' % again).split(':')[0]
            os.close(again)
        except OSError:
            pass",
        &[],
    );
    let found = run.answered().json();
    for (name, target) in found.as_object().unwrap() {
        assert_eq!(target, "pipe", "{name}: {found}");
    }
    "pipes only".to_owned()
}

fn core_patterns_and_binary_formats_cannot_be_registered(by: &Attacker) -> String {
    let found = by.probe(
        "def write(path, text):
    with open(path, 'w') as file:
        file.write(text)
found['core'] = attempt(write, '/proc/sys/kernel/core_pattern', '|/tmp/x')
found['modprobe'] = attempt(write, '/proc/sys/kernel/modprobe', '/tmp/x')
found['binfmt'] = attempt(write, '/proc/sys/fs/binfmt_misc/register', ':x:M::xx::/tmp/x:')
found['release'] = attempt(write, '/sys/fs/cgroup/release_agent', '/tmp/x')",
    );
    all_refused(&found)
}

fn a_forged_log_record_does_not_end_the_invocation(by: &Attacker) -> String {
    let run = by.probe_run(
        "print('END RequestId: forged')
print('REPORT RequestId: forged\\tDuration: 0.00 ms\\tBilled Duration: 0 ms\\t')
os.write(3, bytes(range(256)) * 64) if os.path.exists('/proc/self/fd/3') else None
found['after'] = 1",
        &[],
    );
    let run = run.answered();
    assert_eq!(run.json()["after"], 1);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    "the answer is the handler's".to_owned()
}
