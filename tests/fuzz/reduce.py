#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a failing program small: takes lines away as long as the failure stays.

  reduce.py FILE.ttir                     differs from the interpreter (every pointer gets 4,096 random elements)
  reduce.py FILE.ttir --message "TEXT"    `tessera compile` fails with that text

`random_programs --print SEED > FILE.ttir` gives the program of a seed. The result goes to standard output."""
import argparse
import os
import re
import subprocess
import sys
import tempfile


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--message", help="text of the compiler's error")
    parser.add_argument("--tessera", default="build/tessera")
    parser.add_argument("--tol", default="1e-2,1e-2", help="what counts as a difference")
    args = parser.parse_args()
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "k.ttir")

    def fails(lines):
        with open(path, "w", encoding="utf-8") as out:
            out.write("\n".join(lines) + "\n")
        signature = next((line for line in lines if "tt.func" in line), None)
        if signature is None:
            return False
        if args.message:
            command = [args.tessera, "compile", path, "--no-cache", "--options", "fp_fusion=off", "-o", os.path.join(folder, "k.tko")]
            return args.message in subprocess.run(command, capture_output=True, text=True).stderr
        values = [f"rand:{m[1]}[4096]" if m[1] else "i32:7" for m in re.finditer(r"%\w+: (?:!tt\.ptr<(\w+)>|i32)", signature)]
        command = [args.tessera, "run", path, "--grid", "1", "--check", "interp", "--tol", args.tol, "--options", "fp_fusion=off", *values]
        return subprocess.run(command, capture_output=True, text=True).returncode == 3

    lines = open(args.file, encoding="utf-8").read().splitlines()
    if not fails(lines):
        print("this program does not fail so", file=sys.stderr)
        return 1
    # The passes take most of what nothing uses; they may also hide the failure.
    result = subprocess.run([args.tessera, "opt", "--passes", "dce,canonicalize,cse,dce", args.file], capture_output=True, text=True)
    if result.returncode == 0 and fails(result.stdout.splitlines()):
        lines = result.stdout.splitlines()
    changed = True
    while changed:
        changed = False
        for size in (16, 8, 4, 3, 2, 1):
            i = len(lines) - size
            while i >= 0:
                shorter = lines[:i] + lines[i + size :]
                if fails(shorter):
                    lines, changed, i = shorter, True, i - size
                else:
                    i -= 1
    print("\n".join(lines))
    return 0


sys.exit(main())
