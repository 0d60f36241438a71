"""Handler names and forms, the context, what is around a handler."""

import json
import unittest

from harness import ARN, LoopCase, event, for_every_jdk


class Handlers(LoopCase, unittest.TestCase):
    def test_methods_are_called_by_their_forms(self):
        forms = {
            "Plain::named": "static",
            "Plain::onlyContext": "tested",
            "Plain::chosen": "with a context",
            "Plain::nothing": None,
            "Plain::count": 1,
            "Plain::copy": "text",
        }
        for handler, expected in forms.items():
            with self.subTest(handler):
                self.assertEqual(self.answer(handler, event("text")), expected)

    def test_awss_interfaces_need_no_method_name(self):
        self.assertEqual(self.answer("Plain$Objects", event({"a": 1})), "one more than a: 2")
        self.assertEqual(self.answer("Plain$Streams", event({"a": 1})), [{"a": 1}])

    def test_type_arguments_are_seen(self):
        self.assertEqual(self.answer("Plain::typed", event([{"a": 1}, {"b": "2"}])), "sum 3")

    def test_state_is_kept_between_invocations(self):
        self.assertEqual(self.answers("Plain::count", event(), event(), event()), [1, 2, 3])

    def test_the_context_has_every_member(self):
        identity = {"cognitoIdentityId": "i", "cognitoIdentityPoolId": "p"}
        client = {"client": {"app_title": "t"}, "custom": {"a": "é"}, "env": {"b": "c"}}
        given = event(
            {},
            Trace_Id="Root=1",
            Aws_Tenant_Id="blue",
            Cognito_Identity=json.dumps(identity),
            Client_Context=json.dumps(client, ensure_ascii=False),
        )
        full, plain = self.answers("Plain::context", given, event())
        self.assertTrue(0 < full.pop("left") <= 3000)
        expected = {
            "request": given["headers"]["Lambda-Runtime-Aws-Request-Id"],
            "group": "/aws/lambda/tested",
            "stream": "2026/11/23/[$LATEST]0123456789abcdef0123456789abcdef",
            "name": "tested",
            "version": "$LATEST",
            "arn": ARN,
            "memory": 128,
            "tenant": "blue",
            "trace": "Root=1",
            "identity": ["i", "p"],
            "client": ["t", {"a": "é"}, {"b": "c"}],
        }
        self.assertEqual(full, expected)
        for absent in ["tenant", "trace", "identity", "client"]:
            self.assertNotIn(absent, plain)

    def test_time_that_is_over_is_zero(self):
        self.assertEqual(self.answer("Plain::context", event({}, Deadline_Ms="5"))["left"], 0)

    def test_the_hosts_variables_are_gone_and_the_customers_are_text(self):
        env = {"_LAMBDABOX_JAR_HINT": "x", "WORD": "é"}
        answer = self.answer("Plain::around", env=env)
        self.assertTrue(answer[0].endswith("/task"))
        self.assertEqual(answer[1:], [None, None, None, "é"])


for_every_jdk(Handlers, globals())
del Handlers

if __name__ == "__main__":
    unittest.main()
