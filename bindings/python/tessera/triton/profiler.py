# SPDX-License-Identifier: MIT
"""Proton is not implemented: every name of it raises ImportError."""

from ._refused import no_module as _no_module

__getattr__ = _no_module("triton.profiler", "Proton, the profiler")
