# SPDX-License-Identifier: MIT
"""What goes wrong with kernels at run time."""

from ..errors import TritonError


class InterpreterError(TritonError):
  """A kernel failed while it was interpreted."""

  def __init__(self, error_message=None):
    self.error_message = error_message
    super().__init__(error_message or "")

  def __str__(self):
    return self.error_message or ""


class OutOfResources(TritonError):
  """A kernel needs more of something than the device has."""

  def __init__(self, required, limit, name):
    self.required, self.limit, self.name = required, limit, name
    super().__init__(required, limit, name)

  def __str__(self):
    return ("out of resource: %s, Required: %s, Hardware limit: %s. Reducing block sizes or `num_stages` may help." %
            (self.name, self.required, self.limit))

  def __reduce__(self):
    return (type(self), (self.required, self.limit, self.name))


class PTXASError(TritonError):
  """The assembler refused a kernel."""

  def __init__(self, error_message=None):
    self.error_message = error_message or ""
    super().__init__(self.error_message)

  def __str__(self):
    return "PTXAS error: %s" % self.error_message if self.error_message else "PTXAS error"


class AutotunerError(TritonError):
  """No configuration is left to try."""

  def __init__(self, error_message=None):
    self.error_message = error_message or ""
    super().__init__(self.error_message)

  def __str__(self):
    return "Autotuner error: %s" % self.error_message if self.error_message else "Autotuner error"
