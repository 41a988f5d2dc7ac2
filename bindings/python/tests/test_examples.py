# SPDX-License-Identifier: MIT
"""The examples, on numpy arrays, against numpy; each also as the program that it is."""
import contextlib
import importlib
import io
import pathlib
import sys
import unittest

import numpy as np

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "examples"
sys.path.insert(0, str(EXAMPLES))


class Examples(unittest.TestCase):
    def setUp(self):
        self.rng = np.random.default_rng(7)

    def test_vector_add(self):
        from vector_add import add
        for n in (1, 1024, 1025, 98432):
            x, y = self.rng.random((2, n), dtype=np.float32)
            np.testing.assert_array_equal(add(x, y), x + y)

    def test_softmax(self):
        from softmax import reference, softmax
        for shape in ((1, 1), (5, 33), (200, 781)):
            x = self.rng.standard_normal(shape, dtype=np.float32)
            np.testing.assert_allclose(softmax(x), reference(x), rtol=2e-5)
        x = np.full((2, 3), -np.inf, np.float32)
        x[:, 0] = 1
        np.testing.assert_array_equal(softmax(x), [[1, 0, 0], [1, 0, 0]])

    def test_matmul(self):
        from matmul import matmul
        for (M, K, N), dtype in (((130, 70, 190), np.float16), ((64, 64, 64), np.float32), ((1, 5, 3), np.float32)):
            a = self.rng.standard_normal((M, K), dtype=np.float32).astype(dtype)
            b = self.rng.standard_normal((N, K), dtype=np.float32).astype(dtype).T  # another order in memory
            exact = a.astype(np.float64) @ b.astype(np.float64)
            limit = 1e-3 * np.abs(exact).max()
            np.testing.assert_allclose(matmul(a, b).astype(np.float64), exact, atol=limit)
            np.testing.assert_allclose(matmul(a, b, leaky=True), np.where(exact < 0, 0.01 * exact, exact), atol=limit)

    def test_dropout(self):
        from dropout import dropout, philox
        x = self.rng.standard_normal(5000, dtype=np.float32)
        for seed in (0, 123, 2**31 - 1):
            kept = philox(seed, x.size) > np.float32(0.3)
            out = dropout(x, 0.3, seed)
            np.testing.assert_array_equal(out != 0, kept & (x != 0))
            np.testing.assert_allclose(out[kept], x[kept] / np.float32(0.7), rtol=2e-7)
        self.assertTrue((dropout(x, 0.3, 1) != dropout(x, 0.3, 2)).any())

    def test_layer_norm(self):
        from layer_norm import backward, forward, reference
        for M, N in ((1, 8), (37, 100), (200, 256)):
            x, dy = self.rng.standard_normal((2, M, N), dtype=np.float32)
            w, b = self.rng.random((2, N), dtype=np.float32)
            y, mean, rstd = forward(x, w, b)
            for ours, exact in zip((y, *backward(dy, x, w, mean, rstd)), reference(x, w, b, dy)):
                np.testing.assert_allclose(ours, exact, rtol=1e-4, atol=1e-5 * max(1, M / 10))

    def test_device_functions(self):
        from device_functions import asin
        x = np.concatenate([self.rng.random(3000, dtype=np.float32) * 2 - 1, np.float32([0, 1, -1, 2])])
        with np.errstate(invalid="ignore"):
            np.testing.assert_allclose(asin(x), np.arcsin(x), rtol=4e-7)

    def test_programs(self):
        for path in sorted(EXAMPLES.glob("*.py")):
            with self.subTest(path.name):
                out = io.StringIO()
                with contextlib.redirect_stdout(out):
                    importlib.import_module(path.stem).main()
                self.assertTrue(out.getvalue().strip())

    def test_every_example_is_tested(self):
        here = pathlib.Path(__file__).read_text(encoding="utf-8")
        for path in EXAMPLES.glob("*.py"):
            self.assertIn(f"from {path.stem} import", here)


if __name__ == "__main__":
    unittest.main()
