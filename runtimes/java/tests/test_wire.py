"""The loop's own HTTP client, and where its logs go."""

import json
import unittest

from harness import LoopCase, event, for_every_jdk

TEXT, TEXT_WARN, JSON_UNDEFINED, JSON_WARN, JSON_ERROR = 0xA55A0003, 0xA55A0013, 0xA55A0002, 0xA55A0012, 0xA55A0016


class Wire(LoopCase, unittest.TestCase):
    def test_six_mebibytes_come_back(self):
        text = "x" * (6 * 1024 * 1024 - 2)
        self.assertEqual(self.answer("Plain::echo", event(text)), text)

    def test_every_lawful_answer_is_read(self):
        for behaviour in ["chunked", "until_close", "continue_first", "hang_up"]:
            with self.subTest(behaviour):
                answers = self.answers("Plain::echo", event("é"), event([1]), **{behaviour: True})
                self.assertEqual(answers, ["é", [1]])

    def test_one_connection_serves_all(self):
        seen = self.run_handler("Plain::echo", *[event()] * 5)
        self.assertEqual(seen.connections, 1)

    def test_an_answer_the_host_has_no_use_for_does_not_end_the_process(self):
        for status, count in [(410, 2), (413, 2), (500, 1)]:
            with self.subTest(status):
                seen = self.run_handler("Plain::echo", event(), event(), post_status=status)
                self.assertEqual(len(seen.posts), count)

    def test_the_attempts_id_goes_back(self):
        seen = self.run_handler("Plain::echo", event({}, Invocation_Id="attempt"))
        self.assertEqual(seen.posts[0].headers["Lambda-Runtime-Invocation-Id"], "attempt")

    def test_what_is_printed_is_framed_in_its_order(self):
        seen = self.run_handler("Plain::print")
        expected = [(TEXT, "out é\n"), (TEXT, "err\n"), (TEXT, "plain"), (TEXT_WARN, "[WARN] leveled"), (TEXT, "no end")]
        self.assertEqual([(kind, text.decode()) for kind, text in seen.frames], expected)
        self.assertEqual(seen.output, b"")

    def test_records_of_json_have_level_and_request(self):
        given = event()
        seen = self.run_handler("Plain::print", given, env={"AWS_LAMBDA_LOG_FORMAT": "JSON"})
        records = [(kind, json.loads(text)) for kind, text in seen.frames if kind != TEXT]
        self.assertEqual([kind for kind, _ in records], [JSON_UNDEFINED, JSON_WARN])
        record = records[1][1]
        self.assertRegex(record.pop("timestamp"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        request = given["headers"]["Lambda-Runtime-Aws-Request-Id"]
        self.assertEqual(record, {"message": "leveled", "level": "WARN", "AWSRequestId": request})

    def test_a_level_leaves_lower_records_out(self):
        seen = self.run_handler("Plain::print", env={"AWS_LAMBDA_LOG_LEVEL": "ERROR"})
        self.assertNotIn("leveled", seen.logged())
        self.assertIn("plain", seen.logged())

    def test_without_a_descriptor_records_are_standard_output(self):
        seen = self.run_handler("Plain::print", log_fd=False)
        self.assertEqual(seen.frames, [])
        self.assertIn("[WARN] leveled", seen.text)


for_every_jdk(Wire, globals())
del Wire

if __name__ == "__main__":
    unittest.main()
