# SPDX-License-Identifier: MIT
"""Device functions under names that do not depend on the target: those of `cuda.libdevice`, which all targets know."""
from ..stubs import stub
from .cuda import libdevice as _cuda

fast_tanhf = stub("extra.libdevice.fast_tanhf", "arg0")

__all__ = sorted([*_cuda.__all__, "fast_tanhf"])


def __getattr__(name):
    if name not in _cuda.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(_cuda, name)
    return value


def __dir__():
    return sorted({*globals(), *__all__})
