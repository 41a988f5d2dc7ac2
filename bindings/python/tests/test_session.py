# SPDX-License-Identifier: MIT
"""Sessions and kernels on numpy arrays: results, what is refused, life and death of the objects."""

import gc
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

import numpy as np

import tessera

DATA = pathlib.Path(os.environ.get("TESSERA_TEST_DATA", pathlib.Path(__file__).parents[3] / "tests"))
ADD = DATA / "run" / "add_f32.ttir"

SCALARS = b"""module { tt.func public @scalars(%a: i1, %b: i8, %c: i16, %d: i32, %e: i64, %f: f16, %g: bf16, %h: f32, %i: f64,
  %o1: !tt.ptr<i1>, %o8: !tt.ptr<i8>, %o16: !tt.ptr<i16>, %o32: !tt.ptr<i32>, %o64: !tt.ptr<i64>, %of16: !tt.ptr<f16>,
  %obf16: !tt.ptr<bf16>, %of32: !tt.ptr<f32>, %of64: !tt.ptr<f64>) {
  tt.store %o1, %a : !tt.ptr<i1>
  tt.store %o8, %b : !tt.ptr<i8>
  tt.store %o16, %c : !tt.ptr<i16>
  tt.store %o32, %d : !tt.ptr<i32>
  tt.store %o64, %e : !tt.ptr<i64>
  tt.store %of16, %f : !tt.ptr<f16>
  tt.store %obf16, %g : !tt.ptr<bf16>
  tt.store %of32, %h : !tt.ptr<f32>
  tt.store %of64, %i : !tt.ptr<f64>
  tt.return
} }
"""

ASSERT = b"""module { tt.func public @check(%n: i32) {
  %c0 = arith.constant 0 : i32
  %ok = arith.cmpi eq, %n, %c0 : i32
  tt.assert %ok, "n is not zero" : i1
  tt.return
} }
"""

PROGRAMS = b"""module { tt.func public @ids(%p: !tt.ptr<i32>) {
  %c10 = arith.constant 10 : i32
  %x = tt.get_program_id x : i32
  %y = tt.get_program_id y : i32
  %z = tt.get_program_id z : i32
  %nx = tt.get_num_programs x : i32
  %ny = tt.get_num_programs y : i32
  %a = arith.muli %z, %ny : i32
  %b = arith.addi %a, %y : i32
  %c = arith.muli %b, %nx : i32
  %d = arith.addi %c, %x : i32
  %q = tt.addptr %p, %d : !tt.ptr<i32>, i32
  tt.store %q, %d : !tt.ptr<i32>
  tt.return
} }
"""


def aligned(size, dtype=np.float32, fill=None):
    """An array whose address is a multiple of 16, as the test kernels promise."""
    raw = np.zeros(size * np.dtype(dtype).itemsize + 16, np.uint8)
    start = -raw.ctypes.data % 16
    array = raw[start : start + size * np.dtype(dtype).itemsize].view(dtype)
    if fill is not None:
        array[:] = fill
    return array


class OnCpu(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.session = tessera.Session("cpu")
        cls.add = cls.session.compile(ADD)

    @classmethod
    def tearDownClass(cls):
        cls.session.close()

    def arrays(self, n=784):
        rng = np.random.default_rng(1)
        return (
            aligned(n, fill=rng.random(n, np.float32)),
            aligned(n, fill=rng.random(n, np.float32)),
            aligned(n),
        )

    def test_add(self):
        x, y, z = self.arrays()
        self.add[(4,)](x, y, z, x.size)
        np.testing.assert_array_equal(z, x + y)
        z[:] = 0
        self.add.launch(4, x, y, z, n=np.int32(x.size))
        np.testing.assert_array_equal(z, x + y)
        z[:] = 0
        self.add[4, 1](z=z, n=784, y=y, x=x)
        np.testing.assert_array_equal(z, x + y)
        self.add[0](x, y, z, x.size)

    def test_mask(self):
        x, y, z = self.arrays()
        self.add[4](x, y, z, 700)
        np.testing.assert_array_equal(z[:700], (x + y)[:700])
        self.assertFalse(z[700:].any())

    def test_description(self):
        self.assertEqual(self.add.name, "add")
        self.assertEqual(
            [(a.name, a.type) for a in self.add.arguments],
            [("x", "*f32"), ("y", "*f32"), ("z", "*f32"), ("n", "i32")],
        )
        self.assertRegex(self.add.key, "^[0-9a-f]{64}$")
        self.assertTrue(self.add.target.startswith("cpu:"))
        self.assertIn("add(x: *f32", repr(self.add))

    def test_stages(self):
        self.assertEqual(self.add.stages, {})
        stages = self.session.compile(ADD, keep_stages=True).stages
        self.assertIn("tt.func", stages["ttir"])
        self.assertIn("define", stages["llir"])

    def test_bytes_and_options(self):
        x, y, z = self.arrays()
        kernel = self.session.compile(ADD.read_bytes(), "add", name="add.ttir", options={"fp_fusion": "off"})
        kernel[4](x, y, z, x.size)
        np.testing.assert_array_equal(z, x + y)
        self.assertIn("fp_fusion=off", kernel.options)
        kernel = self.session.compile(str(ADD), options="num_warps=8,num_stages=2")
        kernel[4](x, y, z, x.size)

    def test_without_promises(self):
        x, y, z = self.arrays(785)
        with self.assertRaisesRegex(ValueError, "argument 'x'.*not a multiple of 16, which the IR promises"):
            self.add[4](x[1:], y[1:], z[1:], 784)
        kernel = self.session.compile(ADD, promises=False)
        kernel[4](x[1:], y[1:], z[1:], 784)
        np.testing.assert_array_equal(z[1:], (x + y)[1:])

    def test_programs(self):
        kernel = self.session.compile(PROGRAMS)
        for grid in (5, (5,), (5, 3), (5, 3, 2), [4, 1, 2], (np.int64(3), 2)):
            count = int(np.prod(grid))
            out = np.full(count + 1, -1, np.int32)
            kernel[grid](out)
            np.testing.assert_array_equal(out[:-1], np.arange(count))
            self.assertEqual(out[-1], -1)

    def test_scalars(self):
        kernel = self.session.compile(SCALARS)
        types = ["bool", "int8", "int16", "int32", "int64", "float16", "uint16", "float32", "float64"]
        cases = [
            (True, -128, -32768, -1 << 31, -1 << 63, 1.5, 1.5, 0.1, 0.1),
            (False, 255, 65535, (1 << 32) - 1, (1 << 64) - 1, float("inf"), 3.0, -0.0, 1e300),
            (1, 1, 1, 1, 1, 2049, 1, 16777217, 1 << 70),
            (
                np.bool_(True),
                np.int8(-1),
                np.uint16(7),
                np.int32(-7),
                np.int64(8),
                np.float16(0.5),
                np.float32(2),
                np.float32(3),
                np.float64(4),
            ),
        ]
        for values in cases:
            outs = [np.zeros(1, t) for t in types]
            kernel[1](*values, *outs)
            for value, out, t in zip(values, outs, types):
                if t == "uint16":
                    expected = np.array([np.float32(value).view(np.uint32) >> 16], np.uint16)
                elif t.startswith(("int", "bool")):
                    expected = (
                        np.array([int(value)], object)
                        .astype(np.uint64 if int(value) > 0 else np.int64)
                        .astype(t)
                    )
                else:
                    expected = np.array([value], np.float64).astype(t)
                self.assertEqual(out.tobytes(), expected.tobytes(), (t, value, out))

    def test_bfloat16_rounding(self):
        from tessera._session import _bfloat16

        for value, bits in (
            (1.0, 0x3F80),
            (1.00390625, 0x3F80),
            (1.01171875, 0x3F82),
            (-2.0, 0xC000),
            (0.0, 0),
            (-0.0, 0x8000),
            (float("inf"), 0x7F80),
            (float("nan"), 0x7FC0),
            (3.4e38, 0x7F80),
            (1e39, 0x7F80),
            (1.00390625 + 2.0**-40, 0x3F81),
            (1.00390625 - 2.0**-40, 0x3F80),
            (-1.00390625 - 2.0**-40, 0xBF81),
            (1e-45, 0),
            (1e-40, 1),
        ):
            with np.errstate(over="ignore"):
                got = int.from_bytes(_bfloat16(value), "little")
            self.assertEqual(got, bits, value)

    def test_integer_arrays_of_either_sign(self):
        kernel = self.session.compile(PROGRAMS)
        out = np.zeros(3, np.uint32)
        kernel[3](out)
        np.testing.assert_array_equal(out, [0, 1, 2])

    def test_wrong_arguments(self):
        x, y, z = self.arrays()
        n = x.size
        cases = [
            (
                TypeError,
                r"add takes 4 arguments \(x: \*f32, y: \*f32, z: \*f32, n: i32\), got 3",
                (x, y, z),
                {},
            ),
            (TypeError, "got 5", (x, y, z, n, n), {}),
            (TypeError, "argument 'n' is missing", (x, y, z), {"m": 1}),
            (TypeError, "'m' is not in the signature", (x, y, z, n), {"m": 1}),
            (TypeError, "'x' is not in the signature or was given twice", (x, y, z, n), {"x": x}),
            (
                TypeError,
                r"'y' \(\*f32\): expected an array of float32, got one of float64",
                (x, y.astype("f8"), z, n),
                {},
            ),
            (TypeError, "'x'.*got one of int32", (x.view(np.int32), y, z, n), {}),
            (ValueError, "byte order", (x.astype(">f4"), y, z, n), {}),
            (ValueError, "'x'.*not contiguous", (np.zeros(2 * n, "f4")[::2], y, z, n), {}),
            (TypeError, "'z'.*expected a numpy array, got list", (x, y, [0.0], n), {}),
            (TypeError, "'n'.*expected a number, got str", (x, y, z, "7"), {}),
            (TypeError, "'n'.*expected an integer, got the float 7.5", (x, y, z, 7.5), {}),
            (TypeError, "'n'.*expected a number, got NoneType", (x, y, z, None), {}),
            (OverflowError, "'n'.*4294967296 is out of range", (x, y, z, 1 << 32), {}),
            (OverflowError, "'n'", (x, y, z, -(1 << 31) - 1), {}),
        ]
        for kind, text, args, named in cases:
            with self.assertRaisesRegex(kind, text):
                self.add[4](*args, **named)
        with self.assertRaisesRegex(OverflowError, "'a' .i1.: 2 is out of range"):
            self.session.compile(SCALARS)[1](2, *[0] * 8, *[None] * 9)
        self.assertFalse(z.any())

    def test_read_only(self):
        x, y, z = self.arrays()
        z.flags.writeable = False
        with self.assertRaisesRegex(ValueError, "'z'.*read-only"):
            self.add[4](x, y, z, x.size)
        self.assertFalse(z.any())

    def test_wrong_grids(self):
        x, y, z = self.arrays()
        for grid, kind, text in (
            ((1, 2, 3, 4), ValueError, "one to three"),
            ((), ValueError, "one to three"),
            ((-1,), ValueError, "-1 programs"),
            ((1 << 32,), ValueError, "programs in one direction"),
            (1.5, TypeError, "integers, not float"),
            (("4",), TypeError, "not str"),
            (True, TypeError, "not bool"),
        ):
            with self.assertRaisesRegex(kind, text):
                self.add[grid](x, y, z, 1)

    def test_assert(self):
        kernel = self.session.compile(ASSERT, name="check.ttir")
        kernel[3](0)
        with self.assertRaisesRegex(tessera.Error, "n is not zero") as caught:
            kernel[3](1)
        self.assertEqual(caught.exception.status, 12)
        self.assertIn("check", str(caught.exception))
        kernel[3](0)

    def test_bad_ir(self):
        with self.assertRaisesRegex(tessera.Error, r"k\.ttir:1:\d+: error:") as caught:
            self.session.compile(b"module { tt.func @x( }", name="k.ttir")
        self.assertEqual(caught.exception.status, 2)
        with self.assertRaisesRegex(tessera.Error, "nothing"):
            self.session.compile(ADD, "nothing")
        with self.assertRaisesRegex(tessera.Error, "warp"):
            self.session.compile(ADD, options="warp=1")
        with self.assertRaises(FileNotFoundError):
            self.session.compile("no-such-file.ttir")
        with self.assertRaisesRegex(TypeError, "path or bytes of IR, not int"):
            self.session.compile(3)

    def test_threads(self):
        """Eight threads compile the same and other kernels, and launch them."""
        failures = []

        def work(seed):
            try:
                text = ADD.read_text().replace("256", str(64 << seed % 4))
                for _ in range(20):
                    kernel = self.session.compile(text.encode())
                    n = 500 + seed
                    x, z = aligned(n, fill=seed), aligned(n)
                    kernel[8](x, x, z, n)
                    np.testing.assert_array_equal(z, 2 * x)
            except BaseException as error:  # noqa: B902
                failures.append(error)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def test_no_leak(self):
        import resource

        x, y, z = self.arrays(64)

        def rounds(count):
            for _ in range(count):
                self.add[1](x, y, z, 64)
                try:
                    self.add[1](x, y, z)
                except TypeError:
                    pass

        rounds(500)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        rounds(5000)
        self.assertLess(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, 2048)


class Life(unittest.TestCase):
    def test_close(self):
        with tessera.Session() as session:
            kernel = session.compile(ADD)
        for call in (
            lambda: session.compile(ADD),
            lambda: session.synchronize(),
            lambda: kernel[1](aligned(4), aligned(4), aligned(4), 4),
        ):
            with self.assertRaisesRegex(ValueError, "closed"):
                call()
        session.close()
        self.assertIn("closed", repr(session))

    def test_kernel_keeps_its_session(self):
        kernel = tessera.Session().compile(ADD)
        gc.collect()
        x, z = aligned(16, fill=1), aligned(16)
        kernel[1](x, x, z, 16)
        self.assertEqual(list(z), [2] * 16)

    def test_cache_folder(self):
        with tempfile.TemporaryDirectory() as folder:
            with tessera.Session(cache_dir=pathlib.Path(folder) / "c") as session:
                session.compile(ADD)
            self.assertTrue(any(files for _, _, files in os.walk(folder)))

    def test_fork_before_use(self):
        code = """import os, sys, tessera, numpy as np
child = os.fork()
with tessera.Session() as session:
    x, z = np.ones(64, np.float32), np.zeros(64, np.float32)
    session.compile(sys.argv[1], promises=False)[1](x, x, z, 64)
    good = list(z) == [2] * 64
if child == 0:
    os._exit(0 if good else 1)
status = os.waitpid(child, 0)[1]
sys.exit(0 if good and status == 0 else 1)
"""
        done = subprocess.run(
            [sys.executable, "-c", code, str(ADD)], capture_output=True, text=True, timeout=120
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_fork(self):
        """A child of a process that used the device can use it."""
        with tessera.Session() as session:
            kernel = session.compile(ADD)
            x, z = aligned(16, fill=1), aligned(16)
            kernel[1](x, x, z, 16)
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    z[:] = 0
                    kernel[1](x, x, z, 16)
                    other = session.compile(ADD, promises=False)
                    other[1](z, z, z, 16)
                    status = 0 if list(z) == [4] * 16 else 2
                finally:
                    os._exit(status)
            self.assertEqual(os.waitpid(child, 0)[1], 0)


class OwnMemory(unittest.TestCase):
    """What happens on devices with memory of their own, tried on the CPU's: copies there and back, arrays that are there
    already (here: host memory that says so)."""

    def setUp(self):
        self.session = tessera.Session()
        self.session.maps_memory = False
        self.addCleanup(self.session.close)
        self.add = self.session.compile(ADD)

    def test_copies(self):
        x, y, z = np.arange(301, dtype=np.float32), np.ones(301, np.float32), np.full(301, -1, np.float32)
        self.add[2](x, y, z, 300)
        np.testing.assert_array_equal(z[:300], x[:300] + 1)
        self.assertEqual(z[300], -1)
        np.testing.assert_array_equal(x, np.arange(301))

    def test_empty(self):
        empty = np.zeros(0, np.float32)
        self.add[1](empty, np.zeros(0, np.float32), np.zeros(0, np.float32), 0)

    def test_shared(self):
        x, z = aligned(64, fill=1), aligned(64)
        with self.assertRaisesRegex(ValueError, "'y'.*shares memory with another argument"):
            self.add[1](x, x[32:], z, 16)
        self.assertFalse(z.any())

    def test_on_the_device(self):
        class Theirs:
            def __init__(self, array, strides=None, read_only=False):
                self.array = array
                self.__cuda_array_interface__ = {
                    "shape": array.shape,
                    "typestr": array.dtype.str,
                    "version": 3,
                    "data": (array.ctypes.data, read_only),
                    "strides": strides,
                }

        x, y, z = aligned(64, fill=1), aligned(64, fill=2), aligned(64)
        self.add[1](Theirs(x), Theirs(y, (4,)), Theirs(z), 64)
        self.assertEqual(list(z), [3] * 64)
        z[:] = 0
        self.add[1](Theirs(x), y, z, 64)
        self.assertEqual(list(z), [3] * 64)
        for kind, text, argument in (
            (ValueError, "not contiguous", Theirs(x, (8,))),
            (ValueError, "read-only", Theirs(x, None, True)),
            (TypeError, "got one of int32", Theirs(x.view(np.int32))),
            (ValueError, "not a multiple of 16", Theirs(x[1:])),
            (TypeError, "expected a numpy array or an array on the GPU, got list", [1.0]),
        ):
            with self.assertRaisesRegex(kind, text):
                self.add[1](argument, y, z, 1)
        with tessera.Session() as session:
            with self.assertRaisesRegex(ValueError, "the array is on a GPU, the session is on 'cpu'"):
                session.compile(ADD)[1](Theirs(x), y, z, 1)


class Devices(unittest.TestCase):
    def test_list(self):
        names = [device.name for device in tessera.devices()]
        self.assertIn("cpu", names)
        self.assertIn("null", names)
        cpu = tessera.devices()[names.index("cpu")]
        self.assertEqual(cpu.backend, "cpu")
        self.assertGreater(cpu.threads, 0)
        self.assertEqual(repr(cpu), "tessera.Device('cpu')")
        with self.assertRaisesRegex(AttributeError, "a device has no 'nothing'"):
            cpu.nothing

    def test_unknown(self):
        with self.assertRaisesRegex(tessera.Error, "nothing"):
            tessera.Session("nothing")
        with self.assertRaises(TypeError):
            tessera.Session(0)

    def test_no_gpu(self):
        if any(device.name.startswith("cuda") for device in tessera.devices()):
            self.skipTest("skipped: there is a GPU")
        with self.assertRaisesRegex(tessera.Error, "cuda:0"):
            tessera.Session("cuda:0")

    def test_null(self):
        with tessera.Session("null") as session:
            x, z = aligned(16, fill=1), aligned(16)
            session.compile(ADD)[1](x, x, z, 16)
            self.assertFalse(z.any())

    def test_emulator(self):
        with tessera.Session("emu") as session:
            x, z = aligned(300, fill=1), aligned(300)
            session.compile(ADD)[2](x, x, z, 300)
            self.assertEqual(list(z), [2] * 300)

    def test_gpu(self):
        if not any(device.name.startswith("cuda") for device in tessera.devices()):
            self.skipTest("skipped: no CUDA device")
        with tessera.Session("cuda:0") as session:
            kernel = session.compile(ADD)
            rng = np.random.default_rng(1)
            x, y, z = aligned(784, fill=rng.random(784)), aligned(784, fill=rng.random(784)), aligned(784)
            kernel[4](x, y, z, 784)
            np.testing.assert_array_equal(z, x + y)
            with self.assertRaisesRegex(ValueError, "shares memory"):
                kernel[4](x, x, z, 784)


if __name__ == "__main__":
    unittest.main()
