"""What the tests of the Java loop stand on: JDKs, the loop's jar, handlers that are compiled once.

The stand-in Runtime API and the running of one process are those of the Python loop's tests; they
know nothing of a language. AWS's interfaces are stand-ins too (`core/`), so that no registry is
needed; the real ones are used by the shared suite (`tests/conformance/languages`).
"""

import functools
import glob
import importlib.util
import os
import re
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
LOOP = os.path.join(os.path.dirname(HERE), "bootstrap.java")
OLDEST = 11  # the oldest JDK that compiles the loop from its source


def _process_harness():
    path = os.path.join(HERE, "../../python/tests/harness.py")
    spec = importlib.util.spec_from_file_location("process_harness", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_process = _process_harness()
event, run, ARN = _process.event, _process.run, _process.ARN


def _compiled(jdk, sources, target, *options):
    command = [os.path.join(jdk, "bin/javac"), "-nowarn", "-Xlint:-options", "-d", target, *options]
    subprocess.run([*command, *sources], check=True)


class JavaLoop:
    """The loop on one JDK. Made once; its jar and the handlers' classes are kept while tests run."""

    official = None

    def __init__(self, jdk, version):
        self.jdk, self.version, self.runtime = jdk, version, "java%d" % version
        self._kept = tempfile.TemporaryDirectory()
        self.java = os.path.join(jdk, "bin/java")

    @functools.cached_property
    def jar(self):
        jar = os.path.join(self._kept.name, "bootstrap.jar")
        subprocess.run([self.java, LOOP, "--compile", LOOP, jar], check=True)
        return jar

    @functools.cached_property
    def package(self):
        """Name in the package to bytes: the handlers and AWS's interfaces, as class files."""
        classes = os.path.join(self._kept.name, "classes")
        sources = glob.glob(os.path.join(HERE, "core/**/*.java"), recursive=True)
        _compiled(self.jdk, sources, classes, "--release", "8")
        handlers = glob.glob(os.path.join(HERE, "handlers/*.java"))
        if self.version < 17:
            handlers = [path for path in handlers if "Records" not in os.path.basename(path)]
        release = "17" if self.version >= 17 else "8"
        _compiled(self.jdk, handlers, classes, "--release", release, "-cp", classes)
        files = {}
        for directory, _, names in os.walk(classes):
            for name in names:
                path = os.path.join(directory, name)
                with open(path, "rb") as file:
                    files[os.path.relpath(path, classes)] = file.read()
        return files

    def argv(self, _handler, extra):
        # As runtime.toml has it, without the options that follow the memory.
        opens = ["--add-opens=java.base/java.io=ALL-UNNAMED", "--add-opens=java.base/java.util=ALL-UNNAMED"]
        quick = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        return [self.java, *quick, *opens, *extra, "-cp", self.jar, "LambdaboxLoop"]


def jdks():
    """LAMBDABOX_TEST_JDKS (paths, colon between), else one of each version in the usual places."""
    chosen = os.environ.get("LAMBDABOX_TEST_JDKS")
    places = chosen.split(":") if chosen else sorted(
        glob.glob("/usr/lib/jvm/*")
        + glob.glob(os.path.expanduser("~/.sdkman/candidates/java/*"))
        + glob.glob("/opt/hostedtoolcache/Java_*/*/x64")
    )
    found = {}
    for place in places:
        if not os.path.exists(os.path.join(place, "bin/javac")):
            continue
        try:
            with open(os.path.join(place, "release"), encoding="utf-8") as file:
                version = re.search(r'^JAVA_VERSION="(\d+)', file.read(), re.M)
        except OSError:
            continue
        if version and int(version[1]) >= OLDEST:
            found.setdefault(int(version[1]), place)
    return [JavaLoop(place, version) for version, place in sorted(found.items())]


LOOPS = jdks()


def for_every_jdk(base, names):
    """Puts one subclass of `base` per JDK into `names`; without any, one that says it is skipped."""
    for loop in LOOPS:
        title = "%s_java%d" % (base.__name__, loop.version)
        names[title] = type(title, (base,), {"loop": loop, "__module__": names["__name__"]})
    if not LOOPS:
        title = base.__name__ + "_without_jdk"
        names[title] = type(title, (unittest.TestCase,), {"test_all": _skipped, "__module__": names["__name__"]})


def _skipped(self):
    self.skipTest("no JDK of version %d or newer on this machine" % OLDEST)


class LoopCase:
    """Short ways to run a handler. Mixed into `unittest.TestCase` by the classes that are run."""

    loop = None
    maxDiff = None

    def run_handler(self, handler, *events, files=None, **how):
        package = {**self.loop.package, **(files or {})}
        env = {"LC_ALL": "C.UTF-8", **how.pop("env", {})}
        return run(self.loop, package, events or (event(),), handler, env=env, **how)

    def answers(self, handler, *events, **how):
        seen = self.run_handler(handler, *events, **how)
        kinds = [post.kind for post in seen.posts]
        self.assertEqual(kinds, ["response"] * max(1, len(events)), seen.logged())
        return [post.json for post in seen.posts]

    def answer(self, handler, *events, **how):
        return self.answers(handler, *events, **how)[-1]

    def failure(self, handler, *events, **how):
        """The last error posted, and the run."""
        seen = self.run_handler(handler, *events, **how)
        self.assertEqual(seen.posts[-1].kind, "error", seen.logged())
        return seen, seen.posts[-1].json
