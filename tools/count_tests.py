#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Adds up Meson's test logs (one JSON object a line). The last line printed is `N passed, N failed, N skipped`."""
import argparse
import json
import os
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
SKIPPED = {"SKIP"}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build-failures", type=int, default=0, help="builds that failed; each counts as a failure")
    parser.add_argument("logs", nargs="*", help="meson-logs/*.json")
    args = parser.parse_args()
    passed, skipped, failed = 0, [], []
    for log in args.logs:
        stage = os.path.basename(log).removesuffix(".json")
        if not os.path.exists(log):
            continue
        for line in open(log, encoding="utf-8"):
            if not line.strip():
                continue
            test = json.loads(line)
            name = f"{stage}: {test['name']}"
            if test["result"] in PASSED:
                passed += 1
            elif test["result"] in SKIPPED:
                skipped.append((name, reason(test)))
            else:
                failed.append(f"{name} ({test['result'].lower()})")
    for name, why in skipped:
        print(f"   skipped  {name}{why}")
    for name in failed:
        print(f"   FAILED   {name}")
    if args.build_failures:
        print(f"   FAILED   {args.build_failures} build(s)")
    count = len(failed) + args.build_failures
    print(f"{passed} passed, {count} failed, {len(skipped)} skipped")
    return 1 if count or not passed else 0


def reason(test):
    for text in (test.get("stdout", ""), test.get("stderr", "")):
        for line in (text or "").splitlines():
            if "skipped:" in line:
                return " (" + line[line.index("skipped:"):].strip() + ")"
    return ""


if __name__ == "__main__":
    sys.exit(main())
