#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What starting costs from Python, each run a fresh process; one line of JSON per figure, in milliseconds.

    python_start.py [--runs N]

import: `import tessera, tessera.language` after numpy. first result: from the start of the process to the result of the
softmax kernel on numpy arrays, and of that the part inside the first launch (front end, compile, load, run), with an
empty cache and with a full one.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

CHILD = '''
import time
start = time.perf_counter()
import numpy as np
numpy_there = time.perf_counter()
import tessera, tessera.language as tl
tl.load
tessera_there = time.perf_counter()

@tessera.jit
def softmax(out, x, stride, columns, BLOCK: tl.constexpr):
  row = tl.program_id(0)
  i = tl.arange(0, BLOCK)
  v = tl.load(x + row * stride + i, mask=i < columns, other=-float("inf"))
  v = tl.exp(v - tl.max(v, axis=0))
  tl.store(out + row * stride + i, v / tl.sum(v, axis=0), mask=i < columns)

x = np.random.default_rng(1).standard_normal((64, 781), np.float32)
out = np.empty_like(x)
before = time.perf_counter()
softmax[(64,)](out, x, x.shape[1], x.shape[1], BLOCK=1024)
after = time.perf_counter()
expected = np.exp(x - x.max(1, keepdims=True))
expected /= expected.sum(1, keepdims=True)
assert abs(out - expected).max() < 1e-6
print(1e3 * (tessera_there - numpy_there), 1e3 * (after - before), 1e3 * (numpy_there - start), time.time(),
      1e3 * time.process_time())
'''


def quartiles(values):
  ordered = sorted(values)
  return [round(ordered[int(q * (len(ordered) - 1) + 0.5)], 1) for q in (0.25, 0.5, 0.75)]


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--runs", type=int, default=9)
  options = parser.parse_args()
  import time
  folder = tempfile.mkdtemp()
  try:
    script = os.path.join(folder, "child.py")
    with open(script, "w") as file:
      file.write(CHILD)
    environment = {**os.environ, "TESSERA_CACHE_DIR": os.path.join(folder, "cache")}

    def run(fresh):
      if fresh:
        shutil.rmtree(environment["TESSERA_CACHE_DIR"], ignore_errors=True)
      start = time.time()
      found = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)
      imported, launched, numpy, end, cpu = map(float, found.stdout.split())
      return imported, launched, numpy, 1e3 * (end - start), cpu

    run(True)
    for state, fresh in (("cold", True), ("warm", False)):
      rows = [run(fresh) for _ in range(options.runs)]
      for name, place in (("import tessera and its language, after numpy", 0), ("first launch", 1), ("import numpy", 2),
                          ("process start to first result", 3), ("processor time of the process", 4)):
        low, median, high = quartiles([row[place] for row in rows])
        print(json.dumps({"what": name, "cache": state, "ms": median, "quartiles": [low, high]}))
  finally:
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
  main()
