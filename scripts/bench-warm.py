"""Warm invocations of a Python hello through `lambdabox serve`, side by side with the host's own echo.

usage: bench-warm.py LAMBDABOX [SECONDS]

A is `POST .../functions/hello/invocations`, B is `POST /_lambdabox/echo`, the same host answering by
itself: the same client, kept connections, the same bytes. Both run in turns of SECONDS (1) each, with 1
and with 16 clients, the CPU quota lifted. After that: a call after 100 ms of quiet with freezing off,
after 50 ms and at once; and memory: the host's peak, and what one more idle environment takes.
Nothing is asserted; the ratio is for comparing.
"""
import base64
import io
import json
import os
import re
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile

ROUNDS = 5
CLIENTS = (1, 16)
QUIET_S = 0.1
QUIET_CALLS = 60
IDLE_ENVIRONMENTS = 10
HELLO = "def handler(event, context):\n    return event\n"
PATH = "/2015-03-31/functions"


def request(path, body, method="POST"):
    return ("%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (method, path, len(body))
            ).encode() + body


def whole(answer):
    """Whether all of an answer with a Content-Length is here."""
    head, blank, body = answer.partition(b"\r\n\r\n")
    if not blank:
        return False
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return length is not None and len(body) >= int(length[1])


class Host:
    def __init__(self, program, work, freeze):
        self.work = work
        config = os.path.join(work, "empty.toml")
        open(config, "w").close()
        self.log = open(os.path.join(work, "log"), "w+")
        argv = [program, "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--network", "none",
                "--cpu", "unlimited", "--freeze-after", freeze, "--config", config, "--data-dir",
                os.path.join(work, "data")]
        env = {name: os.environ[name] for name in ("PATH", "HOME", "PYENV_ROOT") if name in os.environ}
        self.process = subprocess.Popen(argv, stderr=self.log, env=env)
        said = None
        while said is None:
            if self.process.poll() is not None:
                sys.exit("the host ended: " + open(self.log.name).read())
            said = re.search(r"AWS clients on http://127.0.0.1:(\d+)", open(self.log.name).read())
            time.sleep(0.01)
        self.address = ("127.0.0.1", int(said[1]))

    def connect(self):
        connection = socket.create_connection(self.address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def ask(self, connection, sent):
        connection.sendall(sent)
        answer = b""
        while not whole(answer):
            part = connection.recv(65536)
            if not part:
                sys.exit("the host hung up")
            answer += part
        return answer

    def deploy(self, name, source):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as package:
            package.writestr("app.py", source)
        members = {"FunctionName": name, "Runtime": "python%d.%d" % sys.version_info[:2],
                   "Handler": "app.handler", "Role": "arn:aws:iam::000000000000:role/r", "Timeout": 30,
                   "Code": {"ZipFile": base64.b64encode(archive.getvalue()).decode()}}
        with self.connect() as connection:
            made = self.ask(connection, request(PATH, json.dumps(members).encode()))
            if not made.startswith(b"HTTP/1.1 201"):
                sys.exit("the function is not made: %r" % made)
            while b'"State":"Active"' not in self.ask(
                    connection, request("%s/%s/configuration" % (PATH, name), b"", "GET")):
                time.sleep(0.01)

    def memory_kib(self):
        """Peak of the host; and what its environments' processes share fairly, in all."""
        status = open("/proc/%d/status" % self.process.pid).read()
        environments = 0
        for pid in descendants(self.process.pid):
            try:
                environments += int(re.search(r"^Pss: +(\d+)", open(
                    "/proc/%d/smaps_rollup" % pid).read(), re.M)[1])
            except OSError:
                pass
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]), environments

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(60):
            sys.exit("the host failed: " + open(self.log.name).read()[-2000:])


def descendants(pid):
    found = []
    for task in os.listdir("/proc/%d/task" % pid):
        try:
            children = open("/proc/%d/task/%s/children" % (pid, task)).read().split()
        except OSError:
            continue
        for child in map(int, children):
            found += [child] + descendants(child)
    return found


def drive(host, sent, expected, clients, seconds):
    """Closed loops of so many clients: microseconds of each call, and calls for each second."""
    chosen = selectors.DefaultSelector()
    took, begun, parts = [], {}, {}
    start = time.perf_counter()
    for _ in range(clients):
        connection = host.connect()
        chosen.register(connection, selectors.EVENT_READ)
        begun[connection], parts[connection] = time.perf_counter(), b""
        connection.sendall(sent)
    end = start + seconds
    open_ = clients
    while open_:
        for key, _ in chosen.select():
            connection = key.fileobj
            answer = parts[connection] + connection.recv(65536)
            if not whole(answer):
                parts[connection] = answer
                continue
            now = time.perf_counter()
            took.append((now - begun[connection]) * 1e6)
            if not (answer.startswith(b"HTTP/1.1 200") and answer.endswith(expected)):
                sys.exit("not the answer: %r" % answer)
            if now < end:
                begun[connection], parts[connection] = time.perf_counter(), b""
                connection.sendall(sent)
            else:
                chosen.unregister(connection)
                connection.close()
                open_ -= 1
    return took, len(took) / (time.perf_counter() - start)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def after_quiet(host, sent):
    took = []
    with host.connect() as connection:
        for _ in range(QUIET_CALLS):
            time.sleep(QUIET_S)
            start = time.perf_counter()
            host.ask(connection, sent)
            took.append((time.perf_counter() - start) * 1e6)
    return took


def main():
    program = os.path.abspath(sys.argv[1])
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    # As Lambda's own library writes it, so that echo and function answer the same.
    event = b'{"hello": "world"}'
    invoke = request(PATH + "/hello/invocations", event)
    subjects = {"warm invoke": (invoke, event), "echo": (request("/_lambdabox/echo", event), event)}
    with tempfile.TemporaryDirectory(prefix="lambdabox-bench-") as work:
        host = Host(program, work, "50")
        host.deploy("hello", HELLO)
        print("a Python %d.%d.%d hello through serve, CPU quota lifted, %d turns of %g s"
              % (*sys.version_info[:3], ROUNDS, seconds))
        for clients in CLIENTS:
            took = {name: [] for name in subjects}
            rate = {name: [] for name in subjects}
            # As many environments as clients are there before anything counts.
            drive(host, *subjects["warm invoke"], clients, max(seconds, 3))
            for _ in range(ROUNDS):
                for name, (sent, expected) in subjects.items():
                    some, per_second = drive(host, sent, expected, clients, seconds)
                    took[name] += some
                    rate[name].append(per_second)
            for name in subjects:
                print("  %2d client%s  %-12s p50 %6.0f us  p99 %6.0f us  %7.0f/s" % (
                    clients, " " if clients == 1 else "s", name, percentile(took[name], 0.5),
                    percentile(took[name], 0.99), statistics.median(rate[name])))
            print("              ratio to echo: p50 %.2f, throughput %.2f" % (
                percentile(took["warm invoke"], 0.5) / percentile(took["echo"], 0.5),
                statistics.median(rate["warm invoke"]) / statistics.median(rate["echo"])))
        host.end()
    for freeze in ("off", "50", "0"):
        with tempfile.TemporaryDirectory(prefix="lambdabox-bench-") as work:
            host = Host(program, work, freeze)
            host.deploy("hello", HELLO)
            after_quiet(host, invoke)
            took = after_quiet(host, invoke)
            in_a_row, _ = drive(host, invoke, event, 1, 1.0)
            print("  --freeze-after %-3s  after %d ms of quiet: p50 %5.0f us p99 %5.0f us;  in a row: p50 "
                  "%5.0f us" % (freeze, QUIET_S * 1000, percentile(took, 0.5), percentile(took, 0.99),
                                percentile(in_a_row, 0.5)))
            if freeze == "off":
                host.deploy("waits", "import time\ndef handler(event, context):\n    time.sleep(2)\n")
                waits = request(PATH + "/waits/invocations", b"{}")
                drive(host, waits, b"null", 1, 0)
                _, one = host.memory_kib()
                drive(host, waits, b"null", 1 + IDLE_ENVIRONMENTS, 0)
                peak, all_ = host.memory_kib()
                each = (all_ - one) / IDLE_ENVIRONMENTS
                print("  memory: host at most %.1f MB with %d environments; each idle environment "
                      "%.1f MB of processes (PSS)" % (peak / 1024, IDLE_ENVIRONMENTS + 2, each / 1024))
            host.end()


if __name__ == "__main__":
    main()
