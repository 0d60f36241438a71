"""`logging` and the rest of what the process writes.

The same tests run on our loop and, unmodified, on AWS's own client, `awslambdaric` from PyPI (for one
interpreter before and one from 3.12 on, where AWS changed its JSON). That the official client passes
shows that the stand-in Runtime API and the expectations are right.
"""

import json
import unittest

from cases import PLAIN, TEXT_ERROR, SharedCase, for_both_clients
from harness import event, run


class Log(SharedCase):
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


globals().update(for_both_clients(Log))
del Log

if __name__ == "__main__":
    unittest.main()
