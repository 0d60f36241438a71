"""Cold start of a Python hello against the bare interpreter, interleaved on the same machine.

usage: bench-cold.py LAMBDABOX [ROUNDS] [ARGUMENTS OF INVOKE...]

Measured is the time from starting a program to the first byte on its standard output. A is the whole
`lambdabox invoke` of a hello (program, sandbox, interpreter, answer), with the default network and
with none; B is `python3 -I -S -c "import json;print(1)"` by the same executable. Each is measured
back to back and after 100 ms of quiet, when caches and CPUs have cooled. Fails over GATE times B.

Reported beside it: the time to the end of the program, cleaning up included; the program's own clock
of its phases and peak memory (LAMBDABOX_TIMINGS=1); and the memory of the idle environment.
"""
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

GATE = 1.6  # times B, medians, sandbox included
QUIET_S = 0.1
WARM_UP = 5


class Samples:
    def __init__(self):
        self.first_ms, self.end_ms = [], []

    def add(self, argv, env, null):
        """One process: until its first byte, and until its end."""
        reader, writer = os.pipe()
        files = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, writer, 1),
                 (os.POSIX_SPAWN_DUP2, null, 2), (os.POSIX_SPAWN_CLOSE, reader)]
        start = time.perf_counter_ns()
        pid = os.posix_spawn(argv[0], argv, env, file_actions=files)
        os.close(writer)
        first = os.read(reader, 1)
        self.first_ms.append((time.perf_counter_ns() - start) / 1e6)
        while os.read(reader, 65536):
            pass
        os.close(reader)
        _, status = os.waitpid(pid, 0)
        self.end_ms.append((time.perf_counter_ns() - start) / 1e6)
        if status or not first:
            sys.exit("%s did not answer (status %d)" % (argv, status))

    def forget(self):
        self.first_ms.clear()
        self.end_ms.clear()


def spread(samples):
    ordered = sorted(samples)
    return "%6.2f ms p50 %6.2f p90" % (statistics.median(ordered), ordered[int(len(ordered) * 0.9)])


def phases(argv, env):
    """Medians of the program's own timings, in ms, over some runs."""
    found = {}
    for _ in range(20):
        timed = {**env, "LAMBDABOX_TIMINGS": "1"}
        run = subprocess.run(argv, env=timed, capture_output=True, text=True)
        for line in run.stderr.splitlines():
            words = line.split()
            if len(words) == 3 and words[0] == "timing":
                found.setdefault(words[1], []).append(float(words[2]) / 1000)
    return {name: statistics.median(values) for name, values in found.items()}


def compare(subjects, env, rounds, pause):
    """Interleaves all subjects; the medians of their first bytes as ratios of the last one's."""
    null = os.open(os.devnull, os.O_RDWR)
    samples = {name: Samples() for name in subjects}
    for round_ in range(rounds + WARM_UP):
        if round_ == WARM_UP:
            for each in samples.values():
                each.forget()
        for name, argv in subjects.items():
            time.sleep(pause)
            samples[name].add(argv, env, null)
    os.close(null)
    bare = statistics.median(list(samples.values())[-1].first_ms)
    ratios = []
    for name, each in samples.items():
        ratio = statistics.median(each.first_ms) / bare
        ratios.append(ratio)
        print("  %-14s first byte %s   ratio %.2f   end %s" % (
            name, spread(each.first_ms), ratio, spread(each.end_ms)))
    return ratios


def main():
    program = os.path.abspath(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 100
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
        invoke = [program, "invoke", hello, "--runtime", runtime, "-q"] + sys.argv[3:]
        # posix_spawn hands the descriptors on as they are: the real interpreter, not a shim.
        subjects = {
            "default": invoke,
            "--network none": invoke + ["--network", "none"],
            "bare python3": [python, "-I", "-S", "-c", "import json;print(1)"],
        }
        print("cold start of a Python %d.%d.%d hello, 128 MB, quota after init, %d rounds"
              % (*sys.version_info[:3], rounds))
        worst = 0.0
        for name, pause in (("back to back", 0), ("after 100 ms of quiet", QUIET_S)):
            print(name)
            worst = max(worst, *compare(subjects, env, rounds, pause)[:-1])
        for name in ("default", "--network none"):
            laps = phases(subjects[name], env)
            print("phases of %s: %s" % (name, ", ".join("%s %.1f" % lap for lap in laps.items())))
        timed = {**env, "LAMBDABOX_TIMINGS": "1"}
        plain = [word for word in invoke if word != "-q"]
        said = subprocess.run(plain, env=timed, capture_output=True, text=True).stderr
        host = re.search(r"memory host (.*)", said)
        used = re.search(r"Max Memory Used: (\d+ MB)", said)
        print("peak memory of the host process: %s; of the environment: %s"
              % (host and host[1], used and used[1]))
        print("worst ratio %.2f, at most %.2f" % (worst, GATE))
        sys.exit(worst > GATE)


if __name__ == "__main__":
    main()
