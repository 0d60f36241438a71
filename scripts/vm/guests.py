"""Runs tests in User-Mode Linux guests, several at once, and ends with `N passed, N failed, N skipped`.

usage: guests.py WORK GUESTS AT_ONCE <NAMES

WORK/task runs the tests named in its guest's file `names` by libtest, with its output as JSON, one after the
other. A guest that ends early, or says nothing for too long, loses nothing but its time: the test it was at is
doubtful, the others go on in a new guest. What failed or was doubtful is tried once more, by itself, and said: a
guest on a busy machine may be too slow even for its stretched limits. What fails twice has failed. WORK is
deleted at the end, and every guest ended, however this program ends.
"""
import collections
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

# One test waits for 650 s of stretched limits.
SILENT_SECONDS = 900
GUEST_SECONDS = 2400
# More than these and the machine or the program is at fault, not bad luck.
MOST_NEW_GUESTS = 5
MOST_DOUBTFUL = 5

UML = pathlib.Path(__file__).resolve().parent / "uml"
SAID = re.compile(r'\{ "type": "test", .*\}$')


def say(*lines):
    """Whole lines only: several threads speak."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


class Guest:
    """One boot, with some of the tests."""

    def __init__(self, work, number, names):
        self.name = f"guest-{number}"
        self.directory = work / self.name
        self.names = names
        self.verdicts = {}
        self.running = None
        self.directory.mkdir()
        shutil.copy(work / "task", self.directory)
        if (work / "uml-xstate.so").exists():
            shutil.copy(work / "uml-xstate.so", self.directory)
        (self.directory / "names").write_text("\n".join(names) + "\n")
        (self.directory / "log").touch()

    def run(self, processor, started):
        """Boots, tells what is said as it comes, and says why it ended if not by itself; else None."""
        # The kernel and the process it traces take turns: on two processors each turn wakes the other one up.
        uml = subprocess.Popen(
            ["taskset", "-c", str(processor), UML, self.directory, str(GUEST_SECONDS)], start_new_session=True
        )
        started.add(uml)
        begun = heard = time.monotonic()
        with open(self.directory / "log", encoding="utf-8", errors="replace") as log:
            rest = ""
            while True:
                ended = uml.poll() is not None
                if new := log.read():
                    heard = time.monotonic()
                    *lines, rest = (rest + new).split("\n")
                    for line in lines:
                        self.hear(line)
                elif ended or time.monotonic() - heard > SILENT_SECONDS:
                    break
                else:
                    time.sleep(0.5)
        silent = not ended
        end(uml)
        started.discard(uml)
        took = time.monotonic() - begun
        say(f"{self.name}: {len(self.verdicts)} of {len(self.names)} tests in {took:.0f} s")
        if silent:
            return f"was ended after {SILENT_SECONDS} s without a word"
        return {0: None, 101: None, 124: f"was ended after {GUEST_SECONDS} s"}.get(uml.returncode, "ended early")

    def hear(self, line):
        said = SAID.search(line)
        if not said:
            if line and not line.startswith('{ "type": "suite"'):
                say(line)
            return
        told = json.loads(said[0])
        if told["event"] == "started":
            self.running = told["name"]
            return
        if told["event"] not in ("ok", "failed"):
            return
        self.running = None
        good = told["event"] == "ok"
        self.verdicts[told["name"]] = good
        say(f"test v2 {told['name']} ... {'ok' if good else 'FAILED'} <{told.get('exec_time', 0):.3f}s>")
        if not good:
            say(*told.get("stdout", "").splitlines())

    def last_words(self):
        for file in ("console", "log"):
            text = (self.directory / file).read_text(encoding="utf-8", errors="replace")
            say(*text.splitlines()[-8:])


def end(process):
    """Ends what `scripts/vm/uml` started too."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


class Run:
    """All the guests of one call."""

    def __init__(self, work):
        self.work = work
        self.numbers = itertools.count()
        self.lock = threading.Lock()
        self.new_guests = 0
        self.verdicts = {}
        self.started = set()

    def tests(self, processor, names):
        """Runs them, in another guest what one did not come to; gives back those it ended at."""
        doubtful = []
        while names:
            with self.lock:
                guest = Guest(self.work, next(self.numbers), names)
            why = guest.run(processor, self.started)
            with self.lock:
                self.verdicts.update(guest.verdicts)
            names = [name for name in names if name not in guest.verdicts]
            if not names:
                break
            why = why or "did not come to all of its tests"
            say(f"{guest.name} {why}, at {guest.running or 'no test'}; the end of its console and log:")
            guest.last_words()
            if guest.running:
                doubtful.append(guest.running)
                names.remove(guest.running)
            with self.lock:
                self.new_guests += 1
                if self.new_guests > MOST_NEW_GUESTS:
                    say(f"no other guest: {MOST_NEW_GUESTS} were started anew already")
                    break
        return doubtful

    def all(self, guests, at_once, names):
        """Spread over guests, then once more what failed; gives back the failures."""
        shares = collections.deque(share for i in range(guests) if (share := names[i::guests]))
        doubtful = []

        def work(place):
            while True:
                try:
                    share = shares.popleft()
                except IndexError:
                    return
                found = self.tests(place % os.cpu_count(), share)
                with self.lock:
                    doubtful.extend(found)

        workers = [threading.Thread(target=work, args=(place,), daemon=True) for place in range(at_once)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        again = sorted({name for name, good in self.verdicts.items() if not good} | set(doubtful))
        if 0 < len(again) <= MOST_DOUBTFUL:
            say("once more: " + " ".join(again))
            self.tests(0, again)
            say(*(f"{name}: passed at the second try" for name in again if self.verdicts.get(name)))
        failures = []
        for name in names:
            if name not in self.verdicts:
                failures.append(f"FAILED v2:{name}: its guest did not come to its end")
            elif not self.verdicts[name]:
                failures.append(f"FAILED v2:{name}")
        return failures

    def left(self, file):
        """What all guests left in a file of that name, each line once."""
        found = set()
        for path in self.work.glob(f"guest-*/{file}"):
            found.update(path.read_text(encoding="utf-8", errors="replace").splitlines())
        return sorted(found)


def main():
    work = pathlib.Path(sys.argv[1]).resolve()
    run = Run(work)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        names = sys.stdin.read().split()
        failures = run.all(int(sys.argv[2]), int(sys.argv[3]), names)
        if log := os.environ.get("LAMBDABOX_ATTACK_LOG"):
            with open(log, "a", encoding="utf-8") as attacks:
                attacks.writelines(f"{line}\n" for line in run.left("attacks"))
        # A test that cannot run passes for libtest and leaves a line.
        skips = [line.replace("SKIP ", "SKIP v2: ", 1) for line in run.left("skips")]
        say(*failures, *skips)
        passed = sum(run.verdicts.values()) - len(skips)
        say(f"{passed} passed, {len(failures)} failed, {len(skips)} skipped")
        sys.exit(1 if failures or not passed else 0)
    finally:
        for guest in list(run.started):
            end(guest)
        shutil.rmtree(work, ignore_errors=True)


main()
