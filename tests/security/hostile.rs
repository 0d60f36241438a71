//! Functions that fight their own end.

use std::time::Duration;

use super::attack::{Attacker, Neighbour, guard};
use crate::harness::{Function, wait_until_gone};

attacks! {
    kill_minus_nine_minus_one_hits_only_the_environment,
    signals_to_pid_1_change_nothing,
    a_daemon_that_double_forks_does_not_outlive_the_environment,
    a_daemon_that_holds_the_output_open_does_not_hold_up_the_answer,
    a_bootstrap_that_ignores_sigterm_is_ended,
    a_stopped_runtime_is_ended_by_the_timeout,
    a_response_cut_off_by_the_runtimes_death_is_an_error_not_half_an_answer,
    garbage_on_the_runtime_api_does_not_stop_the_environment,
}

fn kill_minus_nine_minus_one_hits_only_the_environment(by: &Attacker) -> String {
    let neighbour = Neighbour::start(by, "");
    let guard = guard();
    let function = Function::python(&format!(
        "import os, signal, time
{guard}def lambda_handler(event, context):
    if os.fork() == 0:
        os.kill(-1, signal.SIGKILL)
    time.sleep(20)
"
    ));
    let run = by.invoke(&function).args(["--timeout", "15"]).run().failed_with("Runtime.ExitError");
    assert!(run.text().contains("signal: killed"), "{}", run.text());
    assert!(run.wall < Duration::from_secs(10), "told at once: {:?}", run.wall);
    neighbour.lives_on();
    "only its own died".to_owned()
}

fn signals_to_pid_1_change_nothing(by: &Attacker) -> String {
    let guard = guard();
    let function = Function::python(&format!(
        "import os, signal
{guard}def lambda_handler(event, context):
    for name in ('SIGKILL', 'SIGTERM', 'SIGSTOP', 'SIGINT', 'SIGSEGV', 'SIGHUP'):
        try:
            os.kill(1, getattr(signal, name))
        except PermissionError:
            pass
    return 'still here'
"
    ));
    let run = by.invoke(&function).args(["--repeat", "2"]).run().answered();
    assert_eq!(run.text(), "\"still here\"\n\"still here\"\n");
    "nothing changed".to_owned()
}

fn a_daemon_that_double_forks_does_not_outlive_the_environment(by: &Attacker) -> String {
    let function = Function::python(
        "import os
def lambda_handler(event, context):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for fd in range(3, 64):
                try: os.close(fd)
                except OSError: pass
            os.execvp('sleep', ['sleep', '86404.75'])
        os._exit(0)
    os.wait()
    while not any('86404.75' in open('/proc/%s/cmdline' % p).read()
                  for p in os.listdir('/proc') if p.isdigit()):
        pass
    return 'daemon is there'
",
    );
    let run = by.invoke(&function).args(["--timeout", "10"]).run().answered();
    assert_eq!(run.json(), "daemon is there");
    assert!(
        run.wall < Duration::from_secs(10),
        "the response does not wait for it: {:?}",
        run.wall
    );
    wait_until_gone("86404.75");
    "gone with the environment".to_owned()
}

fn a_daemon_that_holds_the_output_open_does_not_hold_up_the_answer(by: &Attacker) -> String {
    let function = Function::python(
        "import subprocess
def lambda_handler(event, context):
    subprocess.Popen(['sleep', '86405.5'])
    return 'answered'
",
    );
    let run = by.invoke(&function).run().answered();
    assert!(run.wall < Duration::from_secs(10), "{:?}", run.wall);
    wait_until_gone("86405.5");
    "answered at once".to_owned()
}

fn a_bootstrap_that_ignores_sigterm_is_ended(by: &Attacker) -> String {
    let script = "#!/bin/bash
trap '' TERM INT HUP QUIT USR1 USR2
echo ignoring
while :; do sleep 86406.5; done
";
    let function = Function::bootstrap(script);
    let run = by
        .invoke(&function)
        .args(["--timeout", "1"])
        .env("LAMBDABOX_INIT_LIMIT_MS", "1000")
        .run()
        .failed_with("Sandbox.Timedout");
    assert!(run.stderr.contains("ignoring"), "{}", run.stderr);
    assert!(run.wall < Duration::from_secs(10), "{:?}", run.wall);
    wait_until_gone("86406.5");
    "Sandbox.Timedout".to_owned()
}

fn a_stopped_runtime_is_ended_by_the_timeout(by: &Attacker) -> String {
    let function = Function::python(
        "import os, signal
def lambda_handler(event, context):
    os.kill(os.getpid(), signal.SIGSTOP)
",
    );
    let run = by.invoke(&function).args(["--timeout", "1"]).run().failed_with("Sandbox.Timedout");
    assert!(run.wall < Duration::from_secs(10), "{:?}", run.wall);
    "Sandbox.Timedout".to_owned()
}

fn a_response_cut_off_by_the_runtimes_death_is_an_error_not_half_an_answer(
    by: &Attacker,
) -> String {
    let function = Function::bootstrap(
        r#"#!/bin/bash
host=${AWS_LAMBDA_RUNTIME_API%:*} port=${AWS_LAMBDA_RUNTIME_API#*:}
base=/2018-06-01/runtime/invocation
exec 3<>"/dev/tcp/$host/$port"
printf 'GET %s/next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' "$base" >&3
while IFS=$'\r' read -r line <&3 && [ -n "$line" ]; do
  case "${line,,}" in lambda-runtime-aws-request-id:*) id=${line#*: } ;; esac
done
exec 3<>"/dev/tcp/$host/$port"
printf 'POST %s/%s/response HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"half":' "$base" "$id" >&3
exit 1
"#,
    );
    let run = by.invoke(&function).args(["--timeout", "5"]).run().expect_code(1);
    assert!(!run.text().contains("half"), "{}", run.text());
    let error = run.json()["errorType"].clone();
    assert!(
        ["Runtime.ExitError", "Runtime.TruncatedResponse"].contains(&error.as_str().unwrap()),
        "{error}"
    );
    error.to_string()
}

fn garbage_on_the_runtime_api_does_not_stop_the_environment(by: &Attacker) -> String {
    let function = Function::python(
        "import os, socket
host, port = os.environ['AWS_LAMBDA_RUNTIME_API'].split(':')
def send(data):
    s = socket.create_connection((host, int(port)), timeout=1)
    try:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        while s.recv(65536): pass
    except OSError: pass
    s.close()
def lambda_handler(event, context):
    send(os.urandom(100000))
    send(b'GET /' + b'x' * 200000 + b' HTTP/1.1\\r\\n\\r\\n')
    send(b'POST /2018-06-01/runtime/invocation/wrong/response HTTP/1.1\\r\\nContent-Length: 5\\r\\n\\r\\nwrong')
    send(b'POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\\r\\nContent-Length: -5\\r\\n\\r\\n'
         % context.aws_request_id.encode())
    send(b'DELETE / HTTP/9.9\\r\\n\\r\\n')
    # Fewer than the server takes at once; a function that holds them all starves only itself.
    held = [socket.create_connection((host, int(port)), timeout=2) for _ in range(100)]
    return 'survived'
",
    );
    let run = by.invoke(&function).args(["--repeat", "2", "--timeout", "30"]).run().answered();
    assert_eq!(run.text(), "\"survived\"\n\"survived\"\n");
    "survived".to_owned()
}
