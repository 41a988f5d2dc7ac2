# SPDX-License-Identifier: MIT
"""Address, element type and device of an object that speaks DLPack. Nothing is taken over: the object keeps its memory."""

_CODES = {0: "i", 1: "u", 2: "fp", 4: "bf", 6: "u"}  # 6: bool, of 8 bits
_FLOAT8 = {10: "fp8e4nv", 11: "fp8e4b8", 12: "fp8e5", 13: "fp8e5b16"}
_PLACES = {1: "cpu", 2: "cuda", 3: "cpu", 13: "cuda"}


def read(ctypes, value):
  class Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
                ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8),
                ("lanes", ctypes.c_uint16), ("shape", ctypes.c_void_p), ("strides", ctypes.c_void_p),
                ("byte_offset", ctypes.c_uint64)]

  capsule = value.__dlpack__()
  get = ctypes.pythonapi.PyCapsule_GetPointer
  get.restype, get.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
  tensor = Tensor.from_address(get(capsule, b"dltensor"))
  if tensor.lanes != 1:
    raise TypeError("unsupported element type: vectors of %d" % tensor.lanes)
  if tensor.code == 6:
    element = "u1"
  elif tensor.code in _FLOAT8:
    element = _FLOAT8[tensor.code]
  elif tensor.code in _CODES:
    element = "%s%d" % (_CODES[tensor.code], tensor.bits)
  else:
    raise TypeError("unsupported element type: DLPack's code %d" % tensor.code)
  place = _PLACES.get(tensor.device_type)
  if place is None:
    raise ValueError("there is no device for arrays on DLPack's device type %d" % tensor.device_type)
  return ((tensor.data or 0) + tensor.byte_offset, element, (place, tensor.device_id if place == "cuda" else 0))
