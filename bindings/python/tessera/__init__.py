# SPDX-License-Identifier: MIT
"""Tile kernels in Python: language, compiler, launch. Names are loaded when they are first used, so that the import
itself costs next to nothing."""

__version__ = "0.1.0"

# name -> module that has it; a name that is the module itself stands with ".".
_NAMES = {
    "Error": "tessera._errors",
    "Session": "tessera._session",
    "Kernel": "tessera._session",
    "devices": "tessera._session",
    "language": ".",
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
