#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs one file of unittest cases for Meson: `run_test.py [--torch] tests/test_x.py [names...]`; --torch: by the Python
that TESSERA_TORCH_PYTHON names, if it does. Exit status 0: all that ran
passed; 77: every case was skipped, and the reason is printed as `skipped: ...`; 1 otherwise."""

import os
import sys
import unittest


def said(reason):
    return reason if reason.startswith("skipped:") else f"skipped: {reason}"


def main():
    if "--torch" in sys.argv:
        sys.argv.remove("--torch")
        other = os.environ.get("TESSERA_TORCH_PYTHON")
        if other:  # a Python that has PyTorch, for tests that use it where it is
            os.execv(other, [other, *sys.argv])
    path = os.path.abspath(sys.argv[1])
    folder, name = os.path.split(path)
    # In place of this script's own folder, which has the package's source: what was built is to be tested.
    sys.path[0] = folder
    module = name.removesuffix(".py")
    loader = unittest.TestLoader()
    try:
        suite = loader.loadTestsFromNames([f"{module}.{case}" for case in sys.argv[2:]] or [module])
    except unittest.SkipTest as reason:
        print(said(str(reason)))
        return 77
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    for case, reason in result.skipped:
        print(f"   not run  {case}: {reason}")
    if not result.wasSuccessful() or loader.errors:
        return 1
    if result.testsRun == 0 and not result.skipped:
        print("no test in this file")
        return 1
    if len(result.skipped) >= max(result.testsRun, 1):
        print(said(result.skipped[0][1]))
        return 77
    return 0


if __name__ == "__main__":
    sys.exit(main())
