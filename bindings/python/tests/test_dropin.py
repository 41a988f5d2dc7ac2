# SPDX-License-Identifier: MIT
"""tessera under the name triton. What needs a fresh process runs in one."""
import os
import pathlib
import subprocess
import sys
import tempfile
import textwrap
import unittest

import tessera.triton.install  # noqa: F401
import triton
import triton.language as tl

import tessera


def run(*args, **env):
    done = subprocess.run([sys.executable, *args], capture_output=True, text=True,
                          env={**os.environ, "TESSERA_TRITON_CHILDREN": "", **env})
    return done.returncode, done.stdout, done.stderr


@triton.jit
def fill(ptr, value, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(ptr + at, value, mask=at < n)


class Names(unittest.TestCase):
    def test_same_objects(self):
        import importlib
        for name in ("language", "language.core", "language.math", "language.standard", "language.extra",
                     "language.extra.libdevice", "language.extra.cuda", "runtime", "runtime.driver", "runtime.jit",
                     "runtime.autotuner", "runtime.cache", "runtime.errors", "testing", "compiler", "compiler.compiler",
                     "compiler.errors", "compiler.code_generator", "knobs", "tools.tensor_descriptor", "errors"):
            with self.subTest(name):
                theirs, ours = importlib.import_module("triton." + name), importlib.import_module("tessera." + name)
                self.assertIs(theirs, ours)
                self.assertEqual(ours.__spec__.name, "tessera." + name)  # not renamed by the other import
        self.assertIs(tl, tessera.language)
        self.assertIs(triton.jit, tessera.jit)

    def test_top_level(self):
        for name in triton.__all__:
            with self.subTest(name):
                self.assertIsNotNone(getattr(triton, name))
        self.assertIsInstance(triton.__version__, str)
        self.assertEqual(triton.__version__.split(".")[0], "3")
        self.assertEqual((triton.cdiv(10, 4), triton.next_power_of_2(33)), (3, 64))
        with self.assertRaisesRegex(AttributeError, "has no attribute 'nonsense'"):
            triton.nonsense

    def test_what_is_missing_says_so(self):
        with self.assertRaisesRegex(ImportError, "not implemented: triton.experimental.gluon.language"):
            from triton.experimental.gluon import language  # noqa: F401
        with self.assertRaisesRegex(ImportError, "not implemented: triton.profiler"):
            from triton.profiler import start  # noqa: F401
        with self.assertRaisesRegex(ImportError, "not implemented: triton._C.libtriton"):
            from triton._C.libtriton import nvidia  # noqa: F401
        from triton.backends.nvidia.compiler import CUDABackend
        with self.assertRaisesRegex(NotImplementedError, "not implemented: triton.backends.nvidia"):
            CUDABackend(None)
        with self.assertRaises(ModuleNotFoundError):
            import triton.nonsense  # noqa: F401

    def test_back_ends(self):
        from triton.backends import backends
        from triton.backends.compiler import GPUTarget
        self.assertEqual(GPUTarget("cuda", 90, 32).arch, 90)
        self.assertEqual(sum(b.driver.is_active() for b in backends.values()), 1)
        with self.assertRaises(KeyError):
            backends["vulkan"]

    def test_a_kernel(self):
        import numpy as np
        x = np.zeros(100, np.float32)
        fill[(2,)](x, 2.5, 90, BLOCK=64)
        np.testing.assert_array_equal(x, [2.5] * 90 + [0] * 10)

    def test_descriptors(self):
        import numpy as np
        from triton.tools.tensor_descriptor import TensorDescriptor
        x = np.zeros((8, 16), np.float32)
        d = TensorDescriptor.from_tensor(x, [4, 16])
        self.assertEqual((d.shape, d.strides, d.block_shape), ([8, 16], [16, 1], [4, 16]))
        for bad, why in ((dict(strides=[16, 2]), "contiguous"), (dict(strides=[18, 1]), "16-byte"), (dict(shape=[8]), "rank"),
                         (dict(block_shape=[3, 16]), "power of two"), (dict(padding="one"), "padding")):
            with self.assertRaisesRegex(AssertionError, why):
                TensorDescriptor(**{**dict(base=x, shape=[8, 16], strides=[16, 1], block_shape=[4, 16]), **bad})
        with self.assertRaisesRegex(AssertionError, "floating point"):
            TensorDescriptor.from_tensor(x.view(np.int32), [4, 16], padding="nan")


class Programs(unittest.TestCase):
    def test_script(self):
        with tempfile.TemporaryDirectory() as folder:
            script = pathlib.Path(folder, "program.py")
            script.write_text(textwrap.dedent("""
                import sys, beside, triton, tessera
                assert __name__ == "__main__" and triton.jit is tessera.jit
                print(sys.argv, beside.x, sys.modules["__main__"].__file__ is not None)
                sys.exit(5)
            """), encoding="utf-8")
            pathlib.Path(folder, "beside.py").write_text("x = 'found'\n", encoding="utf-8")
            code, out, err = run("-m", "tessera.triton", str(script), "-a", "b")
            self.assertEqual((code, err), (5, ""))
            self.assertEqual(out.split(" ", 1)[0], "['%s'," % script)
            self.assertIn("['%s', '-a', 'b'] found" % script, out)

    def test_module_and_code(self):
        code, out, _ = run("-m", "tessera.triton", "-m", "timeit", "-n", "1", "-r", "1", "import triton")
        self.assertEqual(code, 0, out)
        code, out, _ = run("-m", "tessera.triton", "-c", "import sys, triton; print(triton.__name__, sys.argv)", "x")
        self.assertEqual((code, out), (0, "tessera.triton ['-c', 'x']\n"))

    def test_usage(self):
        code, out, _ = run("-m", "tessera.triton", "--help")
        self.assertEqual(code, 0)
        self.assertIn("usage:", out)
        for args in ((), ("-m",), ("-x",), ("no-such-file.py",)):
            code, out, err = run("-m", "tessera.triton", *args)
            self.assertEqual(code, 2, args)
            self.assertTrue(err)

    def test_children(self):
        text = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', 'import triton; print(triton.__name__)']))"
        code, out, err = run("-m", "tessera.triton", "-c", text, TESSERA_TRITON_CHILDREN="1")
        self.assertEqual((code, out), (0, "tessera.triton\n"), err)

    def test_another_triton(self):
        code, _, err = run("-c", "import sys, types; sys.modules['triton'] = types.ModuleType('triton')\n"
                           "import tessera.triton.install")
        self.assertEqual(code, 1)
        self.assertIn("another package named triton is loaded", err)

    def test_folders_with_more_modules(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "_internal_testing.py").write_text("import triton\nanswer = triton.cdiv(83, 2)\n",
                                                                   encoding="utf-8")
            code, out, err = run("-m", "tessera.triton", "-c", "from triton._internal_testing import answer; print(answer)",
                                 TESSERA_TRITON_PATH=folder)
            self.assertEqual((code, out), (0, "42\n"), err)

    def test_torch_is_not_imported(self):
        code, out, err = run("-m", "tessera.triton", "-c", "import sys, triton, triton.language, triton.testing, triton.runtime;"
                             "print('torch' in sys.modules)")
        self.assertEqual((code, out), (0, "False\n"), err)


if __name__ == "__main__":
    unittest.main()
