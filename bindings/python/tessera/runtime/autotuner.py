# SPDX-License-Identifier: MIT
"""`autotune`: the fastest of several configurations, measured once for each key; `heuristics`: values computed from the
arguments.

Two knobs cut long runs short: tessera.autotune_configs bounds the configurations that are tried, tessera.autotune_seconds
the time; what was left out is said on the standard error stream.
"""

import sys
import threading
import time

from .errors import AutotunerError, OutOfResources, PTXASError
from .jit import KernelInterface

_FIELDS = ("num_warps", "num_ctas", "num_stages", "num_cpu_threads", "maxnreg", "ir_override")


class Config:
  """One configuration: values of compile-time parameters, and launch options."""

  def __init__(self, kwargs, num_warps=4, num_stages=3, num_ctas=1, num_cpu_threads=0, maxnreg=None, pre_hook=None,
               ir_override=None):
    self.kwargs = kwargs
    self.num_warps = num_warps
    self.num_ctas = num_ctas
    self.num_stages = num_stages
    self.num_cpu_threads = num_cpu_threads
    self.maxnreg = maxnreg
    self.pre_hook = pre_hook
    self.ir_override = ir_override

  def __setstate__(self, state):
    self.__init__({})
    self.__dict__.update(state)

  def all_kwargs(self):
    """What a launch of this configuration gets besides its arguments."""
    options = {name: getattr(self, name) for name in _FIELDS if getattr(self, name) is not None}
    if not options.get("num_cpu_threads"):
      options.pop("num_cpu_threads", None)
    return {**self.kwargs, **options}

  def __str__(self):
    words = ["%s: %s" % item for item in self.kwargs.items()]
    words += ["%s: %s" % (name, getattr(self, name)) for name in ("num_warps", "num_ctas", "num_stages", "maxnreg")]
    if self.num_cpu_threads:
      words.append("num_cpu_threads: %s" % self.num_cpu_threads)
    if self.ir_override is not None:
      words.append("ir_override: %s" % self.ir_override)
    return ", ".join(words)

  __repr__ = __str__

  def _tuple(self):
    return (tuple(sorted((k, _hashable(v)) for k, v in self.all_kwargs().items())), self.pre_hook)

  def __hash__(self):
    return hash(self._tuple())

  def __eq__(self, other):
    return isinstance(other, Config) and self._tuple() == other._tuple()


def _hashable(value):
  if isinstance(value, list):
    return tuple(_hashable(v) for v in value)
  return value


def _zero(tensor):
  zero = getattr(tensor, "zero_", None)
  if zero is not None:
    zero()
  else:
    tensor[...] = 0


def _clone(tensor):
  return tensor.clone() if hasattr(tensor, "clone") else tensor.copy()


def _copy(target, source):
  if hasattr(target, "copy_"):
    target.copy_(source)
  else:
    target[...] = source


class Autotuner(KernelInterface):
  """A kernel that is launched in the configuration that was fastest for arguments like these."""

  def __init__(self, fn, arg_names, configs, key, reset_to_zero, restore_value, pre_hook=None, post_hook=None,
               prune_configs_by=None, warmup=None, rep=None, use_cuda_graph=False, do_bench=None, cache_results=False):
    self.fn = fn
    self.arg_names = arg_names
    self.configs = list(configs) if configs else [Config({}, num_warps=4, num_stages=3, num_ctas=1)]
    self.keys = list(key)
    self.reset_to_zero = list(reset_to_zero or ())
    self.restore_value = list(restore_value or ())
    for what, names in (("key", self.keys), ("reset_to_zero", self.reset_to_zero),
                        ("restore_value", self.restore_value)):
      unknown = [name for name in names if name not in arg_names]
      if unknown:
        raise ValueError("autotune: %s names what is no argument of the kernel: %s" % (what, ", ".join(
            str(name) for name in unknown)))
    self.cache = {}
    self.cache_results = cache_results
    self.configs_timings = None
    self.best_config = None
    self.bench_time = None
    self.nargs = None  # positional arguments of the launch in progress, by name, for hooks
    self._lock = threading.RLock()
    self.restore_copies = {}
    self.user_defined_pre_hook = pre_hook is not None
    self.user_defined_post_hook = post_hook is not None
    self.pre_hook = pre_hook or self._prepare
    self.post_hook = post_hook or self._restore
    prune = prune_configs_by or {}
    self.perf_model = prune.get("perf_model")
    self.configs_top_k = prune.get("top_k", 1.0)
    self.early_config_prune = prune.get("early_config_prune")
    self.num_warmups, self.num_reps, self.use_cuda_graph = warmup, rep, use_cuda_graph
    self._do_bench = do_bench
    self.base_fn = fn
    while hasattr(self.base_fn, "fn"):
      self.base_fn = self.base_fn.fn
    self.__name__ = getattr(self.base_fn, "__name__", type(self.base_fn).__name__)

  # ---- hooks -------------------------------------------------------------------------------------------------------
  def _prepare(self, kwargs, reset_only=False):
    for name in self.reset_to_zero:
      if kwargs.get(name) is not None:
        _zero(kwargs[name])
    if not reset_only:
      self.restore_copies = {name: _clone(kwargs[name]) for name in self.restore_value
                             if kwargs.get(name) is not None}

  def _restore(self, kwargs, exception):
    for name, copy in self.restore_copies.items():
      _copy(kwargs[name], copy)
    self.restore_copies = {}

  # ---- measuring ------------------------------------------------------------------------------------------------------
  @property
  def do_bench(self):
    if self._do_bench is not None:
      return self._do_bench
    if self.use_cuda_graph:
      from . import driver
      if isinstance(driver.active, driver.CudaDriver):
        from ..testing import do_bench_cudagraph
        return lambda call, quantiles: do_bench_cudagraph(call, rep=self.num_reps or 100, quantiles=quantiles)
    from . import driver
    benchmark = driver.active.get_benchmarker()
    if self.num_warmups is None and self.num_reps is None:
      return benchmark
    return lambda call, quantiles: benchmark(call, warmup=self.num_warmups or 25, rep=self.num_reps or 100,
                                             quantiles=quantiles)

  def _bench(self, *args, config, **meta):
    from .. import knobs
    from .._errors import CompileError, LimitError
    from ..compiler.errors import CompileTimeAssertionFailure
    conflicts = meta.keys() & config.kwargs.keys()
    if conflicts:
      raise ValueError("Conflicting meta-parameters: %s. Make sure that you don't re-define auto-tuned symbols." %
                       ", ".join(sorted(conflicts)))
    current = {**meta, **config.all_kwargs()}
    arguments = {**dict(zip(self.arg_names, args)), **current}

    def call():
      if config.pre_hook:
        config.pre_hook(arguments)
      self.pre_hook(arguments)
      try:
        self.fn.run(*args, **current)
      except Exception as error:
        try:
          self.post_hook(arguments, exception=error)
        finally:
          raise
      self.post_hook(arguments, exception=None)

    try:
      return self.do_bench(call, quantiles=(0.5, 0.2, 0.8))
    except (OutOfResources, CompileTimeAssertionFailure, PTXASError, LimitError, CompileError) as error:
      if knobs.autotuning.print:
        print("Autotuning failed with %s" % error)
      return [float("inf")] * 3

  def _tune(self, configs, args, kwargs):
    """{config: times} of the configurations, as many as the knobs allow."""
    from .. import knobs
    limit, seconds = knobs.tessera.autotune_configs, knobs.tessera.autotune_seconds
    chosen = configs
    if limit and len(configs) > limit:
      chosen = [configs[i * len(configs) // limit] for i in range(limit)]
    timings, start = {}, time.perf_counter()
    for config in chosen:
      if timings and seconds and time.perf_counter() - start > seconds:
        break
      timings[config] = self._bench(*args, config=config, **kwargs)
    if len(timings) < len(configs):
      print("tessera: autotuning of %s: %d of %d configurations tried (knobs autotune_configs=%s, autotune_seconds=%g)" %
            (self.__name__, len(timings), len(configs), limit, seconds), file=sys.stderr)
    return timings

  def _first(self, key, configs, args, kwargs):
    """The configuration for a key that is new."""
    from .. import knobs

    def benchmark():
      start = time.time()
      timings = self._tune(configs, args, kwargs)
      self.bench_time = time.time() - start
      self.cache[key] = min(timings, key=lambda c: _order(timings[c]))
      self.pre_hook({**dict(zip(self.arg_names, args)), **kwargs, **self.cache[key].all_kwargs()}, reset_only=True)
      self.configs_timings = timings

    hit, self.bench_time = False, None
    if (self.cache_results or knobs.autotuning.cache) and not self._has_hooks(configs):
      hit = self._from_disk(key, configs, benchmark)
    else:
      benchmark()
    config = self.cache[key]
    if knobs.autotuning.print:
      print("Triton autotuning for function %s,\nwith key as %s,\nfinished after %.2fs,\nbest config selected: %s;" %
            (self.__name__, key, self.bench_time or 0, config))
    if knobs.autotuning.listener:
      knobs.autotuning.listener(fn=self.fn, key=key, best_config=config, configs_timings=self.configs_timings,
                                duration=self.bench_time, cache_hit=hit)
    return config

  def _has_hooks(self, configs):
    return any(config.pre_hook for config in configs)

  def _from_disk(self, key, configs, benchmark):
    import hashlib
    import json
    from ..compiler.compiler import make_backend
    from . import driver
    from .cache import get_cache_manager, get_cache_invalidating_env_vars, triton_key
    from .jit import JITFunction
    fn = self.fn
    while not isinstance(fn, JITFunction):
      fn = fn.fn
    parts = [triton_key(), make_backend(driver.active.get_current_target()).hash(), fn.cache_key,
             str(sorted(get_cache_invalidating_env_vars().items())), str(key)] + [str(c) for c in configs]
    manager = get_cache_manager(hashlib.sha256("-".join(parts).encode("utf-8")).hexdigest())
    name = "%s.autotune.json" % self.__name__[:150]
    path = manager.get_file(name)
    if path is not None:
      try:
        with open(path) as file:
          found = json.load(file)["configs_timings"]
        known = {str(config): config for config in configs}
        timings = {known[text]: times for text, times in found}
        self.cache[key] = min(timings, key=lambda c: _order(timings[c]))
        self.configs_timings = timings
        return True
      except (ValueError, KeyError, TypeError, OSError):  # damaged: measured again
        pass
    benchmark()
    times = [[str(config), list(t) if isinstance(t, (list, tuple)) else t] for config, t in
             self.configs_timings.items()]
    manager.put(json.dumps({"key": [str(k) for k in key], "configs_timings": times}), name, binary=False)
    return False

  # ---- running ---------------------------------------------------------------------------------------------------------
  def _key(self, nargs, kwargs):
    """What decides about the configuration: values of the key's arguments, and element types of all."""
    everything = {**nargs, **kwargs}
    values = {name: everything[name] for name in self.arg_names if name in everything}
    key = [values[name] for name in self.keys if name in values]
    for value in values.values():
      dtype = getattr(value, "dtype", None)
      if dtype is not None:
        key.append(str(dtype))
    return tuple(key)

  def run(self, *args, **kwargs):
    self.nargs = nargs = dict(zip(self.arg_names, args))
    if len(self.configs) > 1:
      key = self._key(nargs, kwargs)
      config = self.cache.get(key)
      if config is None:
        with self._lock:  # one thread measures, others wait for what it finds
          self.nargs = nargs
          config = self.cache.get(key) or self._choose(key, args, kwargs)
    else:
      config = self.configs[0]
    self.best_config = config
    if config.pre_hook is not None:
      config.pre_hook({**nargs, **kwargs, **config.all_kwargs()})
    result = self.fn.run(*args, **kwargs, **config.all_kwargs())
    self.nargs = None
    return result

  def _choose(self, key, args, kwargs):
    pruned = self.prune_configs(kwargs)
    if len(pruned) == 1:
      self.cache[key] = pruned[0]
      return pruned[0]
    return self._first(key, pruned, args, kwargs)

  def prune_configs(self, kwargs):
    """The configurations that are worth trying."""
    pruned, nargs = self.configs, self.nargs
    if self.early_config_prune:
      pruned = list(self.early_config_prune(self.configs, nargs, **kwargs))
      if not pruned:
        raise AutotunerError("No valid autotuner configs after pruning. `early_config_prune` should return at least "
                             "one config.")
    if self.perf_model:
      top = self.configs_top_k
      if isinstance(top, float):
        if top > 1.0:
          raise TypeError("top_k of prune_configs_by is an int or a float up to 1.0, got %r" % top)
        top = max(int(len(pruned) * top), 1)
      elif not isinstance(top, int):
        raise TypeError("top_k of prune_configs_by is an int or a float up to 1.0, got %r" % top)
      if len(pruned) > top:
        times = {c: self.perf_model(**nargs, **kwargs, **c.all_kwargs()) for c in pruned}
        pruned = sorted(times, key=lambda c: times[c])[:top]
    return pruned

  def warmup(self, *args, **kwargs):
    """Compiles all configurations; gives the kernels."""
    self.nargs = dict(zip(self.arg_names, args))
    kernels = [self.fn.warmup(*args, **kwargs, **config.all_kwargs()) for config in self.prune_configs(kwargs)]
    self.nargs = None
    return kernels


def _order(times):
  return tuple(times) if isinstance(times, (list, tuple)) else (times,)


def autotune(configs, key, prune_configs_by=None, reset_to_zero=None, restore_value=None, pre_hook=None, post_hook=None,
             warmup=None, rep=None, use_cuda_graph=False, do_bench=None, cache_results=False):
  """Measures the configurations when values of the arguments named by `key` (or element types) are new, and launches the
  fastest."""

  def decorate(fn):
    return Autotuner(fn, fn.arg_names, configs, key, reset_to_zero, restore_value, pre_hook=pre_hook,
                     post_hook=post_hook, prune_configs_by=prune_configs_by, warmup=warmup, rep=rep,
                     use_cuda_graph=use_cuda_graph, do_bench=do_bench, cache_results=cache_results)

  return decorate


class Heuristics(KernelInterface):
  """A kernel some of whose compile-time arguments are computed from the others."""

  def __init__(self, fn, arg_names, values):
    self.fn = fn
    self.values = values
    self.arg_names = arg_names
    self.__name__ = getattr(fn, "__name__", "kernel")

  def run(self, *args, **kwargs):
    known = dict(zip(self.arg_names, args))
    for name, function in self.values.items():
      kwargs[name] = function({**known, **kwargs})
    return self.fn.run(*args, **kwargs)


def heuristics(values):
  """`@heuristics({"EVEN": lambda args: args["N"] % args["BLOCK"] == 0})`: arguments computed from the others, in order."""

  def decorate(fn):
    return Heuristics(fn, fn.arg_names, values)

  return decorate
