# SPDX-License-Identifier: MIT
"""Launches on CUDA tensors: types, streams, graphs, descriptors, asserts. Skipped without PyTorch and a GPU."""
import os
import subprocess
import sys
import unittest

import tessera
import tessera.language as tl

try:
  import torch
except ImportError:
  raise unittest.SkipTest("skipped: no torch") from None
if not torch.cuda.is_available():
  raise unittest.SkipTest("skipped: no CUDA device")

from tessera.runtime import driver  # noqa: E402
from tessera.tools.tensor_descriptor import TensorDescriptor  # noqa: E402


@tessera.jit
def store(x, v):
  tl.store(x, v)


@tessera.jit
def add(x, y, z, n, BLOCK: tl.constexpr):
  i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
  tl.store(z + i, tl.load(x + i, i < n, 0.0) + tl.load(y + i, i < n, 0.0), i < n)


@tessera.jit
def copy_block(d, out, row, BLOCK: tl.constexpr):
  value = d.load([row, 0])
  i = tl.arange(0, BLOCK)
  tl.store(out + i[:, None] * BLOCK + i[None, :], value)


def three(n):
  return torch.rand(n, device="cuda"), torch.rand(n, device="cuda"), torch.zeros(n, device="cuda")


class Cuda(unittest.TestCase):

  def test_types(self):
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int8, torch.uint8, torch.int16,
                  torch.int32, torch.int64):
      for _ in range(2):
        x = torch.zeros(3, dtype=dtype, device="cuda")
        store[(1,)](x, 7)
        store[(1,)](x[1:], 9)
        self.assertEqual(x.tolist(), [7, 9, 0], dtype)

  def test_results_and_resources(self):
    for n in (1, 1000, 98432, 1 << 20):
      x, y, z = three(n)
      kernel = add[lambda meta: (tessera.cdiv(n, meta["BLOCK"]),)](x, y, z, n, BLOCK=1024)
      self.assertTrue(torch.equal(z, x + y))
    self.assertGreater(kernel.n_regs, 0)
    self.assertEqual(kernel.n_spills, 0)
    self.assertIn("ptx", kernel.asm)
    self.assertEqual(kernel.metadata.target.backend, "cuda")

  def test_streams(self):
    stream, n = torch.cuda.Stream(), 1 << 24
    x, y, z = three(n)
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
      for _ in range(5):
        add[(n // 1024,)](x, y, z, n, BLOCK=1024)
      twice = z * 2
    stream.synchronize()
    self.assertTrue(torch.equal(twice, (x + y) * 2))

  def test_graph(self):
    x, y, z = three(4096)
    add[(4,)](x, y, z, 4096, BLOCK=1024)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
      add[(4,)](x, y, z, 4096, BLOCK=1024)
    z.zero_()
    x.fill_(2)
    graph.replay()
    torch.cuda.synchronize()
    self.assertTrue(torch.equal(z, x + y))

  def test_devices(self):
    x = torch.zeros(4, device="cuda")
    with self.assertRaisesRegex(ValueError, "x on cuda:0, y on cpu"):
      add[(1,)](x, torch.zeros(4), x, 4, BLOCK=4)
    host = torch.zeros(4)
    store[(1,)](host, 3.5)
    self.assertEqual(host[0], 3.5)
    for index in (None, 0, "cuda:0", torch.device("cuda", 0)):
      self.assertGreater(driver.active.utils.get_device_properties(index)["multiprocessor_count"], 1)

  def test_interface(self):
    class Array:
      def __init__(self, tensor):
        self.__cuda_array_interface__ = tensor.__cuda_array_interface__
    x = torch.zeros(4, device="cuda")
    for value in (2.5, 3.5):
      store[(1,)](Array(x), value)
      self.assertEqual(x[0].item(), value)

  def test_autotune(self):
    tuned = tessera.autotune(configs=[tessera.Config({"BLOCK": b}, num_warps=w) for b in (256, 1024) for w in (2, 4)],
                             key=["n"])(add)
    n = 1 << 20
    x, y, z = three(n)
    tuned[lambda meta: (tessera.cdiv(n, meta["BLOCK"]),)](x, y, z, n)
    self.assertTrue(torch.equal(z, x + y))
    self.assertEqual(len(tuned.configs_timings), 4)

  def test_descriptor(self):
    x = torch.arange(64 * 32, dtype=torch.float32, device="cuda").reshape(64, 32)
    for row in (8, 8, 50):
      out, expected = torch.zeros(16, 16, device="cuda"), torch.zeros(16, 16, device="cuda")
      copy_block[(1,)](TensorDescriptor.from_tensor(x, [16, 16]), out, row, BLOCK=16)
      part = x[row:row + 16, :16]
      expected[:part.shape[0]] = part
      self.assertTrue(torch.equal(out, expected))

  def test_assert(self):
    """In a process of its own: a trap ends the context."""
    code = """
import torch, tessera, tessera.language as tl
from test_runtime_cuda import checked
try:
  checked[(3,)](torch.zeros(1, dtype=torch.int32, device="cuda"), 2, debug=True)
except tessera.Error as error:
  print(error)
"""
    folder = os.path.dirname(os.path.abspath(__file__))
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder,
                           env={**os.environ, "PYTHONPATH": os.pathsep.join([folder] + [p for p in sys.path if p])})
    self.assertRegex(found.stdout, r"checked: assertion failed: out of bounds, in program \(2, 0, 0\)", found.stderr)


@tessera.jit
def checked(x, n):
  tl.device_assert(tl.program_id(0) < n, "out of bounds")
  tl.store(x, n)


if __name__ == "__main__":
  unittest.main()
