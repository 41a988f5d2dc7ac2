#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `tessera opt --syntax 3.9` prints is read by Triton 3.9 itself, and comes back with the same operations, types
and attributes. Needs a Python with Triton 3.9: TESSERA_TRITON_PYTHON names it. Files that Triton 3.9 reads in their
original spelling are compared with that; of the others only the reading is checked, and what 3.9 dropped is named."""
import argparse
import os
import re
import subprocess
import sys
import tempfile

# Runs inside the Python that has Triton: lines of "name<TAB>original or empty<TAB>ours" on standard input.
CHILD = r"""
import re, sys
from triton._C.libtriton import ir
context = ir.context()
ir.load_dialects(context)
try:
    from triton._C.libtriton import nvidia
    nvidia.load_dialects(context)
except ImportError:
    pass
def read(path):
    try:
        return str(ir.parse_mlir_module(path, context)), ""
    except Exception as error:
        return None, str(error)
def plain(text):
    text = re.sub(r' ?loc\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\)', '', text)
    lines = [l for l in text.splitlines() if not l.startswith('#loc')]
    names = {}
    return re.sub(r'%[\w$.-]+', lambda m: names.setdefault(m[0], '%%v%d' % len(names)), '\n'.join(lines))
for line in sys.stdin:
    name, original, ours = line.rstrip('\n').split('\t')
    mine, error = read(ours)
    if mine is None:
        print('BAD\t%s\tTriton does not read it: %s' % (name, error.replace('\n', ' ')[:200]))
    else:
        theirs, _ = read(original)
        if theirs is None: print('READ\t%s\t' % name)
        elif plain(theirs) == plain(mine): print('SAME\t%s\t' % name)
        else:
            a, b = plain(theirs).splitlines(), plain(mine).splitlines()
            diff = next((i for i in range(min(len(a), len(b))) if a[i] != b[i]), min(len(a), len(b)))
            print('BAD\t%s\tdiffers: %s | %s' % (name, a[diff:diff+1], b[diff:diff+1]))
    sys.stdout.flush()
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tessera", default="build/tessera")
    parser.add_argument("--corpus", default=os.environ.get("TESSERA_CORPUS"))
    parser.add_argument("--every", type=int, default=1)
    args = parser.parse_args()
    python = os.environ.get("TESSERA_TRITON_PYTHON")
    if not args.corpus or not python:
        print("skipped: no corpus" if not args.corpus else "skipped: TESSERA_TRITON_PYTHON names no Python with Triton 3.9")
        return 77
    files = sorted(os.path.join(d, n) for d, _, names in os.walk(args.corpus) for n in names if n.endswith(".ttir"))[:: args.every]
    counts, dropped = {}, []
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for i, path in enumerate(files):
            name, out = os.path.relpath(path, args.corpus), os.path.join(folder, f"{i}.ttir")
            result = subprocess.run([args.tessera, "opt", "--syntax", "3.9", "-o", out, path], capture_output=True, text=True)
            if result.returncode == 0:
                rows.append(f"{name}\t{path}\t{out}")
            else:
                dropped.append(f"{name}: {result.stderr.strip().splitlines()[0] if result.stderr.strip() else result.returncode}")
        result = subprocess.run([python, "-c", CHILD], input="\n".join(rows) + "\n", capture_output=True, text=True)
    answers = [line.split("\t") for line in result.stdout.splitlines() if "\t" in line]
    for verdict, name, text in answers:
        counts[verdict] = counts.get(verdict, 0) + 1
        if verdict == "BAD":
            print(f"FAILED {name}: {text[:300]}")
    for text in dropped:
        print(f"not in 3.9: {text[:300]}")
    print(f"{len(files)} files: {counts.get('SAME', 0)} the same, {counts.get('READ', 0)} only read by Triton in the new spelling, "
          f"{counts.get('BAD', 0)} bad, {len(dropped)} that 3.9 cannot say")
    if len(answers) != len(rows):
        print(f"FAILED: Triton answered for {len(answers)} of {len(rows)} files: {result.stderr[-500:]}")
        return 1
    return 1 if counts.get("BAD") else 0


sys.exit(main())
