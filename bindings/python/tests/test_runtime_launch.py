# SPDX-License-Identifier: MIT
"""The launch path: every kind of array, packing in C and in Python, threads, fork, leaks, devices."""
import gc
import os
import random
import struct
import subprocess
import sys
import threading
import unittest

import numpy as np

import tessera
import tessera.language as tl
from tessera import knobs
from tessera.runtime import _base, _device, _object

try:
  import torch
except ImportError:
  torch = None


@tessera.jit
def store(x, v):
  tl.store(x, v)


@tessera.jit
def add(x, y, z, n, BLOCK: tl.constexpr):
  i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
  tl.store(z + i, tl.load(x + i, i < n, 0.0) + tl.load(y + i, i < n, 0.0), i < n)


@tessera.jit
def scale(x, n, K: tl.constexpr):
  tl.store(x + tl.program_id(0), n * K)


class Layout:
  """An argument of a signature, as Plan reads it."""

  def __init__(self, kind, offset, rank=0):
    self.kind, self.offset, self.rank, self.name = kind, offset, rank, "a%d" % offset
    self.constant = self.written = False
    self.type_name = str(kind)


class Descriptor:
  def __init__(self, base, shape, strides):
    self.base, self.shape, self.strides, self.block_shape = base, shape, strides, [16] * len(shape)


class Packing(unittest.TestCase):

  def plans(self, layout, size):
    plans = [_object.Plan(1, layout, size, None, False)]
    if _base.native is not None:
      plans.append(_base.native.Plan(1, tuple((a.kind, a.offset, a.rank, a.name, a.written) for a in layout), size, 0,
                                     False, 1, 1, _object.raise_status))
    return plans

  def check(self, layout, size, values, expected):
    for plan in self.plans(layout, size):
      self.assertEqual(bytes(plan.pack(values)), expected, type(plan))

  def test_kinds(self):
    o = _object
    array = np.zeros(4)
    layout = [Layout(o.PTR, 0), Layout(o.I1, 8), Layout(o.I8, 9), Layout(o.I16, 10), Layout(o.I32, 12),
              Layout(o.I64, 16), Layout(o.F16, 24), Layout(o.BF16, 26), Layout(o.F32, 28), Layout(o.F64, 32)]
    self.check(layout, 40, [array, True, -3, 65535, -1, 2**64 - 1, 1.5, -2.5, 0.1, 3],
               struct.pack("<QBbHiQeHfd", array.ctypes.data, 1, -3, 65535, -1, 2**64 - 1, 1.5, 0xc020, 0.1, 3.0))

  def test_half_precision(self):
    """Both packers round to nearest even, like numpy."""
    layout = [Layout(_object.F16, 0), Layout(_object.BF16, 2)]
    values = [0.0, -0.0, 65504.0, 65519.99, 2.0**-24, 2.0**-25, 3 * 2.0**-25, 2.0**-14, 1.0009765625, 1.00048828125,
              1.0014648437, 1e-8, float("inf"), -float("inf"), 6.1e-5, 2047.5, 2048.5]
    generator = random.Random(1)
    values += [generator.uniform(-1, 1) * 2.0**generator.randint(-26, 15) for _ in range(500)]
    for value in values:
      bits32 = struct.unpack("<I", struct.pack("<f", value))[0]
      brain = (bits32 + 0x7fff + (bits32 >> 16 & 1)) >> 16
      self.check(layout, 4, [value, value], np.float64(value).astype(np.float16).tobytes() + struct.pack("<H", brain))

  def test_descriptor(self):
    o = _object
    array = np.zeros((4, 8), np.float32)
    layout = [Layout(o.TENSORDESC, 0, 2), Layout(o.I32, 40), Layout(o.I32, 44), Layout(o.I64, 48), Layout(o.I64, 56)]
    d = Descriptor(array, [4, 8], [8, 1])
    self.check(layout, 64, [d, 4, 8, 8, 1], struct.pack("<Q4qiiqq", array.ctypes.data, 4, 8, 8, 1, 4, 8, 8, 1))

  def test_wrong_values(self):
    for kind, value in ((_object.PTR, "x"), (_object.PTR, 1.5), (_object.I32, 1.5), (_object.I32, "1"),
                        (_object.F32, "1"), (_object.TENSORDESC, 5)):
      for plan in self.plans([Layout(kind, 0)], 64):
        with self.assertRaises((TypeError, AttributeError), msg=(kind, value)):
          plan.pack([value])
    for plan in self.plans([Layout(_object.I32, 0)], 8):
      with self.assertRaises(TypeError):
        plan.pack([1, 2])


class Arrays(unittest.TestCase):

  def test_numpy_types(self):
    for dtype in (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64, np.float16,
                  np.float32, np.float64):
      for _ in range(2):
        x = np.zeros(3, dtype)
        store[(1,)](x, 7)
        store[(1,)](x[1:], 9)
        self.assertEqual(x.tolist(), [7, 9, 0], dtype)
    x = np.zeros(2, bool)
    store[(1,)](x, True)
    self.assertEqual(x.tolist(), [True, False])

  def test_views(self):
    x = np.arange(32, dtype=np.float32)
    y, z = np.ones(32, np.float32), np.zeros(32, np.float32)
    for start in (0, 1, 2, 4, 0):
      z[:] = 0
      add[(2,)](x[start:], y[start:], z[start:], 16, BLOCK=8)
      np.testing.assert_array_equal(z[start:start + 16], x[start:start + 16] + 1)

  def test_scalars_of_numpy(self):
    x = np.zeros(1, np.float64)
    for value in (np.int8(3), np.uint64(2**63), np.float32(0.5), np.float64(0.25), np.float16(2), np.int64(1)):
      for _ in range(2):
        store[(1,)](x, value)
        self.assertEqual(x[0], float(value))

  def test_protocols(self):
    memory = np.zeros(4, np.float32)

    class Interface:
      shape = (4,)
      __array_interface__ = memory.__array_interface__

    class Pointer:
      dtype, device = "float32", "cpu"
      def data_ptr(self):
        return memory.ctypes.data

    class Dlpack:
      def __dlpack__(self, **options):
        return memory.__dlpack__()
      def __dlpack_device__(self):
        return memory.__dlpack_device__()
    class Instance:  # the attribute is the object's
      def __init__(self):
        self.__array_interface__ = memory.__array_interface__
        self.shape = (4,)
    for number, make in enumerate((Interface, Pointer, Dlpack, Instance)):
      for again in range(2):
        memory[:] = 0
        store[(1,)](make(), float(number + 2 + again))
        self.assertEqual(memory[0], number + 2 + again)

  def test_devices_do_not_mix(self):
    class Cuda:
      dtype, shape = "float32", (4,)
      __cuda_array_interface__ = {"data": (4096, False), "typestr": "<f4", "shape": (4,), "version": 3}
    x = np.zeros(4, np.float32)
    for _ in range(2):
      with self.assertRaisesRegex(ValueError, "different devices: x on cpu, y on cuda:0"):
        add[(1,)](x, Cuda(), x, 4, BLOCK=4)

    class Other:
      dtype, device = "float32", "mps:0"
      def data_ptr(self):
        return 64
    with self.assertRaisesRegex(ValueError, "no device for arguments on 'mps'"):
      store[(1,)](Other(), 1)

  @unittest.skipIf(torch is None, "no torch")
  def test_torch(self):
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int8, torch.uint8, torch.int16,
                  torch.int32, torch.int64):
      for _ in range(2):
        x = torch.zeros(3, dtype=dtype)
        store[(1,)](x, 7)
        store[(1,)](x[1:], 9)
        self.assertEqual(x.tolist(), [7, 9, 0])
    p = torch.nn.Parameter(torch.zeros(2))
    store[(1,)](p, 2.5)
    self.assertEqual(p.tolist(), [2.5, 0])
    x = torch.zeros(8, requires_grad=True)
    store[(1,)](x, 2.5)
    self.assertEqual(x.tolist()[0], 2.5)
    store[(1,)](torch.zeros(4, 4).t()[1:], 1)

    class Mine(torch.Tensor):
      pass
    m = torch.zeros(2).as_subclass(Mine)
    store[(1,)](m, 4.0)
    self.assertEqual(m.tolist(), [4, 0])
    with self.assertRaises((ValueError, RuntimeError)):
      store[(1,)](torch.zeros(2, device="meta"), 1)
    with self.assertRaisesRegex(TypeError, "complex64"):
      store[(1,)](torch.zeros(2, dtype=torch.complex64), 1)

  @unittest.skipIf(torch is None, "no torch")
  def test_older_torch(self):
    found = subprocess.run([sys.executable, os.path.abspath(__file__), "Arrays.test_torch"], capture_output=True,
                           text=True, env={**os.environ, "TESSERA_LAUNCH_DLPACK": "0",
                                           "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)})
    self.assertEqual(found.returncode, 0, found.stderr)


class Devices(unittest.TestCase):

  def tearDown(self):
    del knobs.tessera.device

  def test_null(self):
    knobs.tessera.device = "null"
    x = np.zeros(1, np.int32)
    for _ in range(3):
      store[(1,)](x, 5)
    self.assertEqual(x[0], 0)
    knobs.tessera.device = "cpu"
    store[(1,)](x, 5)
    self.assertEqual(x[0], 5)

  def test_emulated(self):
    knobs.tessera.device = "emu:90a"
    try:
      _device.host_device()
    except tessera.Error as error:
      self.skipTest(str(error))
    x = np.arange(64, dtype=np.float32)
    z = np.zeros(64, np.float32)
    for warps in (4, 1, 4):
      z[:] = 0
      kernel = add[(2,)](x, x, z, 50, BLOCK=32, num_warps=warps)
      np.testing.assert_array_equal(z[:50], 2 * x[:50])
      self.assertEqual(z[50:].sum(), 0)
    self.assertEqual(kernel.metadata.target.backend, "emu")

  def test_unknown(self):
    knobs.tessera.device = "nothing"
    with self.assertRaises(tessera.Error):
      store[(1,)](np.zeros(1, np.int32), 5)

  def test_questions(self):
    from tessera.runtime import driver
    active = driver.active
    for index in (None, 0, "cpu"):
      properties = active.utils.get_device_properties(index)
      for name in ("max_shared_mem", "max_num_regs", "multiprocessor_count", "warpSize"):
        self.assertGreater(properties[name], 0)
    target = active.get_current_target()
    self.assertIn(target.backend, ("cpu", "cuda"))
    self.assertEqual(active.get_current_stream(active.get_current_device()), 0)
    self.assertIs(driver.driver, driver)
    cache = active.get_empty_cache_for_benchmark()
    active.clear_cache(cache)


def rss():
  with open("/proc/self/statm") as file:
    return int(file.read().split()[1]) * 4


class Processes(unittest.TestCase):

  def test_threads(self):
    """8 threads launch and compile at once; the same kernels and different ones."""
    errors = []
    scale.device_caches.clear()

    def work(number):
      try:
        x = np.zeros(4, np.int64)
        for round in range(200):
          factor = round % 5 + 100
          scale[(4,)](x, number + round, K=factor)
          if (x != (number + round) * factor).any():
            raise AssertionError((number, round, x))
      except BaseException as error:
        errors.append(error)
    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
      thread.start()
    for thread in threads:
      thread.join()
    self.assertEqual(errors, [])
    # One kernel of each factor and kind of number (odd, divisible by 16, 1), compiled once.
    kernels = list(scale.device_caches[0][0].values())
    self.assertLessEqual(len(kernels), 15)

  def test_fork(self):
    code = """
import os, sys
import numpy as np
sys.path.insert(0, %r)
from test_runtime_launch import scale
def child(expected):
  pid = os.fork()
  if not pid:
    try:
      x = np.zeros(4, np.int64)
      for K in (2, 3, 2):
        scale[(4,)](x, 7, K=K)
        if (x != 7 * K).any(): os._exit(3)
      os._exit(0)
    except BaseException as error:
      print(error, file=sys.stderr)
      os._exit(4)
  return os.waitpid(pid, 0)[1]
before = child(0)
x = np.zeros(4, np.int64)
scale[(4,)](x, 7, K=2)
print(before, child(0), child(0))
""" % os.path.dirname(os.path.abspath(__file__))
    found = subprocess.run([sys.executable, "-X", "dev", "-W", "ignore::DeprecationWarning", "-c", code],
                           capture_output=True, text=True,
                           env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)})
    self.assertEqual((found.stdout.strip(), found.stderr), ("0 0 0", ""))

  def test_leaks(self):
    x = np.zeros(4, np.int64)

    def launches(n):
      for i in range(n):
        scale[(1,)](x, i, K=2)
        scale[lambda meta: (1,)](x, n=i, K=2, num_warps=4)
        try:
          scale[(1, 2, 3, 4)](x, i, K=2)
        except ValueError:
          pass
    launches(300)
    gc.collect()
    objects, memory = len(gc.get_objects()), rss()
    launches(int(os.environ.get("TESSERA_TEST_LAUNCHES", 3000)))
    gc.collect()
    self.assertLess(len(gc.get_objects()) - objects, 50)
    self.assertLess(rss() - memory, 4096)

  def test_functions_are_freed(self):
    def make(number):
      @tessera.jit
      def k(x, v):
        tl.store(x, v + number)
      return k
    import weakref
    x = np.zeros(1, np.int32)
    number = tl.constexpr(3)
    k = make(number)
    for _ in range(3):
      k[(1,)](x, 5)
    self.assertEqual(x[0], 8)
    gone = weakref.ref(k)
    del k
    gc.collect()
    self.assertIsNone(gone())

  def test_many_specialisations(self):
    """The launch path's table grows, and old answers stay right."""
    @tessera.jit(do_not_specialize=["v"])
    def k(x, v, K: tl.constexpr):
      tl.store(x, v)
    knobs.tessera.device = "null"
    try:
      x = np.zeros(1, np.int32)
      kernels = [k[(1,)](x, 5, K) for K in range(40)]
      for _ in range(2):
        for K in reversed(range(40)):
          self.assertIs(k[(1,)](x, 6, K), kernels[K])
    finally:
      del knobs.tessera.device


@unittest.skipIf(_base.native is None, "no launch extension")
class Extension(unittest.TestCase):

  def test_struct_of_arrays(self):
    from tessera.runtime import _native_types
    self.assertEqual(_native_types.classify(np.ndarray)[0], _native_types.NUMPY)

  def test_remembers(self):
    @tessera.jit
    def k(x, v):
      tl.store(x, v)
    x = np.zeros(1, np.int32)
    for v in (5, 6, 7, 16, 32, 1, 1):
      k[(1,)](x, v)
      self.assertEqual(x[0], v)
    self.assertEqual(k._seen(), 3)
    k.device_caches.clear()
    self.assertEqual(k._seen(), 0)
    k[(1,)](x, 9)
    self.assertEqual((k._seen(), x[0]), (1, 9))

  def test_wrong_plans(self):
    make = _base.native.Plan
    good = [1, ((5, 0, 0, "a", False),), 8, 0, False, 1, 1, print]
    make(*good)
    for place, bad in ((0, 0), (1, ((5, 6, 0, "a", False),)), (1, ((15, 0, 9, "a", False),)), (1, ((5, 0),)), (2, -1),
                       (5, 0), (7, None)):
      arguments = list(good)
      arguments[place] = bad
      with self.assertRaises((ValueError, TypeError), msg=(place, bad)):
        make(*arguments)

  def test_keys_are_as_fine_as_pythons(self):
    """What Python compiles separately, the extension tells apart: a kernel that says how it was specialised."""
    @tessera.jit
    def k(x, a, b):
      tl.store(x, 0)
    x = np.zeros(8, np.int32)
    values = [0, 1, 5, 16, 2**31, 2**33 + 1, 2**63, 2**63 + 5, -1, -16, True, False, 1.0, 0.5, None, (1, 2), (1,), (2, 2),
              (16, (3,)), np.int64(1), np.float32(1), x, x[1:], x.view(np.float32), tl.float16]
    knobs.tessera.device = "null"
    try:
      order = [(a, b) for a in values for b in values]
      random.Random(2).shuffle(order)
      expected = []
      for a, b in order:
        try:
          expected.append(k.warmup(x, a, b, grid=(1,)))
        except (tessera.CompilationError, tessera.Error) as error:
          expected.append(type(error))
      for _ in range(2):
        for (a, b), kernel in zip(order, expected):
          if isinstance(kernel, type):
            with self.assertRaises(kernel):
              k[(1,)](x, a, b)
          else:
            self.assertIs(k[(1,)](x, a, b), kernel, (a, b))
    finally:
      del knobs.tessera.device


if __name__ == "__main__":
  unittest.main()
