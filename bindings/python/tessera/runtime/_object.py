# SPDX-License-Identifier: MIT
"""Kernel objects: what one says of itself, and launching one with Python values.

`Plan` packs arguments as the kernel's metadata asks and calls the driver. The launch extension has the same in C
(`native.Plan`); `make_plan` takes that where it can.
"""

import ctypes
import struct

from . import _base, _types

# Kinds of arguments, by their numbers in tdriver/kernel.h.
PTR, I1, I8, I16, I32, I64, F16, BF16, F32, F64 = range(1, 11)
TENSORDESC = 15
_INT_FORMATS = {I1: ("B", 1), I8: ("B", 8), I16: ("H", 16), I32: ("I", 32), I64: ("Q", 64)}
_ELEMENT_NAMES = {1: "ptr", 2: "u1", 3: "i8", 4: "i16", 5: "i32", 6: "i64", 7: "fp16", 8: "bf16", 9: "fp32", 10: "fp64",
                  11: "fp8e4nv", 12: "fp8e5", 13: "fp8e4b8", 14: "fp8e5b16"}


class Argument:
  """One argument of a kernel's signature."""

  __slots__ = ("name", "kind", "element", "constant", "offset", "size", "rank", "divisibility", "written", "block")

  def __init__(self, info):
    self.name = info.name or ""
    self.kind = info.kind
    self.element = info.element
    self.constant = bool(info.flags & 1)
    self.written = bool(info.flags & 2)
    self.offset, self.size, self.rank = info.offset, info.size, info.rank
    self.divisibility = info.divisibility
    self.block = []
    if info.rank and info.raw_block:
      self.block = list((ctypes.c_int64 * info.rank).from_address(info.raw_block))

  @property
  def type_name(self):
    """As signatures spell it."""
    element = _ELEMENT_NAMES.get(self.element, "void")
    if self.kind == PTR:
      return "*" + element
    if self.kind == TENSORDESC:
      return "tensordesc<%s%s>" % (element, self.block)
    return _ELEMENT_NAMES[self.kind]


def read_info(kernel):
  """(tdriver_kernel_info, [Argument]) of a tdriver_kernel."""
  from .._raw import check, tdriver
  info = tdriver.tdriver_kernel_info.init()
  check(tdriver, tdriver.tdriver_kernel_get_info(kernel, info))
  arguments = []
  for index in range(info.argument_count):
    one = tdriver.tdriver_argument_info.init()
    check(tdriver, tdriver.tdriver_kernel_get_argument(kernel, index, one))
    arguments.append(Argument(one))
  return info, arguments


def read_stages(data):
  """{name: bytes} of the stages that a kernel object holds."""
  from .._raw import check, ref, tdriver
  from . import _device
  cell = ref()
  check(tdriver, tdriver.tdriver_kernel_load(_device.null_device().handle, data, len(data), cell))
  kernel = cell.value
  try:
    info = tdriver.tdriver_kernel_info.init()
    check(tdriver, tdriver.tdriver_kernel_get_info(kernel, info))
    stages = {}
    for index in range(info.stage_count):
      name, text, size = ctypes.c_char_p(), ctypes.c_void_p(), ctypes.c_size_t()
      check(tdriver, tdriver.tdriver_kernel_get_stage(kernel, index, name, text, size))
      stages[name.value.decode()] = ctypes.string_at(text.value, size.value)
    return stages
  finally:
    tdriver.tdriver_kernel_unload(kernel)


def read_object(data):
  """(info, arguments) of a kernel object's bytes, for any target."""
  from .._raw import check, ref, tdriver
  from . import _device
  cell = ref()
  check(tdriver, tdriver.tdriver_kernel_load(_device.null_device().handle, data, len(data), cell))
  try:
    info, arguments = read_info(cell.value)
    for name in ("entry", "target", "compiler", "source_hash", "options"):  # they end with the kernel
      info.keep(name, getattr(info, "raw_" + name))
      setattr(info, name, getattr(info, name))
    return info, arguments
  finally:
    tdriver.tdriver_kernel_unload(cell.value)


# ---- values of arguments -----------------------------------------------------------------------------------------


def flatten(value, kind, out):
  """Appends the run-time values of an argument of type `kind` (see _types.specialize), in the kernel's order."""
  if isinstance(kind, tuple):
    for item, item_kind in zip(value, kind):
      flatten(item, item_kind, out)
  elif kind != "constexpr":
    out.append(value)
    if kind.startswith("tensordesc"):
      out.extend(value.shape)
      out.extend(value.strides)


def address_of(value):
  if value is None:
    return 0
  if type(value) is int:  # an address
    return value
  data_ptr = None if _types.is_numpy(value) else getattr(value, "data_ptr", None)
  if data_ptr is not None:
    return data_ptr() if callable(data_ptr) else data_ptr
  found = _types.pointer_of(value)
  if found is None:
    raise TypeError("expected an array, got %s" % type(value))
  return found[0]


def _f16(value):
  try:
    return struct.unpack("<H", struct.pack("<e", value))[0]
  except OverflowError:  # rounds to an infinity
    return 0x7c00 if value > 0 else 0xfc00


def _bf16(value):
  bits = struct.unpack("<I", struct.pack("<f", value))[0]
  if value != value:
    return 0x7fc0
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16


class Plan:
  """Launches one loaded kernel; through ctypes."""

  def __init__(self, kernel, arguments, params_size, default_stream, synchronous):
    from .._raw import open_library, tdriver
    library = open_library("tdriver", tdriver.SONAME)
    self.call = library.tdriver_launch_packed
    self.sync = library.tdriver_stream_synchronize if synchronous else None
    self.kernel = ctypes.c_void_p(kernel)
    self.default_stream = default_stream
    self.size = params_size
    self.arguments = [a for a in arguments if not a.constant]
    self.check = None

  def pack(self, values):
    arguments = self.arguments
    if len(values) != len(arguments):
      raise TypeError("the kernel takes %d run-time arguments (%s), got %d" %
                      (len(arguments), ", ".join(a.name or "?" for a in arguments), len(values)))
    buffer = bytearray(self.size)
    for argument, value in zip(arguments, values):
      kind, offset = argument.kind, argument.offset
      try:
        if kind == PTR:
          struct.pack_into("<Q", buffer, offset, address_of(value))
        elif kind in _INT_FORMATS:
          code, bits = _INT_FORMATS[kind]
          number = value.__index__()
          struct.pack_into("<" + code, buffer, offset, number & (1 << bits) - 1)
        elif kind == F32:
          struct.pack_into("<f", buffer, offset, _to_f32(value.__float__()))
        elif kind == F64:
          struct.pack_into("<d", buffer, offset, value.__float__())
        elif kind == F16:
          struct.pack_into("<H", buffer, offset, _f16(value.__float__()))
        elif kind == BF16:
          struct.pack_into("<H", buffer, offset, _bf16(value.__float__()))
        elif kind == TENSORDESC:
          rank = argument.rank
          struct.pack_into("<Q%dq" % (2 * rank), buffer, offset, address_of(value.base), *map(int, value.shape),
                           *map(int, value.strides))
        else:
          raise TypeError("not implemented: arguments of type %s" % argument.type_name)
      except (AttributeError, struct.error, TypeError) as error:
        raise TypeError("argument %r: cannot pass %s as %s (%s)" %
                        (argument.name, type(value).__name__, argument.type_name, error)) from None
    return buffer

  def launch(self, x, y, z, stream, values):
    """Adds a launch to a tdriver_stream (None: the device's own); on synchronous devices the work is done on return."""
    if not x or not y or not z:
      return
    buffer = self.pack(values)
    stream = stream or self.default_stream
    memory = (ctypes.c_char * max(self.size, 1)).from_buffer(buffer if buffer else bytearray(1))
    status = self.call(self.kernel, ctypes.c_void_p(stream), (ctypes.c_uint32 * 3)(x, y, z), memory,
                       ctypes.c_size_t(self.size))
    if status == 0 and self.sync is not None:
      status = self.sync(ctypes.c_void_p(stream))
    if status:
      raise_status(status)


def _to_f32(value):
  if -3.4028234663852886e38 <= value <= 3.4028234663852886e38 or value != value:
    return value
  return float("inf") if value > 0 else float("-inf")


def raise_status(status):
  """Raises what a failed call of the driver means."""
  from .._raw import check, tdriver
  check(tdriver, status)


def make_plan(kernel, arguments, params_size, default_stream, synchronous):
  native = _base.native
  if native is None:
    return Plan(kernel, arguments, params_size, default_stream, synchronous)
  from .._raw import open_library, tdriver
  library = open_library("tdriver", tdriver.SONAME)

  def address(name):
    return ctypes.cast(getattr(library, name), ctypes.c_void_p).value

  layout = tuple((a.kind, a.offset, a.rank, a.name, a.written) for a in arguments if not a.constant)
  return native.Plan(kernel, layout, params_size, default_stream or 0, bool(synchronous),
                     address("tdriver_launch_packed"), address("tdriver_stream_synchronize"), raise_status)
