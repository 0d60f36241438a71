//! System calls a function has no business with: each is refused, whatever its arguments.

use serde_json::{Value, json};

use super::attack::Attacker;

attacks! {
    mount_and_its_relatives,
    unshare_of_every_namespace,
    clone_into_new_namespaces,
    setns_into_any_namespace,
    mknod_of_devices,
    the_kernels_wider_doors,
    sockets_below_tcp_and_udp,
    sockets_that_have_the_host_load_a_module,
    asynchronous_io_of_which_the_machine_has_one_count,
    the_other_abi_is_no_way_around,
    what_programs_need_still_works,
}

/// Lines that define `call(number, *arguments)`, which raises unless the kernel did it.
const CALL: &str = "libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if result == -1:
        raise OSError(ctypes.get_errno(), 'refused')
    return result
";

fn refused(by: &Attacker, lines: &str) -> String {
    by.refused(&format!("{CALL}{lines}"))
}

fn mount_and_its_relatives(by: &Attacker) -> String {
    refused(
        by,
        "os.mkdir('/tmp/m')
found['tmpfs'] = attempt(call, 165, b'none', b'/tmp/m', b'tmpfs', 0, None)
found['bind'] = attempt(call, 165, b'/var/task', b'/tmp/m', None, 4096, None)
found['remount'] = attempt(call, 165, None, b'/var/task', None, 32 | 4096, None)
found['umount'] = attempt(call, 166, b'/tmp', 2)
found['pivot_root'] = attempt(call, 155, b'/tmp', b'/tmp/m')
found['chroot'] = attempt(os.chroot, '/tmp')
found['open_tree'] = attempt(call, 428, -100, b'/', 1)
found['fsopen'] = attempt(call, 430, b'tmpfs', 0)
found['mount_setattr'] = attempt(call, 442, -100, b'/', 0, None, 0)",
    )
}

fn unshare_of_every_namespace(by: &Attacker) -> String {
    refused(by,
        "for name, flag in (('user', 0x10000000), ('mnt', 0x20000), ('pid', 0x20000000), ('net', 0x40000000),
                   ('ipc', 0x8000000), ('uts', 0x4000000), ('cgroup', 0x2000000), ('time', 0x80)):
    found[name] = attempt(call, 272, flag)",
    )
}

fn clone_into_new_namespaces(by: &Attacker) -> String {
    refused(
        by,
        "SIGCHLD = 17
def cloned(flag):
    child = call(56, flag | SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
for name, flag in (('user', 0x10000000), ('pid', 0x20000000), ('net', 0x40000000)):
    found[name] = attempt(cloned, flag)
arguments = (ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, SIGCHLD)
def cloned3():
    child = call(435, ctypes.byref(arguments), 88)
    if child == 0:
        os._exit(0)
found['clone3'] = attempt(cloned3)",
    )
}

fn setns_into_any_namespace(by: &Attacker) -> String {
    refused(
        by,
        "def by_pidfd(pid):
    call(308, call(434, pid, 0), 0x20000 | 0x20000000 | 0x40000000)
for pid in (1, os.getpid()):
    found['pidfd %d' % pid] = attempt(by_pidfd, pid)
for name in ('user', 'mnt', 'pid', 'net', 'uts', 'ipc', 'cgroup'):
    for pid in ('self', '1'):
        def enter():
            file = os.open('/proc/%s/ns/%s' % (pid, name), os.O_RDONLY)
            call(308, file, 0)
        found[pid + name] = attempt(enter)",
    )
}

fn mknod_of_devices(by: &Attacker) -> String {
    refused(
        by,
        "import stat
found['memory'] = attempt(os.mknod, '/tmp/mem', stat.S_IFCHR | 0o600, os.makedev(1, 1))
found['disk'] = attempt(os.mknod, '/tmp/disk', stat.S_IFBLK | 0o600, os.makedev(8, 0))
found['loop'] = attempt(os.mknod, '/tmp/loop', stat.S_IFBLK | 0o600, os.makedev(7, 0))",
    )
}

fn the_kernels_wider_doors(by: &Attacker) -> String {
    refused(
        by,
        "found['bpf'] = attempt(call, 321, 0, None, 0)
found['perf_event_open'] = attempt(call, 298, None, 0, -1, -1, 0)
found['io_uring_setup'] = attempt(call, 425, 8, ctypes.create_string_buffer(200))
found['userfaultfd'] = attempt(call, 323, 1)
found['keyctl'] = attempt(call, 250, 0, -3, 1)
found['add_key'] = attempt(call, 248, b'user', b'e2e', b'x', 1, -3)
found['init_module'] = attempt(call, 175, b'x', 1, b'')
found['finit_module'] = attempt(call, 313, 0, b'', 0)
found['kexec_load'] = attempt(call, 246, 0, 0, None, 0)
found['swapon'] = attempt(call, 167, b'/tmp/x', 0)
found['reboot'] = attempt(call, 169, 0xfee1dead, 672274793, 0x89abcdef, None)
found['settimeofday'] = attempt(call, 164, ctypes.create_string_buffer(16), None)
found['clock_settime'] = attempt(call, 227, 0, ctypes.create_string_buffer(16))
found['sethostname'] = attempt(call, 170, b'x', 1)
found['quotactl'] = attempt(call, 179, 0, None, 0, None)
found['acct'] = attempt(call, 163, b'/tmp/x')
found['syslog'] = attempt(call, 103, 3, ctypes.create_string_buffer(64), 64)
found['iopl'] = attempt(call, 172, 3)
found['ioperm'] = attempt(call, 173, 0x80, 1, 1)
found['open_by_handle_at'] = attempt(call, 304, -100, ctypes.create_string_buffer(16), 0)
found['lookup_dcookie'] = attempt(call, 212, 0, ctypes.create_string_buffer(64), 64)
found['personality'] = attempt(call, 135, 0x0400000)
found['pidfd_getfd'] = attempt(call, 438, 0, 0, 0)
found['ptrace'] = attempt(call, 101, 0, 0, 0, 0)
found['fanotify_init'] = attempt(call, 300, 0, 0)",
    )
}

fn sockets_below_tcp_and_udp(by: &Attacker) -> String {
    refused(
        by,
        "found['raw'] = attempt(socket.socket, socket.AF_INET, socket.SOCK_RAW, 1)
found['packet'] = attempt(socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 3)
found['vsock'] = attempt(socket.socket, 40, socket.SOCK_STREAM, 0)
found['alg'] = attempt(socket.socket, 38, socket.SOCK_SEQPACKET, 0)
def address():
    route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    # RTM_NEWLINK of loopback, down: would change the sandbox's network.
    import struct
    route.bind((0, 0))
    route.send(struct.pack('=IHHIIBxHiII', 32, 16, 5, 1, 0, 0, 0, 1, 0, 1))
    answer = route.recv(4096)
    error = struct.unpack_from('=i', answer, 16)[0]
    if error:
        raise OSError(-error, 'netlink')
found['netlink'] = attempt(address)",
    )
}

fn sockets_that_have_the_host_load_a_module(by: &Attacker) -> String {
    // A kernel that has none of these modules refuses too, so what is asserted is the filter's own answer;
    // UDP-Lite needs no module, and without the filter most kernels give it.
    let found = by.probe(&format!(
        "{CALL}def told(*arguments):
    return attempt(lambda: os.close(call(*arguments)))[1]
found['sctp'] = told(41, 2, 1, 132)
found['sctp, high bits'] = told(41, 2, 1, 132 | 1 << 32)
found['sctp by IPv6'] = told(41, 10, 5, 132)
found['dccp'] = told(41, 2, 6, 33)
found['dccp by its type'] = told(41, 2, 6, 0)
found['l2tp'] = told(41, 2, 2, 115)
found['udplite'] = told(41, 2, 2, 136)
found['a pair'] = told(53, 2, 1, 132, (ctypes.c_int * 2)())
found['packets by IPv4'] = told(41, 2, 10, 768)
with socket.socket() as any_socket:
    found['bridge'] = told(16, any_socket.fileno(), 0x8940, 0)
    found['vlan'] = told(16, any_socket.fileno(), 0x8983, 0)"
    ));
    let expected = json!({
        "sctp": "EPROTONOSUPPORT",
        "sctp, high bits": "EPROTONOSUPPORT",
        "sctp by IPv6": "ESOCKTNOSUPPORT",
        "dccp": "ESOCKTNOSUPPORT",
        "dccp by its type": "ESOCKTNOSUPPORT",
        "l2tp": "EPROTONOSUPPORT",
        "udplite": "EPROTONOSUPPORT",
        "a pair": "EPROTONOSUPPORT",
        "packets by IPv4": "ESOCKTNOSUPPORT",
        "bridge": "EPERM",
        "vlan": "EPERM",
    });
    assert_eq!(found, expected);
    "EPROTONOSUPPORT, ESOCKTNOSUPPORT, EPERM".to_owned()
}

fn asynchronous_io_of_which_the_machine_has_one_count(by: &Attacker) -> String {
    let answers = refused(
        by,
        "context = ctypes.c_ulong(0)
found['one'] = attempt(call, 206, 1, ctypes.byref(context))
found['all of them'] = attempt(call, 206, 65536, ctypes.byref(context))
found['what others have'] = attempt(call, 209, context.value, 0, None)
found['io_getevents'] = attempt(call, 208, context.value, 0, 0, None, None)
found['io_pgetevents'] = attempt(call, 333, context.value, 0, 0, None, None, None)",
    );
    assert_eq!(answers, "5 ENOSYS");
    answers
}

fn the_other_abi_is_no_way_around(by: &Attacker) -> String {
    // x32 numbers, which a filter that lists plain numbers forgets.
    refused(
        by,
        "X32 = 0x40000000
found['mount'] = attempt(call, X32 | 165, b'none', b'/tmp', b'tmpfs', 0, None)
found['unshare'] = attempt(call, X32 | 272, 0x10000000)
found['ptrace'] = attempt(call, X32 | 521, 0, 0, 0, 0)
found['getpid'] = attempt(call, X32 | 39)",
    )
}

fn what_programs_need_still_works(by: &Attacker) -> String {
    let found = by.probe(
        "import threading, tempfile, mmap
box = []
thread = threading.Thread(target=lambda: box.append(1)); thread.start(); thread.join()
found['thread'] = box
found['child'] = subprocess.check_output(['echo', 'x']).decode()
pid = os.fork()
if pid == 0: os._exit(3)
found['fork'] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
found['map'] = len(mmap.mmap(-1, 4096))
found['unix'] = len(socket.socketpair())
with tempfile.NamedTemporaryFile() as f: found['tmp'] = f.name.startswith('/tmp/')
found['urandom'] = len(os.urandom(4))
listener = socket.create_server(('127.0.0.1', 0))
found['tcp'] = bool(socket.create_connection(listener.getsockname()))
kinds = (1, 0), (1, 6), (1 | socket.SOCK_NONBLOCK, 6), (2, 0), (2, 17), (2 | socket.SOCK_CLOEXEC, 17)
found['internet'] = [attempt(socket.socket, socket.AF_INET, *kind)[0] for kind in kinds]
signal.signal(signal.SIGALRM, lambda *_: box.append(2)); signal.setitimer(signal.ITIMER_REAL, 0.01)
signal.pause(); found['alarm'] = box[-1]",
    );
    assert_eq!(found["thread"][0], 1);
    assert_eq!(found["child"], "x\n");
    assert_eq!(found["fork"], 3);
    assert_eq!((&found["tmp"], &found["tcp"]), (&Value::Bool(true), &Value::Bool(true)));
    assert_eq!(found["internet"], json!(vec!["done"; 6]));
    assert_eq!(found["alarm"], 2);
    "all of it works".to_owned()
}
