# SPDX-License-Identifier: MIT
"""Scratch memory for kernels that ask for it: `set_allocator(fn)`, fn(size, alignment, stream) -> something with
data_ptr()."""

import contextvars
import threading


class NullAllocator:
  """What is there until set_allocator was called: the driver's own memory serves, so it is never asked."""

  def __call__(self, size, alignment, stream):
    raise RuntimeError("Kernel requires a runtime memory allocation, but no allocator was set. Use "
                       "triton.set_allocator to specify an allocator.")


_allocator = contextvars.ContextVar("tessera_allocator", default=NullAllocator())
_profile_allocator = contextvars.ContextVar("tessera_profile_allocator", default=None)
_lock = threading.Lock()
_hooks = {}


def set_allocator(allocator):
  """Takes scratch memory of launches from `allocator`; CUDA devices only: on the CPU threads have scratch of their own."""
  if allocator is not None and not callable(allocator):
    raise TypeError("an allocator is a function of (size, alignment, stream), not %s" % type(allocator).__name__)
  _allocator.set(allocator if allocator is not None else NullAllocator())
  from . import _device
  for device in list(_device._devices.values()):
    install(device)


def install(device):
  """Makes the device ask the allocator that is set."""
  allocator = _allocator.get()
  if device.backend != "cuda" or (isinstance(allocator, NullAllocator) and device.name not in _hooks):
    return
  import ctypes
  from .._raw import check, tdriver
  held = {}

  def allocate(user, size, alignment, stream):
    try:
      buffer = _allocator.get()(size, alignment, stream or 0)
      address = buffer.data_ptr()
      with _lock:
        held[address] = buffer
      return address
    except Exception:
      import traceback
      traceback.print_exc()
      return None

  def release(user, pointer, size, stream):
    with _lock:
      held.pop(pointer, None)

  with _lock:
    params = tdriver.tdriver_allocator.init(allocate=allocate, release=release)
    _hooks[device.name] = (params, allocate, release, held)
  check(tdriver, tdriver.tdriver_device_set_allocator(device.handle, params))
  del ctypes


def set_profile_allocator(allocator):
  """Kept for programs that set one; kernels have no profile buffers."""
  _profile_allocator.set(allocator)


def has_profile_allocator():
  return _profile_allocator.get() is not None
