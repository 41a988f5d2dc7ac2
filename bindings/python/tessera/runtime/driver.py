# SPDX-License-Identifier: MIT
"""`driver.active`: the devices as programs ask for them. The module itself is the object `driver`.

There is one active driver for questions without an argument to go by ("which device?"): CUDA where torch is loaded and
has a GPU, or where the knob tessera.device says nothing and the vendor's driver shows one; else the CPU. Launches do not
ask it: they follow their arguments.
"""

import sys
import types

from . import _device
from ._device import GPUTarget  # noqa: F401


class DriverBase:
  """What drivers have in common."""

  @classmethod
  def is_active(cls):
    return True

  def map_python_to_cpp_type(self, ty):
    if ty[0] == "*" or ty.startswith("tensordesc"):
      return "CUdeviceptr"
    names = {"i1": "int8_t", "u1": "int8_t", "fp16": "double", "bf16": "double", "fp32": "double", "fp64": "double"}
    return names.get(ty) or ("uint%s_t" if ty[0] == "u" else "int%s_t") % ty[1:]

  def get_benchmarker(self):
    from ..testing import do_bench
    return do_bench

  def assemble_tensormap_to_arg(self, tensormaps_info, args):
    return args


class _Utils:
  """Properties of devices."""

  def __init__(self, owner):
    self.owner = owner

  def get_device_properties(self, device=None):
    return self.owner.properties(device)


def _torch():
  return sys.modules.get("torch")


class CPUDriver(DriverBase):
  """The CPU, and what stands in for it (null, emu)."""

  def __init__(self):
    self.utils = _Utils(self)

  def device(self):
    return _device.host_device()

  def get_current_target(self):
    return self.device().gpu_target

  def get_current_device(self):
    return 0

  def set_current_device(self, device):
    pass

  def get_current_stream(self, device=None):
    return 0

  def get_device_capability(self, device=None):
    return (0, 0)

  def get_active_torch_device(self):
    import torch  # asked for by name, so it is there
    return torch.device("cpu")

  def get_device_interface(self):
    import torch
    return torch.cpu

  def properties(self, device=None):
    """Numbers that make sense of GPU occupancy arithmetic: every divisor is there, and a core takes one program."""
    info = self.device().info
    threads = max(int(info.threads or info.cores or 1), 1)
    return {"max_shared_mem": 1 << 20, "max_num_regs": 65536, "multiprocessor_count": threads, "warpSize": 32,
            "sm_clock_rate": 2000000, "mem_clock_rate": 1600000, "mem_bus_width": 128}

  def get_empty_cache_for_benchmark(self):
    size = 64 << 20
    torch = _torch()
    if torch is not None:
      return torch.empty(size // 4, dtype=torch.int)
    import numpy
    return numpy.empty(size // 4, dtype=numpy.int32)

  def clear_cache(self, cache):
    if hasattr(cache, "zero_"):
      cache.zero_()
    else:
      cache[...] = 0


class CudaDriver(DriverBase):
  """CUDA devices; current device and stream are torch's where it is loaded."""

  def __init__(self):
    self.utils = _Utils(self)
    self._device = 0

  def _index(self, device):
    """Number of a device that is named by number, by torch.device, or not at all."""
    index = getattr(device, "index", device)
    return index if isinstance(index, int) else self.get_current_device()

  def get_current_target(self):
    return _device.open_device("cuda:%d" % self.get_current_device()).gpu_target

  def get_current_device(self):
    torch = _torch()
    return torch.cuda.current_device() if torch is not None and torch.cuda.is_available() else self._device

  def set_current_device(self, device):
    torch = _torch()
    if torch is not None and torch.cuda.is_available():
      torch.cuda.set_device(device)
    else:
      self._device = int(device)

  def get_current_stream(self, device=None):
    torch = _torch()
    if torch is None or not torch.cuda.is_available():
      return 0
    return torch._C._cuda_getCurrentRawStream(self._index(device))

  def get_device_capability(self, device=None):
    info = _device.open_device("cuda:%d" % self._index(device)).info
    return (info.capability // 10, info.capability % 10)

  def get_active_torch_device(self):
    import torch
    return torch.device("cuda", self.get_current_device())

  def get_device_interface(self):
    import torch
    return torch.cuda

  def properties(self, device=None):
    index = self._index(device)
    info = _device.open_device("cuda:%d" % index).info
    found = {"max_shared_mem": info.shared_bytes, "max_num_regs": info.unit_registers,
             "multiprocessor_count": info.units, "warpSize": 32, "sm_clock_rate": 1980000, "mem_clock_rate": 2619000,
             "mem_bus_width": 5120}
    torch = _torch()
    if torch is not None:
      seen = torch.cuda.get_device_properties(index)
      for name, key in (("clock_rate", "sm_clock_rate"), ("memory_clock_rate", "mem_clock_rate"),
                        ("memory_bus_width", "mem_bus_width")):
        found[key] = getattr(seen, name, found[key])
    return found

  def get_empty_cache_for_benchmark(self):
    import torch
    return torch.empty(256 << 18, dtype=torch.int, device="cuda")

  def clear_cache(self, cache):
    cache.zero_()


def _choose():
  from .. import knobs
  if knobs.tessera.device:
    return CudaDriver() if knobs.tessera.device.startswith("cuda") else CPUDriver()
  torch = _torch()
  if torch is not None and hasattr(torch, "cuda"):
    return CudaDriver() if torch.cuda.is_available() else CPUDriver()
  return CudaDriver() if _device.cuda_count() else CPUDriver()


class DriverConfig:
  """Which driver answers."""

  def __init__(self):
    self._default = None
    self._active = None

  @property
  def default(self):
    if self._default is None:
      self._default = _choose()
    return self._default

  @property
  def active(self):
    if self._active is None:
      self._active = self.default
    return self._active

  def set_active(self, driver):
    self._active = driver
    from . import _base
    _base.bump()

  def reset_active(self):
    self.set_active(self.default)

  def set_active_to_cpu(self):
    self.set_active(CPUDriver())

  def set_active_to_gpu(self):
    self.set_active(CudaDriver())

  def get_active_gpus(self):
    return [CudaDriver] if _device.cuda_count() else []


class _DriverModule(types.ModuleType, DriverConfig):
  """`tessera.runtime.driver` is module and object: both are written in programs."""


_module = sys.modules[__name__]
_module._default = None
_module._active = None
_module.__class__ = _DriverModule
driver = _module
