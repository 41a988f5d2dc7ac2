# SPDX-License-Identifier: MIT
"""Machine code of GPU kernels as text, through NVIDIA's programs."""

import os
import subprocess
import tempfile

__all__ = ["extract", "get_sass", "path_to_cuobjdump"]


def path_to_cuobjdump():
  """Path of cuobjdump; RuntimeError where it is not installed."""
  from .. import knobs
  tool = knobs.nvidia.cuobjdump
  if tool is None:
    raise RuntimeError("cuobjdump is not installed (TRITON_CUOBJDUMP_PATH may name it)")
  return tool.path


def extract(file_path, fun=None):
  """The instructions in a cubin file, of all functions or of `fun`, as cuobjdump prints them."""
  command = [path_to_cuobjdump(), "-sass"] + (["-fun", fun] if fun else []) + [file_path]
  return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def get_sass(cubin_asm, fun=None):
  """As extract, of a cubin in memory."""
  with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "kernel.cubin")
    with open(path, "wb") as out:
      out.write(cubin_asm)
    return extract(path, fun)
