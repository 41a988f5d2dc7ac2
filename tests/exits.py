#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""exits.py CODE COMMAND...: succeeds when the command ends with exactly that code."""
import subprocess
import sys

code = subprocess.run(sys.argv[2:]).returncode
if code != int(sys.argv[1]):
    print(f"exit code {code}, expected {sys.argv[1]}: {' '.join(sys.argv[2:])}", file=sys.stderr)
    sys.exit(1)
