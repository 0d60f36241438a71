"""What the caller and the log are told when a function fails, by AWS's names."""

import json
import unittest

from harness import LoopCase, event, for_every_jdk

CORE = "com/amazonaws/services/lambda/runtime/"


class Errors(LoopCase, unittest.TestCase):
    def test_a_raised_error_has_type_message_and_trace(self):
        seen, body = self.failure("Plain::fails")
        self.assertEqual(body["errorType"], "java.lang.IllegalArgumentException")
        self.assertEqual(body["errorMessage"], "it is broken: é")
        self.assertTrue(body["stackTrace"][0].startswith("Plain.fails(Plain.java:"))
        headers = seen.posts[-1].headers
        self.assertEqual(headers["Lambda-Runtime-Function-Error-Type"], "Runtime.UserException")
        cause = json.loads(headers["Lambda-Runtime-Function-XRay-Error-Cause"].encode("latin-1"))
        self.assertEqual(cause["paths"][0], "Plain.java")
        self.assertEqual(cause["exceptions"][0]["stack"][0]["label"], "fails")
        self.assertIn("Caused by: java.lang.RuntimeException: the cause", seen.logged())
        self.assertNotIn("LambdaboxLoop", seen.logged() + json.dumps(body))

    def test_an_error_without_a_message_is_called_by_its_class(self):
        _, body = self.failure("Plain::silent")
        self.assertEqual(body["errorMessage"], "java.lang.IllegalStateException")

    def test_an_error_does_not_end_the_process_and_a_broken_machine_does(self):
        seen = self.run_handler("Plain::fails", event(), event())
        self.assertEqual([post.kind for post in seen.posts], ["error", "error"])
        seen = self.run_handler("Plain::heap", event(), event())
        self.assertEqual([post.kind for post in seen.posts], ["error"])
        self.assertEqual(seen.status, 0)

    def test_what_cannot_be_called_is_told_at_the_first_invocation(self):
        told = {
            "NoSuch::method": ("Class not found: NoSuch", "java.lang.ClassNotFoundException"),
            "Plain::absent": ("No public method named absent with appropriate method signature found on class Plain", None),
            "Plain::hidden": ("No public method named hidden with appropriate method signature found on class Plain", None),
            "Plain$Other": ("Class does not implement an appropriate handler interface: Plain$Other", None),
            "::method": ("Invalid handler: `::method'", None),
        }
        for handler, (message, kind) in told.items():
            with self.subTest(handler):
                seen, body = self.failure(handler)
                self.assertEqual(body["errorMessage"], message)
                self.assertEqual(body.get("errorType"), kind)
                self.assertNotIn("stackTrace", body)
                sent = seen.posts[-1].headers["Lambda-Runtime-Function-Error-Type"]
                self.assertEqual(sent, "Runtime.BadFunctionCode")

    def test_a_class_that_fails_ends_init(self):
        for handler, kind in {
            "Plain$Unmade::handle": "java.lang.IllegalStateException",
            "Plain$Unloaded::handle": "java.lang.ExceptionInInitializerError",
        }.items():
            with self.subTest(handler):
                seen = self.run_handler(handler)
                self.assertEqual([post.kind for post in seen.posts], ["init/error"])
                self.assertEqual(seen.posts[0].json["errorType"], kind)
                self.assertEqual(seen.status, 1)

    def test_an_event_that_does_not_fit_is_an_error_of_the_functions(self):
        for handler, given in {"Beans::number": {"a": 1}, "Beans::bean": "text", "Plain::echo": b""}.items():
            with self.subTest(handler):
                _, body = self.failure(handler, event(given))
                self.assertEqual(body["errorMessage"], "An error occurred during JSON parsing")
        _, body = self.failure("Beans::endless")
        self.assertEqual(body["errorMessage"], "An error occurred during JSON serialization of response")

    def test_missing_interfaces_of_awss_are_named_with_the_command(self):
        package = self.loop.package
        own = {name: text for name, text in package.items() if not name.startswith("com/")}
        self.assertNotEqual(own, package)
        self.loop.package = own
        try:
            for handler in ["Plain$Objects", "Plain::context"]:
                with self.subTest(handler):
                    seen, _ = self.failure(handler, env={"_LAMBDABOX_JAR_HINT": "do this"})
                    self.assertIn(CORE, seen.logged())
                    self.assertIn("do this", seen.logged())
        finally:
            self.loop.package = package


for_every_jdk(Errors, globals())
del Errors

if __name__ == "__main__":
    unittest.main()
