#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every IR file of the corpus parses, verifies and survives `tessera opt --roundtrip`; in batches, on all cores."""
import argparse
import concurrent.futures
import os
import subprocess
import sys


def batch(tessera, files):
    result = subprocess.run([tessera, "opt", "--roundtrip", *files], capture_output=True, text=True)
    last = result.stdout.strip().splitlines()[-1] if result.stdout.strip() else ""
    if last == f"{len(files)} of {len(files)}" and result.returncode == 0:
        return len(files), []
    failed = [line.removeprefix("failed: ") for line in result.stderr.splitlines() if line.startswith("failed: ")]
    if result.returncode < 0 or not last:
        return 0, [f"{files[0]} ... (signal or no answer, exit {result.returncode}) {result.stderr[-300:]}"]
    return len(files) - len(failed), [f + "\n" + result.stderr[:600] for f in failed]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tessera", default="build/tessera")
    parser.add_argument("--corpus", default=os.environ.get("TESSERA_CORPUS"))
    args = parser.parse_args()
    if not args.corpus:
        print("skipped: no corpus")
        return 77
    files = sorted(os.path.join(d, n) for d, _, names in os.walk(args.corpus) for n in names if n.endswith(".ttir"))
    groups = [files[i : i + 50] for i in range(0, len(files), 50)]
    good, bad = 0, []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for count, failures in pool.map(lambda g: batch(args.tessera, g), groups):
            good += count
            bad += failures
    for text in bad[:20]:
        print("FAILED", text)
    print(f"{good} of {len(files)}")
    return 0 if files and good == len(files) else 1


sys.exit(main())
