"""Cold start of a Python hello against the bare interpreter, interleaved A B A B on the same machine.

usage: bench-cold.py LAMBDABOX [PAIRS] [ARGUMENTS OF INVOKE...]

A is the whole `lambdabox invoke` of a hello: start of the program, sandbox, interpreter, answer, end.
B is `python3 -I -S -c "import json;print(1)"` by the same executable. Both write to /dev/null.
Each is measured back to back and after 100 ms of quiet, when caches and CPUs have cooled. A third
figure, where the program offers it (LAMBDABOX_TIMINGS=1), is its own clock of the parts.
"""
import os
import statistics
import subprocess
import sys
import tempfile
import time

GATE = 1.6  # times B, the median, sandbox included
QUIET_S = 0.1
WARM_UP = 5


def once(argv, env, nulls, stderr=None):
    """Wall time in ms, peak RSS in kB and the exit status of one process."""
    files = list(nulls)
    if stderr is not None:
        files.append((os.POSIX_SPAWN_DUP2, stderr, 2))
    start = time.perf_counter_ns()
    pid = os.posix_spawn(argv[0], argv, env, file_actions=files)
    _, status, usage = os.wait4(pid, 0)
    return (time.perf_counter_ns() - start) / 1e6, usage.ru_maxrss, status


def spread(samples):
    ordered = sorted(samples)
    return statistics.median(ordered), ordered[int(len(ordered) * 0.9)]


def parts(argv, env):
    """Medians of the program's own timings, in ms, over some runs; empty if it has none."""
    found = {}
    for _ in range(20):
        run = subprocess.run(argv, env={**env, "LAMBDABOX_TIMINGS": "1"}, capture_output=True, text=True)
        for line in run.stderr.splitlines():
            words = line.split()
            if len(words) == 3 and words[0] == "timing":
                found.setdefault(words[1], []).append(float(words[2]) / 1000)
    return {name: statistics.median(values) for name, values in found.items()}


def main():
    program = os.path.abspath(sys.argv[1])
    pairs = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    python = os.path.realpath(sys.executable)
    runtime = "python%d.%d" % sys.version_info[:2]
    with tempfile.TemporaryDirectory(prefix="lambdabox-bench-") as work:
        hello = os.path.join(work, "hello")
        os.mkdir(hello)
        with open(os.path.join(hello, "lambda_function.py"), "w") as file:
            file.write("def lambda_handler(event, context):\n    return 1\n")
        keep = ("PATH", "HOME", "LANG", "PYENV_ROOT")
        env = {name: os.environ[name] for name in keep if name in os.environ}
        env["LAMBDABOX_DATA_DIR"] = os.path.join(work, "data")
        a = [program, "invoke", hello, "--runtime", runtime, "-q"] + sys.argv[3:]
        b = [python, "-I", "-S", "-c", "import json;print(1)"]
        answer = subprocess.run(a, env=env, capture_output=True)
        if answer.returncode or answer.stdout.strip() != b"1":
            sys.exit("the hello does not answer: %r %r" % (answer.stdout, answer.stderr))

        null = os.open(os.devnull, os.O_RDWR)
        nulls = [(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1, 2)]
        print("A  %s" % " ".join(["lambdabox"] + a[1:2] + ["hello"] + a[3:]))
        print('B  python3 -I -S -c "import json;print(1)"   (%s)' % sys.version.split()[0])
        worst, peak_kb = 0.0, 0
        for name, pause in (("back to back", 0), ("after 100 ms of quiet", QUIET_S)):
            times_a, times_b = [], []
            for round_ in range(pairs + WARM_UP):
                for argv, times in ((a, times_a), (b, times_b)):
                    if pause:
                        time.sleep(pause)
                    took, rss, status = once(argv, env, nulls)
                    if status:
                        sys.exit("%r ended with %d" % (argv, status))
                    if argv is a:
                        peak_kb = max(peak_kb, rss)
                    if round_ >= WARM_UP:
                        times.append(took)
            (a50, a90), (b50, b90) = spread(times_a), spread(times_b)
            worst = max(worst, a50 / b50)
            print("%-22s  A p50 %6.2f ms  p90 %6.2f ms   B p50 %6.2f ms  p90 %6.2f ms   ratio %.2f   (%d pairs)"
                  % (name, a50, a90, b50, b90, a50 / b50, pairs))
        for name, ms in parts(a, env).items():
            print("  of which %-28s %7.2f ms" % (name, ms))
        print("peak memory of the program and its largest child: %.1f MB" % (peak_kb / 1024))
        verdict = "holds" if worst <= GATE else "MISSED"
        print("at most %.1f times the bare interpreter: %.2f, %s" % (GATE, worst, verdict))
        sys.exit(0 if worst <= GATE else 1)


main()
