# SPDX-License-Identifier: MIT
"""Gluon is not implemented: every name of it raises ImportError."""

from ..._refused import no_module as _no_module

__getattr__ = _no_module("triton.experimental.gluon", "Gluon")
