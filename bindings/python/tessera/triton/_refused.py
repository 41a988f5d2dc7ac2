# SPDX-License-Identifier: MIT
"""Names that exist so that programs can import them, and say what is missing when they are used."""


def refused(name, why):
  """A class whose construction, and any attribute of which, raises NotImplementedError naming it."""
  message = "not implemented: %s (%s)" % (name, why)

  class Meta(type):

    def __getattr__(cls, attribute):
      if attribute.startswith("_") or attribute in ("pytestmark",):
        raise AttributeError(attribute)
      raise NotImplementedError(message)

    def __call__(cls, *args, **kwargs):
      raise NotImplementedError(message)

    def __repr__(cls):
      return "<%s>" % message

  return Meta(name.rsplit(".", 1)[-1], (), {"__doc__": message, "__module__": name.rsplit(".", 1)[0]})


def no_module(name, why):
  """The __getattr__ of a module that has nothing: ImportError, also for `from name import x`."""

  def get(attribute):
    if attribute.startswith("__"):
      raise AttributeError(attribute)
    raise ImportError("not implemented: %s.%s (%s)" % (name, attribute, why), name=name)

  return get
