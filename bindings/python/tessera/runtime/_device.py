# SPDX-License-Identifier: MIT
"""Devices as the runtime uses them: an open device of libtdriver, its streams, and sessions of libtkernels on it.

A *place* names where memory lies: ("cpu", 0), ("cuda", 1). Which device runs kernels whose arguments lie in host memory
is the knob tessera.device: "cpu", "null" (nothing runs), "emu:90a" (a GPU in software).
"""

import os
import threading

_lock = threading.RLock()
_driver = None
_devices = {}


class GPUTarget:
  """What to compile for: back end, architecture, threads of a warp."""

  __slots__ = ("backend", "arch", "warp_size")

  def __init__(self, backend, arch, warp_size=32):
    object.__setattr__(self, "backend", backend)
    object.__setattr__(self, "arch", arch)
    object.__setattr__(self, "warp_size", warp_size)

  def __setattr__(self, name, value):
    raise AttributeError("a GPUTarget cannot be changed")

  def _tuple(self):
    return (self.backend, self.arch, self.warp_size)

  def __eq__(self, other):
    return isinstance(other, GPUTarget) and self._tuple() == other._tuple()

  def __hash__(self):
    return hash(self._tuple())

  def __repr__(self):
    return "GPUTarget(backend=%r, arch=%r, warp_size=%r)" % self._tuple()

  def __reduce__(self):
    return (GPUTarget, self._tuple())


def target_text(target):
  """The library's spelling of a GPUTarget: cpu:native, cuda:90a, emu:90a."""
  if target.backend == "cuda":
    arch = str(target.arch)
    if arch.startswith("sm_") or arch.startswith("sm"):
      arch = arch.lstrip("sm_")
    # What only the newest machines of a family have is what the family's kernels are compiled for.
    return "cuda:" + (arch + "a" if arch in ("90", "100", "103", "120", "121") else arch)
  if target.backend == "cpu":
    return "cpu:" + (str(target.arch) if target.arch else "native")
  return "%s:%s" % (target.backend, target.arch)


def driver():
  """The process's tdriver_driver."""
  global _driver
  if _driver is None:
    with _lock:
      if _driver is None:
        from .._raw import check, ref, tdriver
        cell = ref()
        check(tdriver, tdriver.tdriver_create(None, cell))
        _driver = cell.value
  return _driver


class Device:
  """An open device."""

  def __init__(self, name, target=None):
    from .._raw import check, ref, tdriver
    self.name = name
    cell = ref()
    check(tdriver, tdriver.tdriver_device_open(driver(), name.partition("@")[0], cell))
    self.handle = cell.value
    info = tdriver.tdriver_device_info.init()
    check(tdriver, tdriver.tdriver_device_get_info(self.handle, info))
    self.info = info
    self.backend = info.backend
    # The null device runs nothing: it takes what the CPU would.
    self.target = target or info.target or "cpu:native"
    self.runs = bool(info.capabilities & tdriver.TDRIVER_CAN_EXECUTE)
    # Work of the CPU is done when a launch returns; errors of kernels are raised there.
    self.synchronous = self.backend != "cuda"
    self.index = int(name.partition(":")[2] or 0) if self.backend == "cuda" else 0
    stream = ref()
    check(tdriver, tdriver.tdriver_stream_get_default(self.handle, stream))
    self.default_stream = stream.value
    self._streams = {}
    self._sessions = {}
    if self.backend == "cuda":
      from . import _allocation
      _allocation.install(self)

  @property
  def gpu_target(self):
    kind, _, arch = self.target.partition(":")
    if kind == "cpu":
      return GPUTarget("cpu", "native", 1)
    digits = arch.rstrip("abcdefghijklmnopqrstuvwxyz")
    return GPUTarget(kind, int(digits) if digits.isdigit() and kind == "cuda" else arch, 32)

  def stream(self, native):
    """The tdriver_stream of a vendor's stream (an address as an int); 0 or None on the CPU: the default one."""
    if self.synchronous:
      return self.default_stream
    native = int(native or 0)
    found = self._streams.get(native)
    if found is None:
      from .._raw import check, ref, tdriver
      cell = ref()
      check(tdriver, tdriver.tdriver_stream_wrap(self.handle, native or None, cell))
      found = self._streams.setdefault(native, cell.value)
    return found

  def synchronize(self):
    from .._raw import check, tdriver
    check(tdriver, tdriver.tdriver_device_synchronize(self.handle))

  def session(self):
    """The session that compiles for this device, with the cache folder that is asked for now."""
    from .. import knobs
    folder = os.fspath(knobs.cache.dir) if knobs.cache.is_set("dir") else None
    found = self._sessions.get(folder)
    if found is None:
      with _lock:
        found = self._sessions.get(folder)
        if found is None:
          found = self._sessions[folder] = open_session(self.handle, folder)
    return found


def open_session(device_handle, folder):
  from .._raw import check, ref, tkernels
  if folder is not None:
    os.makedirs(folder, exist_ok=True)
  params = tkernels.tkernels_session_params.init(driver_device=device_handle, cache_dir=folder)
  cell = ref()
  check(tkernels, tkernels.tkernels_session_create(params, cell))
  return cell.value


def open_device(name, target=None):
  """The device of that name, opened once."""
  key = (name, target)
  found = _devices.get(key)
  if found is None:
    with _lock:
      found = _devices.get(key)
      if found is None:
        found = _devices[key] = Device(name, target)
  return found


def host_device_name():
  from .. import knobs
  return knobs.tessera.device or "cpu"


def host_device():
  """The device for arguments in host memory."""
  name = host_device_name()
  kind, _, arch = name.partition(":")
  if kind == "emu":
    return open_device("emu", "emu:" + (arch or "90a"))
  return open_device(name)


def cuda_count():
  """How many CUDA devices there are; asks the vendor's driver."""
  from .._raw import check, ref, tdriver
  import ctypes
  count = ref(ctypes.c_uint32)
  check(tdriver, tdriver.tdriver_device_count(driver(), count))
  names = []
  for index in range(count.value):
    cell = ref(ctypes.c_char_p)
    check(tdriver, tdriver.tdriver_device_name(driver(), index, cell))
    text = cell.value
    names.append(text.decode() if isinstance(text, bytes) else text)
  return sum(1 for name in names if name.startswith("cuda"))


def device_of(place):
  """The device that runs kernels on memory of a place."""
  if place[0] == "cuda":
    return open_device("cuda:%d" % place[1])
  if place[0] == "cpu":
    return host_device()
  raise ValueError("there is no device for arguments on %r: host and CUDA memory can be used" % (place[0],))


def null_device():
  """For reading kernel objects of any target, and for compiling where the device is not there."""
  return open_device("null")
