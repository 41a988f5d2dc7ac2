# SPDX-License-Identifier: MIT
"""Tensor descriptors made on the host: what a kernel takes as `tensordesc<…>`."""

from dataclasses import dataclass
from typing import Any, List

__all__ = ["TensorDescriptor"]


def _address(base):
  data_ptr = getattr(base, "data_ptr", None)
  if data_ptr is not None:
    return data_ptr()
  interface = getattr(base, "__array_interface__", None) or getattr(base, "__cuda_array_interface__", None)
  return interface["data"][0] if interface else 0


def _element(base):
  """(bytes, name) of an element, or None where there is no telling."""
  from ..runtime._types import ITEMSIZE, canonicalize_dtype
  name = canonicalize_dtype(base.dtype)
  return ITEMSIZE[name], name


@dataclass
class TensorDescriptor:
  """A strided tensor and the block of it that is moved at once.

  strides and block_shape count elements; the last dimension is contiguous. padding: what is read outside the tensor,
  "zero" or "nan".
  """

  base: Any
  shape: List[int]
  strides: List[int]
  block_shape: List[int]
  padding: str = "zero"
  round_f32_to_tf32: bool = False

  def __post_init__(self):
    rank = len(self.shape)
    assert len(self.strides) == rank, f"rank mismatch: {self}"
    assert len(self.block_shape) == rank, f"rank mismatch: {self}"
    assert 1 <= rank <= 5, f"a descriptor has 1 to 5 dimensions, not {rank}"
    assert _address(self.base) % 16 == 0, "base must be 16-byte aligned"
    size, name = _element(self.base)
    for stride in self.strides[:-1]:
      assert stride * size % 16 == 0, "strides must be 16-byte aligned"
    for width in self.block_shape:
      assert isinstance(width, int) and width > 0 and width & (width - 1) == 0, \
          f"each dimension of block_shape must be a power of two: {list(self.block_shape)}"
    assert self.strides[-1] == 1, "Last dimension must be contiguous"
    assert self.padding in ("zero", "nan"), f"padding must be 'zero' or 'nan', not {self.padding!r}"
    if self.padding == "nan":
      assert name.startswith(("fp", "bf")), "padding 'nan' is only supported for floating point types"
    if self.round_f32_to_tf32:
      assert name == "fp32", "round_f32_to_tf32 is for float32, got %s" % name

  @staticmethod
  def from_tensor(tensor, block_shape, padding="zero", round_f32_to_tf32=False):
    """The descriptor of a whole tensor (torch's, or numpy's)."""
    strides = tensor.stride() if callable(getattr(tensor, "stride", None)) else \
        [s // tensor.itemsize for s in tensor.strides]
    return TensorDescriptor(tensor, list(tensor.shape), list(strides), list(block_shape), padding, round_f32_to_tf32)
