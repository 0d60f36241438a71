"""What the tests of the Python loop stand on: interpreters, a stand-in Runtime API, one run.

The API is a real HTTP server on a free port and the interpreters are real processes; nothing of the
loop is imported here. A run hands out its events, waits until the process asks for one more or
ends, and returns all that was seen from outside.
"""

import contextlib
import glob
import http.client
import http.server
import json
import os
import queue
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import uuid

LOOP = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bootstrap.py")
VERSIONS = ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]
RUN_LIMIT_SECONDS = 60
http.client._MAXLINE = 2 * 1024 * 1024  # clients send up to 1 MiB of X-Ray cause in one header
ARN = "arn:aws:lambda:us-east-1:000000000000:function:tested"


class Python:
    def __init__(self, path, version):
        self.path = path
        self.version = version  # "3.11.7"
        self.minor = ".".join(version.split(".")[:2])
        self.at_least_3_12 = tuple(map(int, version.split(".")[:2])) >= (3, 12)


def _asked(path):
    code = "import sys; print('%d.%d.%d' % sys.version_info[:3], sys.executable)"
    try:
        answer = subprocess.run([path, "-I", "-S", "-c", code], capture_output=True, text=True)
    except OSError:
        return None
    if answer.returncode != 0:
        return None
    version, executable = answer.stdout.split(None, 1)
    return Python(executable.strip(), version)


def pythons():
    """LAMBDABOX_TEST_PYTHONS (paths, colon between), else every version found on the machine."""
    chosen = os.environ.get("LAMBDABOX_TEST_PYTHONS")
    if chosen:
        return [_asked(path) or _refuse(path) for path in chosen.split(":")]
    found = {}
    for version in VERSIONS:
        places = glob.glob(os.path.expanduser("~/.pyenv/versions/%s.*/bin/python" % version))
        places += glob.glob("/opt/hostedtoolcache/Python/%s.*/x64/bin/python" % version)
        places += ["/usr/bin/python" + version, shutil.which("python" + version)]
        for place in filter(None, places):
            python = _asked(place)
            if python is not None and python.minor == version:
                found[os.path.realpath(python.path)] = python
        if not any(python.minor == version for python in found.values()):
            print("SKIP python%s: not on this machine" % version)
    return list(found.values())


def _refuse(path):
    sys.exit("LAMBDABOX_TEST_PYTHONS: %s is no Python" % path)


def event(body=b"{}", **headers):
    """One invocation. `headers` use underscores: `Trace_Id=…`, or `Content_Type=…`."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {
        "Lambda-Runtime-Aws-Request-Id": str(uuid.uuid4()),
        "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 3000),
        "Lambda-Runtime-Invoked-Function-Arn": ARN,
        "Content-Type": "application/json",
    }
    for name, value in headers.items():
        wire = name.replace("_", "-")
        named[wire if wire == "Content-Type" else "Lambda-Runtime-" + wire] = value
    return {"body": data, "headers": named}


class Post:
    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body
        self.kind = path.rsplit("/", 1)[1] if "init/error" not in path else "init/error"
        self.request_id = path.split("/")[4] if "/invocation/" in path else None

    @property
    def json(self):
        return json.loads(self.body)


class Run:
    """What one process did."""

    def __init__(self):
        self.posts, self.frames, self.user_agents = [], [], set()
        self.output, self.status, self.connections = b"", None, 0

    @property
    def text(self):
        return self.output.decode()

    def records(self):
        return [message.decode() for _, message in self.frames]

    def logged(self):
        """Everything the function and the loop wrote, whichever way it went."""
        return "".join(self.records()) + self.text


class _Api(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 32


def _serve(run, events, behaviour):
    waiting = queue.Queue()
    for item in events:
        waiting.put(item)
    idle = threading.Event()
    asking = []  # in vain

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self):
            super().setup()
            run.connections += 1

        def log_message(self, *_):
            pass

        def handle(self):
            with contextlib.suppress(ConnectionError, BrokenPipeError):
                super().handle()

        def do_GET(self):
            run.user_agents.add(self.headers.get("User-Agent"))
            assert self.path == "/2018-06-01/runtime/invocation/next", self.path
            try:
                item = waiting.get_nowait()
            except queue.Empty:
                asking.append(self)
                if len(asking) == behaviour.get("workers", 1):
                    idle.set()
                threading.Event().wait(RUN_LIMIT_SECONDS)
                return
            self.send_response(200)
            for name, value in item["headers"].items():
                # The wire carries bytes; http.server would refuse what is not latin-1.
                self.send_header(name, value.encode().decode("latin-1"))
            body = item["body"]
            if behaviour.get("chunked"):
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for i in range(0, len(body), 5):
                    piece = body[i : i + 5]
                    self.wfile.write(b"%x;ext=1\r\n%s\r\n" % (len(piece), piece))
                    self.wfile.flush()
                self.wfile.write(b"0\r\nTrailer: x\r\n\r\n")
            elif behaviour.get("until_close"):
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = True
            else:
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            if behaviour.get("hang_up"):  # without having said so
                self.close_connection = True

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            run.posts.append(Post(self.path, self.headers, body))
            status = behaviour.get("post_status", 202)
            answer = b'{"status":"OK"}\n'
            if behaviour.get("continue_first"):
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
            if behaviour.get("hang_up"):
                self.close_connection = True

    server = _Api(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server, idle


def _drain(fd, into):
    def work():
        with open(fd, "rb", closefd=True) as pipe:
            into.append(pipe.read())

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def parse_frames(data):
    frames, at = [], 0
    while at < len(data):
        kind, length, stamp = struct.unpack(">IIQ", data[at : at + 16])
        assert abs(stamp / 1e6 - time.time()) < 600, "a time stamp that is not now"
        assert len(data) >= at + 16 + length, "a torn frame"
        frames.append((kind, data[at + 16 : at + 16 + length]))
        at += 16 + length
    return frames


class Loop:
    """How to start a runtime client: ours, or the official one from a directory."""

    def __init__(self, python, official=None, flags=("-I", "-S"), script=LOOP):
        self.python, self.official, self.flags, self.script = python, official, flags, script

    @property
    def runtime(self):
        return "python" + self.python.minor

    def argv(self, handler, extra):
        if self.official:
            # -S as for ours: what a developer has installed must not hide a missing dependency.
            return [self.python.path, "-S", "-m", "awslambdaric", handler]
        return [self.python.path, *self.flags, self.script, *extra]


def run(
    loop, files, events=(), handler="app.handler", env=None, log_fd=True, extra=(), **behaviour
):
    """Run `files` (name to text) as the function's package until its events are used up."""
    seen = Run()
    server, idle = _serve(seen, events, behaviour)
    with tempfile.TemporaryDirectory() as top:
        task = os.path.join(top, "task")
        for name, text in files.items():
            path = os.path.join(task, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        environment = {
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:%d" % server.server_address[1],
            "AWS_EXECUTION_ENV": "AWS_Lambda_" + loop.runtime,
            "AWS_LAMBDA_FUNCTION_NAME": "tested",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/tested",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/23/[$LATEST]0123456789abcdef0123456789abcdef",
            "LAMBDA_TASK_ROOT": task,
            "LAMBDA_RUNTIME_DIR": os.path.dirname(LOOP),
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PATH": "/usr/bin:/bin",
            "_HANDLER": handler,
        }
        if loop.official:
            environment["PYTHONPATH"] = loop.official
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
        environment.update({k: v.replace("$TASK", task) for k, v in (env or {}).items()})
        out_read, out_write = os.pipe()
        log_read, log_write = os.pipe()
        if log_fd:
            environment["_LAMBDA_TELEMETRY_LOG_FD"] = str(log_write)
        process = subprocess.Popen(
            loop.argv(handler, extra),
            cwd=task,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out_write,
            stderr=out_write,
            pass_fds=[log_write] if log_fd else [],
            start_new_session=True,
        )
        os.close(out_write)
        os.close(log_write)
        output, frames = [], []
        readers = [_drain(out_read, output), _drain(log_read, frames)]
        deadline = time.monotonic() + RUN_LIMIT_SECONDS
        while not idle.wait(0.002) and process.poll() is None:
            if time.monotonic() > deadline:
                break
        finished = idle.is_set() or process.poll() is not None
        seen.status = process.poll() if not idle.is_set() else None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # workers, too
        process.wait()
        for reader in readers:
            reader.join()
        server.shutdown()
        server.server_close()
        seen.output, seen.frames = output[0], parse_frames(frames[0])
        assert finished, "still running after %d s:\n%s" % (RUN_LIMIT_SECONDS, seen.logged())
    return seen


def official_client(python):
    """A directory that holds `awslambdaric` for this interpreter, or (None, why not)."""
    given = os.environ.get("LAMBDABOX_TEST_AWSLAMBDARIC")
    root = given or os.path.join(tempfile.gettempdir(), "lambdabox-test-awslambdaric")
    place = os.path.join(root, python.version)
    if not os.path.isdir(os.path.join(place, "awslambdaric")):
        command = [python.path, "-m", "pip", "install", "--quiet", "--target", place]
        command += ["--only-binary", ":all:", "--disable-pip-version-check", "awslambdaric"]
        answer = subprocess.run(command, capture_output=True, text=True)
        if answer.returncode != 0:
            return None, (answer.stderr.strip().splitlines() or ["pip failed"])[-1]
    return place, None


def classes_for(base, loops):
    """One subclass of `base` per loop, named after it, for the caller's namespace."""
    made = {}
    for name, loop in loops:
        title = "%s_%s_%s" % (base.__name__, name, loop.python.version.replace(".", "_"))
        while title in made:
            title += "_other"
        made[title] = type(title, (base,), {"loop": loop, "__test__": True})
    return made
