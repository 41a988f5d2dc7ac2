# SPDX-License-Identifier: MIT
"""What the launch extension asks Python about types of arguments, once for each type.

It reads numpy's arrays by their struct (after comparing it with what numpy says), torch's tensors and others by DLPack's
table of functions (TESSERA_LAUNCH_DLPACK=0: by their methods, as those of older torch), and leaves the rest to `pointer`."""

import os
import sys

from . import _types

SLOW, NUMPY, DLPACK, POINTER, CONSTANT, DESCRIPTOR, INDEX, FLOAT, BOOL, TUPLE, TENSOR = range(11)
_element_numbers = {}


def classify(kind, example=None):
  """(number of the kind of argument that objects of this type are, what goes with it). example: one of them; an attribute
  may be the object's and not the type's."""
  numpy = sys.modules.get("numpy")
  if numpy is not None:
    if kind is numpy.ndarray:
      return (NUMPY if _struct_is_known(numpy) else POINTER, None)
    if issubclass(kind, numpy.bool_):
      return (BOOL, None)
    if issubclass(kind, numpy.integer):
      return (INDEX, None)
    if issubclass(kind, numpy.floating):
      return (FLOAT, None)
  if kind is tuple or issubclass(kind, tuple):
    return (TUPLE, None)
  if issubclass(kind, int):
    return (INDEX, None)
  if issubclass(kind, float):
    return (FLOAT, None)
  if issubclass(kind, _types.JITCallableBase):
    return (CONSTANT, None)
  if hasattr(kind, "_is_mock_tensor"):
    return (SLOW, None)
  if _is_plain_tensor(kind):
    exchange = getattr(kind, "__dlpack_c_exchange_api__", None)
    if exchange is not None and os.environ.get("TESSERA_LAUNCH_DLPACK") != "0":
      return (DLPACK, exchange)
    if _is_torch(kind):
      return (TENSOR, kind.data_ptr)
  if any(hasattr(kind, name) or hasattr(example, name) for name in ("data_ptr", "__cuda_array_interface__", "__array_interface__",
                                          "__dlpack__")):
    return (POINTER, None)
  if kind.__name__ == "TensorDescriptor":
    return (DESCRIPTOR, None)
  if kind.__module__.split(".")[0] == "tessera" and kind.__name__ in ("constexpr", "dtype", "pointer_type",
                                                                       "block_type"):
    return (CONSTANT, None)
  return (SLOW, None)


def _is_torch(kind):
  torch = sys.modules.get("torch")
  return torch is not None and issubclass(kind, torch.Tensor)


def _is_plain_tensor(kind):
  """Not a subclass of torch's tensors that may do things of its own."""
  if not _is_torch(kind):
    return True
  torch = sys.modules["torch"]
  return kind is torch.Tensor or kind is torch.nn.Parameter


def _struct_is_known(numpy):
  """Whether arrays lie in memory as the extension reads them."""
  from . import _base
  if _base.native is None:
    return False
  try:
    for array in (numpy.empty((3, 2), numpy.float32), numpy.zeros(5, numpy.dtype(">i2"))):
      for writeable in (True, False):
        array.flags.writeable = writeable
        address, rank, number, order, flags = _base.native.probe_numpy(array)
        if (address != array.ctypes.data or rank != array.ndim or number != array.dtype.num or
            order != array.dtype.byteorder or bool(flags & 0x400) != writeable or
            bool(flags & 1) != array.flags.c_contiguous):
          return False
  except Exception:
    return False
  return True


def pointer(value):
  """(address, number of the element type, device) of an array in the extension's numbers, or None."""
  if _types.is_read_only(value):
    return None  # Python sees whether the kernel writes to it
  found = _types.pointer_of(value)
  if found is None:
    return None
  address, element, (kind, index) = found
  number = _element_numbers.setdefault(element, len(_element_numbers) + 1)
  if kind == "any":
    return (address, number, 0)
  if kind == "cpu":
    return (address, number, 1)
  return (address, number, 2 + 256 * index) if kind == "cuda" else None
