# SPDX-License-Identifier: MIT
"""Triton's compiled module is not here; its names raise ImportError."""

from .._refused import no_module as _no_module

__getattr__ = _no_module("triton._C.libtriton", "tessera has libraries of its own")
