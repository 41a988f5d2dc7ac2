# SPDX-License-Identifier: MIT
"""tessera.testing: what is measured and what is reported; nothing here depends on how long something takes."""
import contextlib
import csv
import io
import os
import pathlib
import sys
import tempfile
import time
import unittest

import numpy as np

from tessera import knobs, testing


class DoBench(unittest.TestCase):
    def test_modes(self):
        calls = []

        def work():
            calls.append(1)
            time.sleep(0.001)

        everything = testing.do_bench(work, warmup=2, rep=12, return_mode="all")
        self.assertGreaterEqual(len(everything), 1)
        self.assertGreater(len(calls), len(everything))
        self.assertTrue(all(t >= 1.0 for t in everything))
        for mode in ("min", "max", "mean", "median"):
            self.assertGreaterEqual(testing.do_bench(work, warmup=1, rep=3, return_mode=mode), 1.0)
        with self.assertRaises(AssertionError):
            testing.do_bench(work, return_mode="fastest")

    def test_quantiles(self):
        values = [5.0, 1.0, 4.0, 2.0, 8.0, 3.0]
        for q in (0.0, 0.2, 0.5, 0.77, 1.0):
            self.assertAlmostEqual(testing._quantile(values, q), np.quantile(values, q))
        low, middle = testing.do_bench(lambda: None, warmup=0, rep=1, quantiles=[0.2, 0.5])
        self.assertLessEqual(low, middle)
        self.assertIsInstance(testing.do_bench(lambda: None, warmup=0, rep=1, quantiles=[0.5]), float)
        self.assertGreaterEqual(testing.do_bench_cudagraph(lambda: None, rep=1), 0)

    def test_gradients_are_dropped(self):
        class Tensor:
            grad = 1

        tensor, seen = Tensor(), []

        def work():
            seen.append(tensor.grad)
            tensor.grad = 2

        testing.do_bench(work, warmup=0, rep=1, grad_to_none=[tensor])
        self.assertIsNone(seen[-1])

    def test_hooks_are_off(self):
        called = []
        hook = lambda *args: called.append(1)
        knobs.runtime.launch_enter_hook.add(hook)
        try:
            testing.do_bench(lambda: called.extend([0] * bool(knobs.runtime.launch_enter_hook)), warmup=0, rep=1)
            self.assertEqual(called, [])
            self.assertTrue(knobs.runtime.launch_enter_hook)
        finally:
            knobs.runtime.launch_enter_hook.remove(hook)

    def test_slow_functions_run_few_times(self):
        calls = []

        def slow():
            calls.append(1)
            time.sleep(0.15)

        testing.do_bench(slow)
        self.assertLessEqual(len(calls), 4)


class Reports(unittest.TestCase):
    def bench(self, **kwargs):
        args = dict(x_names=["n"], x_vals=[1, 2, 4, 8], line_arg="who", line_vals=["a", "b"], line_names=["A", "B"],
                    plot_name="speed", args={"k": 3})
        return testing.Benchmark(**{**args, **kwargs})

    def run_quietly(self, mark, **kwargs):
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            result = mark.run(**kwargs)
        return result, out.getvalue(), err.getvalue()

    def test_table_and_files(self):
        @testing.perf_report(self.bench(x_log=True, xlabel="size", ylabel="GB/s", styles=[("blue", "-"), ("red", "--")]))
        def speed(n, who, k):
            return (n * k, n * k - 1, n * k + 1) if who == "a" else n

        with tempfile.TemporaryDirectory() as folder:
            _, out, _ = self.run_quietly(speed, print_data=True, save_path=os.path.join(folder, "new"))
            self.assertIn("speed:", out)
            rows = list(csv.reader(open(os.path.join(folder, "new", "speed.csv"), encoding="utf-8")))
            self.assertEqual(rows[0], ["n", "A", "B"])
            self.assertEqual([[float(x) for x in row] for row in rows[1:]], [[1, 3, 1], [2, 6, 2], [4, 12, 4], [8, 24, 8]])
            self.assertIn("speed.png", pathlib.Path(folder, "new", "results.html").read_text(encoding="utf-8"))
            try:
                import matplotlib  # noqa: F401
            except ImportError:
                pass
            else:
                self.assertEqual(pathlib.Path(folder, "new", "speed.png").read_bytes()[:4], b"\x89PNG")

    def test_several_names_and_benchmarks(self):
        seen = []

        @testing.perf_report([self.bench(x_names=["n", "m"], x_vals=[(1, 2), 5]), self.bench(plot_name="second")])
        def both(n, who, k, m=None):
            seen.append((n, m, who))
            return 1.0

        tables, _, _ = self.run_quietly(both, return_df=True)
        self.assertEqual(len(tables), 2)
        self.assertEqual(seen[:4], [(1, 2, "a"), (1, 2, "b"), (5, 5, "a"), (5, 5, "b")])
        self.assertEqual(len(seen), 4 + 8)
        with self.assertRaises(ValueError):
            testing.perf_report(self.bench(x_names=["n", "m"], x_vals=[(1, 2, 3)]))(both.fn).run()

    def test_points_are_left_out_and_that_is_said(self):
        mark = testing.perf_report(self.bench())(lambda n, who, k: n)
        with knobs.tessera.scope():
            knobs.tessera.bench_points = 2
            table, _, err = self.run_quietly(mark, return_df=True)
        xs = [row[0] for row in table.rows] if hasattr(table, "rows") else list(table["n"])
        self.assertEqual(xs, [1, 8])
        self.assertIn("2 of 4 points", err)
        self.assertEqual(testing._thin(range(10), 1), [0])
        self.assertEqual(testing._thin(range(10), None), list(range(10)))

    def test_without_pandas(self):
        hidden = {name: sys.modules.pop(name, None) for name in ("pandas",)}
        sys.modules["pandas"] = None  # makes the import fail
        try:
            mark = testing.perf_report(self.bench())(lambda n, who, k: float(n))
            table, out, _ = self.run_quietly(mark, print_data=True, return_df=True)
            self.assertEqual(table.columns, ["n", "A", "B"])
            self.assertIn("8.000000", out)
        finally:
            del sys.modules["pandas"]
            sys.modules.update({name: module for name, module in hidden.items() if module is not None})


class Close(unittest.TestCase):
    def test_close(self):
        x = np.array([1.0, np.nan, 3.0])
        testing.assert_close(x, x + 0.005)
        testing.assert_close(np.float32(1), np.float32(1.001))
        testing.assert_close(x, x * 1.05, rtol=lambda dtype: 0.1)
        with self.assertRaises(AssertionError):
            testing.assert_close(x, x + 0.05)
        with self.assertRaises(AssertionError):
            testing.assert_close(1.0, 2.0, err_msg="two numbers")
        with self.assertRaises(AssertionError):
            testing.assert_close(x, np.zeros(3))

    def test_missing_parts_say_so(self):
        with self.assertRaisesRegex(NotImplementedError, "not implemented: testing.do_bench_proton"):
            testing.do_bench_proton(lambda: None)
        self.assertEqual(testing.cuda_memcheck(cache="x")(len)([1]), 1)


if __name__ == "__main__":
    unittest.main()
