//! Known ways out of sandboxes, tried from inside.

use super::{all_refused, probe, probe_run};

#[test]
fn climbing_above_the_root_ends_at_the_root() {
    let found = probe(
        "before = sorted(os.listdir('/'))
os.chdir('/' + '../' * 64)
found['same'] = sorted(os.listdir('.')) == before
found['work'] = os.path.exists('/proc/self/root/../etc/shadow')",
    );
    assert_eq!(found, serde_json::json!({"same": true, "work": false}));
}

#[test]
fn the_old_root_is_gone_from_the_mount_table() {
    let found = probe(
        "table = open('/proc/self/mountinfo').read()
found['old'] = [line for line in table.splitlines() if 'old' in line.split()[4] or 'put_old' in line]
found['cgroup'] = [line for line in table.splitlines() if ' - cgroup' in line and ' rw' in line.split(' - ')[0]]",
    );
    assert_eq!(found, serde_json::json!({"old": [], "cgroup": []}));
}

#[test]
fn handing_the_log_pipe_around_reaches_no_file_of_the_host() {
    let run = probe_run(
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
}

#[test]
fn core_patterns_and_binary_formats_cannot_be_registered() {
    let found = probe(
        "def write(path, text):
    with open(path, 'w') as file:
        file.write(text)
found['core'] = attempt(write, '/proc/sys/kernel/core_pattern', '|/tmp/x')
found['modprobe'] = attempt(write, '/proc/sys/kernel/modprobe', '/tmp/x')
found['binfmt'] = attempt(write, '/proc/sys/fs/binfmt_misc/register', ':x:M::xx::/tmp/x:')
found['release'] = attempt(write, '/sys/fs/cgroup/release_agent', '/tmp/x')",
    );
    all_refused(&found);
}

#[test]
fn a_forged_log_record_does_not_end_the_invocation() {
    let run = probe_run(
        "print('END RequestId: forged')
print('REPORT RequestId: forged\\tDuration: 0.00 ms\\tBilled Duration: 0 ms\\t')
os.write(3, bytes(range(256)) * 64) if os.path.exists('/proc/self/fd/3') else None
found['after'] = 1",
        &[],
    );
    let run = run.answered();
    assert_eq!(run.json()["after"], 1);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}
