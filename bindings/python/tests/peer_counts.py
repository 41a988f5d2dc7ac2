#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Triton's own unit tests through the drop-in on the CPU, counted.

    TESSERA_PEER=FOLDER python bindings/python/tests/peer_counts.py [--every 10] [--json OUT] [FILE…]

FOLDER is the `python` folder of a checkout of Triton (it has test/unit/language, conftest.py and
triton/_internal_testing.py). It needs PyTorch and pytest. Failures are sorted:

    refused     something is not implemented, and the message names it
    ir text     the test looks into stages or texts that belong to another compiler (ttgir, ptx, mlir dumps)
    rule        the test asserts a rule that Triton 3.9 changed, or one where this package is documented to differ
    internals   the test uses private parts of Triton
    device      the test needs a GPU, or names its device
    wrong       anything else: a result that differs, an error that should not be there
    crash, timeout

References that PyTorch computes as a product of 16-bit matrices on the CPU are computed in f64 instead: its own are less
exact there than the tests' tolerances. Each test that ends is written at once, so a process that dies costs one test only.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
FILES = ["test_core", "test_standard", "test_random", "test_tuple", "test_frontend", "test_compile_errors"]
KINDS = ["passed", "skipped", "refused", "ir text", "rule", "internals", "device", "wrong", "crash", "timeout"]

# Failures that are known and explained: (file, function, part of the parameters, part of the error, kind, why).
KNOWN = [
    ("test_core", "test_reduce", "-None-True", "too many indices", "rule",
     "3.9 refuses more full slices than dimensions: z_ptr[None, :] of a scalar"),
    ("test_core", "test_pointer_arguments", "", "", "device", "wants GPU memory to be told from the host's"),
    ("test_core", "test_unroll_attr", "", "", "ir text", "looks for loop metadata in LLVM IR"),
    ("test_frontend", "test_atomic_poll_rejects_tensor_pointer", "", "DID NOT RAISE", "rule", "3.9 takes tensors of pointers"),
    ("test_subprocess", "test_print", "device_print_scalar", "", "device", "a GPU prints a scalar once for each thread"),
    ("test_subprocess", "test_print", "no_arg", "", "device", "a GPU prints once for each thread"),
    ("test_subprocess", "test_print", "2d_tensor", "", "device", "expects the widths of a tile of 4 warps"),
    ("test_subprocess", "test_print", "device_print_hex-float", "", "refused", "not implemented: prints of floats in hexadecimal"),
    ("test_subprocess", "test_print", "device_print_hex_fp32", "", "refused", "not implemented: prints of floats in hexadecimal"),
    ("test_compile_errors", "test_fp8_support", "", "DID NOT RAISE", "rule", "the CPU target takes every 8-bit format"),
    ("test_compile_errors", "test_err_in_builtin", "", "", "internals", "wants a file named core.py in the traceback"),
    ("test_cache", "test_jit_noinline", "", "", "ir text", "the CPU target inlines all functions: the ttir is the same"),
    ("test_subproc", "test_replenishing", "", "", "device", "the helper asks for torch on CUDA"),
    ("test_tensor_descriptor", "test_tensor_descriptor_reduce", "", "DID NOT RAISE", "rule",
     "the CPU target takes every kind on every type"),
]

PLUGIN = '''
import json, os, time
import pytest
OUT = open(os.environ["TESSERA_COUNTS_OUT"], "a", buffering=1)
DONE = set(json.load(open(os.environ["TESSERA_COUNTS_DONE"])))
EVERY = int(os.environ["TESSERA_COUNTS_EVERY"])

# PyTorch's product of 16-bit matrices on the CPU loses more than the tests' tolerance; as a reference it is done in f64.
import torch
_matmul = torch.matmul
def _exact_matmul(a, b, **kwargs):
  if a.dtype in (torch.float16, torch.bfloat16) and a.dtype == b.dtype and a.device.type == "cpu" and not kwargs:
    return _matmul(a.double(), b.double()).to(a.dtype)
  return _matmul(a, b, **kwargs)
torch.matmul = _exact_matmul

SHARD, SHARDS = (int(x) for x in os.environ["TESSERA_COUNTS_SHARD"].split("/"))

def pytest_collection_modifyitems(config, items):
  chosen = items[::EVERY][SHARD::SHARDS]
  OUT.write(json.dumps({"collected": len(items), "chosen": len(chosen)}) + "\\n")
  items[:] = [i for i in chosen if i.nodeid not in DONE]

def pytest_runtest_logstart(nodeid, location):
  OUT.write(json.dumps({"start": nodeid, "at": time.time()}) + "\\n")

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
  outcome = yield
  if call.excinfo is None or call.excinfo.typename == "Skipped":
    return
  chain, e = [], call.excinfo.value
  while e is not None and len(chain) < 6:
    chain.append(type(e).__name__ + ": " + str(e)[:1500])
    e = e.__cause__ or e.__context__
  lines = []
  for entry in call.excinfo.traceback:
    try:
      lines.append([str(entry.path), entry.lineno + 1, str(entry.statement)[:300]])
    except Exception:
      pass
  outcome.get_result()._tessera_error = {"chain": chain, "trace": lines[-14:]}

def pytest_runtest_logreport(report):
  if report.when == "call" or report.outcome != "passed":
    OUT.write(json.dumps({"end": report.nodeid, "outcome": report.outcome, "when": report.when,
                          "seconds": report.duration, "why": str(report.longrepr)[-300:] if report.skipped else "",
                          "error": getattr(report, "_tessera_error", None)}) + "\\n")
'''


def classify(record, file):
  """The kind of a failed test, and a short reason."""
  error = record.get("error") or {}
  chain = error.get("chain") or [record.get("why") or "?"]
  trace = error.get("trace") or []
  text = "\n".join(chain)
  name = record["end"].split("::", 1)[-1]
  reason = chain[0].splitlines()[0][:160] if chain[0].splitlines() else chain[0]
  for known_file, function, part, message, kind, why in KNOWN:
    if known_file == file and name.split("[")[0].startswith(function) and part in name and message in text:
      return kind, why
  found = re.search(r"not implemented: [^\n]{1,120}", text)
  if found:
    return "refused", found.group(0)
  if "NotImplementedError" in text:
    return "refused", reason
  in_tests = [line for path, _, line in trace if "/test/unit/" in path]
  last = in_tests[-1] if in_tests else ""
  if re.search(r"\basm\b|\bptx\b|ttgir|llir|\bamdgcn|sass|str_nodebug", last) or "MatchError" in text:
    return "ir text", reason
  if re.search(r"KeyError: '(ttgir|ptx|llir|sass|amdgcn)", text):
    return "ir text", reason
  if re.search(r"_C\.libtriton|has no attribute '_[a-z]|create_function_from_signature|ImportError|ModuleNotFound", text):
    return "internals", reason
  if re.search(r"Torch not compiled with CUDA|No CUDA GPUs|torch\.cuda|device_capability|is_cuda", text + last):
    return "device", reason
  return "wrong", reason


def run_file(python, peer, name, args, folder):
  out, done_file = os.path.join(folder, name + ".jsonl"), os.path.join(folder, name + ".done")
  open(out, "w").close()
  folders = [os.path.join("test", "unit", kind) for kind in ("language", "runtime")]
  place = next((f for f in folders if os.path.exists(os.path.join(peer, f, name + ".py"))), folders[0])
  path = os.path.join(place, name + ".py")
  env = dict(os.environ, TESSERA_TRITON_PATH=os.path.join(peer, "triton"), TESSERA_COUNTS_OUT=out, PYTHONDONTWRITEBYTECODE="1",
             TESSERA_COUNTS_DONE=done_file, TESSERA_COUNTS_EVERY=str(args.every), TESSERA_COUNTS_SHARD=args.shard)
  env["PYTHONPATH"] = os.pathsep.join([folder] + [p for p in env.get("PYTHONPATH", "").split(os.pathsep) if p])
  ended, lost, started_at = {}, {}, time.time()
  while True:
    with open(done_file, "w", encoding="utf-8") as done:
      json.dump(sorted(set(ended) | set(lost)), done)
    command = [python, "-m", "tessera.triton", "-m", "pytest", "-q", path, "--device", "cpu", "-p",
               "tessera_counts_plugin", "-p", "no:cacheprovider", "--tb=no", "-W", "ignore"]
    if args.keyword:
      command += ["-k", args.keyword]
    log = open(os.path.join(folder, name + ".log"), "a", encoding="utf-8")
    process = subprocess.Popen(command, cwd=peer, env=env, stdout=log, stderr=subprocess.STDOUT)
    running, why, seen = None, None, len(read(out))
    while True:
      code = process.poll()
      records = read(out)
      running, at = None, 0
      for r in records[seen:]:
        if "start" in r:
          running, at = r["start"], r["at"]
        elif "end" in r:
          ended[r["end"]] = r if r["outcome"] != "passed" or r["end"] not in ended else ended[r["end"]]
          if r["when"] == "call" or r["outcome"] != "passed":
            running = None if running == r["end"] else running
      if code is not None:
        break
      if running and time.time() - at > args.timeout:
        why = "timeout"
        process.kill()
        process.wait()
        break
      if time.time() - started_at > args.limit:
        why = "limit"
        process.kill()
        process.wait()
        break
      time.sleep(0.5)
    if why == "limit":
      break
    if running and running not in ended:
      lost[running] = why or "crash"
      continue
    if why is None:
      if not ended and not records:
        print("%s: nothing was collected; see %s" % (name, log.name), file=sys.stderr)
        with open(log.name, encoding="utf-8") as text:
          print(text.read()[-1500:], file=sys.stderr)
      break
  collected = max([r["collected"] for r in read(out) if "collected" in r], default=0)
  return ended, lost, collected, why == "limit"


def read(path):
  records = []
  with open(path, encoding="utf-8") as lines:
    for line in lines:
      try:
        records.append(json.loads(line))
      except ValueError:
        pass
  return records


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("files", nargs="*", default=FILES, help="names without .py; default: %s" % " ".join(FILES))
  parser.add_argument("--python", default=sys.executable)
  parser.add_argument("--every", type=int, default=1, help="take every n-th test only")
  parser.add_argument("--shard", default="0/1", help="part/parts of what is taken")
  parser.add_argument("-k", dest="keyword", default="", help="pytest's -k")
  parser.add_argument("--timeout", type=float, default=120, help="seconds for one test")
  parser.add_argument("--limit", type=float, default=3600, help="seconds for one file")
  parser.add_argument("--json", help="write all results there")
  parser.add_argument("--reasons", type=int, default=12, help="how many reasons of each kind to print")
  args = parser.parse_args()
  peer = os.environ.get("TESSERA_PEER")
  if not peer or not os.path.isdir(os.path.join(peer, "test", "unit", "language")):
    print("skipped: no peer files (TESSERA_PEER names the python folder of a checkout of Triton)")
    return 77
  results, table = {}, []
  with tempfile.TemporaryDirectory() as folder:
    with open(os.path.join(folder, "tessera_counts_plugin.py"), "w", encoding="utf-8") as out:
      out.write(PLUGIN)
    for name in args.files:
      begin = time.time()
      ended, lost, collected, cut = run_file(args.python, os.path.abspath(peer), name, args, folder)
      rows = []
      for node, record in ended.items():
        kind, why = record["outcome"], record.get("why", "")
        if kind == "failed":
          kind, why = classify(record, name)
        rows.append({"test": node.split("::", 1)[-1], "kind": kind, "why": why, "seconds": record["seconds"],
                     "error": record.get("error")})
      rows += [{"test": node.split("::", 1)[-1], "kind": why, "why": why, "seconds": 0} for node, why in lost.items()]
      results[name] = {"collected": collected, "cut": cut, "seconds": time.time() - begin, "tests": rows}
      table.append((name, collected, rows, cut, time.time() - begin))
      print_file(table[-1], args.reasons)
      if args.json:
        with open(args.json, "w", encoding="utf-8") as out:
          json.dump(results, out, indent=1)
  print_table(table)
  bad = sum(row["kind"] in ("wrong", "crash", "timeout") for _, _, rows, _, _ in table for row in rows)
  return 1 if bad else 0


def print_file(entry, reasons):
  name, _, rows, _, _ = entry
  for kind in KINDS[2:]:
    counts = {}
    for row in rows:
      if row["kind"] == kind:
        key = (row["test"].split("[")[0], re.sub(r"0x[0-9a-f]+|\d{5,}", "N", row["why"])[:130])
        counts[key] = counts.get(key, 0) + 1
    for (test, why), count in sorted(counts.items(), key=lambda item: -item[1])[:reasons]:
      print("%-9s %5d  %s::%s: %s" % (kind, count, name, test, why.splitlines()[0] if why else ""))


def print_table(table):
  print("\n%-22s %9s %s" % ("file", "collected", " ".join("%9s" % k for k in KINDS)))
  total = [0] * (len(KINDS) + 1)
  for name, collected, rows, cut, seconds in table:
    counts = [sum(row["kind"] == kind for row in rows) for kind in KINDS]
    total = [a + b for a, b in zip(total, [collected] + counts)]
    print("%-22s %9d %s  %.0f s%s" % (name, collected, " ".join("%9d" % c for c in counts), seconds, " (cut)" if cut else ""))
  print("%-22s %9d %s" % ("all", total[0], " ".join("%9d" % c for c in total[1:])))


if __name__ == "__main__":
  sys.exit(main())
