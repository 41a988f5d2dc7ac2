# SPDX-License-Identifier: MIT
"""What programs ask of Triton's list of back ends: which there are, and whether they are active."""


class Backend:
  """One row: the class that compiles and the class that drives devices."""

  def __init__(self, compiler, driver):
    self.compiler = compiler
    self.driver = driver


class _Active:
  """Stands for the driver class of a back end: active where the active driver's target is its kind."""

  def __init__(self, kind):
    self.kind = kind

  def is_active(self):
    from tessera.runtime import driver
    return driver.active.get_current_target().backend == self.kind

  def __call__(self):
    from tessera.runtime import driver
    return driver.active


class _Table(dict):

  def __missing__(self, name):
    raise KeyError("there is no back end %r; there are %s" % (name, ", ".join(self)))


def _make():
  from .compiler import BaseBackend
  return _Table({"nvidia": Backend(BaseBackend, _Active("cuda")), "cpu": Backend(BaseBackend, _Active("cpu"))})


def __getattr__(name):
  if name == "backends":
    value = globals()["backends"] = _make()
    return value
  raise AttributeError("module 'triton.backends' has no attribute %r" % name)
