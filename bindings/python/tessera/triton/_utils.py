# SPDX-License-Identifier: MIT
"""Private helpers of Triton that programs nevertheless import."""

from tessera.runtime._types import ITEMSIZE as BITWIDTH_BYTES
from tessera.runtime._types import CANONICAL as type_canonicalisation_dict
from tessera.runtime._types import canonicalize_dtype  # noqa: F401

BITWIDTH_DICT = {name: 1 if name == "u1" else 8 * size for name, size in BITWIDTH_BYTES.items()}


def canonicalize_ptr_dtype(dtype, is_const):
  return ("*k" if is_const else "*") + canonicalize_dtype(dtype)


def get_primitive_bitwidth(dtype):
  """Bits of an element type in a signature's spelling."""
  return BITWIDTH_DICT[dtype]
