#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_symbols.py LIBRARY SYM_FILE: the library exports exactly the names of its version script."""
import re
import subprocess
import sys


def names_of_script(path):
    """(version nodes, global names) of a linker version script."""
    text = re.sub(r'/\*.*?\*/|#[^\n]*', '', open(path).read(), flags=re.S)
    nodes, names = set(), set()
    for node, body in re.findall(r'(\w+)\s*\{(.*?)\}', text, flags=re.S):
        nodes.add(node)
        wanted = True
        for word in re.findall(r'global\s*:|local\s*:|[^\s;]+(?=\s*;)', body):
            if word.endswith(':'):
                wanted = word.startswith('global')
            elif wanted:
                names.add(word)
    return nodes, names


def names_of_library(path):
    command = ['nm', '-D', '--defined-only', path]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {line.split()[-1].split('@')[0] for line in out.splitlines() if line.strip()}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    library, script = sys.argv[1:]
    nodes, expected = names_of_script(script)
    if not expected:
        sys.exit(f'{script}: no global names')
    found = names_of_library(library) - nodes
    for name in sorted(expected - found):
        print(f'{library}: does not export {name}, which {script} lists')
    for name in sorted(found - expected):
        print(f'{library}: exports {name}, which {script} does not list')
    if found != expected:
        sys.exit(1)
    print(f'{len(found)} exported names, as in {script}')


main()
