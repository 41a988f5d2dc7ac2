# SPDX-License-Identifier: MIT
"""What a jit function depends on: the functions it calls and the variables of outer scopes that it reads.

The function's text is followed in the order of evaluation, so that a name that is assigned after it was read counts as
the outer one. Names that cannot be told from the text (attributes of run-time values) are none.
"""

import ast
import builtins
import hashlib
import types

from . import _store
from . import jit as _jit
from ._types import JITCallableBase

_unknown = object()
_PACKAGES = ("tessera", "triton")
_MODULES = ("math", "copy", "builtins", "operator")
_in_progress = set()


def find(function):
  """(key, {(name, id(scope)): (value, scope)}) of a jit function."""
  if id(function) in _in_progress:  # recursion, which the code generator refuses with a better message
    return ("recursive " + function._fn_name, {})
  _in_progress.add(id(function))
  try:
    finder = _Finder(function)
    finder.visit(function.parse())
    for value in (function.fn.__defaults__ or ()) + tuple((function.fn.__kwdefaults__ or {}).values()):
      if isinstance(value, JITCallableBase):
        finder.add_call(value)
  finally:
    _in_progress.discard(id(function))
  digest = hashlib.sha256()

  def field(text):
    data = text.encode("utf-8", "surrogatepass")
    digest.update(b"%d:" % len(data))
    digest.update(data)

  field(function._fn_name)
  field(function.fn.__code__.co_filename)  # it stands in the locations of operations
  field(function.src)
  field(str(function.starting_line_number))
  field("noinline" if function.noinline else "")
  for name, key in sorted(finder.calls.items()):
    field(name)
    field(key)
  for name, text in sorted((name, "%s %r" % (type(value).__name__, value))
                           for (name, _), (value, _) in finder.used.items()):
    field(name)
    field(_store.lasting(text))
  for name, text in sorted(finder.classes.items()) + sorted(finder.attributes.items()):
    field(name)
    field(text)
  # Defaults were evaluated when the function was defined: their text says nothing.
  field(_store.lasting(repr((function.fn.__defaults__, function.fn.__kwdefaults__))))
  return (digest.hexdigest(), finder.used)


class _Finder(ast.NodeVisitor):

  def __init__(self, function):
    self.function = function
    self.globals = function.__globals__
    self.closure = function.nonlocals
    self.local = [set()]
    self.calls = {}
    self.used = {}
    self.classes = {}  # sources of aggregates
    self.attributes = {}  # values of attributes of outer objects

  # ---- values ------------------------------------------------------------------------------------------------
  def note(self, value, name, scope):
    """Takes notice of a value of an outer scope; gives the value on, for attributes of it."""
    if value is None or isinstance(value, types.ModuleType):
      return value
    if isinstance(value, JITCallableBase):
      self.add_call(value)
      return value
    if _is_language(value):
      if scope is not None and not callable(value):
        self.add_variable(name, value, scope)
      return value
    if callable(value) and not isinstance(value, type) and type(value).__name__ != "constexpr":
      if _is_plain_function(value):
        raise RuntimeError("Unsupported function referenced: %s" % (value,))
      return value
    if isinstance(value, type):
      if getattr(value, "__triton_aggregate__", False):
        self.add_class(value)
      return value
    if scope is not None:
      self.add_variable(name, value, scope)
    return value

  def add_call(self, other):
    if other is self.function:
      return
    if other._fn_name.startswith("tessera."):  # part of this package: its version says what it is
      self.calls["%s@%d" % (other._fn_name, other.fn.__code__.co_firstlineno)] = ""
      return
    key = other.cache_key
    for variable, (value, scope) in other.used_global_vals.items():
      self.add_variable(variable[0], value, scope, other)
    noinline = str(getattr(other, "noinline", False))
    self.calls["%s %s" % (other._fn_name, key)] = key + noinline

  def add_class(self, kind):
    """An aggregate: its fields and methods are part of the code."""
    import inspect
    name = "%s.%s" % (kind.__module__, kind.__qualname__)
    if name in self.classes:
      return
    try:
      self.classes[name] = inspect.getsource(kind)
    except (OSError, TypeError):
      self.classes[name] = _store.lasting("%s at 0x%x" % (name, id(kind)))
    for base in kind.__mro__:
      for item in vars(base).values():
        if isinstance(item, JITCallableBase):
          self.add_call(item)

  def add_variable(self, name, value, scope, other=None):
    key = (name, id(scope))
    known = self.used.get(key)
    if known is not None:
      if other is not None and not _jit._same(known[0], value):
        raise RuntimeError("Global variable %s has value %s when compiling %s, but inner kernel %s has conflicting "
                           "value %s from when it was first compiled. This is not allowed." %
                           (name, known[0], self.function.__name__, other.__name__, value))
      return
    if other is None:
      import copy
      try:
        value = copy.deepcopy(value)
      except Exception:  # cannot be copied: changes inside it go unseen
        pass
    self.used[key] = (value, scope)

  def is_local(self, name):
    return any(name in names for names in self.local)

  # ---- expressions ----------------------------------------------------------------------------------------------
  def visit_Name(self, node):
    if not isinstance(node.ctx, ast.Load):
      self.local[-1].add(node.id)
      return _unknown
    if self.is_local(node.id):
      return _unknown
    for scope in (self.closure, self.globals):
      if node.id in scope:
        return self.note(scope[node.id], node.id, scope)
    return getattr(builtins, node.id, _unknown)

  def visit_Attribute(self, node):
    base = self.visit(node.value)
    if base is _unknown or base is None:
      return _unknown
    value = getattr(base, node.attr, _unknown)
    if value is _unknown:
      return value
    if not isinstance(base, types.ModuleType):
      if not callable(value) and not _is_language(base):
        owner = base if isinstance(base, type) else type(base)
        self.attributes["%s.%s" % (owner.__qualname__, node.attr)] = _store.lasting(
            "%s %r" % (type(value).__qualname__, value))
      return self.note(value, node.attr, None)
    if _is_package(base.__name__):
      return self.note(value, node.attr, None)
    if base.__name__.split(".")[0] in _MODULES:
      return value
    is_variable = not callable(value) and not isinstance(value, types.ModuleType)
    return self.note(value, node.attr, vars(base) if is_variable else None)

  def generic_visit(self, node):
    super().generic_visit(node)
    return _unknown

  # ---- what binds names ---------------------------------------------------------------------------------------------
  def visit_FunctionDef(self, node):
    self.arguments(node.args)
    for statement in node.body:
      self.visit(statement)
    return _unknown

  def arguments(self, args):
    for arg in args.posonlyargs + args.args + args.kwonlyargs + [a for a in (args.vararg, args.kwarg) if a]:
      self.local[-1].add(arg.arg)
      if arg.annotation is not None and not isinstance(arg.annotation, ast.Constant):
        pass  # an annotation is evaluated once, by Python
    # Defaults, too, were evaluated once, when the function was defined.

  def visit_Assign(self, node):
    self.visit(node.value)
    for target in node.targets:
      self.visit(target)
    return _unknown

  def visit_AugAssign(self, node):
    self.visit(node.value)
    self.visit(node.target)
    return _unknown

  def visit_AnnAssign(self, node):
    if node.value is not None:
      self.visit(node.value)
    self.visit(node.target)
    return _unknown

  def visit_For(self, node):
    self.visit(node.iter)
    self.visit(node.target)
    for statement in node.body + node.orelse:
      self.visit(statement)
    return _unknown

  def visit_Lambda(self, node):
    self.local.append(set())
    self.arguments(node.args)
    self.visit(node.body)
    self.local.pop()
    return _unknown

  def comprehension(self, node, *parts):
    self.local.append(set())
    for generator in node.generators:
      self.visit(generator.iter)
      self.visit(generator.target)
      for condition in generator.ifs:
        self.visit(condition)
    for part in parts:
      self.visit(part)
    self.local.pop()
    return _unknown

  def visit_ListComp(self, node):
    return self.comprehension(node, node.elt)

  visit_SetComp = visit_GeneratorExp = visit_ListComp

  def visit_DictComp(self, node):
    return self.comprehension(node, node.key, node.value)


def _is_package(name):
  return name.split(".")[0] in _PACKAGES


def _is_language(value):
  """Things of the language itself: builtins, types, constants."""
  if getattr(value, "__triton_builtin__", False) or getattr(value, "__tessera_builtin__", False):
    return True
  module = getattr(value, "__module__", None) or getattr(type(value), "__module__", "")
  return isinstance(module, str) and _is_package(module) and type(value).__name__ != "constexpr"


def _is_plain_function(value):
  if isinstance(value, (types.FunctionType, types.MethodType)):
    return (getattr(value, "__module__", "") or "").split(".")[0] not in _MODULES
  return False
