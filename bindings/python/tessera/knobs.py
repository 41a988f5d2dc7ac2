# SPDX-License-Identifier: MIT
"""Settings: `knobs.GROUP.NAME`, most of them an environment variable's value, read when they are asked for.

TABLE is the one list of them. Assigning sets a knob for this process (and its variable, for child processes, when
`propagate_env` is true); `del` goes back to the environment. Groups can be copied, reset, and changed for the time of a
`with group.scope():`.

Groups before `tessera` carry the names that Triton's users know. Those that steer parts which this package does not
have (Redis, ptxas dumps, AMD passes, profiler) keep their value and do nothing; PAGE says which.
"""

import os
import sys
import types

propagate_env = True

_TRUE = ("1", "y", "on", "yes", "true")
_FALSE = ("0", "n", "off", "no", "false", "")

# (group, name, kind, variable, default). Kinds: bool, optbool, str, optstr, int, optint, float, tool, class, plain, chain.
TABLE = [line.split(None, 4) for line in """
build          cc                      optstr   CC
build          cudacrt_path            optstr   TRITON_CUDACRT_PATH
build          cudart_path             optstr   TRITON_CUDART_PATH
build          impl                    plain    -
redis          key_format              str      TRITON_REDIS_KEY_FORMAT      triton:{key}:{filename}
redis          host                    str      TRITON_REDIS_HOST            localhost
redis          port                    int      TRITON_REDIS_PORT            6379
cache          home_dir                str      TRITON_HOME                  ~/
cache          dump_dir                path     TRITON_DUMP_DIR              dump
cache          override_dir            path     TRITON_OVERRIDE_DIR          override
cache          dir                     path     TRITON_CACHE_DIR             cache
cache          manager_class           class    TRITON_CACHE_MANAGER         tessera.runtime.cache:FileCacheManager
cache          remote_manager_class    class    TRITON_REMOTE_CACHE_BACKEND
compilation    override                bool     TRITON_KERNEL_OVERRIDE
compilation    dump_ir                 bool     TRITON_KERNEL_DUMP
compilation    dump_ir_extract_di_local_variables bool LLVM_EXTRACT_DI_LOCAL_VARIABLES
compilation    store_binary_only       bool     TRITON_STORE_BINARY_ONLY
compilation    always_compile          bool     TRITON_ALWAYS_COMPILE
compilation    use_ir_loc              optstr   USE_IR_LOC
compilation    enable_asan             bool     TRITON_ENABLE_ASAN
compilation    disable_line_info       bool     TRITON_DISABLE_LINE_INFO
compilation    front_end_debugging     bool     TRITON_FRONT_END_DEBUGGING
compilation    allow_non_constexpr_globals bool TRITON_ALLOW_NON_CONSTEXPR_GLOBALS
compilation    instrumentation_mode    str      TRITON_INSTRUMENTATION_MODE
compilation    listener                plain    -
autotuning     cache                   bool     TRITON_CACHE_AUTOTUNING
autotuning     print                   bool     TRITON_PRINT_AUTOTUNING
autotuning     listener                plain    -
runtime        interpret               bool     TRITON_INTERPRET
runtime        debug                   bool     TRITON_DEBUG
runtime        override_arch           optstr   TRITON_OVERRIDE_ARCH
runtime        launch_enter_hook       chain    -
runtime        launch_exit_hook        chain    -                            reversed
runtime        kernel_load_start_hook  chain    -
runtime        kernel_load_end_hook    chain    -                            reversed
runtime        kernel_unload_hook      chain    -
runtime        jit_cache_hook          plain    -
runtime        jit_post_compile_hook   plain    -
runtime        add_stages_inspection_hook plain -
language       fp32_default            optstr   TRITON_F32_DEFAULT
language       default_fp_fusion       optbool  TRITON_DEFAULT_FP_FUSION     1
language       force_disable_fp_fusion bool     TRITON_FORCE_DISABLE_FP_FUSION
nvidia         cuobjdump               tool     TRITON_CUOBJDUMP_PATH
nvidia         nvdisasm                tool     TRITON_NVDISASM_PATH
nvidia         ptxas                   tool     TRITON_PTXAS_PATH
nvidia         ptxas_blackwell         tool     TRITON_PTXAS_BLACKWELL_PATH
nvidia         dump_nvptx              bool     NVPTX_ENABLE_DUMP
nvidia         disable_ptxas_opt       bool     DISABLE_PTXAS_OPT
nvidia         ptxas_options           optstr   PTXAS_OPTIONS
nvidia         mock_ptx_version        optstr   TRITON_MOCK_PTX_VERSION
nvidia         dump_ptxas_log          bool     TRITON_DUMP_PTXAS_LOG
nvidia         libdevice_path          optstr   TRITON_LIBDEVICE_PATH
nvidia         libcuda_path            optstr   TRITON_LIBCUDA_PATH
amd            use_buffer_ops          bool     AMDGCN_USE_BUFFER_OPS        1
amd            use_buffer_atomics      bool     AMDGCN_USE_BUFFER_ATOMICS    1
amd            buffer_ops_analyze_small_tensor_range bool AMDGCN_ANALYZE_SMALL_TENSOR_RANGE
amd            dump_amdgcn             bool     AMDGCN_ENABLE_DUMP
amd            libhip_path             optstr   TRITON_LIBHIP_PATH
amd            use_block_pingpong      optbool  TRITON_HIP_USE_BLOCK_PINGPONG
amd            use_in_thread_transpose optbool  TRITON_HIP_USE_IN_THREAD_TRANSPOSE
amd            use_async_copy          optbool  TRITON_HIP_USE_ASYNC_COPY
amd            scalarize_packed_fops   bool     AMDGCN_SCALARIZE_PACKED_FOPS
amd            dump_mir                optstr   TRITON_DUMP_MIR
amd            swap_mir                optstr   TRITON_SWAP_MIR
amd            swap_mir_enable_misched bool     TRITON_SWAP_MIR_ENABLE_MISCHED
proton         disable                 bool     TRITON_PROTON_DISABLE
proton         cupti_lib_dir           optstr   TRITON_CUPTI_LIB_PATH
proton         cupti_lib_blackwell_dir optstr   TRITON_CUPTI_LIB_BLACKWELL_PATH
proton         profile_buffer_size     int      TRITON_PROFILE_BUFFER_SIZE   67108864
proton         profile_metric_buffer_size int   TRITON_PROFILE_METRIC_BUFFER_SIZE 67108864
proton         enable_nvtx             bool     TRITON_ENABLE_NVTX           1
proton         enable_hw_trace         bool     TRITON_ENABLE_HW_TRACE
tessera        device                  optstr   TESSERA_DEVICE
tessera        remarks                 bool     TESSERA_REMARKS
tessera        bench_points            optint   TESSERA_BENCH_POINTS
tessera        autotune_configs        optint   TESSERA_AUTOTUNE_CONFIGS
tessera        autotune_seconds        float    TESSERA_AUTOTUNE_SECONDS     0
""".strip().splitlines()]

# What the tessera group's knobs do, for `python -m tessera.knobs`.
PAGE = {
    "device": "device of kernels whose arguments lie in host memory: cpu (default), null, emu:90a",
    "remarks": "print what the compiler and the runtime remark, such as options that have no effect",
    "bench_points": "measure at most so many points of each benchmark (perf_report); says what it left out",
    "autotune_configs": "try at most so many configurations of each autotuned kernel; says what it left out",
    "autotune_seconds": "stop trying configurations of one autotuned kernel after so many seconds; says so",
}


def _home_folder(group, name):
  home = os.path.expanduser(str(cache.home_dir))
  return os.path.join(home, ".triton", name)


def _bump():
  jit_base = sys.modules.get("tessera.runtime._base")
  if jit_base is not None:
    jit_base.bump()


class HookChain:
  """Functions that are called one after the other."""

  def __init__(self, reversed=False):
    self.calls = []
    self.reversed = reversed

  def add(self, function):
    if function not in self.calls:
      self.calls.append(function)
      _bump()

  def remove(self, function):
    if function in self.calls:
      self.calls.remove(function)
      _bump()

  def __call__(self, *args, **kwargs):
    for function in self.calls[::-1] if self.reversed else list(self.calls):
      function(*args, **kwargs)

  def __bool__(self):
    return bool(self.calls)

  def copy(self):
    other = HookChain(self.reversed)
    other.calls = list(self.calls)
    return other


class CompileTimes:
  """Microseconds of the parts of one compilation."""

  def __init__(self, ir_initialization, lowering_stages, store_results=0):
    self.ir_initialization, self.lowering_stages, self.store_results = ir_initialization, lowering_stages, store_results

  @property
  def total_lowering(self):
    return sum(t for _, t in self.lowering_stages)

  @property
  def total(self):
    return self.ir_initialization + self.total_lowering + self.store_results


class Tool:
  """A program of the system; `path` and the version that it names."""

  def __init__(self, path):
    self.path = path

  @property
  def version(self):
    import re
    import subprocess
    text = subprocess.run([self.path, "--version"], capture_output=True, text=True).stdout
    found = re.search(r"release (\d+\.\d+)", text)
    return found.group(1) if found else ""

  @classmethod
  def from_path(cls, path):
    return cls(path) if path and os.path.exists(path) else None

  def __str__(self):
    return self.path


def _boolean(text, variable):
  word = text.strip().lower()
  if word in _TRUE:
    return True
  if word in _FALSE:
    return False
  raise ValueError("%s=%r is neither true (%s) nor false (%s)" % (variable, text, ", ".join(_TRUE), ", ".join(
      w for w in _FALSE if w)))


class Knob:
  """One row of the table, as an attribute of its group."""

  def __init__(self, group, name, kind, key, default=""):
    self.group, self.name, self.kind, self.default_text = group, name, kind, default
    self.key = "" if key == "-" else key

  def __get__(self, obj, objclass=None):
    if obj is None:
      return self
    values = obj.__dict__
    if self.name in values:
      return values[self.name]
    if self.kind == "chain":
      return values.setdefault(self.name, HookChain(self.default_text == "reversed"))
    if self.kind == "plain":
      return None
    text = os.environ.get(self.key)
    return self.default() if text is None else self.parse(text)

  def default(self):
    kind, text = self.kind, self.default_text
    if kind == "bool":
      return text in _TRUE
    if kind == "path":
      return _home_folder(self.group, text)
    if kind == "tool":
      import shutil
      name = self.name.replace("_blackwell", "")
      return Tool.from_path(shutil.which(name))
    if kind == "optbool":
      return text in _TRUE if text else None
    if not text and kind in ("optstr", "optint", "class"):
      return None
    return self.parse(text)

  def parse(self, text):
    kind = self.kind
    if kind in ("bool", "optbool"):
      return _boolean(text, self.key)
    if kind in ("int", "optint", "float"):
      try:
        return (float if kind == "float" else int)(text)
      except ValueError:
        raise ValueError("%s=%r is not a number" % (self.key, text)) from None
    if kind == "tool":
      return Tool.from_path(text)
    if kind == "class":
      import importlib
      module, _, name = text.partition(":")
      if module.startswith("triton."):
        module = "tessera." + module[len("triton."):]
      return getattr(importlib.import_module(module), name)
    return text

  def __set__(self, obj, value):
    obj.__dict__[self.name] = value
    if self.key and propagate_env:
      if value is None:
        os.environ.pop(self.key, None)
      elif isinstance(value, bool):
        os.environ[self.key] = "1" if value else "0"
      elif isinstance(value, (str, int, float, Tool)):
        os.environ[self.key] = str(value)
      elif isinstance(value, os.PathLike):
        os.environ[self.key] = os.fspath(value)
    _bump()

  def __delete__(self, obj):
    if obj.__dict__.pop(self.name, None) is not None and self.key and propagate_env:
      os.environ.pop(self.key, None)
    _bump()

  def is_set(self, obj):
    """Whether somebody said something: in this process or in the environment."""
    return self.name in obj.__dict__ or (bool(self.key) and self.key in os.environ)


class base_knobs:
  """A group of knobs."""

  knob_descriptors = {}

  @property
  def knobs(self):
    return {name: getattr(self, name) for name in self.knob_descriptors}

  def copy(self):
    other = type(self)()
    for name, value in self.__dict__.items():
      other.__dict__[name] = value.copy() if isinstance(value, HookChain) else value
    return other

  def reset(self):
    self.__dict__.clear()
    _bump()
    return self

  def scope(self):
    return _Scope(self)

  def is_set(self, name):
    return self.knob_descriptors[name].is_set(self)

  def __setattr__(self, name, value):
    if name not in self.knob_descriptors:
      raise AttributeError("there is no knob %s.%s" % (type(self).__name__[:-6], name))
    object.__setattr__(self, name, value)


class _Scope:
  """Changes to a group that end with the `with`."""

  def __init__(self, group):
    self.group = group

  def __enter__(self):
    keys = [k.key for k in self.group.knob_descriptors.values() if k.key]
    self.environment = {key: os.environ.get(key) for key in keys}
    self.values = self.group.copy().__dict__
    return self.group

  def __exit__(self, *error):
    self.group.__dict__.clear()
    self.group.__dict__.update(self.values)
    for key, value in self.environment.items():
      if value is None:
        os.environ.pop(key, None)
      else:
        os.environ[key] = value
    _bump()


def _make_groups():
  rows = {}
  for row in TABLE:
    knob = Knob(*row)
    rows.setdefault(knob.group, {})[knob.name] = knob
  for group, knobs in rows.items():
    kind = type(group + "_knobs", (base_knobs,), {**knobs, "knob_descriptors": knobs, "__module__": __name__})
    globals()[kind.__name__] = kind
    globals()[group] = kind()


_make_groups()


def refresh_knobs():
  """Takes notice of environment variables that changed; here they are read at each access anyway."""
  _bump()


def hooks_active():
  """Whether something wants to see each launch."""
  return bool(runtime.launch_enter_hook or runtime.launch_exit_hook or runtime.interpret)


class _Module(types.ModuleType):

  def __setattr__(self, name, value):
    super().__setattr__(name, value)
    _bump()  # tests exchange whole groups


sys.modules[__name__].__class__ = _Module


def main():
  for row in TABLE:
    knob = Knob(*row)
    print("%-12s %-28s %-34s %s" % (knob.group, knob.name, knob.key, PAGE.get(knob.name, "")))


if __name__ == "__main__":
  main()
