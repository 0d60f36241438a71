"""A customer's PYTHON* variables and wrappers.

Only our loop promises it. Tests of a customer's PYTHON* variables start the interpreter without
`-I -S`, as the host does for them.
"""

import unittest

from cases import PLAIN, OursCase, for_our_loop
from harness import LOOP, event


class Customer(OursCase):
    def ask(self, expression, env, imports="sys, os", **how):
        app = "import %s\ndef handler(event, context): return %s" % (imports, expression)
        return self.answer(app, env=env, loop=self.plain_loop(), **how)

    def test_pythonpath_comes_before_the_standard_library(self):
        path = self.ask("sys.path", {"PYTHONPATH": "$TASK/lib:/elsewhere"})
        task = path[0]
        self.assertEqual(path[3:5], [task + "/lib", "/elsewhere"])
        self.assertTrue(path[5].endswith(".zip"))
        files = {"lib/mine.py": "X = 1", "lib/string.py": "X = 2"}
        env = {"PYTHONPATH": "$TASK/lib"}
        self.assertEqual(self.ask("[mine.X, string.X]", env, "mine, string", files=files), [1, 2])

    def test_pythonpath_stays_in_the_environment_for_children(self):
        self.assertEqual(self.ask("os.environ['PYTHONPATH']", {"PYTHONPATH": "/a"}), "/a")

    def test_pythonunbuffered(self):
        env = {"PYTHONUNBUFFERED": "1"}
        expression = "[sys.flags.unbuffered if hasattr(sys.flags, 'unbuffered') else 1, print('x')]"
        self.assertEqual(self.ask(expression, env), [1, None])
        app = """
            import os, sys
            def handler(event, context):
                sys.stdout.buffer.write(b'raw'); os.write(1, b' then\\n'); print('line')
            """
        seen = self.run_app(app, env=env, loop=self.plain_loop())
        self.assertEqual((seen.output, seen.records()), (b"raw then\n", ["line\n"]))

    def test_pythonwarnings(self):
        app = """
            import warnings
            def handler(event, context): warnings.warn('w', ResourceWarning)
            """
        env = {"PYTHONWARNINGS": "error::ResourceWarning"}
        seen = self.run_app(app, env=env, loop=self.plain_loop())
        self.assertEqual(seen.posts[0].json["errorType"], "ResourceWarning")
        self.assertEqual(self.run_app(app).posts[0].json, None)

    def test_pythonhashseed(self):
        asked = [self.ask("hash('a')", {"PYTHONHASHSEED": "7"}) for _ in range(2)]
        self.assertEqual(asked[0], asked[1])
        self.assertNotEqual(asked[0], self.ask("hash('a')", {"PYTHONHASHSEED": "8"}))

    def test_pythonioencoding(self):
        app = "import sys\ndef handler(e, c): print('é'); return [sys.stdout.encoding, sys.stdout.errors]"
        env = {"PYTHONIOENCODING": "latin-1:replace"}
        seen = self.run_app(app, env=env, loop=self.plain_loop())
        self.assertEqual(seen.posts[0].json, ["iso8859-1", "replace"])
        self.assertEqual(seen.frames, [(PLAIN, b"\xe9\n")])

    def test_pythonoptimize_and_dontwritebytecode(self):
        env = {"PYTHONOPTIMIZE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        expression = "[sys.flags.optimize, sys.dont_write_bytecode, __debug__]"
        self.assertEqual(self.ask(expression, env), [1, True, False])

    def test_pythondevmode_shows_no_warning_of_the_loops_own(self):
        seen = self.run_app(
            "import logging, json\ndef handler(e, c): return 1 / e",
            event(1),
            event(0),
            env={"PYTHONDEVMODE": "1", "PYTHONWARNDEFAULTENCODING": "1"},
            loop=self.plain_loop(),
        )
        self.assertEqual([post.kind for post in seen.posts], ["response", "error"])
        self.assertNotIn("Warning", seen.logged())

    def test_pythonsafepath_does_not_disturb_the_search_path(self):
        path = self.ask("sys.path", {"PYTHONSAFEPATH": "1"})
        self.assertEqual(path[2], "/opt/python")
        self.assertTrue(path[3].endswith(".zip"), path)

    def test_a_sitecustomize_on_pythonpath_runs_even_if_it_logs(self):
        files = {"hooks/sitecustomize.py": "import sys, logging\nsys.mine = logging.getLogger('x')"}
        app = """
            import sys, logging
            def handler(event, context):
                sys.mine.warning('from the hook')
                return len(logging.getLogger().handlers)
            """
        env = {"PYTHONPATH": "$TASK/hooks"}
        seen = self.run_app(app, env=env, files=files, loop=self.plain_loop())
        self.assertEqual(seen.posts[0].body, b"1")
        self.assertRegex(seen.records()[0], r"^\[WARNING\]\t.*\tfrom the hook\n$")

    def test_a_finder_from_pythonpath_stays(self):
        hook = """
            import sys
            class Finder:
                def find_spec(self, name, path=None, target=None):
                    if name == 'conjured':
                        from importlib.machinery import ModuleSpec
                        return ModuleSpec(name, self)
                def create_module(self, spec): return None
                def exec_module(self, module): module.X = 1
            sys.meta_path.insert(0, Finder())
            """
        env, files = {"PYTHONPATH": "$TASK/hooks"}, {"hooks/sitecustomize.py": hook}
        self.assertEqual(self.ask("conjured.X", env, "conjured", files=files), 1)

    def test_a_wrapper_may_put_options_before_the_last_argument(self):
        loop = self.plain_loop()
        loop.argv = lambda handler, extra: [self.loop.python.path, "-X", "importtime", LOOP]
        env = {"_LAMBDABOX_SEARCH_PATH": "/sdk"}
        seen = self.run_app("import sys\ndef handler(e, c): return sys.path[-1]", loop=loop, env=env)
        self.assertEqual(seen.posts[0].json, "/sdk")
        self.assertIn("import time:", seen.text)


globals().update(for_our_loop(Customer))
del Customer

if __name__ == "__main__":
    unittest.main()
