"""What goes in and what comes out.

The same tests run on our loop and, unmodified, on AWS's own client, `awslambdaric` from PyPI (for one
interpreter before and one from 3.12 on, where AWS changed its JSON). That the official client passes
shows that the stand-in Runtime API and the expectations are right.
"""

import json
import unittest

from cases import SharedCase, for_both_clients
from harness import event, run


class Answers(SharedCase):
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


globals().update(for_both_clients(Answers))
del Answers

if __name__ == "__main__":
    unittest.main()
