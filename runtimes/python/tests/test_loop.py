"""What only our loop promises: a lean start, the search path, ordered output, the HTTP client.

Every class is made once per interpreter. Tests of a customer's PYTHON* variables start the
interpreter without `-I -S`, as the host does for them.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

from harness import LOOP, Loop, classes_for, event, pythons, run

PLAIN = 0xA55A0003
LINE_LIMIT_BYTES = 256 * 1024 - 26


class Case(unittest.TestCase):
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


class Start(Case):
    def test_nothing_heavy_is_imported_before_the_handler(self):
        app = "import sys\nNAMES = sorted(sys.modules)\ndef handler(e, c): return NAMES"
        names = self.answer(app)
        heavy = """re enum json json.decoder http http.client email logging urllib traceback os socket
            functools collections types warnings importlib threading decimal ssl site ctypes contextlib
            _decimal string locale select selectors asyncio struct random tempfile""".split()
        self.assertEqual([name for name in heavy if name in names], [])
        self.assertLess(len(names), 50)

    def test_answering_plain_json_imports_nothing_more(self):
        app = """
            import sys
            def handler(event, context):
                print('hello', file=sys.stderr)
                return sorted(sys.modules)
            """
        names = self.answer(app, event({"a": [1]}), event({"b": 2}))
        self.assertEqual([n for n in ("re", "json", "os", "logging", "enum") if n in names], [])

    APP = """
        import sys
        import __main__
        def handler(event, context):
            return [sys.argv, __main__.__file__, __main__.__name__, sys.path]
        """

    def search_path(self, task, between=(), extra=()):
        version = "python" + self.loop.python.minor
        code = "import sys; print('\\n'.join(sys.path))"
        asked = [self.loop.python.path, "-I", "-S", "-c", code]
        standard = subprocess.run(asked, capture_output=True, text=True).stdout.split()
        return [
            task,
            "/opt/python/lib/%s/site-packages" % version,
            "/opt/python",
            *between,
            *standard,
            os.path.dirname(LOOP),
            *extra,
        ]

    def test_the_search_path_and_arguments_are_awss(self):
        argv, file, name, path = self.answer(self.APP)
        self.assertEqual((argv, file, name), ([LOOP], LOOP, "__main__"))
        self.assertEqual(path, self.search_path(path[0]))

    def test_offered_directories_come_last_by_argument_or_variable(self):
        for how in ({"extra": ["/sdk", "/venv"]}, {"env": {"_LAMBDABOX_SEARCH_PATH": "/sdk:/venv"}}):
            for loop in (self.loop, self.plain_loop()):
                argv, _, _, path = self.answer(self.APP, loop=loop, **how)
                self.assertEqual(path, self.search_path(path[0], extra=["/sdk", "/venv"]))
                self.assertEqual(argv, [LOOP])

    def test_a_module_of_an_offered_directory_is_found_after_the_packages_own(self):
        with tempfile.TemporaryDirectory() as sdk:
            for name in ("mine", "theirs"):
                with open(os.path.join(sdk, name + ".py"), "w") as file:
                    file.write("WHERE = 'sdk'")
            app = "import mine, theirs\ndef handler(e, c): return [mine.WHERE, theirs.WHERE]"
            files = {"mine.py": "WHERE = 'package'"}
            self.assertEqual(self.answer(app, files=files, extra=[sdk]), ["package", "sdk"])

    def test_a_compiled_copy_of_the_loop_looks_the_same_from_inside(self):
        with tempfile.TemporaryDirectory() as place:
            copy = os.path.join(place, "any-name.pyc")
            code = (
                "import py_compile, sys; py_compile.compile(sys.argv[1], cfile=sys.argv[2],"
                " dfile='/var/runtime/bootstrap.py', doraise=True, optimize=0,"
                " invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)"
            )
            command = [self.loop.python.path, "-I", "-S", "-c", code, LOOP, copy]
            subprocess.run(command, check=True)
            for flags in (("-I", "-S"), ()):
                loop = Loop(self.loop.python, flags=flags, script=copy)
                argv, file, name, path = self.answer(self.APP, loop=loop)
                self.assertEqual((argv, file, name), ([LOOP], LOOP, "__main__"))
                self.assertEqual(path, self.search_path(path[0]))
            app = "def handler(event, context):\n    raise ValueError('x')"
            post = self.run_app(app, loop=loop).posts[0]
            self.assertEqual(len(post.json["stackTrace"]), 1, "the loop's own frames are left out")

    def test_the_interpreters_own_site_packages_are_out_of_sight(self):
        with tempfile.TemporaryDirectory() as venv:
            site = os.path.join(venv, "lib", "python" + self.loop.python.minor, "site-packages")
            editable = os.path.join(venv, "project")
            os.makedirs(os.path.join(venv, "bin"))
            os.makedirs(site)
            os.makedirs(editable)
            python = os.path.join(venv, "bin", "python")
            os.symlink(self.loop.python.path, python)
            finder = """
import sys
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == 'by_finder':
            from importlib.util import spec_from_file_location
            return spec_from_file_location(name, %r)
sys.meta_path.insert(0, Finder)
""" % os.path.join(editable, "by_path.py")
            for path, text in {
                os.path.join(venv, "pyvenv.cfg"): "home = "
                + os.path.dirname(os.path.realpath(self.loop.python.path)),
                os.path.join(site, "installed.py"): "",
                os.path.join(site, "_editable_finder.py"): finder,
                os.path.join(site, "e.pth"): "import _editable_finder\n" + editable + "\n",
                os.path.join(editable, "by_path.py"): "",
            }.items():
                with open(path, "w") as file:
                    file.write(text)
            check = "import installed, by_path, by_finder"
            done = subprocess.run([python, "-c", check], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, "the trap itself works: " + done.stderr)
            app = """
                def found(name):
                    try:
                        __import__(name)
                    except ImportError:
                        return False
                    return True
                def handler(event, context):
                    return [found(n) for n in ('installed', 'by_path', 'by_finder', 'pip', 'json')]
                """
            for flags in (("-I", "-S"), ()):
                loop = Loop(self.loop.python, flags=flags)
                loop.argv = lambda handler, extra, flags=flags: [python, *flags, LOOP]
                self.assertEqual(self.answer(app, loop=loop), [False] * 4 + [True], flags)

    def test_what_site_puts_into_builtins_is_there(self):
        app = """
            def handler(event, context):
                if event:
                    exit(event)
                return [repr(exit), repr(help)[:20], repr(copyright)[:13], repr(credits)[:3],
                        repr(license)[:3], quit.__class__.__name__]
            """
        for loop in (self.loop, self.plain_loop()):
            start = self.answer(app, loop=loop)
            self.assertRegex(start[0], r"^Use exit\(\) or Ctrl-D")
            self.assertEqual(start[2:3] + start[5:], ["Copyright (c)", "Quitter"])
            self.assertEqual(self.run_app(app, event(5), loop=loop).status, 5)

    def test_the_environment_is_what_was_given_and_nothing_private(self):
        app = "import os\ndef handler(event, context): return sorted(os.environ)"
        env = {"_LAMBDABOX_PIP_HINT": "pip {module}", "_LAMBDABOX_SEARCH_PATH": "/x", "MINE": "1"}
        names = self.answer(app, env=env)
        aws = """AWS_EXECUTION_ENV AWS_LAMBDA_FUNCTION_MEMORY_SIZE AWS_LAMBDA_FUNCTION_NAME
            AWS_LAMBDA_FUNCTION_VERSION AWS_LAMBDA_LOG_GROUP_NAME AWS_LAMBDA_LOG_STREAM_NAME
            AWS_LAMBDA_RUNTIME_API LAMBDA_RUNTIME_DIR LAMBDA_TASK_ROOT LANG MINE PATH TZ _HANDLER"""
        self.assertEqual(names, aws.split())

    def test_a_locale_the_customer_chose_is_kept(self):
        app = "import os\ndef handler(event, context): return os.environ['LC_CTYPE']"
        self.assertEqual(self.answer(app, env={"LC_CTYPE": "C.UTF-8"}), "C.UTF-8")

    def test_text_is_utf_8_whether_or_not_the_locale_exists(self):
        app = """
            import os, sys
            def handler(event, context):
                with open('/proc/self/comm') as file: encoding = file.encoding
                with open(os.path.join(event, 'é'), 'w') as file: file.write('é')
                with open(os.path.join(event, 'é'), 'rb') as file: raw = list(file.read())
                print('é\\u20ac😀')
                try:
                    print('\\udc80')
                except UnicodeEncodeError as error:
                    refused = error.reason
                print('\\udc80', file=sys.stderr)
                return [encoding.lower().replace('-', ''), raw, os.listdir(event), sys.stdout.encoding,
                        sys.stdout.errors, sys.stderr.errors, sys.getfilesystemencoding(), refused]
            """
        for language in ("en_US.UTF-8", "nowhere_NO.UTF-8", "C", "C.UTF-8"):
            with tempfile.TemporaryDirectory() as place:
                seen = self.run_app(app, event(place), env={"LANG": language})
            encoding, *rest = seen.posts[0].json
            self.assertEqual(encoding, "utf8")
            self.assertEqual(
                rest,
                [[0xC3, 0xA9], ["é"], "utf-8", "strict", "backslashreplace", "utf-8"]
                + ["surrogates not allowed"],
            )
            self.assertEqual(seen.records(), ["é\u20ac😀\n", "\\udc80\n"])

    def test_a_file_named_like_a_module_aws_has_loaded_does_not_shadow_it(self):
        names = ["json", "re", "enum", "types", "decimal", "traceback", "logging", "string"]
        app = "import %s\ndef handler(e, c): return [hasattr(m, 'MINE') for m in (%s)]"
        files = {name + ".py": "MINE = True" for name in names}
        text = app % (", ".join(names), ", ".join(names))
        self.assertEqual(self.answer(text, files=files), [False] * len(names))

    def test_the_hello_function_says_hello(self):
        with open(os.path.join(os.path.dirname(LOOP), "hello", "lambda_function.py")) as file:
            files = {"lambda_function.py": file.read()}
        events = [event({"name": "Ada"}), event(None)]
        seen = run(self.loop, files, events, "lambda_function.lambda_handler")
        said = [post.json["message"] for post in seen.posts]
        self.assertEqual(said, ["Hello, Ada!", "Hello, world!"])


class Customer(Case):
    """PYTHON* variables and wrappers."""

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


class Output(Case):
    def test_prints_errors_and_records_keep_their_order_and_are_one_frame_a_line(self):
        app = """
            import logging, sys
            print('init')
            def handler(event, context):
                print('one'); print('two', file=sys.stderr)
                logging.warning('three\\nstill three')
                print('four\\nfive'); context.log('six'); print()
                print('seven', 'é', sep='\\t', end='\\r\\n'); sys.stdout.writelines(['a\\nb', 'c\\n'])
            """
        seen = self.run_app(app)
        records = seen.records()
        self.assertRegex(records.pop(3), r"\tthree\nstill three\n$")
        self.assertEqual(
            records,
            ["init\n", "one\n", "two\n", "four\n", "five\n", "six", "\n", "seven\té\r\n"]
            + ["a\n", "bc\n"],
        )
        self.assertEqual((seen.output, {kind for kind, _ in seen.frames}), (b"", {PLAIN}))

    def test_an_unfinished_line_waits_for_its_end_or_the_end_of_the_invocation(self):
        app = """
            import sys
            print('unfinished init', end='')
            def handler(event, context):
                print('a', end='', flush=True); print('E', end='', file=sys.stderr)
                print('b'); print('rest', end='')
            """
        seen = self.run_app(app, event(), event())
        once = ["ab\n", "rest", "E"]
        self.assertEqual(seen.records(), ["unfinished init"] + once + once)

    def test_an_unfinished_line_is_sent_when_the_process_ends(self):
        for end in ("sys.exit(0)", "raise KeyboardInterrupt", "exit()"):
            app = """
                import sys
                def handler(event, context):
                    print('last words', end='')
                    %s
                """
            self.assertIn("last words", self.run_app(app % end).records())

    def test_what_atexit_handlers_print_is_sent(self):
        app = """
            import atexit, sys
            atexit.register(lambda: print('bye', end=''))
            def handler(event, context): sys.exit(0)
            """
        self.assertEqual(self.run_app(app).records(), ["bye"])

    def test_an_exception_that_ends_the_process_is_on_the_log(self):
        app = "def handler(event, context): raise GeneratorExit('over')"
        seen = self.run_app(app)
        self.assertEqual((seen.posts, seen.status), ([], 1))
        self.assertIn("GeneratorExit: over\n", seen.records()[-1])
        self.assertEqual(seen.records()[0], "Traceback (most recent call last):\n")

    def test_one_printed_record_stays_whole_up_to_the_limit_and_is_cut_beyond(self):
        app = """
            import sys
            def handler(event, context):
                print('x' * 200000)
                print('€' * %d)
                sys.stdout.write('y' * %d + '\\nz\\n')
            """ % (LINE_LIMIT_BYTES, 3 * LINE_LIMIT_BYTES)
        seen = self.run_app(app)
        records = [message for _, message in seen.frames]
        self.assertEqual(records[0], b"x" * 200000 + b"\n")
        self.assertTrue(all(len(record) <= LINE_LIMIT_BYTES for record in records))
        self.assertTrue(all(record.decode() for record in records), "no character is cut")
        self.assertEqual(
            b"".join(records[1:]),
            ("€" * LINE_LIMIT_BYTES).encode() + b"y" * (3 * LINE_LIMIT_BYTES) + b"\nz\n",
        )

    def test_the_streams_do_what_streams_do(self):
        app = """
            import io, sys
            def handler(event, context):
                out = sys.stdout
                try:
                    out.write(b'bytes')
                except TypeError as error:
                    refused = str(error)
                n = out.write('four\\n')
                out.reconfigure(line_buffering=True)
                out.flush(); sys.stderr.flush()
                return [refused, n, out.fileno(), sys.stderr.fileno(), out.isatty(), out.encoding,
                        out.name, out.mode, out.writable(), out.readable(), out.closed, out.newlines,
                        isinstance(out, io.TextIOWrapper), out.buffer.fileno(), out is sys.__stdout__]
            """
        self.assertEqual(
            self.answer(app),
            ["write() argument must be str, not bytes", 5, 1, 2, False, "utf-8", "<stdout>", "w"]
            + [True, False, False, None, True, 1, False],
        )

    def test_bytes_and_descriptors_go_raw(self):
        app = """
            import os, subprocess, sys
            def handler(event, context):
                sys.stdout.buffer.write(b'\\x00buffer\\n'); print('text')
                os.write(2, b'descriptor\\n'); subprocess.run(['echo', 'child'])
                sys.stderr.buffer.write(b'unflushed')
            """
        seen = self.run_app(app)
        self.assertEqual(seen.output, b"\x00buffer\ndescriptor\nchild\nunflushed")
        self.assertEqual(seen.records(), ["text\n"])

    def test_streams_may_be_replaced_closed_or_taken_apart(self):
        for act in (
            "import io; sys.stdout = io.TextIOWrapper(sys.stdout.detach(), 'utf-8', line_buffering=True)",
            "import io; sys.stdout = io.StringIO()",
            "sys.stdout.close()",
            "sys.stdout = None",
            "sys.stdout = open('/dev/null', 'w')",
        ):
            app = "import sys\ndef handler(event, context):\n    %s\n    return sys.exit(0) if event else 1"
            seen = self.run_app(app % act, event(0))
            self.assertEqual([p.body for p in seen.posts], [b"1"], (act, seen.logged()))
            seen = self.run_app(app % act, event(1))
            self.assertEqual((seen.status, seen.logged()), (0, ""), act)

    def test_threads_do_not_tear_each_others_lines(self):
        app = """
            import sys, threading
            def work(n):
                for i in range(200):
                    print('%d-%d-' % (n, i) + 'x' * 5000)
            def handler(event, context):
                threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
                for thread in threads: thread.start()
                for thread in threads: thread.join()
            """
        seen = self.run_app(app)
        text = "".join(seen.records())
        self.assertEqual(text.count("x" * 5000), 800)
        self.assertEqual(text.count("\n"), 800)

    def test_a_forked_child_repeats_nothing_and_loses_nothing(self):
        app = """
            import os, sys
            def handler(event, context):
                print('held by the parent', end='')
                pid = os.fork()
                if pid == 0:
                    print('child line'); print('child part', end='', flush=True)
                    os._exit(0)
                os.waitpid(pid, 0)
                print(' to the end')
            """
        seen = self.run_app(app)
        self.assertEqual(
            seen.records(), ["child line\n", "child part", "held by the parent to the end\n"]
        )

    def test_children_do_not_inherit_the_log_descriptor(self):
        app = """
            import os, subprocess
            def handler(event, context):
                found = subprocess.run(['ls', '/proc/self/fd'], stdout=-1, close_fds=False).stdout
                return len(found.split())
            """
        self.assertEqual(self.answer(app), 4, "0, 1, 2 and the listing's own")

    def test_logging_is_set_up_however_it_is_imported(self):
        for how in (
            "import logging",
            "import importlib; logging = importlib.import_module('logging')",
            "import logging.handlers; logging = sys.modules['logging']",
            "import asyncio; logging = sys.modules['logging']",
            "import threading; t = threading.Thread(target=__import__, args=('logging',));"
            " t.start(); t.join(); logging = sys.modules['logging']",
            "__import__('logging'); logging = sys.modules['logging']",
        ):
            app = """
                import sys
                def handler(event, context):
                    %s
                    logging.warning('x')
                    return [len(logging.getLogger().handlers), logging.__spec__.loader is
                            logging.__loader__, 'exec_module' in vars(logging.__loader__)]
                """
            seen = self.run_app(app % how)
            self.assertEqual(seen.posts[0].json, [1, True, False], how)
            self.assertRegex(seen.records()[0], r"^\[WARNING\]\t[^\t]+Z\t[^\t]{36}\tx\n$")

    def test_basic_config_changes_nothing_as_on_aws(self):
        app = """
            import logging
            logging.basicConfig(level=logging.DEBUG, format='mine')
            def handler(event, context): logging.info('quiet'); logging.error('loud')
            """
        records = self.run_app(app).records()
        self.assertEqual(len(records), 1)
        self.assertRegex(records[0], r"^\[ERROR\]\t.*\tloud\n$")

    def test_context_log_without_logging_is_one_record(self):
        app = "def handler(event, context): context.log('a\\nb'); context.log(5)"
        self.assertEqual(self.run_app(app).records(), ["a\nb", "5"])

    def test_a_lone_surrogate_in_an_error_does_not_end_the_process(self):
        app = "def handler(event, context): raise ValueError('\\udc80')"
        seen = self.run_app(app, event(), event())
        self.assertEqual([p.json["errorMessage"] for p in seen.posts], ["\udc80"] * 2)


class Wire(Case):
    APP = "def handler(event, context): return event"

    def echo(self, *values, **behaviour):
        seen = self.run_app(self.APP, *[event(value) for value in values], **behaviour)
        self.assertEqual([post.json for post in seen.posts], list(values), seen.logged())
        self.assertIsNone(seen.status)
        return seen

    def test_one_connection_serves_everything(self):
        seen = self.echo(1, 2, 3)
        self.assertEqual(seen.connections, 1)
        self.assertEqual(seen.user_agents, {"lambdabox-python/" + self.loop.python.version})

    def test_a_chunked_event_is_put_together(self):
        self.echo({"text": "é" * 5000}, {}, chunked=True)

    def test_an_event_without_a_length_ends_with_its_connection(self):
        self.assertEqual(self.echo({"a": "x" * 100000}, {}, until_close=True).connections, 3)

    def test_a_connection_closed_between_calls_is_made_anew(self):
        self.assertGreater(self.echo(1, 2, 3, hang_up=True).connections, 3)

    def test_informational_answers_are_skipped(self):
        self.echo(1, 2, continue_first=True)

    def test_an_invocation_already_given_up_is_no_reason_to_end(self):
        app = "def handler(event, context): return 1 / event"
        seen = self.run_app(app, event(1), event(0), event(1), post_status=410)
        self.assertEqual([p.kind for p in seen.posts], ["response", "error", "response"])
        self.assertIsNone(seen.status)

    def test_a_host_that_is_not_there_ends_the_process_with_a_reason(self):
        env = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"}
        seen = self.run_app(self.APP, env=env)
        self.assertEqual(seen.status, 1)
        self.assertIn("Connection refused", seen.logged())

    def test_a_trace_too_large_for_a_header_is_left_out_of_it(self):
        app = "def handler(event, context): raise ValueError('x' * (1024 * 1024))"
        post = self.run_app(app).posts[0]
        self.assertNotIn("Lambda-Runtime-Function-XRay-Error-Cause", post.headers)
        self.assertEqual(len(post.json["errorMessage"]), 1024 * 1024)


class Hint(Case):
    TEMPLATE = "pip install -t /my/app {module}"

    def hint(self, app, handler="app.handler", files=None):
        env = {"_LAMBDABOX_PIP_HINT": self.TEMPLATE}
        seen = run(self.loop, {"app.py": app, **(files or {})}, [], handler, env=env)
        self.assertEqual(seen.posts[0].json["errorType"], "Runtime.ImportModuleError")
        records = seen.records()
        self.assertIn("[ERROR] Runtime.ImportModuleError", records[0])
        return records[1:]

    def test_the_command_that_would_add_a_missing_package_is_told(self):
        text = "lambdabox: %s is not in the package nor installed for this interpreter; add it with: "
        for statement, module, package in [
            ("import boto3", "boto3", "boto3"),
            ("import botocore.exceptions", "botocore", "botocore"),
            ("from yaml import load", "yaml", "pyyaml"),
        ]:
            told = (text + "pip install -t /my/app %s\n") % (module, package)
            self.assertEqual(self.hint(statement), [told])

    def test_nothing_is_told_where_pip_would_not_help(self):
        self.assertEqual(self.hint("", handler="nothere.handler"), [])
        self.assertEqual(self.hint("import json.nothere"), [])
        self.assertEqual(self.hint("from json import nothere"), [])
        self.assertEqual(self.hint("import pkg.part", files={"pkg/__init__.py": ""}), [])

    def test_nothing_is_told_unless_the_host_asks_for_it(self):
        seen = run(self.loop, {"app.py": "import boto3"}, [])
        self.assertEqual(len(seen.frames), 1)


_LOOPS = [("ours", Loop(python)) for python in pythons()]
for _base in (Start, Customer, Output, Wire, Hint):
    globals().update(classes_for(_base, _LOOPS))
del Start, Customer, Output, Wire, Hint, Case, _base

if __name__ == "__main__":
    sys.exit(unittest.main())
