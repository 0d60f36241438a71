"""JSON of objects and objects of JSON, as AWS's serializer has them.

Expectations were taken from `aws-lambda-java-serialization` 1.2.0, run on the same values.
"""

import json
import unittest

from harness import LoopCase, event, for_every_jdk

EMPTY = {"on": False}


class Json(LoopCase, unittest.TestCase):
    def test_every_json_value_comes_back_as_it_was(self):
        values = [None, True, 0, -1, 2**70, 1.5, "", "é😀\u2028", [], {}, [1, [None, {"a": 2}]], {"": 1}]
        self.assertEqual(self.answers("Plain::echo", *map(event, values)), values)

    def test_members_that_are_null_are_left_out(self):
        self.assertEqual(self.answer("Plain::echo", event({"a": None, "b": {"c": None}})), {"b": {}})
        self.assertEqual(self.answer("Beans::bean", event({"age": None})), EMPTY)

    def test_members_of_a_bean_keep_their_order_and_names(self):
        full = {
            "name": "n", "age": 3, "on": True, "tags": ["a", None], "colour": "BLUE", "when": 5,
            "raw": "AQI=", "open": "o", "URL": "u",
        }
        answer = self.answer("Beans::bean", event(full))
        self.assertEqual(answer, full)
        self.assertEqual(list(answer)[:5], ["name", "age", "on", "tags", "colour"])

    def test_values_are_made_to_fit_as_awss_do(self):
        made = [
            ({"name": 1, "age": "3", "on": "true", "unknown": 1}, {"name": "1", "age": 3, "on": True}),
            ({"NAME": "other case"}, EMPTY),
            ({"age": 1.9}, {"age": 1, **EMPTY}),
            ({"age": ""}, EMPTY),
            ({"age": " 3 "}, {"age": 3, **EMPTY}),
            ({"on": 1}, {"on": True}),
            ({"colour": "no such"}, EMPTY),
            ({"colour": "RED"}, {"colour": "RED", **EMPTY}),
            ({"when": "1970-01-01T00:00:01Z"}, {"when": 1000, **EMPTY}),
            ({"when": "1970-01-02"}, {"when": 86400000, **EMPTY}),
            ({"tags": "one"}, {"tags": ["one"], **EMPTY}),
            ({"name": ["one"]}, {"name": "one", **EMPTY}),
        ]
        answers = self.answers("Beans::bean", *(event(given) for given, _ in made))
        for (given, expected), answer in zip(made, answers):
            with self.subTest(json.dumps(given)):
                self.assertEqual(answer, expected)

    def test_nothing_is_the_primitives_zero(self):
        self.assertEqual(self.answers("Beans::number", *map(event, [None, "", "7"])), [0, 0, 7])
        self.assertEqual(self.answers("Beans::texts", *map(event, ["a", [1, True]])), [["a"], ["1", "true"]])

    def test_values_of_the_standard_library_are_written_as_awss_are(self):
        seen = self.run_handler("Beans::values")
        text = seen.posts[0].body.decode()
        expected = (
            '[1,null,"RED",{"RED":1},"c","ab","AQI=",1234,1.500000000,2.000000000,[2026,1,2],"NaN",'
            '"java.lang.String","\\u0001<é>"]'
        )
        self.assertEqual(text, expected)

    def test_records_are_made_by_their_constructor(self):
        if self.loop.version < 17:
            self.skipTest("records came with Java 16")
        self.assertEqual(self.answer("Records::point", event({"x": 1, "name": "a"})), {"x": 2, "name": "a"})


for_every_jdk(Json, globals())
del Json

if __name__ == "__main__":
    unittest.main()
