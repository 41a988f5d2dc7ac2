# SPDX-License-Identifier: MIT
"""The type that jit functions inherit their `[grid](…)` from: the launch extension's, or one in Python.

TESSERA_LAUNCH=0 takes the one in Python though the extension is there, TESSERA_LAUNCH=abi3 the extension of the stable
ABI (for tests)."""

import os
import sys


def _extension():
  choice = os.environ.get("TESSERA_LAUNCH", "")
  if choice in ("0", "off", "no", "python"):
    return None
  import importlib
  for name in ("_launch_abi3",) if choice == "abi3" else ("_launch", "_launch_abi3"):
    try:
      return importlib.import_module("tessera." + name)
    except ImportError:
      pass
  return None


native = _extension()


class _Epoch:
  value = 0


epoch = _Epoch()


class PythonFunctionBase:
  """`f[grid](…)` by way of `run`."""

  def __getitem__(self, grid):
    run = self.run
    return lambda *args, **kwargs: run(*args, grid=grid, warmup=False, **kwargs)

  def _forget(self):
    """Drops what the launch path remembers of this function."""

  def _leave_to_python(self):
    """Makes every launch go the slow way from now on."""


if native is not None:
  FunctionBase = native.Function
else:
  FunctionBase = PythonFunctionBase


def bump():
  """Makes every function drop what its launch path remembers."""
  epoch.value += 1
  if native is not None:
    knobs = sys.modules.get("tessera.knobs")
    native.bump(knobs is not None and hasattr(knobs, "runtime") and knobs.hooks_active())
