# SPDX-License-Identifier: MIT
"""One launch, whole: bind, specialise, find or compile the kernel, launch it.

This is what `JITFunction.run` does, and what the launch extension falls back to for specialisations it has not seen.
"""

import threading

from .. import knobs
from . import _base, _device, _object, _types
from .jit import JitFunctionInfo, _missing


class KernelCache(dict):
  """Kernels of a function on one device, by key. Taking one out makes the launch path ask again."""

  def __init__(self, owner):
    super().__init__()
    self.owner = owner

  def clear(self):
    super().clear()
    self.owner._forget()

  def pop(self, *args):
    self.owner._forget()
    return super().pop(*args)

  def __delitem__(self, key):
    self.owner._forget()
    super().__delitem__(key)


class DeviceCaches:
  """[device] -> (kernels by key, keys, target, back end, binder). Devices: 0, "cpu", None, "cuda:1", a torch.device."""

  def __init__(self, owner):
    self.owner = owner
    self.entries = {}

  def place(self, device):
    if isinstance(device, tuple):
      return device
    if device is None or isinstance(device, int):
      return _default_place(device)
    kind = getattr(device, "type", None)
    if kind is None:
      kind, _, index = str(device).partition(":")
    else:
      index = getattr(device, "index", None) or 0
    return (kind, int(index or 0))

  def __getitem__(self, device):
    place = self.place(device)
    if place[0] == "cpu":
      place = ("cpu", _device.host_device_name())
    found = self.entries.get(place)
    if found is None:
      from ..compiler.compiler import make_backend
      where = _device.host_device() if place[0] == "cpu" else _device.device_of(place)
      target = where.gpu_target
      found = self.entries.setdefault(place, (KernelCache(self.owner), {}, target, make_backend(target),
                                              binder_of(self.owner)))
    return found

  def clear(self):
    self.entries.clear()
    self.owner._forget()

  def __len__(self):
    return len(self.entries)

  def __iter__(self):
    return iter(self.entries)

  def __contains__(self, device):
    place = self.place(device)
    return (("cpu", _device.host_device_name()) if place[0] == "cpu" else place) in self.entries

  def keys(self):
    return self.entries.keys()

  def values(self):
    return self.entries.values()

  def items(self):
    return self.entries.items()


def _default_place(index=None):
  """Where kernels without array arguments run."""
  from . import driver
  active = driver.active
  if isinstance(active, driver.CudaDriver):
    return ("cuda", active.get_current_device() if index is None else index)
  return ("cpu", 0)


def current_stream(device):
  """The vendor's stream that work for a device goes to, as an int."""
  if device.synchronous:
    return 0
  from . import driver
  active = driver.active
  if isinstance(active, driver.CudaDriver):
    return active.get_current_stream(device.index)
  return driver.CudaDriver().get_current_stream(device.index)


# ---- binding -----------------------------------------------------------------------------------------------------------


def binder_of(fn):
  """binder(*args, **kwargs) -> ({parameter: value}, {other keyword: value}); wrong calls raise as Python's do."""
  if fn._bind is None:
    params = fn.params
    scope = {"_default_%d" % p.num: p.default for p in params if p.has_default}
    words, items, star = [], [], False
    for p in params:
      text = p.name
      if p.is_varargs:
        text, star = "*" + text, True
      elif p.is_keyword_only and not star:
        words.append("*")
        star = True
      if p.has_default:
        text += "=_default_%d" % p.num
      words.append(text)
      items.append("%r: %s" % (p.name, p.name))
    words.append("**_other_options")
    code = "def %s(%s):\n  return {%s}, _other_options\n" % (fn.__name__, ", ".join(words), ", ".join(items))
    exec(compile(code, "<arguments of %s>" % fn.__name__, "exec"), scope)
    fn._bind = scope[fn.__name__]
  return fn._bind


class Bound:
  """Arguments of one call, as they are bound and specialised."""

  __slots__ = ("values", "options", "kinds", "keys", "place")


def bind(fn, args, kwargs):
  from ..compiler import options as table
  for name in table.REJECTED:
    if name in kwargs and name not in fn.arg_names:
      raise ValueError(table.REJECTED[name])
  bound = Bound()
  bound.values, options = binder_of(fn)(*args, **kwargs)
  for name in options:
    if name not in table.TABLE:
      raise KeyError("%s is neither a parameter of the kernel nor an option" % name)
  for name in kwargs:  # a parameter may have an option's name: it is both
    if name in table.TABLE:
      options[name] = _plain(kwargs[name])
  if "debug" in options or fn.debug or knobs.runtime.debug:
    options["debug"] = bool(options.get("debug") or fn.debug or knobs.runtime.debug)
  bound.options = options
  bound.kinds, bound.keys = [], []
  places = {}
  for p in fn.params:
    value = bound.values[p.name]
    if p.is_varargs:
      pairs = [p.specialize(item) for item in value]
      kind, key = tuple([x[0] for x in pairs]), tuple([x[1] for x in pairs])
    else:
      try:
        kind, key = p.specialize(value)
      except TypeError as error:
        raise TypeError("%s(): argument %r: %s" % (fn.__name__, p.name, error)) from None
    bound.kinds.append(kind)
    bound.keys.append(key)
    _collect_places(p.name, value, kind, places)
  if len(places) > 1:
    raise ValueError("%s(): pointer arguments lie on different devices: %s" % (fn.__name__, ", ".join(
        "%s on %s" % (name, place[0] if place[0] == "cpu" else "%s:%d" % place) for place, name in places.items())))
  bound.place = next(iter(places)) if places else None
  return bound


def _plain(value):
  return value.value if type(value).__name__ == "constexpr" else value


def _collect_places(name, value, kind, places):
  if isinstance(kind, tuple):
    for item, item_kind in zip(value, kind):
      _collect_places(name, item, item_kind, places)
  elif kind[0] == "*" or kind.startswith("tensordesc"):
    place = _types.place_of(value)
    if place is not None:
      places.setdefault(place, name)


def _split(value, kind, key, path, constexprs, attrs):
  """Compile-time values and attributes of an argument, by path."""
  if isinstance(kind, tuple):
    for i, (item, item_kind, item_key) in enumerate(zip(value, kind, key)):
      _split(item, item_kind, item_key, path + (i,), constexprs, attrs)
  elif kind == "constexpr":
    constexprs[path] = _plain(value)
  elif key == "D":
    attrs[path] = [["tt.divisibility", 16]]


# ---- finding and compiling ---------------------------------------------------------------------------------------------

_pending = {}
_pending_lock = threading.Lock()


class Pending:
  """One compilation at a time for each key; others wait for it."""

  def __init__(self, key):
    self.key = key

  def __enter__(self):
    with _pending_lock:
      lock, users = _pending.get(self.key) or (threading.RLock(), 0)
      _pending[self.key] = (lock, users + 1)
    lock.acquire()

  def __exit__(self, *error):
    with _pending_lock:
      lock, users = _pending[self.key]
      if users == 1:
        del _pending[self.key]
      else:
        _pending[self.key] = (lock, users - 1)
    lock.release()


def _settings():
  """Knobs that change what is compiled."""
  k = knobs.language
  c = knobs.compilation
  return (k.fp32_default, k.default_fp_fusion, k.force_disable_fp_fusion, c.override, c.instrumentation_mode,
          c.allow_non_constexpr_globals, c.disable_line_info)


def cache_key(fn, bound):
  spec = [(kind, _key_text(key)) for kind, key in zip(bound.kinds, bound.keys)]
  return "%s %r %r %r" % (fn.cache_key, spec, sorted(bound.options.items()), _settings())


def _key_text(key):
  if isinstance(key, tuple):
    return tuple([_key_text(item) for item in key])
  if key is None or isinstance(key, (str, int, float, bool)):
    return key
  return "%s %r" % (type(key).__qualname__, key)


def find(fn, args, kwargs, warmup):
  """(kernel or None, Bound) of a call."""
  bound = bind(fn, args, kwargs)
  if bound.place is None:
    bound.place = _default_place()
  kernels, _, target, backend, _ = fn.device_caches[bound.place]
  key = cache_key(fn, bound)
  kernel = kernels.get(key)
  if kernel is None:
    from ._async_compile import active_mode
    with Pending((id(kernels), key)):
      kernel = kernels.get(key)
      if kernel is None:
        kernel = _compile(fn, bound, kernels, key, target, warmup, active_mode.get() if warmup else None)
  if kernel is not None and not warmup and not hasattr(kernel, "plan"):
    kernel = kernel.result()
  return kernel, bound


def _compile(fn, bound, kernels, key, target, warmup, mode):
  from ..compiler.compiler import ASTSource, compile
  from ..compiler import options as table
  signature = {p.name: kind for p, kind in zip(fn.params, bound.kinds)}
  constexprs, attrs = {}, {}
  for p, kind, spec in zip(fn.params, bound.kinds, bound.keys):
    _split(bound.values[p.name], kind, spec, (p.num,), constexprs, attrs)
  options, remarks = table.parse(target, bound.options)
  before, after = knobs.runtime.jit_cache_hook, knobs.runtime.jit_post_compile_hook
  if before and _call_hook(before, fn, key, signature, target, bound.place, constexprs, options, attrs, warmup, False):
    return None
  fn.cache_key  # raises where outer variables of two functions are in conflict
  device = _device.device_of(bound.place)
  src = ASTSource(fn, signature, constexprs, attrs)

  def build():
    kernel = compile(src, target=target, options=options, _device_hint=device, _load=not warmup)
    kernel.remarks[:0] = remarks
    _note(fn, remarks)
    return kernel

  def finish(kernel):
    kernels[key] = kernel
    if after:
      _call_hook(after, fn, key, signature, target, bound.place, constexprs, options, attrs, warmup, True)

  if mode is not None:
    kernels[key] = future = mode.submit(key, build, finish, lambda: dict.pop(kernels, key, None))
    return future
  kernel = build()
  finish(kernel)
  return kernel


def _note(fn, remarks):
  from ..compiler.compiler import _note as note
  note(["%s: %s" % (fn.__name__, remark) for remark in remarks])


def _call_hook(hook, fn, key, signature, target, place, constexprs, options, attrs, warmup, before):
  name = fn.fn.__qualname__
  shown = ", ".join("%s: %s" % item for item in signature.items())
  text = "%s[num_warps=%s, num_ctas=%s, num_stages=%s, enable_fp_fusion=%s, launch_cooperative_grid=%s](%s)" % (
      fn.__name__, options.num_warps, options.num_ctas, options.num_stages, options.enable_fp_fusion,
      getattr(options, "launch_cooperative_grid", False), shown)
  info = {
      "key": key, "signature": signature, "device": place[1] if place[0] == "cuda" else 0, "constants": constexprs,
      "num_warps": options.num_warps, "num_ctas": options.num_ctas, "num_stages": options.num_stages,
      "enable_fp_fusion": options.enable_fp_fusion,
      "launch_cooperative_grid": getattr(options, "launch_cooperative_grid", False),
      "extern_libs": options.extern_libs, "configs": [attrs],
      "specialization_data": _serialize(fn, key, signature, constexprs, attrs, options, target),
      "is_warmup": warmup}
  return hook(key=key, repr=text, fn=JitFunctionInfo(fn.__module__, name, fn), compile=info,
              is_manual_warmup=warmup, already_compiled=False)


# ---- specialisation data -------------------------------------------------------------------------------------------------


def _serialize(fn, key, signature, constexprs, attrs, options, target):
  import json

  def value(v):
    if isinstance(v, _types.JITCallableBase):
      return {"jit_function": v._fn_name}
    if isinstance(v, tuple):
      return {"tuple": [value(item) for item in v]}
    kind = type(v)
    if v is None or kind in (bool, int, float, str):
      return {"value": v}
    if hasattr(v, "is_floating") and hasattr(v, "name"):
      return {"dtype": v.name}
    return {"repr": repr(v)}

  def kinds(k):
    return [kinds(item) for item in k] if isinstance(k, tuple) else k

  return json.dumps({
      "name": fn._fn_name, "signature": {n: kinds(k) for n, k in signature.items()},
      "constexprs": [[list(path), value(v)] for path, v in constexprs.items()],
      "attrs": [[list(path), list(v)] for path, v in attrs.items()],
      "options": {n: v for n, v in options.__dict__.items() if v is None or type(v) in (bool, int, float, str)},
      "key": key,
      "target": {"backend": target.backend, "arch": target.arch, "warp_size": target.warp_size},
      "jit_functions": {}})


def preload(fn, text):
  """Compiles what _serialize wrote; refuses what belongs to another function or target."""
  import json
  from ..compiler.compiler import ASTSource, compile
  from ..compiler import options as table
  data = json.loads(text)
  if data["name"] != fn._fn_name:
    raise RuntimeError("Specialization data is for %s but trying to preload for %s" % (data["name"], fn._fn_name))
  place = _default_place()
  kernels, _, target, _, _ = fn.device_caches[place]
  here = {"backend": target.backend, "arch": target.arch, "warp_size": target.warp_size}
  if data["target"] != here:
    raise RuntimeError("Specialization data is for %s but trying to preload for %s" % (data["target"], here))

  def value(item):
    if "value" in item:
      return item["value"]
    if "tuple" in item:
      return tuple(value(x) for x in item["tuple"])
    if "dtype" in item:
      from ..language import core
      return core.dtype(item["dtype"])
    if "jit_function" in item:
      for scope in (fn.nonlocals.snapshot(), fn.__globals__):
        for candidate in scope.values():
          if isinstance(candidate, _types.JITCallableBase) and candidate._fn_name == item["jit_function"]:
            return candidate
      import gc
      for candidate in gc.get_objects():
        if isinstance(candidate, _types.JITCallableBase) and candidate._fn_name == item["jit_function"]:
          return candidate
    raise RuntimeError("Specialization data holds a value that cannot be made again: %s" % (item,))

  def kinds(k):
    return tuple(kinds(item) for item in k) if isinstance(k, list) else k

  src = ASTSource(fn, {n: kinds(k) for n, k in data["signature"].items()},
                  {tuple(path): value(v) for path, v in data["constexprs"]},
                  {tuple(path): v for path, v in data["attrs"]})
  options, _ = table.parse(target, {n: v for n, v in data["options"].items() if n in table.TABLE})
  kernel = compile(src, target=target, options=options, _device_hint=_device.device_of(place))
  kernels[data["key"]] = kernel
  return kernel


# ---- running ---------------------------------------------------------------------------------------------------------------


def grid_sizes(grid, values):
  """Three sizes from a tuple of one to three, or from a function of the arguments that gives one."""
  if callable(grid):
    grid = grid(values)
  if not isinstance(grid, (tuple, list)):
    if hasattr(grid, "__index__"):
      raise TypeError("the grid must be a tuple of 1 to 3 numbers, got %r; write [(%s,)]" % (grid, grid))
    try:
      grid = tuple(grid)
    except TypeError:
      raise TypeError("the grid must be a tuple of 1 to 3 numbers or a function that gives one, got %s" %
                      type(grid).__name__) from None
  if not 1 <= len(grid) <= 3:
    raise ValueError("the grid must have 1 to 3 dimensions, got %d" % len(grid))
  sizes = []
  for size in grid:
    size = _plain(size)
    index = getattr(size, "__index__", None)
    if index is None:
      raise TypeError("sizes of the grid must be integers, got %s" % type(size).__name__)
    size = index()
    if not 0 <= size <= 0xffffffff:
      raise ValueError("sizes of the grid must be from 0 to 2^32 - 1, got %d" % size)
    sizes.append(size)
  return sizes + [1] * (3 - len(sizes))


def values_of(bound, fn):
  out = []
  for p, kind in zip(fn.params, bound.kinds):
    _object.flatten(bound.values[p.name], kind, out)
  return out


def run(fn, args, kwargs, grid, warmup):
  if knobs.runtime.interpret:
    raise NotImplementedError("not implemented: TRITON_INTERPRET; kernels run compiled, on the CPU too")
  for hook in fn.pre_run_hooks:
    hook(*args, **kwargs)
  kernel, bound = find(fn, args, kwargs, warmup)
  if kernel is None:
    return None
  fn.check_globals()
  if not warmup:
    launch(fn, kernel, bound, grid_sizes(grid, bound.values))
  return kernel


def launch(fn, kernel, bound, sizes):
  device = kernel.device
  if kernel.module is None:
    kernel._init_handles()
  if not (sizes[0] and sizes[1] and sizes[2]):
    return
  stream = current_stream(device)
  enter, leave = knobs.runtime.launch_enter_hook, knobs.runtime.launch_exit_hook
  metadata = None
  if enter or leave:
    metadata = kernel.launch_metadata(tuple(sizes), stream, *bound.values.values())
  if enter:
    enter(metadata)
  kernel.launch(*sizes, stream, values_of(bound, fn))
  if leave:
    leave(metadata)


# ---- for the launch extension ------------------------------------------------------------------------------------------------

CONSTEXPR, CONST, NO_VALUE, NO_ALIGNMENT, FIXED, FIXED_FLOAT = 1, 2, 4, 8, 16, 32


def describe(fn):
  """What the extension must know of a function's parameters; None: it leaves its launches to Python."""
  from ..compiler import options as table
  params = fn.params
  if any(p.is_varargs for p in params) or len(params) > 200 or fn.pre_run_hooks:
    return None
  flags = []
  for p in params:
    bits = CONSTEXPR * p.is_constexpr | CONST * p.is_const | NO_VALUE * p.do_not_specialize | (
        NO_ALIGNMENT * p.do_not_specialize_on_alignment)
    if p.annotation_type:
      bits |= FIXED_FLOAT if p.annotation_type == "u1" or p.annotation_type[0] in "fb" else FIXED
    flags.append(bits)
  defaults = tuple([(p.default,) if p.has_default else () for p in params])
  positional = sum(1 for p in params if not p.is_keyword_only)
  return (tuple([p.name for p in params]), defaults, tuple(flags), positional, frozenset(table.TABLE))


def miss(fn, args, kwargs, grid):
  """A launch whose specialisation the extension has not seen: (kernel, plan or None, guards, device).

  guards: ((scope, name, value), …), outer variables that must still be the same objects at the next launch. device: None
  where the stream is the plan's own."""
  kwargs = kwargs or {}
  epoch = _base.epoch.value
  kernel = run(fn, args, kwargs, grid, False)
  if kernel is None or knobs.hooks_active() or fn.pre_run_hooks or epoch != _base.epoch.value:
    return (kernel, None, (), None)
  guards = []
  for (name, _), (value, scope) in fn.used_global_vals.items():
    now = scope.get(name, _missing)
    if type(now).__name__ == "constexpr":
      guards.append((now, "value", now.value, 1))
    if isinstance(scope, dict):
      guards.append((scope, name, now, 0))
    else:
      guards.append((scope.cells[name], "cell_contents", now, 1))
  device = kernel.device
  return (kernel, kernel.plan, tuple(guards), None if device.synchronous else device)


def _set_up():
  if _base.native is not None:
    from . import _native_types
    _base.native.setup(describe, miss, _native_types.classify, grid_sizes, current_stream, _native_types.pointer,
                       _object.address_of)
    _base.native.bump(knobs.hooks_active())


_set_up()
