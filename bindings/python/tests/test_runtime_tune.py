# SPDX-License-Identifier: MIT
"""autotune and heuristics; compile of sources and files; knobs; cache managers."""
import contextlib
import io
import os
import tempfile
import unittest

import numpy as np

import tessera
import tessera.language as tl
from tessera import knobs
from tessera.compiler import ASTSource, GPUTarget, IRSource
from tessera.runtime import errors
from test_runtime_jit import Fresh


def plain_bench(call, quantiles):
  """As slow as the block is large, whatever the machine does."""
  call()
  return [plain_bench.times.pop(0)] * 3


def tuned(configs, key=("n",), **options):
  @tessera.autotune(configs=configs, key=list(key), do_bench=plain_bench, **options)
  @tessera.jit
  def add_to(x, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(x + i, tl.load(x + i, i < n) + 1, i < n)
  return add_to


def blocks(*sizes, **options):
  return [tessera.Config({"BLOCK": size}, **options) for size in sizes]


class Autotuning(Fresh):

  def launch(self, kernel, x, n):
    kernel[lambda meta: (tessera.cdiv(n, meta["BLOCK"]),)](x, n)

  def test_best_and_key(self):
    kernel = tuned(blocks(8, 16, 32), restore_value=["x"])
    x = np.zeros(64, np.float32)
    plain_bench.times = [3, 1, 2]
    self.launch(kernel, x, 40)
    self.assertEqual(kernel.best_config.kwargs, {"BLOCK": 16})
    self.assertEqual(x.tolist(), [1] * 40 + [0] * 24)
    self.launch(kernel, x, 40)
    self.assertEqual(x[0], 2)
    plain_bench.times = [1, 2, 3]
    self.launch(kernel, x, 41)
    self.assertEqual(kernel.best_config.kwargs, {"BLOCK": 8})
    plain_bench.times = [1, 2, 3]
    self.launch(kernel, x.astype(np.float64), 40)
    self.assertEqual(len(kernel.cache), 3)
    self.assertEqual(len(kernel.configs_timings), 3)

  def test_reset_to_zero(self):
    kernel = tuned(blocks(8, 16), reset_to_zero=["x"])
    x = np.full(16, 5, np.float32)
    plain_bench.times = [1, 2]
    self.launch(kernel, x, 16)
    self.assertEqual(x.tolist(), [1] * 16)

  def test_hooks(self):
    seen = []
    kernel = tuned(blocks(8, 16, pre_hook=lambda args: seen.append(args["BLOCK"])),
                   pre_hook=lambda args, reset_only=False: seen.append("pre"),
                   post_hook=lambda args, exception: seen.append("post"))
    plain_bench.times = [1, 2]
    self.launch(kernel, np.zeros(16, np.float32), 16)
    self.assertEqual(seen, [8, "pre", "post", 16, "pre", "post", "pre", 8])

  def test_prune(self):
    x = np.zeros(16, np.float32)
    kernel = tuned(blocks(8, 16, 32), prune_configs_by={"early_config_prune": lambda configs, args, **kw: configs[1:2]})
    self.launch(kernel, x, 16)
    self.assertEqual(kernel.best_config.kwargs, {"BLOCK": 16})
    kernel = tuned(blocks(8, 16, 32), prune_configs_by={"perf_model": lambda **kw: -kw["BLOCK"], "top_k": 0.7})
    plain_bench.times = [1, 2]
    self.launch(kernel, x, 16)
    self.assertEqual([c.kwargs["BLOCK"] for c in kernel.configs_timings], [32, 16])
    kernel = tuned(blocks(8, 16), prune_configs_by={"early_config_prune": lambda configs, args, **kw: []})
    with self.assertRaisesRegex(errors.AutotunerError, "at least one config"):
      self.launch(kernel, x, 16)

  def test_failures_lose(self):
    @tessera.autotune(configs=blocks(3, 8), key=["n"], do_bench=plain_bench)
    @tessera.jit
    def k(x, n, BLOCK: tl.constexpr):
      tl.static_assert(BLOCK == 8)
      tl.store(x, BLOCK)
    x = np.zeros(1, np.float32)
    plain_bench.times = [1, 1]
    k[(1,)](x, 5)
    self.assertEqual(x[0], 8)

  def test_wrong_use(self):
    for wrong in (dict(key=["nothing"]), dict(reset_to_zero=["nothing"]), dict(restore_value=["nothing"])):
      with self.assertRaisesRegex(ValueError, "no argument of the kernel: nothing"):
        tuned(blocks(8), **wrong)
    kernel = tuned(blocks(8, 16))
    plain_bench.times = [1, 2]
    with self.assertRaisesRegex(ValueError, "Conflicting meta-parameters: BLOCK"):
      kernel[(1,)](np.zeros(16, np.float32), 16, BLOCK=8)

  def test_results_on_disk(self):
    told = []
    knobs.autotuning.listener = lambda **info: told.append(info)
    for times in ([2, 1], []):
      kernel = tuned(blocks(8, 16), cache_results=True)
      plain_bench.times = times
      self.launch(kernel, np.zeros(16, np.float32), 16)
      self.assertEqual(kernel.best_config.kwargs, {"BLOCK": 16})
    self.assertEqual([info["cache_hit"] for info in told], [False, True])
    self.assertIsNone(told[1]["duration"])

  def test_knobs_cut_short_and_say_so(self):
    knobs.tessera.autotune_configs = 2
    kernel = tuned(blocks(4, 8, 16, 32))
    plain_bench.times = [2, 1]
    text = io.StringIO()
    with contextlib.redirect_stderr(text):
      self.launch(kernel, np.zeros(16, np.float32), 16)
    self.assertEqual([c.kwargs["BLOCK"] for c in kernel.configs_timings], [4, 16])
    self.assertIn("autotuning of add_to: 2 of 4 configurations tried", text.getvalue())

  def test_threads(self):
    import threading
    kernel, errors = tuned(blocks(8, 16)), []
    plain_bench.times = [1, 2, 1, 2, 1, 2]

    def work(number):
      try:
        x = np.zeros(64, np.float32)
        for i in range(60):
          self.launch(kernel, x, 33 + i % 3)
      except BaseException as error:
        errors.append(error)
    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
      thread.start()
    for thread in threads:
      thread.join()
    self.assertEqual(errors, [])
    self.assertEqual(len(kernel.cache), 3)

  def test_heuristics(self):
    @tessera.heuristics({"BLOCK": lambda args: 8 if args["n"] < 10 else 16, "TWICE": lambda args: 2 * args["BLOCK"]})
    @tessera.jit
    def k(x, n, BLOCK: tl.constexpr, TWICE: tl.constexpr):
      tl.store(x, BLOCK * 100 + TWICE)
    x = np.zeros(1, np.int32)
    for n, result in ((5, 816), (50, 1632)):
      k[(1,)](x, n)
      self.assertEqual(x[0], result)

  def test_config(self):
    config = tessera.Config({"A": 1}, num_warps=8, maxnreg=64)
    self.assertEqual(config.all_kwargs(), {"A": 1, "num_warps": 8, "num_ctas": 1, "num_stages": 3, "maxnreg": 64})
    self.assertEqual(config, tessera.Config({"A": 1}, num_warps=8, maxnreg=64))
    self.assertNotEqual(str(config), str(tessera.Config({"A": 1}, num_warps=8)))


@tessera.jit
def store(x, v, K: tl.constexpr):
  tl.store(x, v + K)


TEXT = """module {
  tt.func public @store_it(%x: !tt.ptr<f32>, %v: f32) {
    tt.store %x, %v : !tt.ptr<f32>
    tt.return
  }
}
"""


class Compiling(Fresh):

  def test_function(self):
    src = ASTSource(store, {"x": "*fp32", "v": "i32", "K": "constexpr"}, {"K": 4}, {(0,): [["tt.divisibility", 16]]})
    kernel = tessera.compile(src)
    self.assertIn("%x: !tt.ptr<f32> {tt.divisibility = 16 : i32}", kernel.asm["source"])
    x = np.zeros(1, np.float32)
    kernel[(1,)](x, 3, 4)
    self.assertEqual(x[0], 7)
    self.assertEqual(len(kernel.hash), 64)
    with self.assertRaisesRegex(ValueError, "nothing for argument 'v'"):
      ASTSource(store, {"x": "*fp32", "K": "constexpr"}, {"K": 4})

  def test_for_a_gpu_without_one(self):
    src = ASTSource(store, {"x": "*fp32", "v": "i32", "K": "constexpr"}, {"K": 4})
    kernel = tessera.compile(src, target=GPUTarget("cuda", 90, 32), options={"num_warps": 2})
    self.assertIn(".entry store", kernel.asm["ptx"])
    self.assertEqual((kernel.metadata.num_warps, kernel.metadata.target.arch), (2, 90))
    self.assertIn("ttgir", kernel.asm)

  def test_file(self):
    path = os.path.join(self.folder.name, "it.ttir")
    with open(path, "w") as file:
      file.write(TEXT)
    for given in (path, IRSource(path)):
      kernel = tessera.compile(given)
      self.assertEqual(kernel.src.signature, {0: "*fp32", 1: "fp32"})
      x = np.zeros(1, np.float32)
      kernel[(1,)](x, 2.5)
      self.assertEqual(x[0], 2.5)
      self.assertEqual(kernel.name, "store_it")
    with self.assertRaises(NotImplementedError):
      tessera.compile(os.path.join(self.folder.name, "it.ptx"))
    with self.assertRaises(TypeError):
      tessera.compile(5)
    with open(path, "w") as file:
      file.write("module {")
    with self.assertRaises(tessera.Error):
      tessera.compile(path)

  def test_override(self):
    path = os.path.join(self.folder.name, "it.ttir")
    with open(path, "w") as file:
      file.write(TEXT.replace("%v : !tt", "%c : !tt").replace("    tt.store", "    %c = arith.constant 9.0 : f32\n    tt.store")
                 .replace("%v: f32", "%v: i32"))
    x = np.zeros(1, np.float32)
    store[(1,)](x, 3, 4, ir_override=path)
    self.assertEqual(x[0], 9)
    store[(1,)](x, 3, 4)
    self.assertEqual(x[0], 7)

  def test_dump(self):
    knobs.compilation.dump_ir = True
    knobs.cache.dump_dir = os.path.join(self.folder.name, "dump")
    store.device_caches.clear()
    kernel = store[(1,)](np.zeros(1, np.float32), 3, 4)
    folder = os.path.join(self.folder.name, "dump", kernel.src.hash())
    self.assertLessEqual({"store.source", "store.ttir", "store.llir", "store.asm"}, set(os.listdir(folder)))

  def test_async(self):
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(2) as pool, tessera.AsyncCompileMode(pool):
      futures = [store.warmup(np.zeros(1, np.float32), 3, K, grid=(1,)) for K in (50, 51, 50)]
      self.assertIs(futures[0], futures[2])
      x = np.zeros(1, np.float32)
      store[(1,)](x, 3, 51)
      self.assertEqual(x[0], 54)

  def test_target_is_checked(self):
    with self.assertRaises(TypeError):
      tessera.compile(ASTSource(store, {"x": "*fp32", "v": "i32", "K": "constexpr"}, {"K": 4}), target="cuda")
    with self.assertRaises(RuntimeError):
      tessera.compile(ASTSource(store, {"x": "*fp32", "v": "i32", "K": "constexpr"}, {"K": 4}),
                      target=GPUTarget("hip", "gfx942", 64))


class Knobs(Fresh):

  def test_environment(self):
    os.environ["TRITON_DEBUG"] = "on"
    self.assertIs(knobs.runtime.debug, True)
    knobs.runtime.debug = False
    self.assertEqual(os.environ["TRITON_DEBUG"], "0")
    del knobs.runtime.debug
    self.assertIs(knobs.runtime.debug, False)
    os.environ["TRITON_DEBUG"] = "perhaps"
    with self.assertRaisesRegex(ValueError, "TRITON_DEBUG='perhaps'"):
      knobs.runtime.debug
    del os.environ["TRITON_DEBUG"]

  def test_scope(self):
    before = knobs.autotuning.print
    with knobs.autotuning.scope():
      knobs.autotuning.print = not before
      self.assertEqual(knobs.autotuning.print, not before)
    self.assertEqual(knobs.autotuning.print, before)

  def test_unknown(self):
    with self.assertRaises(AttributeError):
      knobs.runtime.no_such_knob = 1

  def test_table(self):
    names = [(row[0], row[1]) for row in knobs.TABLE]
    self.assertEqual(len(names), len(set(names)))
    for group, name in names:
      getattr(getattr(knobs, group), name)


class Caches(Fresh):

  def test_files(self):
    from tessera.runtime.cache import FileCacheManager, get_cache_manager
    manager = FileCacheManager("key")
    path = manager.put("{}", "a.json", binary=False)
    other = manager.put(b"bytes", "a.bin")
    self.assertEqual(manager.get_file("a.json"), path)
    self.assertIsNone(manager.get_file("b"))
    manager.put_group("a.json", {"a.json": path, "a.bin": other})
    self.assertEqual(manager.get_group("a.json"), {"a.json": path, "a.bin": other})
    os.remove(other)
    self.assertIsNone(manager.get_group("a.json"))
    self.assertIsInstance(get_cache_manager("00ff"), FileCacheManager)

  def test_folder_of_triton(self):
    with tempfile.TemporaryDirectory() as folder:
      knobs.cache.dir = folder
      store.device_caches.clear()
      store[(1,)](np.zeros(1, np.float32), 3, 77)
      self.assertTrue(os.listdir(folder))


class Errors(unittest.TestCase):

  def test_texts(self):
    error = errors.OutOfResources(300, 200, "shared memory")
    self.assertIn("Required: 300, Hardware limit: 200", str(error))
    import pickle
    self.assertEqual(str(pickle.loads(pickle.dumps(error))), str(error))
    for kind in (errors.OutOfResources, errors.InterpreterError, errors.PTXASError, errors.AutotunerError):
      self.assertTrue(issubclass(kind, tessera.TritonError))


if __name__ == "__main__":
  unittest.main()
