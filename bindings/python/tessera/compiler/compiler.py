# SPDX-License-Identifier: MIT
"""`compile`: from a function's source or from IR text to a kernel that can be launched.

The front end gives a module of tile IR; everything after it (passes, code generation, cache, loading) is one call of the
session. What people look at (`asm`) is compiled again with its stages kept, when it is first asked for.
"""

import hashlib
import os
import sys
import threading
import time

from ..runtime import _device, _object, _store, _types
from ..runtime._device import GPUTarget
from . import options as _options

_NUMBERS = (int, float, bool)


# ---- sources ---------------------------------------------------------------------------------------------------------


class ASTSource:
  """A jit function with the types and values that it is compiled for.

  signature: name -> type ("*fp32", "i32", "constexpr", tuples of types); constexprs: name or path -> value; attrs:
  path -> [["tt.divisibility", 16]]. A path is (argument number, place in tuple, …).
  """

  ext = "ttir"

  def __init__(self, fn, signature, constexprs=None, attrs=None):
    self.fn = fn
    self.signature = dict(signature)
    for name, kind in self.signature.items():
      if not isinstance(name, str):
        raise TypeError("signature: names of arguments expected, got %r" % (name,))
    self.constants = {}
    for key, value in (constexprs or {}).items():
      if isinstance(key, str):
        key = (fn.arg_names.index(key),)
      self.constants[tuple(key)] = value
    self.attrs = dict(attrs or {})
    self.name = fn.__name__
    for index, name in enumerate(fn.arg_names[:len(fn.params)]):
      if name not in self.signature and (index,) not in self.constants and not fn.params[index].is_varargs:
        raise ValueError("signature: there is nothing for argument %r of %s" % (name, fn.__name__))

  @property
  def constexprs(self):
    return self.constants

  def hash(self):
    parts = [self.fn.cache_key, str(sorted((k, v) for k, v in self.attrs.items() if v)),
             str([(k, v) for k, v in self.signature.items()]),
             str(sorted((k, _value_text(v)) for k, v in self.constants.items()))]
    return hashlib.sha256("-".join(parts).encode("utf-8", "surrogatepass")).hexdigest()

  def make_ir(self, target, options, codegen_fns=None, module_map=None, context=None):
    """The module of tile IR, as the code generator gives it."""
    from . import code_generator
    return code_generator.generate(self.fn, self.signature, self.constants, self.attrs, options)

  def parse_options(self):
    return {}


def _value_text(value):
  if isinstance(value, tuple):
    return "%s(%s)" % (type(value).__qualname__, ", ".join(_value_text(item) for item in value))
  key = getattr(value, "cache_key", None)
  return key if isinstance(key, str) else _store.lasting("%s %r" % (type(value).__qualname__, value))


class IRSource:
  """A file of tile IR."""

  def __init__(self, path, context=None, backend=None):
    self.path = os.fspath(path)
    self.ext = self.path.rsplit(".", 1)[-1]
    if self.ext not in ("ttir", "tirbc", "mlir"):
      raise NotImplementedError("not implemented: compiling %r; tile IR (.ttir) is taken" % ("." + self.ext,))
    with open(self.path, "rb") as file:
      self.data = file.read()
    self.signature = {}
    self.name = None
    self.attrs = self.constants = {}
    self.fn = None

  @property
  def src(self):
    return self.data.decode("utf-8", "replace")

  def hash(self):
    return hashlib.sha256(self.ext.encode() + b"\0" + self.data).hexdigest()

  def make_ir(self, target, options, codegen_fns=None, module_map=None, context=None):
    return self.data

  def parse_options(self):
    return {}


class _TextSource(IRSource):
  """IR in memory that takes the place of what a function would give."""

  def __init__(self, data, origin):
    self.path, self.ext, self.data, self.name = origin, "ttir", data, None
    self.signature, self.attrs, self.constants, self.fn = {}, {}, {}, None


# ---- back ends, as far as users ask them -----------------------------------------------------------------------------


class Backend:
  """What options mean for a target."""

  def __init__(self, target):
    self.target = target
    self.binary_ext = {"cuda": "cubin", "cpu": "o"}.get(target.backend, "o")

  @staticmethod
  def supports_target(target):
    return target.backend in ("cuda", "cpu", "emu", "null")

  def hash(self):
    return "%s-%s" % (_device.target_text(self.target), _version())

  def parse_options(self, options):
    return _options.parse(self.target, dict(options))[0]

  def get_module_map(self):
    from ..language.extra import libdevice
    return {"triton.language.extra.libdevice": libdevice, "tessera.language.extra.libdevice": libdevice}

  def get_codegen_implementation(self, options):
    return {"min_dot_size": lambda lhs, rhs: (1, 1, 1)}

  def load_dialects(self, context):
    pass

  def pack_metadata(self, metadata):
    return (metadata.num_warps, metadata.num_ctas, metadata.shared)

  @staticmethod
  def parse_attr(key):
    return parse_attr(key)

  @staticmethod
  def get_int_specialization(arg, align=True, **kwargs):
    return "D" if align and arg % 16 == 0 else ""

  @staticmethod
  def get_tensor_specialization(arg, align=True, **kwargs):
    return "D" if align and arg.data_ptr() % 16 == 0 else ""


def parse_attr(key):
  """The argument attributes that a specialisation key stands for."""
  attributes = []
  if isinstance(key, str):
    if "D" in key:
      attributes.append(["tt.divisibility", 16])
    if "S" in key:
      attributes.append(["tt.pointer_range", 32])
  return attributes


def make_backend(target):
  if not Backend.supports_target(target):
    raise RuntimeError("there is no back end for %r: cpu, cuda and emu are there" % (target,))
  return Backend(target)


def _version():
  from .. import __version__
  return __version__


def max_shared_mem(device):
  from ..runtime import driver
  return driver.active.utils.get_device_properties(device)["max_shared_mem"]


# ---- results -------------------------------------------------------------------------------------------------------------


class CompileTimer:
  """A stop watch for CompileTimes."""

  def __init__(self):
    self.start = self.last = time.perf_counter()
    self.initialization = 0
    self.stages = []

  def _lap(self):
    now = time.perf_counter()
    lap, self.last = int((now - self.last) * 1e6), now
    return lap

  def finished_ir_initialization(self):
    self.initialization = self._lap()

  def stage_finished(self, name):
    self.stages.append((name, self._lap()))

  def end(self):
    from ..knobs import CompileTimes
    return CompileTimes(self.initialization, self.stages, self._lap() if self.stages else 0)


class LazyDict:
  """A dictionary whose rest is computed when somebody looks."""

  def __init__(self, data):
    self.data = data
    self.extras = []

  def get(self):
    for function, args in self.extras:
      self.data = {**self.data, **function(*args)}
    self.extras.clear()
    return self.data

  def add(self, function, args):
    self.extras.append((function, args))


class AsmDict(dict):
  """Stages by name; made when one is asked for: source ttir llir asm o, and ttgir ptx cubin sass for GPUs."""

  def __init__(self, kernel):
    super().__init__()
    self._kernel = kernel
    self._complete = False

  def _load(self):
    if not self._complete:
      self._complete = True
      for name, value in self._kernel._stages().items():
        super().setdefault(name, value)

  def __missing__(self, key):
    if key == "source":
      self["source"] = self._kernel.source_text()
      return self["source"]
    if not self._complete:
      self._load()
      if super().__contains__(key):
        return super().__getitem__(key)
    raise KeyError("%s (there are: %s)" % (key, ", ".join(sorted(["source", *super().keys()]))))

  def get(self, key, default=None):
    try:
      return self[key]
    except KeyError:
      return default

  def __contains__(self, key):
    self._load()
    return key == "source" or super().__contains__(key)

  def _all(self):
    self._load()
    self["source"]
    return super()

  def __iter__(self):
    return self._all().__iter__()

  def __len__(self):
    return self._all().__len__()

  def keys(self):
    return self._all().keys()

  def values(self):
    return self._all().values()

  def items(self):
    return self._all().items()


class _Metadata:
  """The metadata class of kernels with one set of fields; made once per set, since making one is slow."""

  kinds = {}

  @classmethod
  def make(cls, fields):
    names = tuple(sorted(fields))
    kind = cls.kinds.get(names)
    if kind is None:
      import collections
      kind = cls.kinds[names] = collections.namedtuple("KernelMetadata", names)
    return kind(**fields)


class CompiledKernel:
  """A compiled kernel: `kernel[grid](arguments)` launches it; compile-time arguments are given, too, and ignored."""

  def __init__(self, src, target, options, remarks, ir, hash, device, from_text):
    self.src = src
    self.target = target
    self.options = options
    self.remarks = list(remarks)
    self.ir = ir
    self.hash = hash
    self.device = device  # None: compiled for a device that is not here
    self.metadata_group = {}
    self.kernel = None
    self.module = None
    self.function = None
    self.plan = None
    self.asm = AsmDict(self)
    self._from_text = from_text
    self._held = None
    self._info = None
    self._arguments = None
    self._metadata = None
    self._usage = None
    self._run = None
    self._failed = None
    self._written = None
    self._lock = threading.RLock()
    self._pid = os.getpid()

  # ---- compiling ---------------------------------------------------------------------------------------------------
  def _params(self, flags=0):
    from .._raw import tkernels
    return tkernels.tkernels_get_params.init(
        source_name=self.src.path if isinstance(self.src, IRSource) else None, target=_device.target_text(self.target)
        if self.device is None else self.device.target, options=_options.library_text(self.target, self.options),
        flags=flags)

  def _session(self):
    device = self.device or _device.null_device()
    return device.session()

  def _compile(self):
    """The kernel object's bytes; compiled, or from the cache."""
    from .._raw import tkernels
    return _collect(self._session(), self.ir, self._params())

  def _load(self):
    """Compiles (or takes from the cache) and loads; afterwards the kernel can be launched."""
    if self.plan is not None:
      return
    with self._lock:
      if self.plan is not None:
        return
      if self._failed is not None:
        raise self._failed
      if self.device is None:
        raise RuntimeError("kernel %s was compiled for %r, and there is no such device here" % (self.name, self.target))
      from .._raw import ref, tkernels
      cell = ref()
      _check(self, tkernels.tkernels_session_get(self._session(), self.ir, len(self.ir), self._params(), cell))
      self._held = cell.value
      self.function = tkernels.tkernels_kernel_handle(self._held)
      self._info, self._arguments = _object.read_info(self.function)
      self.plan = _object.make_plan(self.function, self._arguments, self._info.params_size,
                                    self.device.default_stream if self.device.synchronous else 0,
                                    self.device.synchronous or self._waits())

  def _waits(self):
    """In debug mode a kernel with asserts is waited for on GPUs, too: its launch raises what they say."""
    return self.options.debug and self._info.message_count > 0

  def _init_handles(self):
    """Loads the kernel onto its device now."""
    if self.module is not None:
      return
    from .. import knobs
    hooks = knobs.runtime.kernel_load_start_hook or knobs.runtime.kernel_load_end_hook
    if hooks:
      knobs.runtime.kernel_load_start_hook(self.module, self.function, self.name, self.metadata_group, self.hash)
    self._load()
    if self.device.backend == "cuda":
      self._prepare()
    self.module = self._held
    if hooks:
      knobs.runtime.kernel_load_end_hook(self.module, self.function, self.name, self.metadata_group, self.hash)

  def _prepare(self):
    from .._raw import tdriver
    from ..runtime.errors import OutOfResources
    status = tdriver.tdriver_kernel_prepare(self.function)
    if status == tdriver.TDRIVER_LIMIT:
      limit = self.device.info.shared_bytes
      if self._info.shared_bytes > limit:
        self._failed = OutOfResources(self._info.shared_bytes, limit, "shared memory")
      elif self._info.threads > self.device.info.max_threads:
        self._failed = OutOfResources(self._info.threads, self.device.info.max_threads, "threads")
      else:
        self._failed = OutOfResources(self._info.threads, 0, tdriver.tdriver_last_message())
      raise self._failed
    from .._raw import check
    check(tdriver, status)

  @property
  def name(self):
    """The kernel's name in the IR."""
    return self._read().entry

  # ---- what it is ---------------------------------------------------------------------------------------------------
  def _read(self):
    if self._info is None:
      if self.device is not None:
        self._load()
      else:
        self._info, self._arguments = _object.read_object(self._compile())
    return self._info

  def _resources(self):
    """(registers of a thread, spilled bytes, most threads of a block)."""
    if self._usage is None:
      info = self._read()
      usage = (info.registers, info.spill_bytes, 1024)
      if self.device is not None and self.device.backend == "cuda":
        from .._raw import tdriver
        self._init_handles()
        found = tdriver.tdriver_kernel_usage.init()
        if tdriver.tdriver_kernel_get_usage(self.function, found) == 0:
          usage = (found.registers, found.local_bytes // 4, found.max_threads)
      # Programs divide by the number of registers to see how many blocks fit; a CPU kernel has no such number.
      self._usage = (usage[0] or 32, usage[1], usage[2])
    return self._usage

  @property
  def n_regs(self):
    return self._resources()[0] if self.module is not None else None

  @property
  def n_spills(self):
    return self._resources()[1] if self.module is not None else None

  @property
  def n_max_threads(self):
    return self._resources()[2] if self.module is not None else None

  @property
  def metadata(self):
    if self._metadata is None:
      info = self._read()
      fields = dict(self.options.__dict__)
      # One byte where there is none: programs divide by it (see _resources).
      shared = max(info.shared_bytes, 1)
      fields.update(hash=self.hash, target=self.target, triton_version="3.9.0", name=self.name, shared=shared,
                    tmem_size=0, global_scratch_size=0, global_scratch_align=1, profile_scratch_size=0,
                    profile_scratch_align=1, tensordesc_meta=None, threads_per_warp=self.target.warp_size,
                    warp_size=self.target.warp_size)
      self._metadata = _Metadata.make(fields)
    return self._metadata

  @property
  def packed_metadata(self):
    m = self.metadata
    return (m.num_warps, m.num_ctas, m.shared)

  def source_text(self):
    """The IR as the front end gave it."""
    if self._from_text:
      return bytes(self.ir).decode("utf-8", "replace")
    return _print_module(self.ir)

  def _stages(self):
    from .._raw import tkernels
    stages = _object.read_stages(_collect(self._session(), self.ir, self._params(tkernels.TKERNELS_GET_KEEP_STAGES)))
    return {name: data if name in ("o", "cubin", "hsaco") else data.decode("utf-8", "replace").rstrip("\0")
            for name, data in stages.items()}

  # ---- launching ---------------------------------------------------------------------------------------------------
  def launch_metadata(self, grid, stream, *args):
    from .. import knobs
    if not knobs.runtime.launch_enter_hook:
      return None
    self._init_handles()
    metadata = LazyDict({"name": self.name, "function": self.function, "stream": stream})
    extra = getattr(self.src.fn, "launch_metadata", None) if isinstance(self.src, ASTSource) else None
    if extra is not None:
      names = self.src.fn.arg_names
      metadata.add(extra, (grid, self.metadata, dict(zip(names, args))))
    return metadata

  @property
  def run(self):
    """launcher(x, y, z, stream, function, packed_metadata, launch_metadata, enter_hook, exit_hook, *args)"""
    if self._run is None:
      self._init_handles()

      def launcher(x, y, z, stream, function, packed_metadata, launch_metadata, enter_hook, exit_hook, *args):
        if enter_hook:
          enter_hook(launch_metadata)
        self.launch(x, y, z, stream, self._run_time_values(args))
        if exit_hook:
          exit_hook(launch_metadata)

      self._run = launcher
    return self._run

  def launch(self, x, y, z, stream, values):
    """Launches with the run-time values, flat; stream: the vendor's, an int."""
    plan = self.plan
    if plan is None or self.module is None:
      self._init_handles()
      plan = self.plan
    for index, value in enumerate(values):
      if type(value) not in _NUMBERS and _types.is_read_only(value):
        self._refuse_writing(index)
    plan.launch(x, y, z, 0 if self.device.synchronous else self.device.stream(stream), values)

  def _refuse_writing(self, index):
    """A read-only array was passed as run-time argument `index`: raises if the kernel may write to it."""
    arguments = [a for a in self._arguments if not a.constant]
    if index >= len(arguments) or not arguments[index].written:
      return
    if self._written is None:
      from ..runtime._written import written_arguments
      found = written_arguments(self.source_text(), self._info.entry)
      self._written = set(range(len(self._arguments))) if found is None else found
    if self._arguments.index(arguments[index]) in self._written:
      raise ValueError("argument %r of %s is a read-only array, and the kernel writes to it" %
                       (arguments[index].name, self._info.entry))

  def _run_time_values(self, args):
    if isinstance(self.src, ASTSource):
      kinds = list(self.src.signature.values())
      if len(args) != len(kinds):
        # Values of compile-time parameters may be left out.
        kinds = [k for k in kinds if k != "constexpr"]
      if len(args) != len(kinds):
        raise TypeError("%s takes %d arguments, got %d" % (self.name, len(self.src.signature), len(args)))
      out = []
      for value, kind in zip(args, kinds):
        _object.flatten(value, kind, out)
      return out
    return list(args)

  def __getitem__(self, grid):
    from ..runtime import _run
    sizes = _run.grid_sizes(grid, None)

    def runner(*args, stream=None):
      from .. import knobs
      if stream is None:
        stream = _run.current_stream(self.device)
      self._init_handles()
      values = self._run_time_values(args)
      enter, leave = knobs.runtime.launch_enter_hook, knobs.runtime.launch_exit_hook
      metadata = self.launch_metadata(sizes, stream, *args) if enter else None
      if enter:
        enter(metadata)
      self.launch(*sizes, stream, values)
      if leave:
        leave(metadata)

    return runner

  def __del__(self):
    held, self._held = getattr(self, "_held", None), None
    if held is None:
      return
    if self._pid != os.getpid() or sys.is_finalizing():
      return
    from .. import knobs
    if self.module is not None and knobs.runtime.kernel_unload_hook:
      knobs.runtime.kernel_unload_hook(self.module, self.function, self.name, self.metadata_group, self.hash)
    from .._raw import tkernels
    tkernels.tkernels_kernel_release(held)
    self.module = self.function = self.plan = None

  def __repr__(self):
    return "CompiledKernel(%s, %s)" % (self.name, _device.target_text(self.target))


# ---- the way through ------------------------------------------------------------------------------------------------------


def _check(kernel, status):
  if not status:
    return
  from .._raw import check, tkernels
  message = tkernels.tkernels_last_message()
  if status == tkernels.TKERNELS_LIMIT and "shared" in message:
    import re
    from ..runtime.errors import OutOfResources
    numbers = [int(n) for n in re.findall(r"\d+", message)]
    if len(numbers) >= 2:
      raise OutOfResources(max(numbers), min(numbers), "shared memory (%s)" % message)
  check(tkernels, status)


def _collect(session, ir, params):
  """The kernel object's bytes."""
  from .._raw import collect, tkernels
  return collect(tkernels, "tkernels_session_compile", session, ir, len(ir), params, None)


def _print_module(data):
  from .._raw import check, collect, ref, tir
  context, module = ref(), ref()
  check(tir, tir.tir_context_create(None, context))
  try:
    check(tir, tir.tir_module_load(context.value, data, len(data), "source", module))
    try:
      return collect(tir, "tir_module_print", module.value, None).decode("utf-8", "replace")
    finally:
      tir.tir_module_destroy(module.value)
  finally:
    tir.tir_context_destroy(context.value)


def _module_bytes(module):
  """Bytecode of what the code generator gave: bytes, a module's handle, or an object that has one."""
  if isinstance(module, (bytes, bytearray)):
    return bytes(module)
  to_bytes = getattr(module, "bytecode", None)
  if to_bytes is not None:
    return to_bytes() if callable(to_bytes) else to_bytes
  handle = module if isinstance(module, int) else getattr(module, "module", module)
  from .._raw import collect, tir
  return collect(tir, "tir_module_write_bytecode", handle, None)


def _device_for(target):
  """The device that runs kernels of a target here, or None."""
  if target.backend in ("cpu", "emu", "null"):
    host = _device.host_device()
    if host.gpu_target == target or _device.target_text(target) == host.target:
      return host
    return _device.open_device("cpu") if target.backend == "cpu" else None
  if target.backend == "cuda":
    try:
      device = _device.open_device("cuda:0")
    except Exception:
      return None
    return device if device.gpu_target == target else None
  return None


def _note(remarks):
  if not remarks:
    return
  from .. import knobs
  if knobs.tessera.remarks:
    for remark in remarks:
      print("tessera: remark: " + remark, file=sys.stderr)
  else:
    import logging
    log = logging.getLogger("tessera")
    for remark in remarks:
      log.info("%s", remark)


def compile(src, target=None, options=None, _env_vars=None, _device_hint=None, _load=False):
  """Compiles an ASTSource, an IRSource or a file's path; gives a CompiledKernel.

  target: a GPUTarget, by default that of the active device. options: a dictionary of launch options."""
  from .. import knobs
  timer = CompileTimer()
  if not isinstance(src, (ASTSource, IRSource)):
    if not isinstance(src, (str, os.PathLike)):
      raise TypeError("source must be an ASTSource, an IRSource or the path of a file with IR, not %s" %
                      type(src).__name__)
    src = IRSource(src)
  device = _device_hint
  if target is None:
    if device is None:
      from ..runtime import driver
      target = driver.active.get_current_target()
    else:
      target = device.gpu_target
  if not isinstance(target, GPUTarget):
    if all(hasattr(target, name) for name in ("backend", "arch", "warp_size")):
      target = GPUTarget(target.backend, target.arch, target.warp_size)
    else:
      raise TypeError("target must be a GPUTarget, not %s" % type(target).__name__)
  make_backend(target)
  if device is None:
    device = _device_for(target)
  given = options.__dict__ if isinstance(options, _options.Options) else dict(options or {})
  if isinstance(options, _options.Options):
    parsed, remarks = options, []
  else:
    parsed, remarks = _options.parse(target, {**src.parse_options(), **given})
  override = parsed.ir_override or _override_file(src)
  origin = src
  if override:
    if not str(override).endswith(".ttir"):
      raise NotImplementedError("not implemented: replacing the stage of %s; .ttir files are taken" % override)
    with open(override, "rb") as file:
      origin = _TextSource(file.read(), str(override))
  key = hashlib.sha256("-".join([_version(), origin.hash() if override else src.hash(), src.hash(),
                                 _device.target_text(target), parsed.hash()]).encode()).hexdigest()
  from_text = isinstance(origin, IRSource)
  ir, hit = _front_end(origin, target, parsed, key)
  timer.finished_ir_initialization()
  kernel = CompiledKernel(src, target, parsed, remarks, ir, key, device, from_text)
  if _load and device is not None:
    kernel._load()
  else:
    kernel._compile()
  if not hit:
    timer.stage_finished("compile")
  if isinstance(src, IRSource) and not src.signature:
    kernel._read()
    src.signature = {i: a.type_name for i, a in enumerate(kernel._arguments)}
    src.name = kernel.name
  _note(remarks)
  if knobs.compilation.dump_ir:
    _dump(kernel)
  listener = knobs.compilation.listener
  if listener:
    listener(src=src, metadata=kernel.metadata._asdict(), metadata_group=kernel.metadata_group, times=timer.end(),
             cache_hit=hit)
  return kernel


def _front_end(src, target, options, key):
  """(IR as bytes, whether they were in the cache) of a source."""
  if isinstance(src, IRSource):
    return src.make_ir(target, options), False
  from .. import knobs
  c = knobs.compilation
  text = repr([key, src.fn._fn_name, src.fn.fn.__code__.co_filename, c.allow_non_constexpr_globals, c.disable_line_info,
               c.use_ir_loc])
  found = None if c.always_compile else _store.get("python-ir", text)
  if found is not None:
    return found, True
  data = _module_bytes(src.make_ir(target, options))
  if not c.always_compile:
    _store.put("python-ir", text, data)
  return data, False


def _override_file(src):
  from .. import knobs
  if not knobs.compilation.override:
    return None
  path = os.path.join(os.fspath(knobs.cache.override_dir), src.hash(), "%s.ttir" % src.name)
  return path if os.path.exists(path) else None


def _dump(kernel):
  from .. import knobs
  folder = os.path.join(os.fspath(knobs.cache.dump_dir), kernel.src.hash())
  os.makedirs(folder, exist_ok=True)
  for stage, content in kernel.asm.items():
    with open(os.path.join(folder, "%s.%s" % (kernel.name[:150], stage)), "wb") as file:
      file.write(content if isinstance(content, bytes) else content.encode("utf-8"))
