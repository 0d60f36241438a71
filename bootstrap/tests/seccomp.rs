//! Real programs under the real filter: ordinary ones work, refused calls answer what the table says.
//!
//! A filter holds for one thread and what it starts, so each test installs it in a thread of its own.
//! A language that is not on this machine prints SKIP with its name.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lambdabox_bootstrap::seccomp::filter;
use lambdabox_bootstrap::sys::install_seccomp;

fn under_filter(mut command: Command) -> Output {
    std::thread::spawn(move || {
        rustix::thread::set_no_new_privs(true).expect("no_new_privs can always be set");
        install_seccomp(&filter().program).expect("the kernel takes the program");
        command.output().expect("the program starts")
    })
    .join()
    .expect("the thread does not panic")
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", script]);
    command
}

fn assert_prints(command: Command, expected: &str) {
    let what = format!("{command:?}");
    let output = under_filter(command);
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}: {}\n{out}\n{err}", output.status);
    assert_eq!(out.trim(), expected, "{what}: {err}");
}

fn found(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join(program).exists());
    if !found {
        println!("SKIP: no {program} on this machine");
    }
    found
}

/// Every Python 3 the machine has: the one on PATH and pyenv's.
fn pythons() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").unwrap_or_default();
    let versions = Path::new(&home).join(".pyenv/versions");
    let mut pythons: Vec<PathBuf> = std::fs::read_dir(versions)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin/python3")))
        .filter(|python| python.exists())
        .collect();
    if found("python3") {
        pythons.push("python3".into());
    }
    pythons
}

#[test]
fn every_python_runs_its_common_modules() {
    const SCRIPT: &str = r#"
import asyncio, multiprocessing, os, socket, sqlite3, ssl, subprocess, tempfile, threading
from concurrent.futures import ThreadPoolExecutor

def child(pipe):
    pipe.send(os.getpid())

async def task():
    process = await asyncio.create_subprocess_exec("true")
    return await process.wait()

def main():
    results = list(ThreadPoolExecutor(4).map(lambda n: n * n, range(10)))
    assert results[9] == 81
    a, b = socket.socketpair()
    a.sendall(b"x"); assert b.recv(1) == b"x"
    server = socket.socket(); server.bind(("127.0.0.1", 0)); server.listen(1)
    client = socket.create_connection(server.getsockname())
    socket.getaddrinfo("localhost", 80)
    ssl.create_default_context()
    assert subprocess.run(["echo", "hi"], stdout=subprocess.PIPE).stdout == b"hi\n"
    for method in ("fork", "spawn"):
        context = multiprocessing.get_context(method)
        receiver, sender = context.Pipe(False)
        process = context.Process(target=child, args=(sender,))
        process.start(); assert receiver.recv() == process.pid; process.join()
    with tempfile.TemporaryDirectory() as directory:
        database = sqlite3.connect(os.path.join(directory, "d"))
        database.execute("create table t(x)"); database.commit()
        os.mkfifo(os.path.join(directory, "fifo"))
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    assert loop.run_until_complete(task()) == 0
    print("ok")

if __name__ == "__main__":
    main()
"#;
    let file = tempfile("modules.py", SCRIPT);
    for python in pythons() {
        let mut command = Command::new(python);
        command.arg(&file.0);
        assert_prints(command, "ok");
    }
}

#[test]
fn node_runs_workers_children_and_http() {
    const SCRIPT: &str = r#"
const { Worker } = require('worker_threads'), http = require('http'), os = require('os');
const { execFileSync } = require('child_process');
os.networkInterfaces(); execFileSync('true');
new Worker("require('worker_threads').parentPort.postMessage(7)", { eval: true }).on('message', n => {
  const server = http.createServer((q, r) => r.end('ok')).listen(0, '127.0.0.1', () =>
    http.get({ port: server.address().port, host: '127.0.0.1' }, r =>
      r.on('data', d => { if (n === 7) console.log(String(d)); process.exit(0); })));
});"#;
    if found("node") {
        let mut command = Command::new("node");
        command.args(["-e", SCRIPT]);
        assert_prints(command, "ok");
    }
}

#[test]
fn java_runs_threads_and_sockets() {
    const SOURCE: &str = r#"
import java.net.*; import java.util.stream.*;
public class Main { public static void main(String[] a) throws Exception {
  Thread t = new Thread(() -> {}); t.start(); t.join();
  try (ServerSocket s = new ServerSocket(0); Socket c = new Socket("localhost", s.getLocalPort())) {}
  new ProcessBuilder("true").start().waitFor();
  NetworkInterface.networkInterfaces().count();
  System.out.println(IntStream.range(0, 100).parallel().sum() == 4950 ? "ok" : "no");
} }"#;
    if found("java") {
        let file = tempfile("Main.java", SOURCE);
        let mut command = Command::new("java");
        command.arg(&file.0);
        assert_prints(command, "ok");
    }
}

#[test]
fn go_builds_and_runs_goroutines_and_sockets() {
    const SOURCE: &str = r#"package main
import ("fmt"; "net"; "os/exec"; "runtime"; "sync")
func main() {
  var w sync.WaitGroup
  for i := 0; i < 50; i++ { w.Add(1); go func() { runtime.LockOSThread(); w.Done() }() }
  w.Wait()
  l, e := net.Listen("tcp", "127.0.0.1:0"); if e != nil { panic(e) }
  if _, e = net.Dial("tcp", l.Addr().String()); e != nil { panic(e) }
  if _, e = net.Interfaces(); e != nil { panic(e) }
  if e = exec.Command("true").Run(); e != nil { panic(e) }
  fmt.Println("ok")
}"#;
    if found("go") {
        let file = tempfile("main.go", SOURCE);
        let mut command = Command::new("go");
        command.arg("run").arg(&file.0).env("GO111MODULE", "off").env("CGO_ENABLED", "0");
        assert_prints(command, "ok");
    }
}

#[test]
fn shells_compilers_and_tools_run() {
    assert_prints(shell("for i in 1 2 3; do echo $i; done | sort -r | head -n 1; wait"), "3");
    assert_prints(
        shell(
            "d=$(mktemp -d) && cp -r /etc/hosts $d/h && ln -s h $d/l && cat $d/l >$d/m && rm -r $d && echo ok",
        ),
        "ok",
    );
    if found("gcc") {
        let source = "#include <pthread.h>\n#include <stdio.h>\n\
             static void *f(void *p) { return p; }\n\
             int main(void) { pthread_t t; if (pthread_create(&t, 0, f, 0)) return 1;\n\
             pthread_join(t, 0); puts(\"ok\"); return 0; }\n";
        let file = tempfile("main.c", source);
        let path = file.0.display();
        assert_prints(shell(&format!("gcc -pthread -o {path}.out {path} && {path}.out")), "ok");
    }
    if found("ffmpeg") {
        let encode = "ffmpeg -v error -f lavfi -i testsrc=d=1 -f null - && echo ok";
        assert_prints(shell(encode), "ok");
    }
}

#[test]
fn tools_that_make_namespaces_mounts_and_devices_are_refused() {
    // Root's own attempts, so that only the filter can be what refuses.
    for (script, hint) in [
        ("unshare --user true", "Operation not permitted"),
        ("unshare --mount true", "Operation not permitted"),
        ("chroot / true", "Operation not permitted"),
        ("mknod $(mktemp -u) c 1 3", "Operation not permitted"),
        ("mount -t tmpfs none /mnt", "permi"),
        ("nsenter -t $$ -n true", "Operation not permitted"),
    ] {
        let output = under_filter(shell(script));
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{script}");
        assert!(err.contains(hint), "{script}: {err}");
    }
}

#[test]
fn raw_calls_answer_what_the_table_says() {
    // number or name by architecture; the answer is errno, or 0
    const SCRIPT: &str = r#"
import ctypes, errno, platform
libc = ctypes.CDLL(None, use_errno=True)
x86 = platform.machine() == "x86_64"
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(*[ctypes.c_long(a) for a in (number,) + arguments])
    return errno.errorcode.get(ctypes.get_errno(), "0") if result == -1 else "ok"
print(call(435, 0, 88), call(425, 8, 0), call(9999), call(428, -100, 0, 1), call(442, -1),
      call(56 if x86 else 220, 0x10000011), call(16 if x86 else 29, 0, 0x5412),
      call(41 if x86 else 198, 40, 1, 0), call(41 if x86 else 198, 38, 5, 0),
      call(41 if x86 else 198, 16, 3, 12), call(41 if x86 else 198, 16, 3, 0),
      call(135 if x86 else 92, 0xffffffff), call(135 if x86 else 92, 8),
      call(0x40000027) if x86 else "ENOSYS", call(162 if x86 else 81))
"#;
    if found("python3") {
        let mut command = Command::new("python3");
        command.args(["-c", SCRIPT]);
        assert_prints(
            command,
            "ENOSYS EPERM ENOSYS EPERM EPERM EPERM EPERM EAFNOSUPPORT EAFNOSUPPORT \
             EPROTONOSUPPORT ok ok EPERM ENOSYS ok",
        );
    }
}

#[test]
fn sockets_and_asynchronous_io_answer_what_the_table_says() {
    // Without the filter io_setup works here, and as a rule UDP-Lite; for root a raw socket, too.
    const SCRIPT: &str = r#"
import ctypes, errno, os, platform, socket
libc = ctypes.CDLL(None, use_errno=True)
x86 = platform.machine() == "x86_64"
def call(number, *arguments):
    ctypes.set_errno(0)
    arguments = [ctypes.c_long(a) if isinstance(a, int) else a for a in (number,) + arguments]
    result = libc.syscall(*arguments)
    return errno.errorcode.get(ctypes.get_errno(), "0") if result == -1 else "ok"
SOCKET, IOCTL, SETUP, EVENTS = (41, 16, 206, 333) if x86 else (198, 29, 0, 292)
context = ctypes.c_ulong(0)
print(call(SETUP, 1, ctypes.byref(context)), call(EVENTS, 0, 0, 0, 0, 0, 0))
print(call(SOCKET, 2, 1, 132), call(SOCKET, 2, 1, 132 | 1 << 32), call(SOCKET, 2, 2, 136),
      call(SOCKET, 2, 6, 0), call(SOCKET, 2, 3, 1))
print(call(SOCKET, 2, 1, 0), call(SOCKET, 2, 1, 6), call(SOCKET, 2, 2, 0), call(SOCKET, 2, 2, 17),
      call(SOCKET, 2, 2 | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 17))
any_socket = socket.socket()
print(*[call(IOCTL, any_socket.fileno(), request, 0) for request in (0x8940, 0x8983, 0x89a0)])
"#;
    if found("python3") {
        let mut command = Command::new("python3");
        command.args(["-c", SCRIPT]);
        assert_prints(
            command,
            "ENOSYS ENOSYS\n\
             EPROTONOSUPPORT EPROTONOSUPPORT EPROTONOSUPPORT ESOCKTNOSUPPORT EPERM\n\
             ok ok ok ok ok\n\
             EPERM EPERM EPERM",
        );
    }
}

#[test]
fn a_32_bit_call_is_answered_and_does_not_kill() {
    if !cfg!(target_arch = "x86_64") || !found("gcc") {
        println!("SKIP: needs x86_64 and gcc");
        return;
    }
    let source = "#include <stdio.h>\nint main(void) { long r; \
         __asm__ volatile(\"int $0x80\" : \"=a\"(r) : \"a\"(20) : \"memory\", \"r8\", \"r9\", \"r10\", \"r11\"); \
         printf(\"%ld\\n\", r); return 0; }\n";
    let file = tempfile("int80.c", source);
    let path = file.0.display();
    assert_prints(shell(&format!("gcc -o {path}.out {path} && {path}.out")), "-38");
}

#[test]
fn installing_without_no_new_privs_as_a_plain_user_fails() {
    // As root the capability stands in, so the drop comes first; it holds for this thread only.
    let result = std::thread::spawn(|| {
        if rustix::process::geteuid().is_root() {
            rustix::thread::set_capabilities(
                None,
                rustix::thread::CapabilitySets {
                    effective: rustix::thread::CapabilitySet::empty(),
                    permitted: rustix::thread::CapabilitySet::empty(),
                    inheritable: rustix::thread::CapabilitySet::empty(),
                },
            )
            .expect("capabilities can always be dropped");
        }
        install_seccomp(&filter().program)
    })
    .join()
    .expect("the thread does not panic");
    assert_eq!(result.expect_err("refused").raw_os_error(), Some(libc::EACCES));
}

/// A file in a directory of its own, both removed at the end.
struct Source(PathBuf);

fn tempfile(name: &str, text: &str) -> Source {
    let directory = std::env::temp_dir().join(format!("lb-sec-{}-{name}", std::process::id()));
    std::fs::create_dir(&directory).expect("the directory is new");
    let file = directory.join(name);
    std::fs::write(&file, text).expect("the directory is writable");
    Source(file)
}

impl Drop for Source {
    fn drop(&mut self) {
        let directory = self.0.parent().expect("made with a directory");
        std::fs::remove_dir_all(directory).expect("the directory is ours");
    }
}
