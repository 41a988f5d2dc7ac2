# SPDX-License-Identifier: MIT
"""Names of types in signatures, and what an argument's value tells about its type.

`specialize` is the one definition of the rules; the launch extension has them in C for the common cases, and a test
compares the two.
"""

import sys

_INTS = ("i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64")
_FLOATS = ("fp8e4nv", "fp8e4b8", "fp8e4b15", "fp8e5", "fp8e5b16", "fp16", "bf16", "fp32", "fp64")

# Every spelling of a scalar type (Triton's, torch's, numpy's, ml_dtypes') -> the one used in signatures.
CANONICAL = {name: name for name in _INTS + _FLOATS}
CANONICAL.update({"i1": "u1", "u1": "u1", "B": "u1", "bool": "u1", "bool_": "u1", "int1": "u1", "uint1": "u1",
                  "half": "fp16", "float": "fp32", "double": "fp64", "void": "void",
                  "float8_e4m3fn": "fp8e4nv", "float8_e5m2": "fp8e5", "float8_e4m3fnuz": "fp8e4b8",
                  "float8_e5m2fnuz": "fp8e5b16", "float8e4m3": "fp8e4nv"})
for _n in (8, 16, 32, 64):
  CANONICAL["int%d" % _n] = "i%d" % _n
  CANONICAL["uint%d" % _n] = "u%d" % _n
for _n in ("16", "32", "64", "8e4nv", "8e4b8", "8e4b15", "8e5", "8e5b16"):
  CANONICAL["float" + _n] = "fp" + _n
CANONICAL["bfloat16"] = "bf16"

# Bytes of an element, for alignment checks of descriptors and the like.
ITEMSIZE = {"u1": 1, "bf16": 2, "fp16": 2, "fp32": 4, "fp64": 8}
for _n in _INTS:
  ITEMSIZE[_n] = int(_n[1:]) // 8
for _n in _FLOATS[:5]:
  ITEMSIZE[_n] = 1

_dtype_names = {}


def canonicalize_dtype(dtype):
  """'fp32' of torch.float32, numpy.dtype('float32'), numpy.float32, tl.float32, 'float32' or '*fp32'."""
  try:
    found = _dtype_names.get(dtype)
  except TypeError:
    found = None
  if found is not None:
    return found
  if isinstance(dtype, str):
    text = dtype
  elif isinstance(dtype, type):
    text = dtype.__name__
  else:
    text = getattr(dtype, "name", None)
    if not isinstance(text, str):
      text = str(dtype)
    if getattr(dtype, "isnative", True) is False:
      raise TypeError("unsupported element type: %s with swapped bytes" % text)
  text = text.strip()
  if text.startswith("*"):
    return "*" + canonicalize_dtype(text[1:])
  name = CANONICAL.get(text.rsplit(".", 1)[-1])
  if name is None:
    raise TypeError("unsupported element type: %s" % (dtype,))
  _dtype_names[dtype] = name
  return name


def annotation_text(annotation):
  if annotation is None:
    return ""
  if isinstance(annotation, str):
    return annotation.strip().strip("'\"")
  if isinstance(annotation, type):
    return annotation.__name__
  name = getattr(annotation, "name", None)
  return name if isinstance(name, str) else str(annotation)


def annotation_type(text):
  """The type that an annotation fixes, or ''."""
  text = text.rsplit(".", 1)[-1]
  if text in ("int", "bool", "float", "tensor"):  # Python's own words say nothing about the width
    return ""
  name = CANONICAL.get(text, "")
  return "" if name == "void" else name


class JITCallableBase:
  """What jit functions and constexpr functions have in common; here so that `specialize` can tell them."""


def _integer(value, specialize_value, align):
  if value == 1 and specialize_value:
    return ("constexpr", 1)
  if -0x80000000 <= value <= 0x7fffffff:
    kind = "i32"
  elif -0x8000000000000000 <= value <= 0x7fffffffffffffff:
    kind = "i64"
  elif 0 < value <= 0xffffffffffffffff:
    kind = "u64"
  else:
    raise OverflowError("integer argument %d does not fit 64 bits" % value)
  return (kind, "D" if specialize_value and align and value % 16 == 0 else ("" if specialize_value else None))


def is_numpy(value):
  numpy = sys.modules.get("numpy")
  return numpy is not None and type(value) is numpy.ndarray


def pointer_of(value):
  """(address, canonical element type, device) of an array, or None. device: ('cpu', 0), ('cuda', 1) …"""
  if is_numpy(value):
    return (value.__array_interface__["data"][0], canonicalize_dtype(value.dtype), ("cpu", 0))
  data_ptr = getattr(value, "data_ptr", None)
  if data_ptr is not None and hasattr(value, "dtype"):
    device = getattr(value, "device", None)
    if device is None:
      place = ("any", 0)
    else:
      kind = getattr(device, "type", None) or str(device).split(":")[0]
      place = (str(kind), getattr(device, "index", None) or 0)
    address = data_ptr() if callable(data_ptr) else data_ptr
    return (int(address), canonicalize_dtype(value.dtype), place)
  interface = getattr(value, "__cuda_array_interface__", None)
  if interface is not None:
    return (int(interface["data"][0]), _typestr(interface["typestr"]), ("cuda", _cuda_index(value)))
  interface = getattr(value, "__array_interface__", None)
  if interface is not None and getattr(value, "shape", None) is not None:
    if isinstance(value, _numpy_scalars()):
      return None
    dtype = getattr(value, "dtype", None)
    element = canonicalize_dtype(dtype) if dtype is not None else _typestr(interface["typestr"])
    return (int(interface["data"][0]), element, ("cpu", 0))
  if hasattr(value, "__dlpack__") and hasattr(value, "__dlpack_device__"):
    return _dlpack(value)
  return None


def is_read_only(value):
  """Whether an array says that it may not be written to."""
  flags = getattr(value, "flags", None)
  if flags is not None and getattr(flags, "writeable", True) is False:
    return True
  if hasattr(value, "data_ptr"):
    return False  # a tensor of PyTorch; its interface raises where gradients are wanted, or for 8-bit floats
  for name in ("__array_interface__", "__cuda_array_interface__"):
    if not is_numpy(value):
      interface = getattr(value, name, None)
      if isinstance(interface, dict) and interface.get("data"):
        return bool(interface["data"][1])
  return False


def place_of(value):
  """Where an array lies, ('cpu', 0), ('cuda', 1), or None: it says nothing, or is no array."""
  if is_numpy(value):
    return ("cpu", 0)
  if getattr(value, "_is_mock_tensor", False):
    return None
  if hasattr(value, "data_ptr") and hasattr(value, "dtype"):
    device = getattr(value, "device", None)
    if device is None:
      return None
    kind = getattr(device, "type", None) or str(device).split(":")[0]
    return (str(kind), getattr(device, "index", None) or 0)
  if getattr(value, "block_shape", None) is not None and hasattr(value, "base"):
    return place_of(value.base)
  found = pointer_of(value)
  return None if found is None or found[2][0] == "any" else found[2]


def _numpy_scalars():
  numpy = sys.modules.get("numpy")
  return numpy.generic if numpy is not None else ()


def _cuda_index(value):
  device = getattr(value, "device", None)
  index = getattr(device, "id", getattr(device, "index", None))
  return index if isinstance(index, int) else 0


def _typestr(text):
  kinds = {"b": "i", "i": "i", "u": "u", "f": "fp"}
  kind, size = text[1], text[2:]
  if text[0] == ">" or kind not in kinds or not size.isdigit():
    raise TypeError("unsupported element type: %r" % text)
  if kind == "b":
    return "u1"
  return canonicalize_dtype(kinds[kind] + str(8 * int(size)))


def _dlpack(value):
  import ctypes
  from . import _dlpack as reader
  return reader.read(ctypes, value)


def _is_signature_free(value):
  """Numbers and such of classes that are not Python's own: numpy scalars, enums."""
  index = getattr(type(value), "__index__", None)
  return index is not None


def specialize(value, is_const=False, specialize_value=True, align=True):
  """(type, key) of an argument: the type as in a signature, and what else the kernel is compiled for.

  type 'constexpr': the key (the value itself) is compiled in. Integers and pointers: 'D' for a multiple of 16, ''
  for one that is not, None where that is not asked. Tuples give tuples of both.
  """
  if value is None:
    return ("constexpr", None)
  if isinstance(value, bool):
    return ("u1", None)
  if isinstance(value, int):
    return _integer(int(value), specialize_value, align)
  if isinstance(value, float):
    return ("fp32", None)
  if isinstance(value, JITCallableBase):
    return ("constexpr", value.cache_key)
  if isinstance(value, tuple):
    pairs = [specialize(item) for item in value]
    if hasattr(value, "_fields"):
      return (type(value)(*[p[0] for p in pairs]), type(value)(*[p[1] for p in pairs]))
    return (tuple([p[0] for p in pairs]), tuple([p[1] for p in pairs]))
  block_shape = getattr(value, "block_shape", None)
  if block_shape is not None and hasattr(value, "base"):
    element = canonicalize_dtype(value.base.dtype)
    if getattr(value, "padding", "zero") != "zero" or getattr(value, "round_f32_to_tf32", False):
      raise NotImplementedError("not implemented: descriptors as arguments with padding=%r, round_f32_to_tf32=%r" %
                                (value.padding, value.round_f32_to_tf32))
    layout = getattr(value, "layout", None)
    tail = "" if layout is None else ",%r" % (layout,)
    return ("tensordesc<%s%s%s>" % (element, list(block_shape), tail), None)
  if getattr(value, "_is_mock_tensor", False):
    return (("*k" if is_const else "*") + canonicalize_dtype(value.dtype), "D" if specialize_value and align else
            ("" if specialize_value else None))
  found = pointer_of(value)
  if found is not None:
    key = "D" if specialize_value and align and found[0] % 16 == 0 else ("" if specialize_value else None)
    return (("*k" if is_const else "*") + found[1], key)
  kind = type(value).__name__
  if kind in ("constexpr", "dtype", "block_type", "pointer_type") or hasattr(value, "codegen_name"):
    return ("constexpr", value)
  if kind in ("bool_", "bool"):
    return ("u1", None)
  if _is_signature_free(value):
    return _integer(value.__index__(), specialize_value, align)
  if hasattr(type(value), "__float__"):
    return ("fp32", None)
  raise TypeError("unsupported type of a kernel argument: %s" % type(value))
