# SPDX-License-Identifier: MIT
"""GPUTarget, and the names that classes of other back ends derive from."""

import enum

from tessera.compiler import compiler as _compiler

GPUTarget = _compiler.GPUTarget


class Language(enum.Enum):
  """What a compilation starts from."""
  TRITON = 0
  GLUON = 1


class _BaseBackend:
  """Root of back ends. Those of others cannot be plugged in: what would need them says so."""

  def __init__(self, target):
    self.target = target

  @staticmethod
  def supports_target(target):
    return False

  @staticmethod
  def parse_attr(desc):
    return [["tt.divisibility", 16]] if "D" in desc else []

  @staticmethod
  def get_int_specialization(arg, **kwargs):
    return "D" if arg % 16 == 0 and kwargs.get("align", False) else ""

  @staticmethod
  def get_tensor_specialization(arg, **kwargs):
    return "D" if arg.data_ptr() % 16 == 0 and kwargs.get("align", False) else ""


BaseBackend = getattr(_compiler, "BaseBackend", _BaseBackend)
