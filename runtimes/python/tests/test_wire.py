"""The loop's own HTTP client, against servers that answer in every lawful way."""

import unittest

from cases import OursCase, for_our_loop
from harness import event


class Wire(OursCase):
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


globals().update(for_our_loop(Wire))
del Wire

if __name__ == "__main__":
    unittest.main()
