# SPDX-License-Identifier: MIT
"""Runs at the start of Python processes whose parent asked for it (TESSERA_TRITON_CHILDREN)."""

import os
import sys

if os.environ.get("TESSERA_TRITON_CHILDREN") == "1":
  import tessera.triton.install  # noqa: F401

# The interpreter's own sitecustomize, which this one hides.
_here = os.path.dirname(os.path.abspath(__file__))
_path = [p for p in sys.path if os.path.abspath(p) != _here]
try:
  from importlib.machinery import PathFinder as _Finder
  _spec = _Finder.find_spec("sitecustomize", _path)
  if _spec is not None and _spec.loader is not None:
    from importlib.util import module_from_spec as _make
    _spec.loader.exec_module(_make(_spec))
except Exception:  # as the interpreter itself: it goes on without
  pass
