"""Warm invocations of a Python hello against a bare round trip on loopback, interleaved.

usage: bench-warm.py LAMBDABOX [ROUNDS]

A is one `lambdabox invoke --repeat N`: time per invocation is what N more of them add. B is the same
number of HTTP-sized exchanges between two bare Python processes over loopback TCP. Both are wall time
with CPU placement left to the kernel; nothing is asserted, the ratio is for comparing.
"""
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

MANY = 2_000
FEW = 100
REQUEST, ANSWER = b"q" * 300, b"a" * 200  # about the sizes of a response post and of a next


def invoked(program, hello, env, count):
    start = time.perf_counter()
    argv = [program, "invoke", hello, "-q", "--network", "none", "--cpu", "unlimited"]
    run = subprocess.run(argv + ["--repeat", str(count)], env=env, capture_output=True)
    if run.returncode or run.stdout.count(b"\n") != count:
        sys.exit("the hello does not answer %d times: %r" % (count, run.stderr[-300:]))
    return time.perf_counter() - start


def exchanged(count):
    """Seconds for `count` round trips; two of them make up one invocation's next and response."""
    listener = socket.create_server(("127.0.0.1", 0))
    pid = os.fork()
    if pid == 0:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while connection.recv(4096):
            connection.sendall(ANSWER)
        os._exit(0)
    client = socket.create_connection(listener.getsockname())
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    start = time.perf_counter()
    for _ in range(count):
        client.sendall(REQUEST)
        client.recv(4096)
    took = time.perf_counter() - start
    client.close()
    os.waitpid(pid, 0)
    listener.close()
    return took


def main():
    program = os.path.abspath(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    with tempfile.TemporaryDirectory(prefix="lambdabox-bench-") as work:
        hello = os.path.join(work, "hello")
        os.mkdir(hello)
        with open(os.path.join(hello, "lambda_function.py"), "w") as file:
            file.write("def lambda_handler(event, context):\n    return 1\n")
        env = {**os.environ, "LAMBDABOX_DATA_DIR": os.path.join(work, "data")}
        invoked(program, hello, env, FEW)
        warm_us, bare_us = [], []
        for _ in range(rounds):
            more = invoked(program, hello, env, MANY + FEW) - invoked(program, hello, env, FEW)
            warm_us.append(more / MANY * 1e6)
            bare_us.append(exchanged(2 * MANY) / MANY * 1e6)
        warm, bare = statistics.median(warm_us), statistics.median(bare_us)
        print("warm invocation of a Python %d.%d.%d hello over the Runtime API: %.0f us p50"
              % (*sys.version_info[:3], warm))
        print("two bare loopback round trips between Python processes: %.0f us p50" % bare)
        print("ratio %.2f" % (warm / bare))


if __name__ == "__main__":
    main()
