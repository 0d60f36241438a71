"""Every language here: cold start and warm invocation of a hello beside the bare interpreter.

usage: bench-languages.py LAMBDABOX [ROUNDS]

Cold is the time from starting a program to the first byte on its standard output: of the whole
`lambdabox invoke` of a hello (program, sandbox, interpreter, answer), and of the interpreter alone with a
program that prints one byte; both interleaved, medians. Warm is what 1,000 more invocations of one
environment add, each; CPU placement is left to the kernel. Java and .NET are built here first, by
whatever compiler there is; a language that is not here is said to be skipped.
"""
import glob
import importlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

cold = importlib.import_module("bench-cold")

MANY, FEW = 1_000, 50
WARM_ROUNDS = 5
WARM_UP = 3
HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

JAVA = """public class Bare { public static void main(String[] a) { System.out.println(1); } }
"""
JAVA_HELLO = """public class Hello { public int one(Object event) { return 1; } }
"""
CSHARP = """public static class Bare { public static void Main() { System.Console.WriteLine(1); } }
"""
CSHARP_HELLO = """public static class Hello { public static int One(object e) { return 1; } }
"""
C = """#include <stdio.h>
int main(void) { puts("1"); return 0; }
"""


class Missing(Exception):
    """Why a language is not measured."""


def found(name):
    path = shutil.which(name)
    if not path:
        raise Missing("no %s on PATH" % name)
    return os.path.realpath(path)


def ran(*argv, **more):
    done = subprocess.run(argv, capture_output=True, text=True, **more)
    if done.returncode:
        raise Missing("%s: %s" % (argv[0], (done.stderr or done.stdout).strip()[:200]))


def write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


# Each gives the arguments of `invoke`, the bare command line, and directories to put before PATH.

def python(work):
    write(work, "lambda_function.py", "def lambda_handler(event, context):\n    return 1\n")
    program = os.path.realpath(sys.executable)
    runtime = "python%d.%d" % sys.version_info[:2]
    return [work, "--runtime", runtime], [program, "-I", "-S", "-c", "print(1)"], []


def nodejs(work):
    write(work, "index.js", "exports.handler = async () => 1;\n")
    return [work, "--runtime", "nodejs"], [found("node"), "-e", "console.log(1)"], []


def ruby(work):
    write(work, "lambda_function.rb", "def lambda_handler(event:, context:)\n  1\nend\n")
    return [work, "--runtime", "ruby"], [found("ruby"), "-e", "puts 1"], []


def java(work):
    bare = os.path.join(work, "bare")
    os.mkdir(bare)
    ran(found("javac"), "-d", bare, write(bare, "Bare.java", JAVA))
    ran(found("javac"), "-d", work, write(work, "Hello.java", JAVA_HELLO))
    options = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    invoke = [work, "--runtime", "java", "--handler", "Hello::one", "--memory-size", "256"]
    return invoke, [found("java"), *options, "-cp", bare, "Bare"], []


def dotnet(work):
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(HERE, "target"))
    trees = glob.glob(os.path.join(target, "e2e-cache/dotnetcore2-py3*/packages/dotnetcore2/bin"))
    root = os.path.dirname(found("dotnet")) if shutil.which("dotnet") else (trees or [None])[0]
    if root is None:
        raise Missing("no dotnet on PATH, and the tests have not fetched theirs")
    framework = sorted(glob.glob(root + "/shared/Microsoft.NETCore.App/*"))[-1]
    version = os.path.basename(framework)
    references = ["-r:" + path for path in glob.glob(framework + "/System*.dll")]
    config = """{"runtimeOptions": {"framework": {"name": "Microsoft.NETCore.App", "version": "%s"}}}"""
    for name, text in (("Bare", CSHARP), ("Hello", CSHARP_HELLO)):
        kind = "-target:exe" if name == "Bare" else "-target:library"
        source = write(work, name + ".cs", text)
        ran("mcs", "-nostdlib", "-noconfig", kind, *references, "-out:%s/%s.dll" % (work, name), source)
        write(work, name + ".runtimeconfig.json", config % version)
        write(work, name + ".deps.json", """{"runtimeTarget": {"name": "x"}, "targets": {"x": {"%s/1.0.0":
            {"runtime": {"%s.dll": {}}}}}, "libraries": {"%s/1.0.0": {"type": "project", "serviceable":
            false, "sha512": ""}}}""" % (name, name, name))
    invoke = [work, "--runtime", "dotnet", "--handler", "Hello::Hello::One", "--memory-size", "256"]
    return invoke, [root + "/dotnet", "exec", work + "/Bare.dll"], [root]


def native(work):
    bare = os.path.join(work, "bare")
    ran(found("cc"), "-O1", "-static", "-o", bare, write(work, "bare.c", C))
    package = os.path.join(work, "package")
    os.mkdir(package)
    source = os.path.join(HERE, "tests/fixtures/bootstrap.c")
    ran(found("cc"), "-O1", "-static", "-o", os.path.join(package, "bootstrap"), source)
    return [package, "--event", "1"], [bare], []


def warmed(argv, env, count):
    start = time.perf_counter()
    run = subprocess.run(argv + ["--repeat", str(count)], env=env, capture_output=True)
    if run.returncode or run.stdout.count(b"\n") != count:
        sys.exit("it does not answer %d times: %r" % (count, run.stderr[-300:]))
    return time.perf_counter() - start


def measured(argv, bare, env, rounds):
    null = os.open(os.devnull, os.O_RDWR)
    samples = {"ours": cold.Samples(), "bare": cold.Samples()}
    for round_ in range(rounds + WARM_UP):
        if round_ == WARM_UP:
            for each in samples.values():
                each.forget()
        samples["ours"].add(argv, env, null)
        samples["bare"].add(bare, env, null)
    os.close(null)
    many = ["--network", "none", "--cpu", "unlimited", "--timeout", "60"]
    more = [warmed(argv + many, env, MANY + FEW) - warmed(argv + many, env, FEW) for _ in range(WARM_ROUNDS)]
    ours, own = (statistics.median(each.first_ms) for each in samples.values())
    return ours, own, statistics.median(more) / MANY * 1e6


def main():
    program = os.path.abspath(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    keep = ("PATH", "HOME", "LANG", "PYENV_ROOT", "JAVA_HOME", "DOTNET_ROOT")
    env = {name: os.environ[name] for name in keep if name in os.environ}
    env["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] = "1"
    print("%-8s  %10s  %10s  %6s  %10s" % ("language", "cold", "bare", "ratio", "warm"))
    with tempfile.TemporaryDirectory(prefix="lambdabox-bench-") as data:
        env["LAMBDABOX_DATA_DIR"] = os.path.join(data, "data")
        for language in (python, nodejs, ruby, java, dotnet, native):
            with tempfile.TemporaryDirectory(prefix="lambdabox-bench-") as work:
                try:
                    invoke, bare, before = language(work)
                except Missing as reason:
                    print("%-8s  SKIP: %s" % (language.__name__, reason))
                    continue
                path = os.pathsep.join([*before, env["PATH"]])
                argv = [program, "invoke", *invoke, "-q"]
                ours, own, warm_us = measured(argv, bare, {**env, "PATH": path}, rounds)
                print("%-8s  %7.1f ms  %7.1f ms  %6.2f  %7.0f us"
                      % (language.__name__, ours, own, ours / own, warm_us), flush=True)


if __name__ == "__main__":
    main()
