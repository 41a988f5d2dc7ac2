# SPDX-License-Identifier: MIT
"""Timing, benchmark reports and comparisons.

Times are in milliseconds. On CUDA they come from events of the stream (through PyTorch, which such callers have
loaded); everywhere else launches have finished when they return, so the process's clock is the right one.
"""

import functools
import math
import os
import sys
import time

__all__ = ["Benchmark", "Mark", "assert_close", "cuda_memcheck", "do_bench", "do_bench_cudagraph", "do_bench_proton",
           "do_bench_cudagraph_proton", "get_dram_gbps", "get_max_simd_tflops", "get_max_tensorcore_tflops", "nvsmi",
           "perf_report", "set_gpu_clock", "cublas", "cuda_graph_without_gc"]

_MODES = ("min", "max", "mean", "median", "all")
_CACHE_BYTES = {"cuda": 256 << 20, "cpu": 0}  # written between two runs, so that each starts with a cold cache


# ---- times --------------------------------------------------------------------------------------------------------


def _quantile(times, q):
  """Linear between neighbours, as torch.quantile and numpy.quantile."""
  ordered = sorted(times)
  at = q * (len(ordered) - 1)
  low = math.floor(at)
  high = min(low + 1, len(ordered) - 1)
  return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def _summarize(times, quantiles=None, return_mode="mean"):
  if quantiles is not None:
    values = [_quantile(times, q) for q in quantiles]
    return values[0] if len(values) == 1 else values
  if return_mode == "all":
    return times
  if return_mode == "min":
    return min(times)
  if return_mode == "max":
    return max(times)
  if return_mode == "mean":
    return sum(times) / len(times)
  return _quantile(times, 0.5)


def _check_mode(return_mode):
  if return_mode not in _MODES:
    raise AssertionError("return_mode must be one of %s, not %r" % (", ".join(_MODES), return_mode))


class _HostTimer:
  """One call at a time by the process's clock."""

  def clear(self):
    pass

  def time(self, fn):
    start = time.perf_counter()
    fn()
    return (time.perf_counter() - start) * 1e3

  def times(self, fn, count, prepare):
    result = []
    for _ in range(count):
      prepare()
      result.append(self.time(fn))
    return result


class _CudaTimer:
  """CUDA events around each call; the host runs ahead."""

  def __init__(self, torch):
    self.torch = torch
    self.cache = torch.empty(_CACHE_BYTES["cuda"] // 4, dtype=torch.int, device="cuda")

  def clear(self):
    self.cache.zero_()

  def _event(self):
    return self.torch.cuda.Event(enable_timing=True)

  def time(self, fn):
    start, end = self._event(), self._event()
    start.record()
    fn()
    end.record()
    self.torch.cuda.synchronize()
    return start.elapsed_time(end)

  def times(self, fn, count, prepare):
    pairs = [(self._event(), self._event()) for _ in range(count)]
    for start, end in pairs:
      prepare()
      start.record()
      fn()
      end.record()
    self.torch.cuda.synchronize()
    return [start.elapsed_time(end) for start, end in pairs]


def _timer():
  torch = sys.modules.get("torch")
  if torch is not None and torch.cuda.is_available():
    from .runtime import driver
    if driver.active.get_current_target().backend == "cuda":
      return _CudaTimer(torch)
  return _HostTimer()


def _no_hooks():
  """Launch hooks off while times are taken."""
  from . import knobs
  scope = knobs.runtime.scope()

  class Quiet:

    def __enter__(self):
      group = scope.__enter__()
      group.launch_enter_hook, group.launch_exit_hook = knobs.HookChain(), knobs.HookChain(True)
      return group

    def __exit__(self, *error):
      return scope.__exit__(*error)

  return Quiet()


def do_bench(fn, warmup=25, rep=100, grad_to_none=None, quantiles=None, return_mode="mean",
             measure_time_with_hooks=False):
  """Time of one call of `fn` in milliseconds.

  `warmup` and `rep` are budgets in milliseconds: so many calls are made as fit. `grad_to_none` lists tensors whose
  gradients are dropped before each call. `quantiles` asks for these (a list gives a list, one gives a number);
  otherwise `return_mode` says which of min, max, mean, median or all is returned.
  """
  _check_mode(return_mode)
  import contextlib
  timer = _timer()

  def prepare():
    for tensor in grad_to_none or ():
      tensor.grad = None
    timer.clear()

  with contextlib.nullcontext() if measure_time_with_hooks else _no_hooks():
    fn()  # compiles; says nothing about the time
    estimate = timer.time(fn)
    if estimate * 5 < max(warmup + rep, 1):  # a short function: one call is no estimate
      estimate = sum(timer.times(fn, 5, timer.clear)) / 5
    estimate = max(estimate, 1e-4)
    for _ in range(int(warmup / estimate)):
      fn()
    times = timer.times(fn, max(1, int(rep / estimate)), prepare)
  return _summarize(times, quantiles, return_mode)


def do_bench_cudagraph(fn, rep=20, grad_to_none=None, quantiles=None, return_mode="mean"):
  """As do_bench, without the time that the host needs to launch: on CUDA many calls are one graph, which is replayed.

  Where launches run on the host there is no graph; then this is do_bench without warm-up.
  """
  _check_mode(return_mode)
  timer = _timer()
  if isinstance(timer, _HostTimer):
    return do_bench(fn, warmup=0, rep=rep, grad_to_none=grad_to_none, quantiles=quantiles, return_mode=return_mode)
  torch = timer.torch
  with torch.cuda.stream(torch.cuda.Stream()):
    fn()
    for tensor in grad_to_none or ():
      tensor.detach_()
      tensor.requires_grad_(True)
      tensor.grad = None
    estimate = max(sum(timer.times(fn, 5, lambda: None)) / 5, 1e-4)
    unrolled = max(1, int(rep / estimate))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
      for _ in range(unrolled):
        for tensor in grad_to_none or ():
          tensor.grad = None
        fn()
    torch.cuda.synchronize()
    times = [t / unrolled for t in timer.times(graph.replay, 10, lambda: None)]
  return _summarize(times, quantiles, return_mode)


def _missing(name, why):

  @functools.wraps(do_bench)
  def function(*args, **kwargs):
    raise NotImplementedError("not implemented: testing.%s (%s)" % (name, why))

  function.__name__ = function.__qualname__ = name
  return function


do_bench_proton = _missing("do_bench_proton", "there is no profiler")
do_bench_cudagraph_proton = _missing("do_bench_cudagraph_proton", "there is no profiler")
cublas = _missing("cublas", "call PyTorch for it")
nvsmi = _missing("nvsmi", "run nvidia-smi")
set_gpu_clock = _missing("set_gpu_clock", "run nvidia-smi")


def cuda_graph_without_gc(*args, **kwargs):
  """torch.cuda.graph with Python's garbage collector switched off during the capture."""
  import contextlib
  import gc
  torch = sys.modules.get("torch")
  if torch is None:
    raise RuntimeError("cuda_graph_without_gc needs PyTorch, which is not loaded")

  @contextlib.contextmanager
  def capture():
    on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
      with torch.cuda.graph(*args, **kwargs) as graph:
        yield graph
    finally:
      if on:
        gc.enable()

  return capture()


# ---- comparison -----------------------------------------------------------------------------------------------------


def _as_numpy(value):
  import numpy
  base = getattr(value, "base", None)
  if type(value).__name__ == "TensorWrapper":
    value = base
  if hasattr(value, "detach"):  # a torch tensor
    value = value.detach().cpu()
    if str(value.dtype) in ("torch.bfloat16",) or "float8" in str(value.dtype):
      value = value.float()
    return value.numpy()
  return numpy.asarray(value)


def assert_close(x, y, atol=None, rtol=None, err_msg=""):
  """Raises AssertionError unless |x - y| <= atol + rtol·|y| everywhere (NaN where NaN is expected).

  atol is 1e-2 and rtol 0 unless given; either may be a function of the element type. Arrays may be numpy's, torch's,
  or anything numpy takes.
  """
  import numpy
  dtype = getattr(x, "dtype", None)
  atol = 1e-2 if atol is None else atol(dtype) if callable(atol) else atol
  rtol = 0.0 if rtol is None else rtol(dtype) if callable(rtol) else rtol
  a, b = _as_numpy(x), _as_numpy(y)
  if a.size > 1 or b.size > 1:
    numpy.testing.assert_allclose(a, b, atol=atol, rtol=rtol, equal_nan=True, err_msg=err_msg)
  elif not numpy.allclose(a, b, atol=atol, rtol=rtol, equal_nan=True):
    raise AssertionError("%s %s is not close to %s (atol=%s, rtol=%s)" % (err_msg, x, y, atol, rtol))


# ---- benchmarks over a parameter --------------------------------------------------------------------------------------


class Benchmark:
  """What a `perf_report` function is measured over, and how that is shown.

  x_names: parameters along the x axis; x_vals: their values (one for all of them, or a tuple each). line_arg: the
  parameter that tells lines apart; line_vals, line_names: its values and their names in the legend. plot_name: title and
  file name. args: the other arguments. styles: (colour, dash) of each line.
  """

  def __init__(self, x_names, x_vals, line_arg, line_vals, line_names, plot_name, args, xlabel="", ylabel="",
               x_log=False, y_log=False, styles=None):
    self.x_names = x_names
    self.x_vals = x_vals
    self.x_log = x_log
    self.line_arg = line_arg
    self.line_vals = line_vals
    self.line_names = line_names
    self.y_log = y_log
    self.styles = styles
    self.xlabel = xlabel
    self.ylabel = ylabel
    self.plot_name = plot_name
    self.args = args


def _thin(values, most):
  """At most `most` of the values, from the first to the last, evenly."""
  values = list(values)
  if most is None or most <= 0 or len(values) <= most:
    return values
  if most == 1:
    return values[:1]
  step = (len(values) - 1) / (most - 1)
  return [values[round(i * step)] for i in range(most)]


class _Table:
  """Rows under column names: what is printed and written where pandas is not installed."""

  def __init__(self, columns, rows):
    self.columns, self.rows = columns, rows

  def to_csv(self, path, float_format="%.6f"):
    import csv
    with open(path, "w", newline="", encoding="utf-8") as out:
      writer = csv.writer(out)
      writer.writerow(self.columns)
      for row in self.rows:
        writer.writerow([float_format % v if isinstance(v, float) else v for v in row])

  def __str__(self):
    text = [[str(c) for c in self.columns]]
    text += [["%.6f" % v if isinstance(v, float) else str(v) for v in row] for row in self.rows]
    widths = [max(len(row[k]) for row in text) for k in range(len(self.columns))]
    lines = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths)) for row in text]
    return "\n".join("%s  %s" % (str(n - 1).rjust(4) if n else "    ", line) for n, line in enumerate(lines))

  __repr__ = __str__


class Mark:
  """A function with the benchmarks that it is run for."""

  def __init__(self, fn, benchmarks):
    self.fn = fn
    self.benchmarks = benchmarks

  def _measure(self, bench, kwargs):
    from . import knobs
    names = bench.x_names
    columns = list(names) + list(bench.line_names)
    low = [name + "-min" for name in bench.line_names]
    high = [name + "-max" for name in bench.line_names]
    rows, ranges = [], []
    values = _thin(bench.x_vals, knobs.tessera.bench_points)
    if len(values) < len(list(bench.x_vals)):
      print("tessera: %s: %d of %d points (TESSERA_BENCH_POINTS)" %
            (bench.plot_name, len(values), len(list(bench.x_vals))), file=sys.stderr)
    for x in values:
      point = tuple(x) if isinstance(x, (tuple, list)) else (x,) * len(names)
      if len(point) != len(names):
        raise ValueError("%d values for the %d parameters %s: %r" % (len(point), len(names), names, x))
      row, least, most = [], [], []
      for line in bench.line_vals:
        result = self.fn(**dict(zip(names, point)), **{bench.line_arg: line}, **bench.args, **kwargs)
        y, y_min, y_max = result if isinstance(result, (tuple, list)) else (result, None, None)
        row.append(y)
        least.append(y_min)
        most.append(y_max)
      rows.append(list(point) + row)
      ranges.append((least, most))
    return columns, rows, low, high, ranges

  def _plot(self, bench, rows, ranges, show, path, diff_col):
    try:
      import matplotlib
      if not show:
        matplotlib.use("Agg", force=False)
      import matplotlib.pyplot as plt
    except ImportError:
      if show:
        print("tessera: no plots: matplotlib is not installed", file=sys.stderr)
      return
    figure, axes = plt.subplots()
    xs = [row[0] for row in rows]
    count = len(bench.x_names)
    for k, name in enumerate(bench.line_names):
      ys = [row[count + k] for row in rows]
      style = bench.styles[k] if bench.styles else (None, None)
      drawn = axes.plot(xs, ys, label=name, color=style[0], linestyle=style[1] if style[1] else "-")
      spans = [(x, r[0][k], r[1][k]) for x, r in zip(xs, ranges) if r[0][k] is not None and r[1][k] is not None]
      if spans:
        axes.fill_between([s[0] for s in spans], [float(s[1]) for s in spans], [float(s[2]) for s in spans], alpha=0.15,
                          color=drawn[0].get_color())
    axes.legend()
    axes.set_xlabel(bench.xlabel or bench.x_names[0])
    axes.set_ylabel(bench.ylabel)
    axes.set_xscale("log" if bench.x_log else "linear")
    axes.set_yscale("log" if bench.y_log else "linear")
    if path:
      figure.savefig(os.path.join(path, bench.plot_name + ".png"))
    if show:
      plt.show()
    plt.close(figure)

  def _run(self, bench, save_path, show_plots, print_data, diff_col=False, save_precision=6, **kwargs):
    columns, rows, low, high, ranges = self._measure(bench, kwargs)
    if bench.plot_name and (show_plots or save_path):
      self._plot(bench, rows, ranges, show_plots, save_path, diff_col)
    if diff_col and len(bench.line_names) == 2:
      columns = columns + ["Diff"]
      rows = [row + [row[-1] - row[-2]] for row in rows]
    try:
      import pandas
      table = pandas.DataFrame(rows, columns=columns)
    except ImportError:
      table = _Table(columns, rows)
    if print_data:
      print(bench.plot_name + ":")
      print(table if isinstance(table, _Table) else table.to_string())
    if save_path:
      path = os.path.join(save_path, bench.plot_name + ".csv")
      if isinstance(table, _Table):
        table.to_csv(path, float_format="%%.%df" % save_precision)
      else:
        table.to_csv(path, float_format="%%.%df" % save_precision, index=False)
    return table

  def run(self, show_plots=False, print_data=False, save_path="", return_df=False, **kwargs):
    """Measures every benchmark; prints tables, writes PLOT_NAME.csv and .png and a results.html under save_path.

    With return_df the tables are returned (pandas data frames where pandas is installed): one, or a list of them.
    TESSERA_BENCH_POINTS=N measures N points of each only, and says so.
    """
    single = isinstance(self.benchmarks, Benchmark)
    benchmarks = [self.benchmarks] if single else list(self.benchmarks)
    tables = []
    if save_path:
      os.makedirs(save_path, exist_ok=True)
    for bench in benchmarks:
      tables.append(self._run(bench, save_path, show_plots, print_data, **kwargs))
    if save_path:
      with open(os.path.join(save_path, "results.html"), "w", encoding="utf-8") as page:
        images = "".join('<img src="%s.png"/>\n' % bench.plot_name for bench in benchmarks)
        page.write("<html><body>\n%s</body></html>\n" % images)
    if return_df:
      return tables[0] if single else tables
    return None


def perf_report(benchmarks):
  """Makes a function that measures one point into a report over `benchmarks` (one Benchmark or a list)."""
  return lambda fn: Mark(fn, benchmarks)


# ---- devices ----------------------------------------------------------------------------------------------------------


def _properties(device):
  from .runtime import driver
  if device is None:
    device = driver.active.get_current_device()
  return driver.active.utils.get_device_properties(device)


def get_dram_gbps(device=None):
  """Peak bandwidth of the device's memory in GB/s, from its clock (kHz, two transfers each) and bus width (bits)."""
  properties = _properties(device)
  return properties["mem_clock_rate"] * properties["mem_bus_width"] * 2 / 1e6 / 8


def _capability():
  torch = sys.modules.get("torch")
  if torch is None or not torch.cuda.is_available():
    raise RuntimeError("needs a CUDA device seen by PyTorch")
  return torch.cuda.get_device_capability()


def _dtype_name(dtype):
  from .runtime._types import canonicalize_dtype
  return canonicalize_dtype(dtype)


def get_max_tensorcore_tflops(dtype, clock_rate, device=None):
  """Peak TFLOP/s of the tensor cores for operands of `dtype`; clock_rate in kHz. Four tensor cores per multiprocessor."""
  name, major = _dtype_name(dtype), _capability()[0]
  per_core = {7: 256, 8: 512}.get(major, 1024)  # f16 operations per clock of one tensor core
  factor = {"fp32": 0.5, "fp16": 1, "bf16": 1, "i8": 2, "fp8e4nv": 2, "fp8e5": 2, "fp8e4b15": 2}.get(name)
  if factor is None or (major == 7 and name not in ("fp16",)):
    raise RuntimeError("tensor cores of capability %d do not take %s" % (major, name))
  return _properties(device)["multiprocessor_count"] * 4 * clock_rate * per_core * factor * 1e-9


def get_max_simd_tflops(dtype, clock_rate, device=None):
  """Peak TFLOP/s of the ordinary arithmetic units for `dtype`; clock_rate in kHz."""
  name, major = _dtype_name(dtype), _capability()
  per_clock = {"fp32": 64 if major[0] < 8 or major == (8, 0) else 128, "fp16": 256 if major[0] >= 8 else 128,
               "bf16": 128 if major == (8, 0) else 256}.get(name)
  if per_clock is None:
    raise RuntimeError("not implemented: peak of %s" % name)
  return _properties(device)["multiprocessor_count"] * per_clock * 2 * clock_rate * 1e-9


def cuda_memcheck(**target_kwargs):
  """Decorator of tests that a run under NVIDIA's checker repeats; without that checker it does nothing."""

  def decorate(test):
    return test

  return decorate
