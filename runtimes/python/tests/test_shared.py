"""What our loop and AWS's own client must do alike: the same tests run on both.

Each test class is made once per interpreter for our loop, and for one interpreter before and one
from 3.12 on (where AWS changed its JSON) for `awslambdaric` from PyPI, unmodified. That the official
client passes shows that the stand-in Runtime API and the expectations are right.
"""

import json
import unittest

from harness import ARN, Loop, classes_for, event, official_client, pythons, run

TEXT_ERROR, JSON_ERROR = 0xA55A0017, 0xA55A0016
PLAIN = 0xA55A0003


class Shared(unittest.TestCase):
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

    # ---- events and answers

    def test_an_event_goes_in_and_the_answer_comes_out_as_json(self):
        app = "def handler(event, context): return {'got': event, 'n': [1, 2.5, None, True]}"
        seen = run(self.loop, {"app.py": app}, [event({"a": "b"}), event([1]), event(b'"x"')])
        self.assertEqual(
            [p.body for p in seen.posts],
            [
                b'{"got": {"a": "b"}, "n": [1, 2.5, null, true]}',
                b'{"got": [1], "n": [1, 2.5, null, true]}',
                b'{"got": "x", "n": [1, 2.5, null, true]}',
            ],
        )
        self.assertEqual(seen.posts[0].headers["Content-Type"], "application/json")
        self.assertIsNone(seen.status, "the loop goes on waiting")

    def test_characters_outside_ascii_are_escaped_before_3_12_and_kept_from_it_on(self):
        app = "def handler(event, context): return event"
        (body,) = self.answers(app, event('é\u2028"\\/\x7f\n😀'))
        if self.loop.python.at_least_3_12:
            self.assertEqual(body, '"é\u2028\\"\\\\/\x7f\\n😀"'.encode())
        else:
            self.assertEqual(body, b'"\\u00e9\\u2028\\"\\\\/\\u007f\\n\\ud83d\\ude00"')

    def test_the_escaping_follows_the_execution_environment_and_not_the_interpreter(self):
        app = "def handler(event, context): return 'é'"
        for name, expected in [
            ("AWS_Lambda_python3.9", b'"\\u00e9"'),
            ("AWS_Lambda_python3.13", '"é"'.encode()),
            ("AWS_Lambda_Image", b'"\\u00e9"'),
        ]:
            (body,) = self.answers(app, event(), env={"AWS_EXECUTION_ENV": name})
            self.assertEqual(body, expected, name)

    def test_values_beyond_json_are_written_as_simplejson_writes_them(self):
        app = """
            import collections, decimal, enum
            Point = collections.namedtuple('Point', 'x y')
            D = decimal.Decimal
            class Level(enum.IntEnum):
                LOW = 1
            class Text(str):
                pass
            class Ratio(float):
                def __repr__(self): return 'nonsense'
            class Row:
                def _asdict(self): return {'id': 7}
            class Both(dict):
                pass
            VALUES = [
                D('1.10'), D('1E+2'), D('NaN'), D('-0'), {'d': [D('0.1')]}, D('Infinity'), D('sNaN'),
                float('nan'), float('inf'), float('-inf'), 1e22, 1e16, -0.0, 12345678901234567890,
                Point(1, 'b'), [Point(1, Point(2, 3))], Row(), (1, (2,)), Both(a=1), {}, [], (),
                {'b': b'bytes'}, [b'\\xc3\\xa9'], {b'key': 1}, Level.LOW, Text('t'), Ratio(1.5),
                {1: 'i', 1.5: 'f', True: 't', None: 'n'}, {Level.LOW: 1}, {Text('k'): 1},
                {float('nan'): 1}, collections.OrderedDict(z=1, a=2), 'plain', 1, None, True,
            ]
            def handler(event, context):
                return VALUES[event]
            """
        expected = [
            "1.10", "1E+2", "NaN", "-0", '{"d": [0.1]}', "Infinity", "NaN",
            "NaN", "Infinity", "-Infinity", "1e+22", "1e+16", "-0.0", "12345678901234567890",
            '{"x": 1, "y": "b"}', '[{"x": 1, "y": {"x": 2, "y": 3}}]', '{"id": 7}', "[1, [2]]",
            '{"a": 1}', "{}", "[]", "[]",
            '{"b": "bytes"}', '["é"]', '{"key": 1}', "1", '"t"', "1.5",
            '{"1": "t", "1.5": "f", "null": "n"}', '{"1": 1}', '{"k": 1}',
            '{"NaN": 1}', '{"z": 1, "a": 2}', '"plain"', "1", "null", "true",
        ]  # fmt: skip
        if not self.loop.python.at_least_3_12:
            expected = [text.replace("é", "\\u00e9") for text in expected]
        bodies = self.answers(app, *[event(i) for i in range(len(expected))])
        self.assertEqual([body.decode() for body in bodies], expected)

    def test_values_that_json_cannot_hold_are_a_marshal_error(self):
        app = """
            import datetime
            loop = []
            loop.append({'again': loop})
            class Bad:
                def _asdict(self): return 5
            VALUES = [{1, 2}, datetime.datetime.now(), {'a': object()}, loop, {(1, 2): 3}, iter([]),
                      lambda: 1, {'x': [b'\\xff']}, Bad()]
            def handler(event, context):
                return VALUES[event]
            """
        messages = [
            "Object of type set is not JSON serializable",
            "Object of type datetime is not JSON serializable",
            "Object of type object is not JSON serializable",
            "Circular reference detected",
            "keys must be str, int, float, bool or None, not tuple",
            "Object of type list_iterator is not JSON serializable",
            "Object of type function is not JSON serializable",
            "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
            "_asdict() must return a dict, not int",
        ]
        events = [event(i) for i in range(len(messages))]
        seen = run(self.loop, {"app.py": app}, events)
        self.assertEqual(
            [post.json for post in seen.posts],
            [
                {
                    "errorMessage": "Unable to marshal response: " + message,
                    "errorType": "Runtime.MarshalError",
                    "requestId": given["headers"]["Lambda-Runtime-Aws-Request-Id"],
                    "stackTrace": [],
                }
                for given, message in zip(events, messages)
            ],
        )

    def test_nesting_without_end_is_a_marshal_error_and_the_loop_lives_on(self):
        app = """
            def handler(event, context):
                value = []
                for _ in range(200000 if event else 1): value = [value]
                return value
            """
        seen = run(self.loop, {"app.py": app}, [event(1), event(0)])
        self.assertEqual([p.kind for p in seen.posts], ["error", "response"], seen.logged())
        self.assertEqual(seen.posts[0].json["errorType"], "Runtime.MarshalError")

    def test_bytes_are_answered_as_they_are(self):
        app = "def handler(event, context): return b'\\x00\\xff raw'"
        seen = run(self.loop, {"app.py": app}, [event()])
        self.assertEqual(seen.posts[0].body, b"\x00\xff raw")
        self.assertEqual(seen.posts[0].headers["Content-Type"], "application/unknown")

    def test_an_event_of_another_content_type_arrives_as_bytes(self):
        app = "def handler(event, context): return repr(event)"
        (body,) = self.answers(app, event(b"a=1", Content_Type="text/plain"))
        self.assertEqual(json.loads(body), "b'a=1'")

    def test_a_byte_order_mark_and_space_around_the_event_are_skipped(self):
        app = "def handler(event, context): return event"
        bodies = self.answers(app, event("\ufeff {}\n".encode()), event(b"\t[1]\r\n "))
        self.assertEqual(bodies, [b"{}", b"[1]"])

    def test_an_event_that_is_not_json_is_an_unmarshal_error(self):
        app = "def handler(event, context): return event"
        cases = [
            (b"", "Expecting value: line 1 column 1 (char 0)"),
            (b"nul", "Expecting value: line 1 column 1 (char 0)"),
            (b'{"a": }', "Expecting value: line 1 column 7 (char 6)"),
            (b'{"a"; 1}', "Expecting ':' delimiter: line 1 column 5 (char 4)"),
            (b'"open', "Unterminated string starting at: line 1 column 1 (char 0)"),
            (b"1\n 2 ", "Extra data: line 2 column 2 - line 2 column 4 (char 3 - 5)"),
            (b'["NaN", NaN]', "Expecting value: line 1 column 9 (char 8)"),
            (b'{"a":\n-Infinity}', "Expecting value: line 2 column 1 (char 6)"),
            (b"\xff", "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        ]
        seen = run(self.loop, {"app.py": app}, [event(body) for body, _ in cases])
        for post, (body, message) in zip(seen.posts, cases):
            self.assertEqual(post.json["errorType"], "Runtime.UnmarshalError", body)
            self.assertEqual(
                post.json["errorMessage"], "Unable to unmarshal input: " + message, body
            )
        self.assertEqual(len(seen.posts), len(cases))

    def test_six_mebibytes_go_in_and_out(self):
        app = "def handler(event, context): return {'n': len(event['x']), 'x': event['x']}"
        text = "x" * (6 * 1024 * 1024 - 100)
        (body,) = self.answers(app, event({"x": text}))
        self.assertEqual(json.loads(body), {"n": len(text), "x": text})

    def test_the_attempts_id_is_sent_back_with_answers_and_errors(self):
        app = "def handler(event, context): return 1 / event"
        first, second = event(1, Invocation_Id="attempt-1"), event(0, Invocation_Id="attempt-2")
        seen = run(self.loop, {"app.py": app}, [first, second, event(1)])
        echoed = [post.headers.get("Lambda-Runtime-Invocation-Id") for post in seen.posts]
        self.assertEqual(echoed, ["attempt-1", "attempt-2", None])
        self.assertEqual([p.kind for p in seen.posts], ["response", "error", "response"])

    def test_a_refused_answer_ends_the_process(self):
        app = "def handler(event, context): return 1"
        seen = run(self.loop, {"app.py": app}, [event(), event()], post_status=413)
        self.assertEqual(len(seen.posts), 1)
        self.assertEqual(seen.status, 1)

    # ---- context

    def test_the_context_has_every_member(self):
        app = """
            import time
            def handler(event, context):
                c, left = context, context.get_remaining_time_in_millis()
                time.sleep(0.02)
                return {
                    'aws_request_id': c.aws_request_id, 'log_group_name': c.log_group_name,
                    'log_stream_name': c.log_stream_name, 'function_name': c.function_name,
                    'memory_limit_in_mb': c.memory_limit_in_mb, 'version': c.function_version,
                    'arn': c.invoked_function_arn, 'tenant_id': c.tenant_id,
                    'client_context': c.client_context, 'kind': type(c).__name__,
                    'identity': [c.identity.cognito_identity_id, c.identity.cognito_identity_pool_id],
                    'left': [left, c.get_remaining_time_in_millis(), type(left).__name__],
                    'repr': repr(c), 'w3c': c.w3c(),
                }
            """
        given = event()
        (body,) = self.answers(app, given)
        answer = json.loads(body)
        left, later, kind = answer.pop("left")
        self.assertEqual(kind, "int")
        self.assertTrue(1000 < left <= 3000 and left - 1000 < later < left, (left, later))
        stream = "2026/11/23/[$LATEST]0123456789abcdef0123456789abcdef"
        request_id = given["headers"]["Lambda-Runtime-Aws-Request-Id"]
        self.assertEqual(
            answer.pop("repr"),
            "LambdaContext([aws_request_id=%s,log_group_name=/aws/lambda/tested,"
            "log_stream_name=%s,function_name=tested,memory_limit_in_mb=128,"
            "function_version=$LATEST,invoked_function_arn=%s,client_context=None,"
            "identity=CognitoIdentity([cognito_identity_id=None,cognito_identity_pool_id=None]),"
            "tenant_id=None])" % (request_id, stream, ARN),
        )
        self.assertEqual(
            answer,
            {
                "aws_request_id": request_id,
                "log_group_name": "/aws/lambda/tested",
                "log_stream_name": stream,
                "function_name": "tested",
                "memory_limit_in_mb": "128",
                "version": "$LATEST",
                "arn": ARN,
                "tenant_id": None,
                "client_context": None,
                "kind": "LambdaContext",
                "identity": [None, None],
                "w3c": {},
            },
        )

    def test_no_time_is_left_after_the_deadline(self):
        app = "def handler(event, context): return context.get_remaining_time_in_millis()"
        self.assertEqual(self.answers(app, event(Deadline_Ms="1700000000000")), [b"0"])

    def test_client_context_identity_and_tenant_are_objects(self):
        app = """
            def handler(event, context):
                c = context.client_context
                return [c.custom, c.env, c.client.installation_id, c.client.app_title,
                        c.client.app_version_name, c.client.app_version_code,
                        c.client.app_package_name, repr(c), context.w3c(), context.tenant_id,
                        context.identity.cognito_identity_id,
                        context.identity.cognito_identity_pool_id]
            """
        client = {
            "client": {"installation_id": "i", "app_title": "é"},
            "custom": {"k": [1]},
            "env": {"locale": "de"},
            "w3c": {"traceparent": "00-1", "baggage": 5, "other": "x"},
        }
        (body,) = self.answers(
            app,
            event(
                Client_Context=json.dumps(client, ensure_ascii=False),
                Cognito_Identity='{"cognitoIdentityId":"id","cognitoIdentityPoolId":"pool"}',
                Aws_Tenant_Id="tenant-1",
            ),
        )
        text = (
            "ClientContext([custom={'k': [1]},env={'locale': 'de'},client=Client(["
            "installation_id=i,app_title=é,app_version_name=None,app_version_code=None,"
            "app_package_name=None])])"
        )
        self.assertEqual(
            json.loads(body),
            [{"k": [1]}, {"locale": "de"}, "i", "é", None, None, None, text]
            + [{"traceparent": "00-1"}, "tenant-1", "id", "pool"],
        )

    def test_an_empty_client_context_has_no_client(self):
        app = "def handler(event, context): return [context.client_context.client]"
        self.assertEqual(self.answers(app, event(Client_Context="{}")), [b"[null]"])

    def test_a_client_context_that_is_not_json_is_an_error_of_the_invocation(self):
        app = "def handler(event, context): return 1"
        _, error = self.failure(app, event(Client_Context="{nope"))
        self.assertEqual(error["errorType"], "Runtime.LambdaContextUnmarshalError")
        start = "Unable to parse Client Context JSON: Expecting property name enclosed in double"
        self.assertEqual(error["errorMessage"][: len(start)], start)
        _, error = self.failure(app, event(Cognito_Identity="nope"))
        self.assertEqual(
            error["errorMessage"],
            "Unable to parse Cognito Identity JSON: Expecting value: line 1 column 1 (char 0)",
        )

    def test_the_trace_id_is_set_for_its_invocation_and_gone_when_absent(self):
        app = """
            import os, subprocess
            def handler(event, context):
                child = subprocess.run(['/bin/sh', '-c', 'echo $_X_AMZN_TRACE_ID'], stdout=-1)
                return [os.environ.get('_X_AMZN_TRACE_ID'), child.stdout.decode().strip()]
            """
        bodies = self.answers(app, event(), event(Trace_Id="Root=1-a;Sampled=1"), event())
        self.assertEqual(
            [json.loads(b) for b in bodies],
            [[None, ""], ["Root=1-a;Sampled=1", "Root=1-a;Sampled=1"], [None, ""]],
        )

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

    # ---- logging

    LOGGING_APP = """
        import logging
        log = logging.getLogger()
        log.error('during init')
        named = logging.getLogger('na.med')
        def handler(event, context):
            log.debug('quiet')
            log.info('quiet unless asked')
            named.warning('two\\nlines %s', 'é')
            try:
                1 / 0
            except ZeroDivisionError:
                log.exception('failed')
            context.log('by context')
            return len(log.handlers)
        """

    def test_logging_is_set_up_with_awss_text_layout(self):
        given = event()
        seen = run(self.loop, {"app.py": self.LOGGING_APP}, [given])
        self.assertEqual(seen.posts[0].body, b"1")
        self.assertEqual({kind for kind, _ in seen.frames}, {PLAIN})
        start, warning, failed, by_context = seen.records()
        time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
        request_id = given["headers"]["Lambda-Runtime-Aws-Request-Id"]
        self.assertRegex(start, r"^\[ERROR\]\t" + time + "\t\tduring init\n$")
        self.assertRegex(
            warning, r"^\[WARNING\]\t%s\t%s\ttwo\nlines é\n$" % (time, request_id)
        )
        self.assertRegex(
            failed,
            r"^\[ERROR\]\t%s\t%s\tfailed\nTraceback \(most recent call last\):\n(.*\n)+"
            r"ZeroDivisionError: division by zero$" % (time, request_id),
        )
        self.assertEqual(by_context, "by context")

    def test_without_a_log_descriptor_records_go_to_standard_output(self):
        seen = run(self.loop, {"app.py": self.LOGGING_APP}, [event()], log_fd=False)
        self.assertEqual(seen.frames, [])
        self.assertRegex(seen.text, r"^\[ERROR\]\t\S+\t\tduring init\n\[WARNING\]\t\S+\t\S+\ttwo\n")
        self.assertTrue(seen.text.endswith("by context"))

    def test_json_records_have_awss_members_in_awss_order(self):
        given = event(Aws_Tenant_Id="t1")
        app = """
            import datetime, logging
            log = logging.getLogger('me')
            def handler(event, context):
                log.warning('x %s', 1)
                log.error({'a': 1}, extra={'more': {2: datetime.date(2026, 1, 2)}, 'level': 'mine'})
                try:
                    1 / 0
                except ZeroDivisionError:
                    log.exception('failed')
                log.log(35, 'between')
                log.critical('worst')
            """
        seen = run(self.loop, {"app.py": app}, [given], env={"AWS_LAMBDA_LOG_FORMAT": "JSON"})
        kinds = [0xA55A0012, 0xA55A0016, 0xA55A0016, 0xA55A0012, 0xA55A001A]
        self.assertEqual([kind for kind, _ in seen.frames], kinds)
        self.assertTrue(all(text.endswith("}\n") for text in seen.records()))
        records = [json.loads(text) for text in seen.records()]
        request_id = given["headers"]["Lambda-Runtime-Aws-Request-Id"]
        for record in records:
            self.assertRegex(record.pop("timestamp"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
            self.assertEqual(record.pop("requestId"), request_id)
            self.assertEqual(record.pop("tenantId"), "t1")
            self.assertEqual(record.pop("logger"), "me")
        self.assertEqual(records[0], {"level": "WARNING", "message": "x 1"})
        self.assertEqual(
            records[1], {"level": "ERROR", "message": {"a": 1}, "more": {"2": "2026-01-02"}}
        )
        failed = records[2]
        self.assertEqual(
            list(failed),
            ["level", "message", "stackTrace", "errorType", "errorMessage", "location"],
        )
        self.assertEqual(failed["errorMessage"], "division by zero")
        self.assertRegex(failed["location"], r"/task/app.py:handler:\d+$")
        self.assertEqual(len(failed["stackTrace"]), 1)
        self.assertEqual(records[3]["level"], "WARNING")

    def test_levels_are_awss(self):
        app = """
            import logging
            def handler(event, context):
                for level in (5, 10, 20, 30, 40, 50): logging.log(level, 'n%d', level)
                return logging.getLogger().level
            """
        cases = [
            ({}, 30, ["n30", "n40", "n50"]),
            ({"AWS_LAMBDA_LOG_LEVEL": "debug"}, 10, ["n10", "n20", "n30", "n40", "n50"]),
            ({"AWS_LAMBDA_LOG_LEVEL": "TRACE"}, 10, ["n10", "n20", "n30", "n40", "n50"]),
            ({"AWS_LAMBDA_LOG_LEVEL": "FATAL"}, 50, ["n50"]),
            ({"AWS_LAMBDA_LOG_LEVEL": "nonsense"}, 30, ["n30", "n40", "n50"]),
            ({"AWS_LAMBDA_LOG_LEVEL": "INFO", "AWS_LAMBDA_LOG_FORMAT": "json"}, 20,
             ["n20", "n30", "n40", "n50"]),
        ]  # fmt: skip
        for env, level, expected in cases:
            seen = run(self.loop, {"app.py": app}, [event()], env=env)
            if "AWS_LAMBDA_LOG_FORMAT" in env:
                messages = [json.loads(text)["message"] for text in seen.records()]
            else:
                messages = [text.rsplit("\t", 1)[1].strip() for text in seen.records()]
            self.assertEqual((seen.posts[0].json, messages), (level, expected), env)

    def test_a_level_in_text_form_also_goes_into_the_frame(self):
        app = "import logging\ndef handler(e, c): logging.error('x')"
        seen = run(self.loop, {"app.py": app}, [event()], env={"AWS_LAMBDA_LOG_LEVEL": "INFO"})
        self.assertEqual([kind for kind, _ in seen.frames], [TEXT_ERROR])

    def test_context_log_goes_to_print_once_the_handlers_are_removed(self):
        app = """
            import logging
            logging.getLogger().handlers.clear()
            def handler(event, context): context.log('plain\\n')
            """
        seen = run(self.loop, {"app.py": app}, [event()])
        self.assertEqual(seen.logged(), "plain\n")

    # ---- the rest of the process

    def test_the_log_descriptor_is_not_told_to_customer_code(self):
        app = """
            import os
            def handler(event, context): return [n for n in os.environ if 'TELEMETRY' in n]
            """
        self.assertEqual(self.answers(app, event()), [b"[]"])

    def test_output_without_a_log_descriptor_is_written_at_once_and_in_order(self):
        app = """
            import os, sys
            def handler(event, context):
                print('out'); print('err', file=sys.stderr)
                os.write(1, b'raw\\n'); print('part', end=''); os.write(2, b'-raw\\n')
                sys.stdout.writelines(['a\\n', 'b\\n'])
                os.write(1, b'end\\n')
            """
        seen = run(self.loop, {"app.py": app}, [event()], log_fd=False)
        self.assertEqual(seen.text, "out\nerr\nraw\npart-raw\na\nb\nend\n")


def _loops():
    found = pythons()
    loops = [("ours", Loop(python)) for python in found]
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


globals().update(classes_for(Shared, _loops()))
del Shared

if __name__ == "__main__":
    unittest.main()
