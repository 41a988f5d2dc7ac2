#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Triton itself reads what libtir prints, and prints the same operations, types, attributes and locations.

  triton_reads.py MATRIX [FILE...]

MATRIX is the program tir-text-matrix. Without files: those of $TESSERA_CORPUS. Each is printed in the syntax of
3.9, parsed by Triton 3.9, printed by Triton, and both texts are compared token for token. Files with forms that 3.9
no longer has are named, with the form. Exit 77 (skipped) without Triton 3.9 or without files.
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def main():
    matrix, files = sys.argv[1], [str(Path(f).resolve()) for f in sys.argv[2:]]
    try:
        import triton
        from triton._C.libtriton import ir
    except ImportError:
        print('skipped: triton cannot be imported')
        return 77
    if not triton.__version__.startswith('3.9'):
        print(f'skipped: Triton {triton.__version__}, 3.9 is needed')
        return 77
    corpus = os.environ.get('TESSERA_CORPUS')
    if not files and corpus:
        files = sorted(str(p) for part in ('ttir', 'ttir39') for p in Path(corpus, part).rglob('*.ttir'))
    if not files:
        print('skipped: no corpus')
        return 77
    with tempfile.TemporaryDirectory() as tmp:
        ours, theirs = Path(tmp, 'ours'), Path(tmp, 'theirs')
        ours.mkdir()
        theirs.mkdir()
        listing = Path(tmp, 'files')
        listing.write_text(''.join(f + '\n' for f in files))
        r = subprocess.run([matrix, '--syntax', '3.9', '--out', ours, f'@{listing}'], capture_output=True, text=True)
        dropped = re.findall(r'^(.*?): (.*has no form for .*)$', r.stderr, re.M)
        for name, why in dropped:
            print(f'dropped by 3.9: {name}: {why}')
        printed = sorted(ours.iterdir())
        unread = []
        for path in printed:
            context = ir.context()
            ir.load_dialects(context)
            try:
                module = ir.parse_mlir_module(str(path), context)
            except RuntimeError:
                unread.append(path.name)
                continue
            (theirs / path.name).write_text(str(module))
        for name in unread:
            print(f'not read by Triton: {name}')
        back = [p for p in printed if p.name not in set(unread)]
        listing.write_text(''.join(f'{p}\n' for p in back))
        c = subprocess.run([matrix, '--compare', theirs, f'@{listing}'], capture_output=True, text=True)
        sys.stdout.write(c.stderr)
        good = int(c.stdout.split()[-3])
        print(f'{good} of {len(files)} read by Triton {triton.__version__} and unchanged, {len(dropped)} use dropped forms')
        return 0 if good + len(dropped) == len(files) else 1


if __name__ == '__main__':
    sys.exit(main())
