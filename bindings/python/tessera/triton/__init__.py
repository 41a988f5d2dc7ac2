# SPDX-License-Identifier: MIT
"""Programs written for Triton run as they are:

    python -m tessera.triton script.py arguments…
    python -m tessera.triton -m pytest tests
    import tessera.triton.install          # then `import triton` finds this package

Under the name `triton` stand the modules of `tessera` itself (not copies), and, in this folder, stand-ins for what
`tessera` has no module of its own for. README.md of the package lists what is not there.
"""

import tessera as _tessera

__version__ = "3.9.0"  # the release whose rules hold

__all__ = [
    "AsyncCompileMode", "aggregate", "autotune", "cdiv", "CompilationError", "compile", "Config", "constexpr_function",
    "FutureKernel", "heuristics", "InterpreterError", "jit", "JITFunction", "KernelInterface", "language", "MockTensor",
    "must_use_result", "next_power_of_2", "OutOfResources", "reinterpret", "runtime", "set_allocator", "TensorWrapper",
    "TritonError", "testing", "tools"
]
_modules = ("backends", "experimental", "_C", "_utils")  # of this folder; Triton's users reach them as attributes


def __getattr__(name):
  import importlib
  if name in _modules:
    return importlib.import_module("tessera.triton." + name)
  if name.startswith("__") or name in ("devices", "Session", "Kernel", "Device"):
    raise AttributeError("module 'triton' has no attribute %r" % name)
  try:
    value = getattr(_tessera, name)
  except AttributeError:
    raise AttributeError("module 'triton' has no attribute %r (tessera stands in for Triton %s)" %
                         (name, __version__)) from None
  globals()[name] = value
  return value


def __dir__():
  return sorted(set(globals()) | set(__all__) | {"knobs", "compiler", "errors"})
