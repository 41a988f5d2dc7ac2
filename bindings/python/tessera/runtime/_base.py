# SPDX-License-Identifier: MIT
"""The type that jit functions inherit their `[grid](…)` from: the launch extension's, or one in Python.

TESSERA_LAUNCH=python takes the one in Python though the extension is there (for tests)."""

import os

_native = None
if os.environ.get("TESSERA_LAUNCH") != "python":
  try:
    from .. import _launch as _native
  except ImportError:
    try:
      from .. import _launch_abi3 as _native
    except ImportError:
      _native = None

native = _native


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


if native is not None:
  FunctionBase = native.Function
else:
  FunctionBase = PythonFunctionBase


def bump():
  """Makes every function drop what its launch path remembers."""
  epoch.value += 1
  if native is not None:
    native.bump()
