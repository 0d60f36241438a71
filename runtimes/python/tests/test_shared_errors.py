"""Errors of the handler and of init; handler names.

The same tests run on our loop and, unmodified, on AWS's own client, `awslambdaric` from PyPI (for one
interpreter before and one from 3.12 on, where AWS changed its JSON). That the official client passes
shows that the stand-in Runtime API and the expectations are right.
"""

import json
import unittest

from cases import JSON_ERROR, TEXT_ERROR, SharedCase, for_both_clients
from harness import event, run


class Errors(SharedCase):
    # ---- errors of the handler

    def test_an_exception_becomes_awss_error_object(self):
        app = """
            def inner():
                raise KeyError('missing')

            def handler(event, context):
                return inner()
            """
        given = event()
        seen, error = self.failure(app, given)
        files = [frame.split('"')[1] for frame in error["stackTrace"]]
        self.assertTrue(all(file.endswith("/task/app.py") for file in files), files)
        self.assertEqual(
            error,
            {
                "errorMessage": "'missing'",
                "errorType": "KeyError",
                "requestId": given["headers"]["Lambda-Runtime-Aws-Request-Id"],
                "stackTrace": [
                    '  File "%s", line 6, in handler\n    return inner()\n' % files[0],
                    '  File "%s", line 3, in inner\n    raise KeyError(\'missing\')\n' % files[0],
                ],
            },
        )
        self.assertEqual(
            list(error), ["errorMessage", "errorType", "requestId", "stackTrace"], "key order"
        )
        post = seen.posts[0]
        self.assertEqual(post.headers["Content-Type"], "application/json")
        self.assertNotIn("Lambda-Runtime-Function-Error-Type", post.headers)
        cause = json.loads(post.headers["Lambda-Runtime-Function-XRay-Error-Cause"])
        self.assertEqual(
            cause,
            {
                "working_directory": files[0][: -len("/app.py")],
                "exceptions": [
                    {
                        "message": "'missing'",
                        "type": "KeyError",
                        "stack": [
                            {"label": "handler", "path": files[0], "line": 6},
                            {"label": "inner", "path": files[0], "line": 3},
                        ],
                    }
                ],
                "paths": [files[0]],
            },
        )

    def test_an_exception_is_logged_as_one_record(self):
        app = "def handler(event, context):\n    raise ValueError('one\\ntwo')"
        seen, error = self.failure(app)
        (record,) = seen.frames
        self.assertEqual(record[0], TEXT_ERROR)
        file = error["stackTrace"][0].split('"')[1]
        self.assertEqual(
            record[1].decode(),
            "[ERROR] ValueError: one\ntwo\nTraceback (most recent call last):\n"
            '\u00a0\u00a0File "%s", line 2, in handler\n'
            "\u00a0\u00a0\u00a0\u00a0raise ValueError('one\\ntwo')" % file,
        )

    def test_without_a_log_descriptor_an_error_is_one_line_of_output(self):
        app = "def handler(event, context):\n    raise ValueError"
        seen, error = self.failure(app, log_fd=False)
        self.assertEqual(error["errorMessage"], "")
        file = error["stackTrace"][0].split('"')[1]
        self.assertEqual(
            seen.text,
            "[ERROR] ValueError\rTraceback (most recent call last):\r"
            '\u00a0\u00a0File "%s", line 2, in handler\r'
            "\u00a0\u00a0\u00a0\u00a0raise ValueError\n" % file,
        )

    def test_an_exception_is_logged_as_json_where_that_is_asked_for(self):
        app = "def handler(event, context):\n    raise ValueError('no')"
        seen, error = self.failure(app, env={"AWS_LAMBDA_LOG_FORMAT": "JSON"})
        (record,) = seen.frames
        self.assertEqual(record[0], JSON_ERROR)
        logged = json.loads(record[1])
        self.assertRegex(logged.pop("timestamp"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(logged.pop("level"), "ERROR")
        self.assertEqual(logged, error)

    def test_a_deep_recursion_is_an_ordinary_error(self):
        app = "def handler(event, context):\n    return handler(event, context)"
        _, error = self.failure(app)
        self.assertEqual(error["errorType"], "RecursionError")
        self.assertRegex(error["stackTrace"][-1], r"Previous line repeated \d+ more times")

    def test_the_loop_goes_on_after_an_error(self):
        app = "def handler(event, context): return 1 / event"
        seen = run(self.loop, {"app.py": app}, [event(0), event(2), event(0), event(4)])
        self.assertEqual(
            [p.kind for p in seen.posts], ["error", "response", "error", "response"]
        )
        self.assertIsNone(seen.status)

    def test_sys_exit_ends_the_process_with_its_status_and_answers_nothing(self):
        app = "import sys\ndef handler(event, context): sys.exit(event)"
        for status in (0, 7):
            seen = run(self.loop, {"app.py": app}, [event(status)])
            self.assertEqual((seen.posts, seen.status), ([], status))

    def test_sys_exit_during_init_ends_the_process_and_posts_nothing(self):
        seen = run(self.loop, {"app.py": "import sys\nsys.exit(3)"}, [event()])
        self.assertEqual((seen.posts, seen.status), ([], 3))

    # ---- errors of init

    def test_a_module_that_is_not_there_is_an_import_module_error(self):
        seen, error = self.init_failure({"other.py": ""})
        self.assertEqual(error["errorType"], "Runtime.ImportModuleError")
        text = "Unable to import module 'app': No module named 'app'"
        self.assertEqual((error["errorMessage"], error["stackTrace"]), (text, []))
        self.assertIn("[ERROR] Runtime.ImportModuleError: " + text, seen.records()[-1])

    def test_an_import_that_fails_inside_the_module_is_named(self):
        _, error = self.init_failure({"app.py": "import nosuchpackage.part"})
        self.assertEqual(
            error["errorMessage"], "Unable to import module 'app': No module named 'nosuchpackage'"
        )

    def test_a_syntax_error_shows_the_line(self):
        _, error = self.init_failure({"app.py": "def handler(event context):\n    pass\n"})
        self.assertEqual(error["errorType"], "Runtime.UserCodeSyntaxError")
        self.assertRegex(
            error["errorMessage"], r"^Syntax error in module 'app': .*\(app.py, line 1\)$"
        )
        (line,) = error["stackTrace"]
        shown = r'^  File ".*/task/app.py" Line 1\n    def handler\(event context\):\n$'
        self.assertRegex(line, shown)

    def test_a_function_that_is_not_there_is_handler_not_found(self):
        _, error = self.init_failure({"app.py": "x = 1"}, "app.go")
        self.assertEqual(error["errorType"], "Runtime.HandlerNotFound")
        self.assertEqual(error["errorMessage"], "Handler 'go' missing on module 'app'")

    def test_a_handler_without_a_dot_is_malformed(self):
        _, error = self.init_failure({"app.py": ""}, "app")
        self.assertEqual(error["errorType"], "Runtime.MalformedHandlerName")
        text = "Bad handler 'app': not enough values to unpack (expected 2, got 1)"
        self.assertEqual(error["errorMessage"], text)

    def test_a_built_in_module_cannot_be_the_handlers(self):
        _, error = self.init_failure({"sys.py": "def handler(e, c): pass"}, "sys.handler")
        self.assertEqual(error["errorType"], "Runtime.BuiltInModuleConflict")
        text = "Cannot use built-in module sys as a handler module"
        self.assertEqual(error["errorMessage"], text)

    def test_an_exception_during_init_keeps_its_type_and_trace(self):
        seen, error = self.init_failure({"app.py": "x = 1\nraise OSError(5, 'broken')\n"})
        self.assertEqual(error["errorType"], "OSError")
        self.assertEqual(error["errorMessage"], "[Errno 5] broken")
        self.assertRegex(
            error["stackTrace"][-1],
            r"^  File \".*/task/app.py\", line 2, in <module>\n    raise OSError\(5, 'broken'\)\n$",
        )
        self.assertFalse([f for f in error["stackTrace"] if "bootstrap.py" in f])
        self.assertIn("[ERROR] OSError: [Errno 5] broken\nTraceback", seen.records()[-1])

    def test_a_relative_or_empty_module_name_is_told_as_awss_client_tells_it(self):
        _, error = self.init_failure({"app.py": ""}, ".handler")
        self.assertEqual(error["errorType"], "ValueError")
        self.assertEqual(error["errorMessage"], "Empty module name")
        _, error = self.init_failure({"app.py": ""}, "./app.handler")
        self.assertEqual(error["errorType"], "TypeError")

    # ---- handler names

    def test_handlers_live_in_modules_packages_and_folders(self):
        code = "def handler(event, context): return __name__"
        files = {"app.py": code, "pkg/__init__.py": "", "pkg/mod.py": code, "dir/sub/mod.py": code}
        for handler, module in [
            ("app.handler", "app"),
            ("pkg.mod.handler", "pkg.mod"),
            ("pkg/mod.handler", "pkg.mod"),
            ("dir/sub/mod.handler", "dir.sub.mod"),
        ]:
            seen = run(self.loop, files, [event()], handler)
            self.assertEqual([p.json for p in seen.posts], [module], seen.logged())


globals().update(for_both_clients(Errors))
del Errors

if __name__ == "__main__":
    unittest.main()
