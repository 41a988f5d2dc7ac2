#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a launch from Python costs, from `kernel[grid](…)` to the driver's call returned: the null device, where nothing
runs. One line of JSON per case, in microseconds: least and median of --rounds rounds of --calls calls.

    python_launch.py [--calls N] [--rounds N] [--array numpy|torch|both]

Cases: a tuple as grid, one compile-time argument, 7 run-time arguments of which 3 are arrays; then what one more scalar
and one more array cost; a function as grid; an autotuned kernel. TESSERA_LAUNCH=abi3 takes the stable ABI's extension,
TESSERA_LAUNCH=0 the path through ctypes.
"""
import argparse
import json
import os
import time

os.environ.setdefault("TESSERA_DEVICE", "null")

import tessera
import tessera.language as tl


@tessera.jit
def seven(x, y, z, a, b, c, d, BLOCK: tl.constexpr):
  tl.store(x + a + b + c + d, tl.load(y) + tl.load(z))


@tessera.jit
def scalars(x, y, z, a, b, c, d, e, f, g, h, i, j, k, l, m, n, BLOCK: tl.constexpr):
  tl.store(x + a + b + c + d + e + f + g + h + i + j + k + l + m + n, tl.load(y) + tl.load(z))


@tessera.jit
def arrays(x, y, z, p, q, r, s, t, a, b, c, d, BLOCK: tl.constexpr):
  tl.store(x + a + b + c + d, tl.load(y) + tl.load(z) + tl.load(p) + tl.load(q) + tl.load(r) + tl.load(s) + tl.load(t))


@tessera.autotune(configs=[tessera.Config({"BLOCK": 64})], key=["a"])
@tessera.jit
def tuned(x, y, z, a, b, c, d, BLOCK: tl.constexpr):
  tl.store(x + a + b + c + d, tl.load(y) + tl.load(z))


def measure(calls, calls_per_round, rounds):
  """Least and median time of each of the calls, in turns."""
  times = [[] for _ in calls]
  for call in calls:
    call(100)
  for _ in range(rounds):
    for call, found in zip(calls, times):
      found.append(call(calls_per_round))
  return [(min(found), sorted(found)[len(found) // 2]) for found in times]


def loop(kernel, grid, args):
  def run(n):
    clock = time.perf_counter
    start = clock()
    for _ in range(n):
      kernel[grid](*args, BLOCK=64)
    return (clock() - start) / n * 1e6
  return run


def plain(kernel, grid, args):
  x, y, z, a, b, c, d = args

  def run(n):
    clock = time.perf_counter
    start = clock()
    for _ in range(n):
      kernel[grid](x, y, z, a, b, c, d, BLOCK=64)
    return (clock() - start) / n * 1e6
  return run


def tuned_loop(kernel, grid, args):
  def run(n):
    clock = time.perf_counter
    start = clock()
    for _ in range(n):
      kernel[grid](*args)
    return (clock() - start) / n * 1e6
  return run


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--calls", type=int, default=2000)
  parser.add_argument("--rounds", type=int, default=25)
  parser.add_argument("--array", choices=["numpy", "torch", "both"], default="both")
  options = parser.parse_args()
  kinds = {}
  if options.array != "torch":
    import numpy
    kinds["numpy"] = lambda: numpy.zeros(1024, numpy.float32)
  if options.array != "numpy":
    try:
      import torch
      kinds["torch"] = lambda: torch.zeros(1024)
    except ImportError:
      print(json.dumps({"skipped": "no torch"}))
  from tessera.runtime import _base
  build = "ctypes" if _base.native is None else "full" if _base.native.FULL_API else "stable"
  more = [7, 2, 3, 4, 5, 16, 32, 9, 11, 13]
  for kind, make in kinds.items():
    x = [make() for _ in range(8)]
    ints = [512, 513, 96, 7]
    cases = {
        "tuple grid": plain(seven, (1, 1, 1), x[:3] + ints),
        "function grid": plain(seven, lambda meta: (meta["BLOCK"] // 64,), x[:3] + ints),
        "starred": loop(seven, (1, 1, 1), x[:3] + ints),
        "10 more scalars": loop(scalars, (1, 1, 1), x[:3] + ints + more),
        "5 more arrays": loop(arrays, (1, 1, 1), x + ints),
        "autotuned": tuned_loop(tuned, (1, 1, 1), x[:3] + ints),
    }
    found = dict(zip(cases, measure(list(cases.values()), options.calls, options.rounds)))
    for name, (least, median) in found.items():
      print(json.dumps({"what": "launch, null device", "build": build, "arrays": kind, "case": name,
                        "us_min": round(least, 3), "us_median": round(median, 3)}))
    base = found["starred"]
    for name, count in (("10 more scalars", 10), ("5 more arrays", 5)):
      print(json.dumps({"what": "each further one", "build": build, "arrays": kind, "case": name,
                        "us_min": round((found[name][0] - base[0]) / count, 3),
                        "us_median": round((found[name][1] - base[1]) / count, 3)}))


if __name__ == "__main__":
  main()
