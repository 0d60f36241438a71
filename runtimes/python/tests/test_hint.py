"""The pip command that is told when a package is missing. Only our loop tells it."""

import unittest

from cases import OursCase, for_our_loop
from harness import run


class Hint(OursCase):
    TEMPLATE = "pip install -t /my/app {module}"

    def hint(self, app, handler="app.handler", files=None):
        env = {"_LAMBDABOX_PIP_HINT": self.TEMPLATE}
        seen = run(self.loop, {"app.py": app, **(files or {})}, [], handler, env=env)
        self.assertEqual(seen.posts[0].json["errorType"], "Runtime.ImportModuleError")
        records = seen.records()
        self.assertIn("[ERROR] Runtime.ImportModuleError", records[0])
        return records[1:]

    def test_the_command_that_would_add_a_missing_package_is_told(self):
        text = "lambdabox: %s is in neither the package nor a layer; add it with: "
        for statement, module, package in [
            ("import boto3", "boto3", "boto3"),
            ("import botocore.exceptions", "botocore", "botocore"),
            ("from yaml import load", "yaml", "pyyaml"),
        ]:
            told = (text + "pip install -t /my/app %s\n") % (module, package)
            self.assertEqual(self.hint(statement), [told])

    def test_nothing_is_told_where_pip_would_not_help(self):
        self.assertEqual(self.hint("", handler="nothere.handler"), [])
        self.assertEqual(self.hint("import json.nothere"), [])
        self.assertEqual(self.hint("from json import nothere"), [])
        self.assertEqual(self.hint("import pkg.part", files={"pkg/__init__.py": ""}), [])

    def test_nothing_is_told_unless_the_host_asks_for_it(self):
        seen = run(self.loop, {"app.py": "import boto3"}, [])
        self.assertEqual(len(seen.frames), 1)


globals().update(for_our_loop(Hint))
del Hint

if __name__ == "__main__":
    unittest.main()
