"""What the test classes stand on: the loops to run them with, and short ways to run an app.

A test class is made once per interpreter: for our loop by `for_our_loop`, for our loop and AWS's
own client by `for_both_clients`. The loops are looked for once, so a SKIP is said once.

Not here: the stand-in Runtime API and the running of one process (`harness`).
"""

import functools
import unittest

from harness import Loop, classes_for, event, official_client, pythons, run

PLAIN = 0xA55A0003
TEXT_ERROR, JSON_ERROR = 0xA55A0017, 0xA55A0016


class OursCase(unittest.TestCase):
    __test__ = False
    loop = None
    maxDiff = None

    def plain_loop(self):
        """As the host starts it for a wrapper or a customer's PYTHON* variable."""
        return Loop(self.loop.python, flags=())

    def run_app(self, app, *events, loop=None, files=None, **how):
        events = events or (event(),)
        return run(loop or self.loop, {"app.py": app, **(files or {})}, events, **how)

    def answer(self, app, *events, **how):
        seen = self.run_app(app, *events, **how)
        kinds = [post.kind for post in seen.posts]
        self.assertEqual(kinds, ["response"] * max(1, len(events)), seen.logged())
        return seen.posts[-1].json


class SharedCase(unittest.TestCase):
    __test__ = False
    loop = None
    maxDiff = None

    def answers(self, app, *events, **how):
        """Bodies of the answers, one a given event; every one must have been a response."""
        seen = run(self.loop, {"app.py": app}, events, **how)
        self.assertEqual([p.kind for p in seen.posts], ["response"] * len(events), seen.logged())
        return [post.body for post in seen.posts]

    def failure(self, app, *events, **how):
        """The last error posted."""
        events = events or (event(),)
        seen = run(self.loop, {"app.py": app}, events, **how)
        self.assertTrue(seen.posts, seen.logged())
        self.assertEqual(seen.posts[-1].kind, "error", seen.posts[-1].body)
        return seen, seen.posts[-1].json

    def init_failure(self, files, handler="app.handler", **how):
        seen = run(self.loop, files, [event()], handler, **how)
        self.assertEqual([p.kind for p in seen.posts], ["init/error"], seen.logged())
        self.assertEqual(seen.status, 1, "init failed, so the process ends with status 1")
        error = seen.posts[0].json
        header = seen.posts[0].headers["Lambda-Runtime-Function-Error-Type"]
        self.assertEqual(header, error["errorType"])
        self.assertEqual(error["requestId"], "")
        return seen, error


@functools.lru_cache(maxsize=None)
def _ours():
    return [("ours", Loop(python)) for python in pythons()]


@functools.lru_cache(maxsize=None)
def _both():
    loops = list(_ours())
    found = [loop.python for _, loop in loops]
    for side in (False, True):
        of_side = [python for python in found if python.at_least_3_12 == side]
        reasons = []
        for python in reversed(of_side):
            place, reason = official_client(python)
            if place:
                loops.append(("official", Loop(python, official=place)))
                break
            reasons.append("python%s: %s" % (python.version, reason))
        else:
            print("SKIP awslambdaric: " + ("; ".join(reasons) or "no interpreter for it"))
    return loops


def for_our_loop(base):
    """The classes of `base`, one an interpreter, for the caller's namespace."""
    return classes_for(base, _ours())


def for_both_clients(base):
    """The same, and for `awslambdaric` of one interpreter before and one from 3.12 on."""
    return classes_for(base, _both())
