# SPDX-License-Identifier: MIT
"""What belongs to one kind of device. libdevice works on all of them."""
import importlib as _importlib

__all__ = ["cpu", "cuda", "hip", "libdevice"]


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _importlib.import_module("." + name, __name__)
