"""Adds up what cargo, unittest, minitest and node's test runner printed; lists failures and skips; ends with the counts.

usage: count-results.py LOG SKIPS BROKEN   (BROKEN is 1 if a runner itself failed)
"""
import re
import sys

log = open(sys.argv[1], encoding="utf-8", errors="replace").read()
# Rust tests that cannot run here pass for libtest and write a line into this file.
skips = sorted(set(open(sys.argv[2], encoding="utf-8").read().splitlines()))
broken = sys.argv[3] == "1"

passed = failed = 0
skipped = len(skips)
for ok, bad in re.findall(r"^test result: \w+\. (\d+) passed; (\d+) failed;", log, re.M):
    passed += int(ok)
    failed += int(bad)
passed -= skipped
for ran, verdict in re.findall(r"^Ran (\d+) tests? in .*\n\n(.*)$", log, re.M):
    counts = {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", verdict)}
    bad = counts.get("failures", 0) + counts.get("errors", 0)
    passed += int(ran) - bad - counts.get("skipped", 0)
    failed += bad
    skipped += counts.get("skipped", 0)
for name, reason in re.findall(r"^(test\w+) \(.*\.\.\. skipped (.*)$", log, re.M):
    skips.append("SKIP %s: %s" % (name, reason.strip("'\"")))
# Ruby's minitest.
for ran, bad, errors, left in re.findall(
    r"^(\d+) runs, \d+ assertions, (\d+) failures, (\d+) errors, (\d+) skips$", log, re.M
):
    passed += int(ran) - int(bad) - int(errors) - int(left)
    failed += int(bad) + int(errors)
    skipped += int(left)
for name, reason in re.findall(r"^  *\d+\) Skipped:\n(\S+) \[.*\]:\n(.*)$", log, re.M):
    skips.append("SKIP %s: %s" % (name, reason))
counts = re.findall(r"^# pass (\d+)\n# fail (\d+)\n# cancelled (\d+)\n# skipped (\d+)$", log, re.M)
for ok, bad, cancelled, left_out in counts:
    passed += int(ok)
    failed += int(bad) + int(cancelled)
    skipped += int(left_out)

if broken and not failed:
    failed = 1
    print("FAILED a test runner itself; its last words are above")
for name in re.findall(r"^test (\S+) \.\.\. FAILED$", log, re.M):
    print("FAILED", name)
for what in re.findall(r"^(?:FAIL|ERROR): (.*)$", log, re.M):
    print("FAILED", what)
for name in re.findall(r"^  *\d+\) (?:Failure|Error):\n(\S+?):?(?: \[.*)?$", log, re.M):
    print("FAILED", name)
for what in re.findall(r"^not ok \d+ - (.*)$", log, re.M):
    print("FAILED", what)
for line in skips:
    print(line)
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(1 if failed or not passed else 0)
