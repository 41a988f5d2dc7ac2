#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs tir-interp-sweep over all .ttir files of TESSERA_CORPUS. Exit 77: no corpus."""
import os
import subprocess
import sys
import tempfile

corpus = os.environ.get("TESSERA_CORPUS")
if not corpus or not os.path.isdir(corpus):
    print("skipped: no corpus")
    sys.exit(77)
paths = sorted(os.path.join(d, f) for d, _, fs in os.walk(corpus) for f in fs if f.endswith(".ttir"))
with tempfile.NamedTemporaryFile("w", suffix=".list") as f:
    f.write("".join(p + "\n" for p in paths))
    f.flush()
    sys.exit(subprocess.run([sys.argv[1], "@" + f.name]).returncode)
