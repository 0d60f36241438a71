"""The context object.

The same tests run on our loop and, unmodified, on AWS's own client, `awslambdaric` from PyPI (for one
interpreter before and one from 3.12 on, where AWS changed its JSON). That the official client passes
shows that the stand-in Runtime API and the expectations are right.
"""

import json
import unittest

from cases import SharedCase, for_both_clients
from harness import ARN, event


class Context(SharedCase):
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


globals().update(for_both_clients(Context))
del Context

if __name__ == "__main__":
    unittest.main()
