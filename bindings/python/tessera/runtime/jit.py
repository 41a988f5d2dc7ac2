# SPDX-License-Identifier: MIT
"""`jit`: Python functions as kernels.

Decorating is cheap (the standard library of the language is made of jit functions): the source is kept as lines of its
file, and everything else, signature included, is worked out on first use. A call `kernel[grid](…)` goes to the launch
extension, which knows the specialisations that it has seen; what it does not know comes to `JITFunction.run`.
"""

import linecache
import os
import sys
import threading

from . import _types
from ._base import FunctionBase, native as _native
from ._types import annotation_text, annotation_type, canonicalize_dtype, specialize

_VARARGS, _VARKEYWORDS = 4, 8  # bits of co_flags
_missing = type("missing", (), {"__repr__": lambda self: "<no default>"})()


class KernelParam:
  """One parameter of a jit function."""

  __slots__ = ("num", "name", "annotation", "annotation_type", "default", "has_default", "is_constexpr", "is_const",
               "is_keyword_only", "is_varargs", "do_not_specialize", "do_not_specialize_on_alignment")

  def __init__(self, num, name, annotation, default, keyword_only, varargs, no_value, no_alignment):
    self.num = num
    self.name = name
    self.annotation = text = annotation_text(annotation)
    self.default = default
    self.has_default = default is not _missing
    self.is_constexpr = "constexpr" in text
    self.is_const = "const" in text and not self.is_constexpr
    self.annotation_type = "" if self.is_constexpr or self.is_const else annotation_type(text)
    self.is_keyword_only = keyword_only
    self.is_varargs = varargs
    self.do_not_specialize = no_value
    self.do_not_specialize_on_alignment = no_alignment

  def specialize(self, value):
    """(type, key) of the value of this parameter."""
    if self.is_constexpr:
      return ("constexpr", _constexpr_key(value))
    if self.annotation_type:
      fixed = self.annotation_type
      if fixed == "u1" or fixed[:2] in ("fp", "bf"):
        return (fixed, None)
      kind, key = specialize(value, self.is_const, not self.do_not_specialize,
                             not self.do_not_specialize_on_alignment)
      if kind == "constexpr" or isinstance(kind, tuple):
        return (kind, key)
      if kind[0] == "*" or kind.startswith("tensordesc"):
        raise TypeError("argument %r is annotated as %s, but a %s was passed" % (self.name, fixed, kind))
      return (fixed, key)
    return specialize(value, self.is_const, not self.do_not_specialize, not self.do_not_specialize_on_alignment)

  def __repr__(self):
    return "KernelParam(%s)" % self.name


def _constexpr_key(value):
  return value.cache_key if isinstance(value, _types.JITCallableBase) else value


_hash_lock = threading.RLock()


class ClosureScope:
  """Variables of enclosing functions, as they are now; read like a dictionary."""

  __slots__ = ("cells",)

  def __init__(self, fn):
    self.cells = dict(zip(fn.__code__.co_freevars, fn.__closure__ or ()))

  def get(self, name, default=None):
    cell = self.cells.get(name)
    if cell is None:
      return default
    try:
      return cell.cell_contents
    except ValueError:  # not assigned yet
      return default

  def __contains__(self, name):
    return self.get(name, _missing) is not _missing

  def __getitem__(self, name):
    found = self.get(name, _missing)
    if found is _missing:
      raise KeyError(name)
    return found

  def snapshot(self):
    return {name: self[name] for name in self.cells if name in self}


def _dedent(lines):
  """Lines of a definition without the indentation of the first one."""
  depth = len(lines[0]) - len(lines[0].lstrip())
  return "".join([line[min(depth, len(line) - len(line.lstrip(" \t"))):] for line in lines])


def _find_definition(lines, first):
  """(index of the line with `def`, index behind the last line, (source, syntax tree) or None) of a definition whose first
  decorator is at `first`.

  The end is where the indentation ends and the text parses: much faster than tokens, and the tree is needed anyway."""
  import ast
  start = first
  while start < len(lines) and not lines[start].lstrip().startswith("def "):
    start += 1
  if start == len(lines):
    start = first
  depth = len(lines[start]) - len(lines[start].lstrip())
  end = start + 1
  while end <= len(lines):
    while end < len(lines):
      line = lines[end].lstrip()
      if line and line[0] != "#" and len(lines[end]) - len(line) <= depth:
        break
      end += 1
    stop = end
    while stop > start + 1:  # blank lines and comments behind it belong to what follows
      line = lines[stop - 1].lstrip()
      if line and (line[0] != "#" or len(lines[stop - 1]) - len(line) > depth):
        break
      stop -= 1
    source = _dedent(lines[start:stop])
    try:
      return start, stop, (source, ast.parse(source))
    except SyntaxError:  # a bracket or a text that goes on further left
      end += 1
  import inspect
  return start, first + len(inspect.getblock(lines[first:])), None


def _same(a, b):
  """Whether two values of an outer variable are the same for a kernel: 1, 1.0 and True are not."""
  if type(a) is not type(b):
    return False
  if type(a).__name__ == "constexpr":
    return _same(a.value, b.value)
  try:
    return bool(a == b)
  except Exception:
    return False


class JITCallable(_types.JITCallableBase):
  """A function whose source the compiler reads."""

  def __init__(self, fn):
    self.fn = fn
    self.__name__ = fn.__name__
    self.__qualname__ = fn.__qualname__
    self.__module__ = fn.__module__
    self.__doc__ = fn.__doc__
    self.module = fn.__module__
    self.__globals__ = fn.__globals__
    self.__wrapped__ = fn
    self._fn_name = "%s.%s" % (fn.__module__, fn.__qualname__)
    self.noinline = False
    self.hash = None
    self.used_global_vals = {}
    self._src = None
    self._raw = None
    self._tree = None
    self._nonlocals = None
    self._lock = threading.RLock()
    # A module that is edited while the program runs must not change kernels that were defined before: hold the lines
    # of the file as they are now. Our own modules do not need that.
    if self._fn_name.startswith("tessera."):
      self._lines = None
    else:
      filename = fn.__code__.co_filename
      linecache.checkcache(filename)
      self._lines = linecache.getlines(filename, fn.__globals__)
      if not self._lines:
        raise ValueError("@jit functions should be defined in a Python file: no source of %s (%s)" %
                         (fn.__qualname__, filename))

  # ---- source -------------------------------------------------------------------------------------------------
  def _block(self):
    """(source lines of the function with its decorators, number of the first one)."""
    if self._raw is None:
      lines = self._lines
      if lines is None:
        lines = linecache.getlines(self.fn.__code__.co_filename, self.__globals__)
      first = self.fn.__code__.co_firstlineno
      start, end, tree = _find_definition(lines, first - 1)
      self._raw = (lines[first - 1:end], first)
      if tree is not None and self._src is None and self._tree is None:
        self._src, self._tree = tree
    return self._raw

  @property
  def raw_src(self):
    """The lines of the definition as they stand in the file, decorators included."""
    return self._block()[0]

  @property
  def starting_line_number(self):
    """Number of the first line of raw_src in its file."""
    return self._block()[1]

  @property
  def def_line(self):
    """Number of the line with `def` in its file."""
    raw, first = self._block()
    for index, line in enumerate(raw):
      if line.lstrip().startswith("def "):
        return first + index
    return first

  @property
  def def_column(self):
    """How far the definition is indented in its file."""
    raw, first = self._block()
    line = raw[self.def_line - first]
    return len(line) - len(line.lstrip())

  @property
  def src(self):
    """The definition from `def` on, not indented."""
    if self._src is None:
      raw, first = self._block()
      if self._src is None:
        self._src = _dedent(raw[self.def_line - first:])
    return self._src

  @src.setter
  def src(self, value):
    raise AttributeError("the source of a jit function cannot be set; see _unsafe_update_src")

  def _unsafe_update_src(self, new_src):
    """Replaces the source. Kernels that were compiled from functions that call this one do not notice."""
    self.hash = None
    self.used_global_vals = {}
    self._tree = None
    self._src = new_src
    self._source_changed()

  def _source_changed(self):
    _forget_all()

  def parse(self):
    """The ast.Module with the function in it."""
    source = self.src
    if self._tree is None:
      import ast
      tree = ast.parse(source)
      if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef):
        raise ValueError("the source of %s is not one function definition" % self.__qualname__)
      self._tree = tree
    return self._tree

  # ---- what the function depends on ------------------------------------------------------------------------------
  def get_capture_scope(self):
    """Names that the function sees from outside: those of its module, and over them those of its closure."""
    return {**self.__globals__, **self.nonlocals.snapshot()}

  @property
  def nonlocals(self):
    """The variables of enclosing functions that this one uses."""
    if self._nonlocals is None:
      self._nonlocals = ClosureScope(self.fn)
    return self._nonlocals

  @property
  def cache_key(self):
    """Changes with the source of this function, of those it calls, and with the values of globals they use."""
    if self.hash is None:
      with _hash_lock:  # one for all functions: they may depend on each other
        if self.hash is None:
          from ._dependencies import find
          key, used = find(self)
          self.used_global_vals = used
          self.hash = key
    return self.hash

  def check_globals(self):
    """Raises RuntimeError if a variable of an outer scope that the function read has changed since."""
    for (name, _), (value, scope) in self.used_global_vals.items():
      now = scope.get(name, _missing)
      if now is not value and not _same(now, value):
        raise RuntimeError("Global variable %s has changed since we compiled this kernel, from %s to %s" %
                           (name, value, now))

  @property
  def type(self):
    from ..language import core
    return core.constexpr_type(self)

  def __hash__(self):
    return id(self)

  def __eq__(self, other):
    return self is other


class ConstexprFunction(JITCallable):
  """A Python function that kernels may call with compile-time values; the result is one, too."""

  def __get__(self, obj, objclass):
    if obj is None:
      return self
    import types
    return types.MethodType(self, obj)

  def __call__(self, *args, _semantic=None, **kwargs):
    from ..language import core
    unwrap = getattr(core, "_unwrap_if_constexpr", None) or core.unwrap_if_constexpr
    result = self.fn(*[unwrap(a) for a in args], **{k: unwrap(v) for k, v in kwargs.items()})
    if _semantic is None:
      return result
    if getattr(core, "is_tensor_value", None) is None and isinstance(result, core.constexpr):
      return result
    return core.constexpr(result)


def constexpr_function(fn):
  """Makes a function that can be called at compile time from kernels, and from Python as before."""
  return ConstexprFunction(fn)


class JitFunctionInfo:
  """What hooks are told about a jit function."""

  __slots__ = ("module", "name", "jit_function")

  def __init__(self, module, name, jit_function):
    self.module, self.name, self.jit_function = module, name, jit_function


class KernelInterface:
  """Something that runs as `x[grid](arguments)`."""

  def warmup(self, *args, grid, **kwargs):
    return self.run(*[MockTensor.wrap_dtype(a) for a in args], grid=grid, warmup=True, **kwargs)

  def run(self, *args, grid, warmup, **kwargs):
    raise NotImplementedError("run is not implemented")

  def __getitem__(self, grid):
    return lambda *args, **kwargs: self.run(*args, grid=grid, warmup=False, **kwargs)


class JITFunction(FunctionBase, JITCallable):
  """A Python function as a kernel, or as a function that kernels call."""

  is_gluon_kernel = False

  def __init__(self, fn, version=None, do_not_specialize=None, do_not_specialize_on_alignment=None, debug=None,
               noinline=None, repr=None, launch_metadata=None):
    JITCallable.__init__(self, fn)
    code = fn.__code__
    if code.co_flags & _VARKEYWORDS:
      raise TypeError("%s(): jit functions cannot have **%s parameters" %
                      (fn.__qualname__, code.co_varnames[code.co_argcount + code.co_kwonlyargcount +
                                                         bool(code.co_flags & _VARARGS)]))
    self.version = version
    self.do_not_specialize = list(do_not_specialize or ())
    self.do_not_specialize_on_alignment = list(do_not_specialize_on_alignment or ())
    self.debug = debug
    self.noinline = bool(noinline)
    self._repr = repr
    self.launch_metadata = launch_metadata
    self.pre_run_hooks = []
    self.kernel = None
    self._params = None
    self._device_caches = None
    self._bind = None

  # ---- parameters --------------------------------------------------------------------------------------------
  @property
  def params(self):
    if self._params is None:
      self._params = self._make_params()
    return self._params

  def _make_params(self):
    fn, code = self.fn, self.fn.__code__
    count, only = code.co_argcount, code.co_kwonlyargcount
    names = list(code.co_varnames[:count])
    keywords = list(code.co_varnames[count:count + only])
    varargs = [code.co_varnames[count + only]] if code.co_flags & _VARARGS else []
    annotations = fn.__annotations__
    defaults = dict(zip(names[count - len(fn.__defaults__ or ()):], fn.__defaults__ or ()))
    defaults.update(fn.__kwdefaults__ or {})
    params = []
    for name in names + varargs + keywords:
      num = len(params)
      params.append(KernelParam(num, name, annotations.get(name), defaults.get(name, _missing), name in keywords,
                                name in varargs,
                                name in self.do_not_specialize or num in self.do_not_specialize,
                                name in self.do_not_specialize_on_alignment or
                                num in self.do_not_specialize_on_alignment))
    return params

  @property
  def arg_names(self):
    return [p.name for p in self.params]

  @property
  def signature(self):
    import inspect
    return inspect.signature(self.fn)

  @property
  def constexprs(self):
    return [p.num for p in self.params if p.is_constexpr]

  def repr(self, specialization):
    """The kernel's name in the IR."""
    return self._fn_name if self._repr is None else self._repr(specialization)

  def add_pre_run_hook(self, hook):
    """`hook(*args, **kwargs)` runs before every launch, with the launch's arguments."""
    self.pre_run_hooks.append(hook)
    self._leave_to_python()

  # ---- running ---------------------------------------------------------------------------------------------
  def warmup(self, *args, grid, **kwargs):
    """Compiles without launching; torch dtypes stand for pointers to that type."""
    return self.run(*[MockTensor.wrap_dtype(a) for a in args], grid=grid, warmup=True, **kwargs)

  def run(self, *args, grid, warmup, **kwargs):
    """What `kernel[grid](…)` does; gives the compiled kernel, or None where a hook vetoed it."""
    if not warmup and _native:
      return self[grid](*args, **kwargs)
    from . import _run
    return _run.run(self, args, kwargs, grid, warmup)

  def preload(self, specialization_data):
    """Compiles what a cache hook was told as compile["specialization_data"]."""
    from . import _run
    return _run.preload(self, specialization_data)

  @property
  def device_caches(self):
    """[device] -> (kernels by key, …); made when first asked for."""
    if self._device_caches is None:
      with self._lock:
        if self._device_caches is None:
          from ._run import DeviceCaches
          self._device_caches = DeviceCaches(self)
    return self._device_caches

  def _source_changed(self):
    self.params  # of the definition as it was: defaults and annotations do not follow the text
    _forget_all()

  def __call__(self, *args, **kwargs):
    raise RuntimeError("Cannot call @jit'd outside of the scope of a kernel: use %s[grid](…)" % self.__name__)

  def __repr__(self):
    return "JITFunction(%s:%s)" % (self.__module__, self.__qualname__)

  def __reduce__(self):
    return self.__qualname__  # by its name in its module, like a function

  def __copy__(self):
    return self

  def __deepcopy__(self, memo):
    return self

  __hash__ = JITCallable.__hash__
  __eq__ = JITCallable.__eq__


def _forget_all():
  """Source or settings changed: every function asks again instead of taking its last answer."""
  from . import _base
  _base.bump()


def jit(fn=None, *, version=None, repr=None, launch_metadata=None, do_not_specialize=None,
        do_not_specialize_on_alignment=None, debug=None, noinline=None):
  """Makes a kernel of a Python function: `@jit` or `@jit(do_not_specialize=["n"])`."""

  def decorate(fn):
    if not callable(fn):
      raise TypeError("@jit takes a function, not %s" % type(fn).__name__)
    return JITFunction(fn, version=version, do_not_specialize=do_not_specialize,
                       do_not_specialize_on_alignment=do_not_specialize_on_alignment, debug=debug,
                       noinline=noinline, repr=repr, launch_metadata=launch_metadata)

  return decorate if fn is None else decorate(fn)


# ---- stand-ins for tensors ----------------------------------------------------------------------------------------


class MockTensor:
  """A tensor that has only a type: for warmup."""

  _is_mock_tensor = True

  @staticmethod
  def wrap_dtype(arg):
    if type(arg).__name__ == "dtype" and type(arg).__module__ in ("torch", "numpy"):
      return MockTensor(arg)
    return arg

  def __init__(self, dtype, shape=None):
    self.dtype = dtype
    self.shape = [1] if shape is None else shape

  def stride(self):
    strides = [1]
    for size in reversed(self.shape[1:]):
      strides.append(strides[-1] * size)
    return tuple(reversed(strides))

  @staticmethod
  def data_ptr():
    return 0

  @staticmethod
  def ptr_range():
    return 0


class TensorWrapper:
  """A tensor whose elements kernels see as another type."""

  def __init__(self, base, dtype):
    self.dtype = dtype
    self.base = base
    self.data = getattr(base, "data", None)
    self.device = base.device
    self.shape = base.shape

  def data_ptr(self):
    return self.base.data_ptr()

  def stride(self, *args):
    return self.base.stride(*args)

  def element_size(self):
    return self.base.element_size()

  def cpu(self):
    return TensorWrapper(self.base.cpu(), self.dtype)

  def copy_(self, other):
    self.base.copy_(other.base)

  def clone(self):
    return TensorWrapper(self.base.clone(), self.dtype)

  def to(self, device):
    return TensorWrapper(self.base.to(device), self.dtype)

  def new_empty(self, sizes):
    return TensorWrapper(self.base.new_empty(sizes), self.dtype)

  def __str__(self):
    return "TensorWrapper[%s](%s)" % (self.dtype, self.base)


def reinterpret(tensor, dtype):
  """The tensor with elements of `dtype` (of the language) for kernels; nothing is copied."""
  if isinstance(tensor, TensorWrapper):
    tensor = tensor.base
    if dtype == tensor.dtype:
      return tensor
  if not hasattr(tensor, "data_ptr"):
    raise TypeError("cannot reinterpret a %s" % type(tensor))
  return TensorWrapper(tensor, dtype)


def mangle_type(arg, specialize=False):
  """The type of an argument as signatures spell it."""
  kind, _ = _types.specialize(arg, False, specialize, False)
  return kind
