//! `/proc`: own processes only, and nothing of pid 1.

use serde_json::json;

use super::attack::{Attacker, all_refused};
use crate::harness::Function;

attacks! {
    only_own_processes_are_there,
    secrets_of_host_processes_cannot_be_read,
    pid_1_is_closed_to_the_function,
    pid_1_cannot_be_traced_or_its_memory_written,
    the_hosts_name_and_processes_do_not_show,
}

fn only_own_processes_are_there(by: &Attacker) -> String {
    let found = by.probe(
        "found['pids'] = sorted(int(p) for p in os.listdir('/proc') if p.isdigit())\nfound['own'] = os.getpid()",
    );
    let pids: Vec<u64> = serde_json::from_value(found["pids"].clone()).unwrap();
    let own = found["own"].as_u64().unwrap();
    assert!(pids.contains(&own) && pids.len() <= 4, "{found}");
    format!("{} processes, its own", pids.len())
}

fn secrets_of_host_processes_cannot_be_read(by: &Attacker) -> String {
    let function = Function::python(
        "import glob
def lambda_handler(event, context):
    leaks = []
    for name in ('environ', 'cmdline', 'maps', 'cwd', 'fd/0'):
        for path in glob.glob('/proc/*/' + name):
            try:
                text = open(path, 'rb').read()
            except OSError:
                continue
            if b'do-not-tell' in text or b'86403.125' in text:
                leaks.append(path)
    return leaks
",
    );
    let run = by.invoke(&function).run();
    assert_eq!(run.answered().json(), json!([]));
    "none found".to_owned()
}

fn pid_1_is_closed_to_the_function(by: &Attacker) -> String {
    let found = by.probe(
        "def read(name):
    with open('/proc/1/' + name, 'rb') as file:
        return file.read(64)
for name in ('mem', 'environ', 'maps', 'auxv', 'stack', 'syscall', 'pagemap'):
    found[name] = attempt(read, name)
found['write mem'] = attempt(os.open, '/proc/1/mem', os.O_RDWR)
for name in ('exe', 'cwd', 'root', 'ns/user', 'ns/mnt', 'ns/net'):
    found[name] = attempt(os.readlink, '/proc/1/' + name)
for name in ('fd', 'fdinfo', 'map_files', 'root/'):
    found['list ' + name] = attempt(os.listdir, '/proc/1/' + name)
for number in range(256):
    for how in (os.O_RDONLY, os.O_RDWR, os.O_PATH):
        found['fd %d %d' % (number, how)] = attempt(os.open, '/proc/1/fd/%d' % number, how)
    found['link %d' % number] = attempt(os.readlink, '/proc/1/fd/%d' % number)",
    );
    all_refused(&found)
}

fn pid_1_cannot_be_traced_or_its_memory_written(by: &Attacker) -> String {
    let found = by.probe(
        "libc = ctypes.CDLL(None, use_errno=True)
def traced(request):
    ctypes.set_errno(0)
    if libc.ptrace(request, 1, 0, 0) == -1:
        raise OSError(ctypes.get_errno(), 'ptrace')
found['attach'] = attempt(traced, 16)
found['seize'] = attempt(traced, 0x4206)
class Vec(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('len', ctypes.c_size_t)]
buffer = ctypes.create_string_buffer(8)
local, remote = Vec(ctypes.addressof(buffer), 8), Vec(0x10000, 8)
def across(call):
    ctypes.set_errno(0)
    if call(1, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0) == -1:
        if ctypes.get_errno() == errno.EFAULT:
            return 'allowed'
        raise OSError(ctypes.get_errno(), 'vm')
found['read'] = attempt(across, libc.process_vm_readv)
found['write'] = attempt(across, libc.process_vm_writev)",
    );
    all_refused(&found)
}

fn the_hosts_name_and_processes_do_not_show(by: &Attacker) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let found = by.probe("found['name'] = socket.gethostname()");
    assert_ne!(found["name"], host.trim());
    "another name".to_owned()
}
