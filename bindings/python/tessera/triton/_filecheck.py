# SPDX-License-Identifier: MIT
"""The IR of kernels compared with patterns in their own source, by LLVM's FileCheck. What tests written for Triton's
helper of this name need."""

import functools
import inspect
import os
import shutil
import subprocess
import tempfile

from tessera.compiler import options as _options
from tessera.compiler.compiler import ASTSource, GPUTarget, make_backend
from tessera.runtime import _run

stub_target = GPUTarget("cuda", 100, 32)  # nothing is compiled for it


class MatchError(ValueError):
  """The IR is not what the patterns say."""

  def __init__(self, message, module_str=""):
    super().__init__("%s\n%s" % (message, module_str))
    self.module_str = module_str


def _filecheck_program():
  for name in ("FileCheck", "FileCheck-22"):
    path = shutil.which(name)
    if path:
      return path
  raise RuntimeError("FileCheck is not installed (Debian: llvm-22-tools)")


class _ParsedModule:
  """What the front end gave, with the one question that tests ask."""

  def __init__(self, module):
    self.module = module

  def str_nodebug(self):
    """Without locations, hence without the names of Python's variables, which are kept there."""
    from tessera.compiler.builder import Module
    return Module.load(self.module.bytecode(debug=False)).text(locations=False)

  def __str__(self):
    return self.module.text()

  def __getattr__(self, name):
    return getattr(self.module, name)


def run_filecheck(name, module_str, check_template):
  """Raises MatchError where the text does not match the patterns."""
  with tempfile.TemporaryDirectory() as folder:
    patterns, text = os.path.join(folder, name + ".patterns"), os.path.join(folder, name + ".ttir")
    for path, content in ((patterns, check_template), (text, module_str)):
      with open(path, "w", encoding="utf-8") as out:
        out.write(content)
    done = subprocess.run([_filecheck_program(), patterns, "--input-file", text, "--dump-input-context=40"],
                          capture_output=True, text=True)
  if done.returncode:
    raise MatchError(done.stderr, module_str)


def run_parser(kernel_fn, args=(), kwargs=None, target=stub_target):
  """The module of a kernel called with these arguments, straight from the front end."""
  bound = _run.bind(kernel_fn, tuple(args), {"sanitize_overflow": False, **(kwargs or {})})
  signature = {p.name: kind for p, kind in zip(kernel_fn.params, bound.kinds)}
  constexprs, attrs = {}, {}
  for p, kind, key in zip(kernel_fn.params, bound.kinds, bound.keys):
    _run._split(bound.values[p.name], kind, key, (p.num,), constexprs, attrs)
  options, _ = _options.parse(target, bound.options)
  backend = make_backend(target)
  source = ASTSource(kernel_fn, signature, constexprs, attrs)
  return _ParsedModule(source.make_ir(target, options, backend.get_codegen_implementation(options),
                                      backend.get_module_map()))


def run_filecheck_test(kernel_fn, args=(), kwargs=None, target=stub_target):
  """Compares the IR of a kernel with the patterns in its source."""
  run_filecheck(kernel_fn.__name__, run_parser(kernel_fn, args, kwargs, target).str_nodebug(),
                inspect.getsource(kernel_fn.fn))


def filecheck_test(fn):
  """Makes a kernel a test of its own patterns."""

  @functools.wraps(fn)
  def test():
    run_filecheck_test(fn)

  del test.__wrapped__  # the kernel's parameters are no fixtures
  return test
