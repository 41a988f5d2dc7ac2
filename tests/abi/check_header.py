#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_header.py --cc 'CC ...' --cxx 'CXX ...' --include DIR... HEADER...

Each header (named as users include it, e.g. tir/text.h) compiles alone, and twice in a row, as C99 and as
C++20, pedantic, with all warnings as errors. A .hpp is compiled as C++20 only."""
import argparse
import shlex
import subprocess
import sys

WARNINGS = ['-pedantic', '-Wall', '-Wextra', '-Werror', '-Wundef', '-Wshadow', '-fsyntax-only']


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--cc', required=True)
    parser.add_argument('--cxx', required=True)
    parser.add_argument('--include', action='append', default=[])
    parser.add_argument('headers', nargs='+')
    args = parser.parse_args()
    includes = [f'-I{path}' for path in args.include]
    bad = 0
    for header in args.headers:
        source = f'#include <{header}>\n#include <{header}>\n'
        c = shlex.split(args.cc) + ['-std=c99', '-Wstrict-prototypes', '-x', 'c']
        cxx = shlex.split(args.cxx) + ['-std=c++20', '-x', 'c++']
        for command in ([] if header.endswith('.hpp') else [c]) + [cxx]:
            # One more declaration, because C99 does not know an empty source file.
            result = subprocess.run(command + WARNINGS + includes + ['-'], capture_output=True, text=True,
                                    input=source + 'extern int unused_;\n')
            if result.returncode:
                bad += 1
                print(f'{header}: {" ".join(command)}\n{result.stderr}')
    if bad:
        sys.exit(1)
    print(f'{len(args.headers)} headers compile alone')


main()
