#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs lit on a folder of text tests; the exit status is 77 when every test was skipped.

run_lit.py LIT OUT FOLDER [PARAMETER=VALUE]..."""
import json
import os
import subprocess
import sys


def main():
    lit, out, folder, *parameters = sys.argv[1:]
    os.makedirs(out, exist_ok=True)
    result_file = os.path.join(out, "results.json")
    command = [lit, "-q", "-v", "--output", result_file, "-j", str(os.cpu_count() or 1), f"--param=out={out}"]
    command += [f"--param={p}" for p in parameters] + [folder]
    status = subprocess.run(command).returncode
    with open(result_file, encoding="utf-8") as file:
        tests = json.load(file)["tests"]
    skipped = sum(test["code"] == "UNSUPPORTED" for test in tests)
    print(f"{len(tests)} text tests, {skipped} skipped")
    if status == 0 and skipped == len(tests):
        print("skipped: this build cannot compile kernels")
        return 77
    return status


sys.exit(main())
