# SPDX-License-Identifier: MIT
"""python -m tessera.triton SCRIPT.py [ARGUMENT…] | -m MODULE [ARGUMENT…] | -c CODE [ARGUMENT…]"""

import os
import sys

USAGE = """usage: python -m tessera.triton SCRIPT.py [ARGUMENT]...
       python -m tessera.triton -m MODULE [ARGUMENT]...
       python -m tessera.triton -c CODE [ARGUMENT]...

Runs a Python program with tessera in the place of Triton. Python processes that it starts are treated the same.
Useful variables (python -m tessera.knobs lists all):
  TESSERA_BENCH_POINTS=N      measure at most N points of each benchmark
  TESSERA_AUTOTUNE_CONFIGS=N  try at most N configurations of each autotuned kernel
  TESSERA_TRITON_PATH=DIRS    folders with further modules of the package triton (helpers of Triton's tests)
"""


def main(argv):
  if not argv or argv[0] in ("-h", "--help"):
    print(USAGE, end="", file=sys.stdout if argv else sys.stderr)
    return 0 if argv else 2
  import runpy
  os.environ.setdefault("TESSERA_TRITON_CHILDREN", "1")
  from tessera.triton import install  # noqa: F401
  if argv[0] in ("-m", "-c"):
    if len(argv) < 2:
      print("tessera.triton: %s needs an operand" % argv[0], file=sys.stderr)
      return 2
    sys.argv = [argv[0]] + argv[2:]
    if os.getcwd() not in sys.path:
      sys.path.insert(0, os.getcwd())
    if argv[0] == "-c":
      exec(compile(argv[1], "<string>", "exec"), {"__name__": "__main__", "__builtins__": __builtins__})
    else:
      runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
    return 0
  if argv[0].startswith("-"):
    print("tessera.triton: unknown option %s\n%s" % (argv[0], USAGE), end="", file=sys.stderr)
    return 2
  if not os.path.exists(argv[0]):
    print("tessera.triton: %s: no such file" % argv[0], file=sys.stderr)
    return 2
  sys.argv = list(argv)
  sys.path[0] = os.path.dirname(os.path.abspath(argv[0])) if os.path.isfile(argv[0]) else argv[0]
  runpy.run_path(argv[0], run_name="__main__")
  return 0


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
