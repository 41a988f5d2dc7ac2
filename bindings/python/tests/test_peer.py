# SPDX-License-Identifier: MIT
"""A part of Triton's own tests through the drop-in; peer_counts.py counts all of them.

TESSERA_PEER names the `python` folder of a checkout of Triton. Here: every file that peer_counts.py knows collects, and of
a few quick ones nothing is a wrong result.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

PEER = os.environ.get("TESSERA_PEER", "/nonexistent")
if not os.path.isdir(os.path.join(PEER, "test", "unit", "language")):
    raise unittest.SkipTest("skipped: no peer files (TESSERA_PEER names the python folder of a checkout of Triton)")
try:
    import pytest  # noqa: F401
    import torch  # noqa: F401
except ImportError as missing:
    raise unittest.SkipTest("skipped: no %s" % missing.name) from None

import peer_counts  # noqa: E402


class Peer(unittest.TestCase):
    def counts(self, *args):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "counts.json")
            script = pathlib.Path(__file__).with_name("peer_counts.py")
            done = subprocess.run([sys.executable, str(script), *args, "--json", out], capture_output=True, text=True)
            self.assertTrue(os.path.exists(out), done.stderr)
            with open(out, encoding="utf-8") as text:
                return json.load(text)

    def test_few(self):
        found = self.counts("test_tuple", "--every", "2")
        for name, result in found.items():
            with self.subTest(name):
                self.assertGreater(len(result["tests"]), 5)
                bad = [t for t in result["tests"] if t["kind"] in ("wrong", "crash", "timeout")]
                self.assertEqual(bad, [])

    def test_all_files_collect(self):
        files = [os.path.join("test", "unit", "language", name + ".py") for name in peer_counts.FILES]
        env = {**os.environ, "TESSERA_TRITON_PATH": os.path.join(os.path.abspath(PEER), "triton")}
        done = subprocess.run([sys.executable, "-m", "tessera.triton", "-m", "pytest", "-q", "--collect-only", "--device", "cpu",
                               "-p", "no:cacheprovider", "-W", "ignore", *files], capture_output=True, text=True,
                              cwd=PEER, env=env)
        self.assertEqual(done.returncode, 0, done.stdout[-2000:])
        for path in files:
            self.assertIn(path + "::", done.stdout)

    def test_sorting(self):
        def kind(error, node="t.py::test_x[1]", file="test_core"):
            return peer_counts.classify({"end": node, "error": error}, file)[0]

        where = [["/p/test/unit/language/test_core.py", 3, "assert ptx.count('x') == 1"]]
        self.assertEqual(kind({"chain": ["E: not implemented: tl.x on cpu"], "trace": []}), "refused")
        self.assertEqual(kind({"chain": ["AssertionError: "], "trace": where}), "ir text")
        self.assertEqual(kind({"chain": ["AssertionError: not equal"], "trace": []}), "wrong")
        self.assertEqual(kind({"chain": ["ImportError: no name"], "trace": []}), "internals")
        self.assertEqual(kind({"chain": ["AssertionError: Torch not compiled with CUDA enabled"], "trace": []}), "device")


if __name__ == "__main__":
    unittest.main()
