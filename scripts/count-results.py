"""Adds up what cargo, unittest, minitest, node's test runner and other suites printed; lists failures and skips.

usage: count-results.py LOG SKIPS BROKEN [SUITE-LOG...]   (BROKEN names a runner that failed, or is empty)
A SUITE-LOG is the output of a script that ends with such counts itself: it says FAIL, FAILED or SKIP
for each case that did not pass.
"""
import re
import sys

log = open(sys.argv[1], encoding="utf-8", errors="replace").read()
# Rust tests that cannot run here pass for libtest and write a line into this file.
skips = sorted(set(open(sys.argv[2], encoding="utf-8").read().splitlines()))
broken = sys.argv[3]

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

failures = []
if broken and not failed:
    failed = 1
    failures.append(f"FAILED {broken} itself; its last words are above")
# With --report-time a time follows.
failures += ["FAILED " + name for name in re.findall(r"^test (.+) \.\.\. FAILED\b", log, re.M)]
failures += ["FAILED " + what for what in re.findall(r"^(?:FAIL|ERROR): (.*)$", log, re.M)]

for path in sys.argv[4:]:
    suite = open(path, encoding="utf-8", errors="replace").read()
    ends = re.findall(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", suite, re.M)
    if not ends:
        failed += 1
        failures.append("FAILED the suite of %s: it did not come to its counts" % path)
        continue
    counts = [int(count) for count in ends[-1]]
    passed, failed, skipped = passed + counts[0], failed + counts[1], skipped + counts[2]
    failures += re.findall(r"^FAIL(?:ED)? .*$", suite, re.M)
    skips += re.findall(r"^SKIP .*$", suite, re.M)

failures += ["FAILED " + what for what in re.findall(r"^not ok \d+ - (.*)$", log, re.M)]
names = re.findall(r"^  *\d+\) (?:Failure|Error):\n(\S+?):?(?: \[.*)?$", log, re.M)
failures += ["FAILED " + name for name in names]

for line in failures + skips:
    print(line)
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(1 if failed or not passed else 0)
