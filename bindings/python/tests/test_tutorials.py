# SPDX-License-Identifier: MIT
"""Triton's tutorials, from their unchanged files, on the CPU: values against PyTorch.

TESSERA_TUTORIALS names the folder with 01-vector-add.py and the others; they are not part of this project. Of each file
everything is run but what starts benchmarks and tests (`x.run(...)`, `test_…(...)` at the top level); the tests among
them are called here. One test runs two whole scripts as their users do.
"""
import ast
import contextlib
import io
import os
import pathlib
import subprocess
import sys
import types
import unittest

FOLDER = pathlib.Path(os.environ.get("TESSERA_TUTORIALS", "/nonexistent"))
if not (FOLDER / "01-vector-add.py").exists():
    raise unittest.SkipTest("skipped: no tutorials (TESSERA_TUTORIALS names their folder)")
try:
    import torch
except ImportError:
    raise unittest.SkipTest("skipped: no torch") from None

os.environ.setdefault("TESSERA_AUTOTUNE_CONFIGS", "2")
import tessera.triton.install  # noqa: E402,F401
import triton  # noqa: E402

_loaded = {}


def starts_something(node):
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
        return False
    f = node.value.func
    return isinstance(f, ast.Attribute) and f.attr == "run" or isinstance(f, ast.Name) and f.id.startswith("test_")


def tutorial(number):
    """The module of a tutorial, with what it prints kept in `printed`."""
    if number not in _loaded:
        path = next(FOLDER.glob(number + "-*.py"))
        tree = ast.parse(path.read_text(encoding="utf-8"))
        tree.body = [node for node in tree.body if not starts_something(node)]
        module = types.ModuleType("tutorial_" + number)
        module.__file__ = str(path)
        sys.modules[module.__name__] = module
        torch.manual_seed(0)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(tree, str(path), "exec"), module.__dict__)
        module.printed = out.getvalue()
        _loaded[number] = module
    return _loaded[number]


def close(test, ours, exact, rtol, atol=0.0):
    ours, exact = ours.double(), exact.double()
    worst = ((ours - exact).abs() - rtol * exact.abs()).max().item()
    test.assertLessEqual(worst, atol)


class Tutorials(unittest.TestCase):
    def test_01_vector_add(self):
        t = tutorial("01")
        self.assertIn("The maximum difference between torch and triton is 0.0", t.printed)
        for n in (1, 777, 98432):
            x, y = torch.rand(n), torch.rand(n)
            self.assertTrue(torch.equal(t.add(x, y), x + y))

    def test_02_softmax(self):
        t = tutorial("02")
        for shape in ((1823, 781), (3, 1), (128, 1024)):
            x = torch.randn(shape)
            close(self, t.softmax(x), torch.softmax(x.double(), axis=1), 2e-5)

    def test_03_matmul(self):
        t = tutorial("03")
        self.assertIn("Triton and Torch match", t.printed)
        for M, K, N in ((512, 512, 512), (100, 70, 130)):
            a, b = torch.randn((M, K), dtype=torch.float16), torch.randn((K, N), dtype=torch.float16)
            exact = a.double() @ b.double()
            close(self, t.matmul(a, b), exact, 1e-3, 1e-3 * exact.abs().max().item())
            leaky = torch.where(exact >= 0, exact, 0.01 * exact)
            close(self, t.matmul(a, b, activation="leaky_relu"), leaky, 1e-3, 1e-3 * exact.abs().max().item())

    def test_04_dropout(self):
        try:
            t = tutorial("04")
        except ModuleNotFoundError as missing:
            self.skipTest("skipped: no %s" % missing.name)
        x = torch.randn(10000)
        kept = torch.rand(10000) > 0.5
        close(self, t.dropout(x, kept.to(torch.int32), 0.5), torch.where(kept, x / 0.5, torch.zeros(())), 1e-6)
        one, again, other = (t.seeded_dropout(x, 0.5, seed) for seed in (123, 123, 512))
        self.assertTrue(torch.equal(one, again))
        self.assertFalse(torch.equal(one, other))
        sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "examples"))
        from dropout import philox
        self.assertTrue(torch.equal(one != 0, torch.from_numpy(philox(123, 10000) > 0.5) & (x != 0)))

    def test_05_layer_norm(self):
        t = tutorial("05")
        t.test_layer_norm(151, 700, torch.float32)  # forward and backward under autograd
        # Its own reference in f16 is PyTorch's, which on the CPU sums in f16: the right one is f64's.
        M, N, eps = 301, 1000, 1e-5
        torch.manual_seed(1)
        x = (-2.3 + 0.5 * torch.randn(M, N, dtype=torch.float16)).requires_grad_()
        w, b = (torch.rand(N, dtype=torch.float16).requires_grad_() for _ in range(2))
        dy = 0.1 * torch.randn(M, N, dtype=torch.float16)
        y = t.layer_norm(x, (N,), w, b, eps)
        y.backward(dy)
        x2, w2, b2 = (v.detach().double().requires_grad_() for v in (x, w, b))
        exact = torch.nn.functional.layer_norm(x2, (N,), w2, b2, eps)
        exact.backward(dy.double())
        for ours, right in ((y.detach(), exact.detach()), (x.grad, x2.grad), (w.grad, w2.grad), (b.grad, b2.grad)):
            close(self, ours, right, 0, 1e-2)

    def test_06_attention_forward(self):
        t = tutorial("06")
        torch.manual_seed(2)
        Z, H, N, D = 1, 2, 128, 64
        q, k, v = (torch.empty((Z, H, N, D), dtype=torch.float16).normal_(std=0.5) for _ in range(3))
        for causal in (False, True):
            with self.subTest(causal=causal):
                out = t.attention(q, k, v, causal, 0.5, False)
                p = q.double() @ k.double().transpose(2, 3) * 0.5
                if causal:
                    p = p.masked_fill(torch.tril(torch.ones(N, N)) == 0, float("-inf"))
                close(self, out, torch.softmax(p, dim=-1) @ v.double(), 0, 1e-2)

    def test_07_kernel(self):
        """The file itself refuses devices that are not CUDA; its kernel does not."""
        path = next(FOLDER.glob("07-*.py"))
        tree = ast.parse(path.read_text(encoding="utf-8"))
        tree.body = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom, ast.FunctionDef))]
        module = types.ModuleType("tutorial_07")
        module.__file__ = str(path)
        exec(compile(tree, str(path), "exec"), module.__dict__)
        x = torch.rand(98432)
        out = torch.zeros_like(x)
        module.asin_kernel[(triton.cdiv(x.numel(), 1024),)](x, out, x.numel(), BLOCK_SIZE=1024)
        close(self, out, torch.asin(x.double()), 1e-6)

    def test_scripts_whole(self):
        for number in ("01", "03"):
            path = next(FOLDER.glob(number + "-*.py"))
            env = {**os.environ, "TESSERA_BENCH_POINTS": "1", "TESSERA_AUTOTUNE_CONFIGS": "1", "MPLBACKEND": "Agg"}
            done = subprocess.run([sys.executable, "-m", "tessera.triton", str(path)], capture_output=True, text=True,
                                  env=env, cwd=os.environ.get("TMPDIR", "/tmp"))
            self.assertEqual(done.returncode, 0, done.stderr[-2000:])
            self.assertIn("performance", done.stdout)
            self.assertIn("TESSERA_BENCH_POINTS", done.stderr)


if __name__ == "__main__":
    unittest.main()
