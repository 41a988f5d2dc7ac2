# SPDX-License-Identifier: MIT
"""Tile kernels in Python: language, compiler, launch. Names are loaded when they are first used, so that the import
itself costs next to nothing."""

__version__ = "0.1.0"

# name -> module that has it; "." where the name is a module itself. The one list of what the package exports.
_NAMES = {
    # libraries, devices, sessions
    "Error": "tessera._errors",
    "Device": "tessera._session",
    "Kernel": "tessera._session",
    "Session": "tessera._session",
    "devices": "tessera._session",
    # run time
    "AsyncCompileMode": "tessera.runtime._async_compile",
    "Config": "tessera.runtime.autotuner",
    "FutureKernel": "tessera.runtime._async_compile",
    "InterpreterError": "tessera.runtime.errors",
    "JITFunction": "tessera.runtime.jit",
    "KernelInterface": "tessera.runtime.jit",
    "MockTensor": "tessera.runtime.jit",
    "OutOfResources": "tessera.runtime.errors",
    "TensorWrapper": "tessera.runtime.jit",
    "TritonError": "tessera.errors",
    "autotune": "tessera.runtime.autotuner",
    "constexpr_function": "tessera.runtime.jit",
    "heuristics": "tessera.runtime.autotuner",
    "jit": "tessera.runtime.jit",
    "reinterpret": "tessera.runtime.jit",
    "set_allocator": "tessera.runtime._allocation",
    # compiler and language
    "CompilationError": "tessera.compiler.errors",
    "aggregate": "tessera.language.aggregate",
    "cdiv": "tessera._integers",
    "compile": "tessera.compiler.compiler",
    "must_use_result": "tessera.language.core",
    "next_power_of_2": "tessera._integers",
    # modules
    "compiler": ".",
    "errors": ".",
    "knobs": ".",
    "language": ".",
    "runtime": ".",
    "testing": ".",
    "tools": ".",
}


def __getattr__(name):
    module = _NAMES.get(name)
    if module is None:
        raise AttributeError(f"module 'tessera' has no attribute '{name}'")
    import importlib
    if module == ".":
        value = importlib.import_module("tessera." + name)
    else:
        value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(set(globals()) | set(_NAMES))
