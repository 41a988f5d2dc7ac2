# SPDX-License-Identifier: MIT
"""Importing this module makes `import triton`, and every `triton.…` below it, give modules of tessera.

The modules are the same objects under both names: a kernel of a library that says `triton.jit` and one that says
`tessera.jit` work together. TESSERA_TRITON_PATH may name folders (joined as in PATH) with further modules of the package
`triton`, such as helpers of Triton's own tests; what is found there comes before the stand-ins of this folder.
"""

import importlib
import importlib.abc
import importlib.machinery
import os
import sys

# First parts of names that this folder answers; all others are tessera's own modules.
_OWN = {"backends", "experimental", "profiler", "_C", "_utils", "_filecheck"}
_FOREIGN = {"_internal_testing", "_compile_warmup", "_compile_warmup_pool", "_test_runner"}
# Private names that tests import from modules of ours which have them elsewhere.
_EXTRA = {"tessera.runtime.jit": {"type_canonicalisation_dict": "_utils"}}


def target_of(fullname):
  """The module that stands under a name of the package triton."""
  if fullname == "triton":
    return "tessera.triton"
  rest = fullname[len("triton."):]
  return ("tessera.triton." if rest.split(".")[0] in _OWN else "tessera.") + rest


def _folders():
  return [f for f in os.environ.get("TESSERA_TRITON_PATH", "").split(os.pathsep) if f]


class _Loader(importlib.abc.Loader):
  """Hands out a module that is there already."""

  def __init__(self, module):
    self.module = module
    self.spec = getattr(module, "__spec__", None)

  def create_module(self, spec):
    return self.module

  def exec_module(self, module):
    module.__spec__ = self.spec  # the machinery has put the other name's there

  def get_code(self, fullname):  # for `python -m`
    loader = getattr(self.spec, "loader", None)
    return loader.get_code(self.spec.name) if hasattr(loader, "get_code") else None


class Finder(importlib.abc.MetaPathFinder):
  """Resolves `triton` and `triton.…`."""

  def find_spec(self, fullname, path=None, target=None):
    if fullname != "triton" and not fullname.startswith("triton."):
      return None
    if fullname.split(".")[-1] in _FOREIGN and _folders():
      spec = importlib.machinery.PathFinder.find_spec(fullname, _folders())
      if spec is not None:
        return spec
    if fullname == "triton":
      _complete_torch()
    name = target_of(fullname)
    try:
      module = importlib.import_module(name)
    except ModuleNotFoundError as error:
      if error.name != name:
        raise
      return None
    for extra, place in _EXTRA.get(name, {}).items():
      if not hasattr(module, extra):
        setattr(module, extra, getattr(importlib.import_module("tessera.triton." + place), extra))
    spec = importlib.machinery.ModuleSpec(fullname, _Loader(module), origin=getattr(module, "__file__", None),
                                          is_package=hasattr(module, "__path__"))
    if hasattr(module, "__path__"):
      spec.submodule_search_locations = list(module.__path__)
    return spec


def _complete_torch():
  """Names that programs use of torch.cuda through `getattr(torch, device.type)`, and that torch.cpu lacks."""
  torch = sys.modules.get("torch")
  cpu = getattr(torch, "cpu", None)
  if cpu is not None and not hasattr(cpu, "set_stream"):
    cpu.set_stream = lambda stream: None  # there is one stream


def install():
  """Puts the finder in place; a second call does nothing. RuntimeError if another `triton` has been imported."""
  loaded = sys.modules.get("triton")
  if any(isinstance(finder, Finder) for finder in sys.meta_path):
    return
  if loaded is not None and getattr(loaded, "__name__", "") != "tessera.triton":
    raise RuntimeError("another package named triton is loaded already (%s): import tessera.triton.install first" %
                       getattr(loaded, "__file__", "?"))
  sys.meta_path.insert(0, Finder())
  _mark_children()


def _mark_children():
  """With TESSERA_TRITON_CHILDREN=1, Python processes that this one starts install themselves, too."""
  if os.environ.get("TESSERA_TRITON_CHILDREN") != "1":
    return
  here = os.path.dirname(os.path.abspath(__file__))
  folders = [os.path.join(here, "children"), os.path.dirname(os.path.dirname(here))]
  old = [f for f in os.environ.get("PYTHONPATH", "").split(os.pathsep) if f and f not in folders]
  os.environ["PYTHONPATH"] = os.pathsep.join(folders + old)


install()
