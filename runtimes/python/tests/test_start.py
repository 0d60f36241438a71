"""A lean start, the search path, what is in sight and what is not.

Only our loop promises it. Where no `-I -S` is given, it is as the host starts it for a customer's
PYTHON* variables.
"""

import os
import subprocess
import tempfile
import unittest

from cases import OursCase, for_our_loop
from harness import LOOP, Loop, event, run


class Start(OursCase):
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
        with open(os.path.join(os.path.dirname(LOOP), "..", "templates", "hello-python", "lambda_function.py")) as file:
            files = {"lambda_function.py": file.read()}
        events = [event({"name": "Ada"}), event(None)]
        seen = run(self.loop, files, events, "lambda_function.lambda_handler")
        said = [post.json["message"] for post in seen.posts]
        self.assertEqual(said, ["Hello, Ada!", "Hello, world!"])


globals().update(for_our_loop(Start))
del Start

if __name__ == "__main__":
    unittest.main()
