#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_needed.py LIBRARY [--allow NAME]... [--constructors N]

The library needs only libc, libm, libstdc++, libgcc_s, the dynamic loader and what --allow names (a beginning
of a soname, e.g. libLLVM), has no text relocations, and runs at most N constructors when it is loaded (default
1: the one of the C runtime's start files).
Sanitizer builds need more of everything: the check is then skipped (exit code 77)."""
import argparse
import re
import subprocess
import sys

ALWAYS = ('libc.so.', 'libm.so.', 'libstdc++.so.', 'libgcc_s.so.', 'ld-linux')


def readelf(*arguments):
    return subprocess.run(['readelf', '-W', *arguments], check=True, capture_output=True, text=True).stdout


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('library')
    parser.add_argument('--allow', action='append', default=[])
    parser.add_argument('--constructors', type=int, default=1)
    args = parser.parse_args()

    dynamic = readelf('-d', args.library)
    needed = re.findall(r'\(NEEDED\).*\[(.*?)\]', dynamic)
    if any(re.match(r'lib(asan|tsan|ubsan|lsan|clang_rt)', name) for name in needed):
        print('skipped: a sanitizer build')
        sys.exit(77)
    allowed = ALWAYS + tuple(args.allow)
    problems = [f'needs {name}' for name in needed if not name.startswith(allowed)]
    if '(TEXTREL)' in dynamic:
        problems.append('has text relocations')
    sections = readelf('-S', args.library)
    size = re.search(r' \.init_array\s+INIT_ARRAY\s+\w+ \w+ (\w+)', sections)
    constructors = int(size.group(1), 16) // 8 if size else 0
    if constructors > args.constructors:
        problems.append(f'runs {constructors} constructors when loaded, expected at most {args.constructors}')
    for problem in problems:
        print(f'{args.library}: {problem}')
    if problems:
        sys.exit(1)
    print(f'needs {", ".join(needed)}; {constructors} constructor(s)')


main()
