# SPDX-License-Identifier: MIT
"""jit functions: binding, specialisation, caches, dependencies, hooks, errors. Arrays are numpy's; with torch the cases of
test_runtime_launch.py say more."""
import collections
import gc
import os
import subprocess
import sys
import tempfile
import unittest

import numpy as np

import tessera
import tessera.language as tl
from tessera import knobs
from tessera.runtime import _types
from tessera.runtime.jit import MockTensor

GLOBAL = tl.constexpr(3)
PLAIN = 5


@tessera.jit
def add_one(v):
  return v + 1


@tessera.jit
def store(x, v):
  tl.store(x, v)


@tessera.jit
def store_global(x):
  tl.store(x, GLOBAL)


@tessera.jit
def facts(x, n, m, BLOCK: tl.constexpr):
  tl.store(x, add_one(n) + m)


@tessera.jit(do_not_specialize=["n"], do_not_specialize_on_alignment=["m"])
def no_facts(x, n, m):
  tl.store(x, n + m)


@tessera.jit
def defaults(x, n=7, *, K: tl.constexpr = 2, scale=3):
  tl.store(x, n * K * scale)


@tessera.jit
def with_warps(x, num_warps: tl.constexpr):
  tl.store(x, num_warps)


def count(function):
  return len(function.device_caches[0][0])


class Fresh(unittest.TestCase):
  """Cases with a cache folder and knobs of their own."""

  def setUp(self):
    self.folder = tempfile.TemporaryDirectory()
    self.addCleanup(self.folder.cleanup)
    for group in (knobs.cache, knobs.runtime, knobs.compilation, knobs.tessera, knobs.autotuning):
      scope = group.scope()
      scope.__enter__()
      self.addCleanup(scope.__exit__, None, None, None)
    knobs.cache.dir = self.folder.name


class Functions(unittest.TestCase):

  def test_description(self):
    self.assertEqual(facts.arg_names, ["x", "n", "m", "BLOCK"])
    self.assertEqual(facts.constexprs, [3])
    self.assertTrue(facts.src.startswith("def facts(x, n, m, BLOCK: tl.constexpr):"))
    self.assertEqual(facts.starting_line_number + 1, facts.def_line)
    self.assertEqual(facts.__name__, "facts")
    self.assertTrue(defaults.params[2].is_keyword_only)
    self.assertEqual(defaults.params[1].default, 7)
    self.assertFalse(facts.params[0].has_default)

  def test_annotations(self):
    @tessera.jit
    def k(a: tl.int64, b: "i16", c: tl.const, d: "tl.constexpr", e: "torch.float32", f: int):
      pass
    self.assertEqual([p.annotation_type for p in k.params], ["i64", "i16", "", "", "fp32", ""])
    self.assertEqual([p.is_const for p in k.params], [False, False, True, False, False, False])
    self.assertEqual(k.constexprs, [3])

  def test_not_callable_outside(self):
    with self.assertRaisesRegex(RuntimeError, "outside of the scope of a kernel"):
      store(np.zeros(1), 1)

  def test_keywords_are_refused(self):
    with self.assertRaises(TypeError):
      @tessera.jit
      def k(x, **rest):
        pass

  def test_source_is_that_of_the_definition(self):
    with tempfile.TemporaryDirectory() as folder:
      path = os.path.join(folder, "module_of_a_test.py")
      text = "import tessera\nimport tessera.language as tl\n@tessera.jit\ndef k(x):\n  tl.store(x, 1)\n"
      with open(path, "w") as file:
        file.write(text)
      scope = {"__name__": "module_of_a_test"}
      exec(compile(text, path, "exec"), scope)
      with open(path, "w") as file:
        file.write("# something else\n" * 9)
      self.assertIn("tl.store(x, 1)", scope["k"].src)

  def test_no_source(self):
    scope = {"tessera": tessera, "__name__": "nowhere"}
    with self.assertRaisesRegex(ValueError, "Python file"):
      exec(compile("@tessera.jit\ndef k(x):\n  pass\n", "<nowhere>", "exec"), scope)

  def test_copies(self):
    import copy
    import pickle
    self.assertIs(copy.deepcopy([facts])[0], facts)
    self.assertIs(copy.copy(facts), facts)
    self.assertIs(pickle.loads(pickle.dumps(facts)), facts)

  def test_import_is_light(self):
    code = ("import sys; import tessera.runtime.jit; "
            "print([m for m in ('ctypes', 'ast', 'torch', 'inspect', 'tessera._raw') if m in sys.modules])")
    found = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True,
                           env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)})
    self.assertEqual(found.stdout.strip(), "[]", found.stderr)


class Specialising(unittest.TestCase):

  def test_values(self):
    spec = _types.specialize
    self.assertEqual(spec(None), ("constexpr", None))
    self.assertEqual(spec(True), ("u1", None))
    self.assertEqual(spec(1), ("constexpr", 1))
    self.assertEqual(spec(1, specialize_value=False), ("i32", None))
    self.assertEqual(spec(0), ("i32", "D"))
    self.assertEqual(spec(16, align=False), ("i32", ""))
    self.assertEqual(spec(2**31 - 1), ("i32", ""))
    self.assertEqual(spec(2**31), ("i64", "D"))
    self.assertEqual(spec(-2**31 - 1), ("i64", ""))
    self.assertEqual(spec(2**63 + 1), ("u64", ""))
    self.assertEqual(spec(2**64 - 16), ("u64", "D"))
    self.assertEqual(spec(1.0), ("fp32", None))
    self.assertEqual(spec(np.float64(2)), ("fp32", None))
    self.assertEqual(spec(np.int16(7)), ("i32", ""))
    self.assertEqual(spec(np.bool_(True)), ("u1", None))
    self.assertEqual(spec((1, 5, None)), (("constexpr", "i32", "constexpr"), (1, "", None)))
    with self.assertRaises(OverflowError):
      spec(2**64)
    with self.assertRaises(TypeError):
      spec("text")

  def test_named_tuples_keep_their_type(self):
    pair = collections.namedtuple("pair", ["x", "y"])
    kinds, keys = _types.specialize(pair(1, 2.0))
    self.assertEqual((kinds.x, kinds.y, keys.x), ("constexpr", "fp32", 1))

  def test_arrays(self):
    memory = np.zeros(64, np.uint8)
    offset = -memory.ctypes.data % 16
    for dtype, name in ((np.float32, "fp32"), (np.float16, "fp16"), (np.int8, "i8"), (np.uint64, "u64"),
                        (np.bool_, "u1"), (np.float64, "fp64")):
      aligned = memory[offset:offset + 16].view(dtype)
      self.assertEqual(_types.specialize(aligned), ("*" + name, "D"))
      self.assertEqual(_types.specialize(aligned, is_const=True), ("*k" + name, "D"))
    self.assertEqual(_types.specialize(memory[offset + 8:offset + 16].view(np.float32)), ("*fp32", ""))
    with self.assertRaisesRegex(TypeError, "complex64"):
      _types.specialize(np.zeros(1, np.complex64))
    with self.assertRaisesRegex(TypeError, "swapped"):
      _types.specialize(np.zeros(1, ">f4"))

  def test_mock(self):
    self.assertEqual(_types.specialize(MockTensor("torch.float16")), ("*fp16", "D"))

  def test_reinterpret(self):
    class Tensor:
      dtype, device, shape = "float32", None, [4]
      def data_ptr(self):
        return 64
    self.assertEqual(_types.specialize(tessera.reinterpret(Tensor(), tl.int8)), ("*i8", "D"))
    with self.assertRaises(TypeError):
      tessera.reinterpret(3, tl.int8)


class Launching(Fresh):

  def test_facts_make_kernels(self):
    x = np.zeros(1, np.int32)
    facts.device_caches.clear()
    for n, m, kernels in ((5, 6, 1), (7, 9, 1), (16, 9, 2), (0, 9, 2), (1, 9, 3), (2**33, 9, 4), (5, 16, 5)):
      facts[(1,)](x, n, m, BLOCK=1)
      self.assertEqual(x[0], np.int64(n + 1 + m).astype(np.int32))
      self.assertEqual(count(facts), kernels, (n, m))
    no_facts.device_caches.clear()
    for n, m, kernels in ((5, 6, 1), (1, 6, 1), (16, 6, 1), (16, 32, 1), (16, 1, 2)):
      no_facts[(1,)](x, n, m)
      self.assertEqual(x[0], n + m)
      self.assertEqual(count(no_facts), kernels, (n, m))

  def test_ways_to_call(self):
    x = np.zeros(1, np.int32)
    defaults[(1,)](x)
    self.assertEqual(x[0], 42)
    defaults[(1,)](x, 5, K=3)
    self.assertEqual(x[0], 45)
    defaults[(1,)](scale=1, n=5, x=x, K=4)
    self.assertEqual(x[0], 20)
    defaults[(1,)](n=1, x=x, **{"K": 4})
    self.assertEqual(x[0], 12)
    with self.assertRaisesRegex(TypeError, "multiple values for argument 'n'"):
      defaults[(1,)](x, 5, n=5)
    with self.assertRaisesRegex(TypeError, "missing 1 required positional argument: 'x'"):
      defaults[(1,)]()
    with self.assertRaisesRegex(TypeError, "takes from 1 to 2 positional arguments but 3"):
      defaults[(1,)](x, 5, 6)
    with self.assertRaisesRegex(KeyError, "nonsense is neither a parameter of the kernel nor an option"):
      defaults[(1,)](x, nonsense=3)
    for name in ("device", "device_type", "stream"):
      with self.assertRaisesRegex(ValueError, "deprecated"):
        defaults[(1,)](x, **{name: 0})
    with self.assertRaisesRegex(TypeError, "argument 'n'"):
      defaults[(1,)](x, "seven")

  def test_options(self):
    x = np.zeros(1, np.int32)
    with_warps[(1,)](x, num_warps=8)
    self.assertEqual(x[0], 8)
    kernel = with_warps[(1,)](x, num_warps=2)
    self.assertEqual((x[0], kernel.metadata.num_warps), (2, 2))
    kernel = store[(1,)](x, 5, num_warps=8, num_stages=2, matrix_instr_nonkdim=16, waves_per_eu=2)
    self.assertEqual(kernel.metadata.num_stages, 2)
    self.assertEqual(len([r for r in kernel.remarks if "matrix_instr_nonkdim" in r]), 1)
    with self.assertRaisesRegex(AssertionError, "power of 2"):
      store[(1,)](x, 5, num_warps=3)

  def test_grids(self):
    x = np.zeros(1, np.int32)
    for grid in ((1,), [1, 1], (1, 1, 1), lambda meta: (meta["BLOCK"],), lambda meta: [np.int64(1), True],
                 (np.int32(1),)):
      x[0] = 0
      facts[grid](x, 2, 3, BLOCK=1)
      self.assertEqual(x[0], 6)
    x[0] = 0
    for grid in ((0,), (1, 0), lambda meta: (1, 1, 0)):
      facts[grid](x, 2, 3, BLOCK=1)
      self.assertEqual(x[0], 0)
    for _ in range(2):
      for grid, kind in (((1, 1, 1, 1), ValueError), ((), ValueError), (1, TypeError), ((1.0,), TypeError),
                         ((-1,), ValueError), ((2**32,), ValueError), (lambda meta: 3, TypeError),
                         (lambda meta: meta["missing"], KeyError), ("x", TypeError)):
        with self.assertRaises(kind, msg=repr(grid)):
          facts[grid](x, 2, 3, BLOCK=1)

  def test_constexpr_values(self):
    @tessera.jit
    def kind(x, D: tl.constexpr):
      if D is None:
        tl.store(x, 1)
      elif D == tl.float16:
        tl.store(x, 2)
      elif D == "text":
        tl.store(x, 3)
      else:
        tl.store(x, 4)
    x = np.zeros(1, np.int32)
    for _ in range(2):
      for value, result in ((None, 1), (tl.float16, 2), ("text", 3), (tl.float32, 4)):
        kind[(1,)](x, value)
        self.assertEqual(x[0], result)
    self.assertEqual(count(kind), 4)

    @tessera.jit
    def value(x, V: tl.constexpr):
      tl.store(x, V)
    y = np.zeros(1, np.float64)
    for v in (1, True, 1.0, 0.5, 0, False, -0.0, 0.0):
      value[(1,)](y, v)
      self.assertEqual(str(y[0]), str(float(v)))
    self.assertEqual(count(value), 8)  # equal in Python, different kernels

  def test_functions_and_tuples_as_arguments(self):
    @tessera.jit
    def twice(v):
      return v * 2

    @tessera.jit
    def apply(x, f: tl.constexpr, args, g):
      tl.store(x, f(args[0]) + args[1][0] + g(1))
    x = np.zeros(1, np.int32)
    for _ in range(2):
      apply[(1,)](x, twice, (10, (5, None)), add_one)
      self.assertEqual(x[0], 27)
      apply[(1,)](x, add_one, (10, (5, 2.5)), twice)
      self.assertEqual(x[0], 18)
    self.assertEqual(count(apply), 2)

  def test_warmup(self):
    facts.device_caches.clear()
    kernel = facts.warmup(MockTensor(np.dtype("int32")), 5, 6, BLOCK=1, grid=(1,))
    self.assertEqual(kernel.name, "facts")
    self.assertIsNone(kernel.module)
    kernel._init_handles()
    self.assertIsNotNone(kernel.module)
    self.assertGreater(kernel.n_regs, 0)
    self.assertEqual(kernel.n_spills, 0)
    self.assertGreater(kernel.metadata.shared, 0)
    x = np.zeros(1, np.int32)
    kernel[(1, 1, 1)](x, 5, 6, 1)
    self.assertEqual(x[0], 12)
    kernel[(1,)](x, 8, 6)
    self.assertEqual(x[0], 15)
    with self.assertRaises(TypeError):
      kernel[(1,)](x)

  def test_stages(self):
    x = np.zeros(1, np.int32)
    kernel = store[(1,)](x, 5)
    self.assertIn("tt.store", kernel.asm["source"])
    self.assertIn("tt.func public @store", kernel.asm["ttir"])
    self.assertIn("define", kernel.asm["llir"])
    self.assertIsInstance(kernel.asm["o"], bytes)
    self.assertIn("asm", kernel.asm)
    with self.assertRaises(KeyError):
      kernel.asm["ptx"]

  def test_read_only(self):
    @tessera.jit
    def copy(source, target):
      tl.store(target, tl.load(source))
    source, target = np.ones(1, np.float32), np.zeros(1, np.float32)
    source.flags.writeable = False
    copy[(1,)](source, target)
    self.assertEqual(target[0], 1)
    target.flags.writeable = False
    with self.assertRaisesRegex(ValueError, "'target' of copy is a read-only array"):
      copy[(1,)](source, target)
    for _ in range(2):
      with self.assertRaisesRegex(ValueError, "read-only"):
        copy[(1,)](source, target.view(np.recarray))
    with tempfile.NamedTemporaryFile() as file:
      file.write(bytes(16))
      file.flush()
      memory = np.memmap(file.name, np.float32, "r")
      for _ in range(2):
        copy[(1,)](memory, np.zeros(1, np.float32))
        with self.assertRaisesRegex(ValueError, "read-only"):
          copy[(1,)](source, memory)

  def test_assert(self):
    @tessera.jit
    def check(x, n):
      tl.device_assert(tl.program_id(0) < n, "out of bounds")
      tl.store(x, n)
    x = np.zeros(1, np.int32)
    for _ in range(2):
      with self.assertRaisesRegex(tessera.Error, r"check: assertion failed: out of bounds, in program \(2, 0, 0\), "
                                                 r"at .*test_runtime_jit.py:\d+"):
        check[(3,)](x, 2, debug=True)
      check[(2,)](x, 2, debug=True)
      check[(3,)](x, 2)

  def test_compilation_errors(self):
    @tessera.jit
    def bad(x):
      tl.store(x, undefined_name)  # noqa: F821
    for _ in range(2):
      with self.assertRaises(tessera.CompilationError):
        bad[(1,)](np.zeros(1, np.int32))

  def test_disk_cache(self):
    x = np.zeros(1, np.int32)
    seen = []
    knobs.compilation.listener = lambda **told: seen.append(told)
    store.device_caches.clear()
    store[(1,)](x, 5)
    store.device_caches.clear()
    store[(1,)](x, 5)
    self.assertEqual([told["cache_hit"] for told in seen], [False, True])
    self.assertEqual(seen[1]["times"].total_lowering, 0)
    self.assertTrue(os.listdir(self.folder.name))


class Outside(Fresh):
  """Variables of outer scopes."""

  def test_changed_global(self):
    global GLOBAL
    x = np.zeros(1, np.int32)
    for _ in range(3):
      store_global[(1,)](x)
    self.assertEqual(x[0], 3)
    GLOBAL = tl.constexpr(4)
    try:
      with self.assertRaisesRegex(RuntimeError, "Global variable GLOBAL has changed since we compiled this kernel"):
        store_global[(1,)](x)
      GLOBAL = tl.constexpr(3)  # another object of the same value
      store_global[(1,)](x)
    finally:
      GLOBAL = tl.constexpr(3)

  def test_changed_in_place(self):
    value = tl.constexpr(42)

    @tessera.jit
    def closure(x):
      tl.store(x, value)
    x = np.zeros(1, np.int32)
    closure[(1,)](x)
    closure[(1,)](x)
    value.value = 43
    with self.assertRaisesRegex(RuntimeError, r"from constexpr\[42\] to constexpr\[43\]"):
      closure[(1,)](x)

  def test_keys(self):
    def make(number):
      inner_value = tl.constexpr(number)

      @tessera.jit
      def inner():
        return inner_value

      @tessera.jit
      def outer(x):
        tl.store(x, inner())
      return inner, outer
    first, second, third = make(1), make(2), make(1)
    self.assertNotEqual(first[1].cache_key, second[1].cache_key)
    self.assertEqual(first[1].cache_key, third[1].cache_key)
    before = first[1].cache_key
    first[0]._unsafe_update_src(first[0].src.replace("inner_value", "inner_value + 1"))
    first[1].hash = None
    self.assertNotEqual(first[1].cache_key, before)

  def test_defaults_and_attributes_are_in_keys(self):
    def make(value):
      class Settings:
        WIDTH = value

      @tessera.jit
      def inner(x, width=value):
        return x + width

      @tessera.jit
      def outer(x):
        return inner(x)

      @tessera.jit
      def attribute(x):
        return x + Settings.WIDTH
      return outer.cache_key, attribute.cache_key
    first, second, third = make(1), make(2), make(1)
    self.assertEqual(first, third)
    self.assertNotEqual(first[0], second[0])
    self.assertNotEqual(first[1], second[1])

  def test_changed_source_is_compiled(self):
    @tessera.jit
    def inner():
      return 1

    @tessera.jit
    def outer(x, F: tl.constexpr):
      tl.store(x, F())
    x = np.zeros(1, np.int32)
    outer[(1,)](x, inner)
    outer[(1,)](x, inner)
    self.assertEqual(x[0], 1)
    inner._unsafe_update_src(inner.src.replace("1", "2"))
    outer[(1,)](x, inner)
    self.assertEqual(x[0], 2)

  def test_plain_functions_are_refused(self):
    def plain():
      return 1

    @tessera.jit
    def k(x):
      tl.store(x, plain())
    with self.assertRaises((RuntimeError, tessera.CompilationError)):
      k.cache_key


class Hooks(Fresh):

  def test_cache_hooks(self):
    told = {}

    def before(**info):
      told["before"] = info

    def after(**info):
      told["after"] = info
    knobs.runtime.jit_cache_hook, knobs.runtime.jit_post_compile_hook = before, after
    store.device_caches.clear()
    store.warmup(MockTensor(np.dtype("int32")), 16, grid=(1,))
    self.assertEqual(told["before"]["compile"]["signature"], {"x": "*i32", "v": "i32"})
    self.assertEqual(told["before"]["compile"]["configs"], [{(0,): [["tt.divisibility", 16]],
                                                             (1,): [["tt.divisibility", 16]]}])
    self.assertTrue(told["after"]["compile"]["is_warmup"])
    self.assertIn(told["after"]["key"], store.device_caches[0][0])
    self.assertEqual(told["before"]["fn"].jit_function, store)
    data = told["before"]["compile"]["specialization_data"]
    store.device_caches.clear()
    kernel = store.preload(data)
    told.clear()
    self.assertIs(store.warmup(MockTensor(np.dtype("int32")), 16, grid=(1,)), kernel)
    self.assertEqual(told, {})
    with self.assertRaisesRegex(RuntimeError, "Specialization data is for"):
      facts.preload(data)

  def test_veto(self):
    knobs.runtime.jit_cache_hook = lambda **told: True
    store.device_caches.clear()
    x = np.zeros(1, np.int32)
    self.assertIsNone(store[(1,)](x, 5))
    self.assertEqual(x[0], 0)
    knobs.runtime.jit_cache_hook = None
    self.assertIsNotNone(store[(1,)](x, 5))
    self.assertEqual(x[0], 5)

  def test_launch_hooks(self):
    seen = []
    x = np.zeros(1, np.int32)
    store[(1,)](x, 5)
    store[(1,)](x, 5)
    enter = lambda data: seen.append(("enter", data.get()["name"]))  # noqa: E731
    leave = lambda data: seen.append(("exit", int(x[0])))  # noqa: E731
    knobs.runtime.launch_enter_hook.add(enter)
    knobs.runtime.launch_exit_hook.add(leave)
    store[(1,)](x, 6)
    store[(0,)](x, 7)
    self.assertEqual(seen, [("enter", "store"), ("exit", 6)])
    knobs.runtime.launch_enter_hook.remove(enter)
    knobs.runtime.launch_exit_hook.remove(leave)
    store[(1,)](x, 8)
    self.assertEqual((len(seen), x[0]), (2, 8))

  def test_pre_run_hook(self):
    @tessera.jit
    def add(x, v):
      tl.store(x, tl.load(x) + v)
    x = np.zeros(1, np.int32)
    add[(1,)](x, 5)
    add[(1,)](x, 5)
    add.add_pre_run_hook(lambda *args, **kwargs: args[0].fill(0))
    add[(1,)](x, 5)
    self.assertEqual(x[0], 5)

  def test_load_hooks(self):
    seen = []
    note = lambda *args: seen.append(args)  # noqa: E731
    knobs.runtime.kernel_load_start_hook.add(note)
    knobs.runtime.kernel_load_end_hook.add(note)
    unloaded = []
    knobs.runtime.kernel_unload_hook.add(lambda *args: unloaded.append(args[4]))

    @tessera.jit
    def k(x):
      tl.store(x, 1)
    k[(1,)](np.zeros(1, np.int32))
    self.assertEqual([args[4] for args in seen], [seen[0][4]] * 2)
    del k
    gc.collect()
    self.assertEqual(unloaded.count(seen[0][4]), 1)


if __name__ == "__main__":
  unittest.main()
