# SPDX-License-Identifier: MIT
"""Kernels at run time: jit functions, devices, caches, tuning. Names load when they are first used."""

_names = {
    "jit": ("JITFunction", "KernelInterface", "MockTensor", "TensorWrapper", "reinterpret", "JITCallable"),
    "autotuner": ("Autotuner", "Config", "Heuristics", "autotune", "heuristics"),
    "errors": ("OutOfResources", "InterpreterError", "PTXASError", "AutotunerError", "TritonError"),
    "cache": ("RedisRemoteCacheBackend", "RemoteCacheManager", "FileCacheManager", "CacheManager", "triton_key"),
    "_allocation": ("set_allocator", "NullAllocator", "set_profile_allocator", "has_profile_allocator"),
    "_async_compile": ("AsyncCompileMode", "FutureKernel"),
}
_where = {name: module for module, names in _names.items() for name in names}
_modules = ("autotuner", "cache", "driver", "errors", "jit")

__all__ = list(_where) + ["driver"]


def __getattr__(name):
  import importlib
  if name in _where:
    value = getattr(importlib.import_module("." + _where[name], __name__), name)
  elif name in _modules:
    return importlib.import_module("." + name, __name__)
  else:
    raise AttributeError("module %r has no attribute %r" % (__name__, name))
  globals()[name] = value
  return value


def __dir__():
  return sorted(list(globals()) + __all__)
