# SPDX-License-Identifier: MIT
"""compare_ir.py on the tutorials and two of Triton's test files, where Triton 3.9 and its files are.

TESSERA_PEER: Triton's `python` folder; TESSERA_TRITON_SITE: a folder with the package triton;
TESSERA_TORCH_PYTHON: a Python with PyTorch and pytest, if this one has them not."""
import os
import subprocess
import sys
import unittest


class Compare(unittest.TestCase):
    def test_same_ir(self):
        here = os.path.dirname(os.path.abspath(__file__))
        command = [os.environ.get("TESSERA_TORCH_PYTHON") or sys.executable, os.path.join(here, "compare_ir.py"),
                   "--limit", "1", "--test", "test_frontend.py", "--test", "test_tuple.py"]
        answer = subprocess.run(command, capture_output=True, text=True)
        if answer.returncode == 77:
            self.skipTest(answer.stdout.strip().removeprefix("skipped: "))
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertRegex(answer.stdout.splitlines()[-1], r"\d\d+ same")


if __name__ == "__main__":
    unittest.main()
