# SPDX-License-Identifier: MIT
"""Measures Tessera's kernels beside Triton's compilation of the same kernels and beside PyTorch, in one process, on one
stream, on the same data. Started by part `bench`; needs torch and triton.

    python3 -m kit.peers --tessera PATH --out FILE [--only TEXT] [--keep FOLDER] [--seconds N]
"""
import argparse
import ctypes
import json
import os
import pathlib
import statistics
import sys
import time
import traceback

import torch
import triton
from triton.testing import do_bench

from kit import bench_cases, native, triton_kernels

DTYPES = {"f32": torch.float32, "f16": torch.float16, "i32": torch.int32}
OPTIONS = "num_warps={},num_stages={}"


def make_tensors(case):
    made = {}
    for name, (element, shape, how) in case.tensors.items():
        kind = DTYPES[element]
        if how == "rand":
            made[name] = torch.randn(shape, device="cuda", dtype=torch.float32).to(kind)
        else:
            made[name] = torch.ones(shape, device="cuda", dtype=kind) if how == "one" else torch.zeros(shape, device="cuda", dtype=kind)
    return made


class Ours:
    """Tessera's kernels of one case, from the TTIR that Triton made."""

    def __init__(self, lib, target):
        self.lib, self.target, self.seconds = lib, target, 0.0

    def step(self, ir, name, step, variant, tensors):
        begin = time.perf_counter()
        bind = self.lib.kernel(ir, name, self.target, OPTIONS.format(variant[2], variant[3]))
        self.seconds += time.perf_counter() - begin
        values = []
        for a in step.args:
            if isinstance(a, str):
                values.append(ctypes.c_void_p(tensors[a].data_ptr()))
            elif isinstance(a, float):
                values.append(ctypes.c_float(a))
            elif a != 1:  # Triton leaves integers of value 1 out of the signature
                values.append(ctypes.c_int32(a))
        return bind((variant[0], 1, 1), values), bind.usage


def bench(fn, rep):
    return do_bench(fn, warmup=10, rep=rep, return_mode="median")


def torch_peer(case, t):
    if case.peer == "add":
        return lambda: torch.add(t["x"], t["y"], out=t["o"])
    if case.peer == "softmax":
        return lambda: torch.softmax(t["x"], -1)
    if case.peer == "ln_fwd":
        return lambda: torch.nn.functional.layer_norm(t["x"], (t["x"].shape[1],), t["w"], t["b"], 1e-5)
    if case.peer == "ln_bwd":
        x, w = t["x"].detach().requires_grad_(), t["w"].detach().requires_grad_()
        b = torch.zeros_like(t["w"]).requires_grad_()
        y = torch.nn.functional.layer_norm(x, (x.shape[1],), w, b, 1e-5)
        return lambda: torch.autograd.grad(y, (x, w, b), t["dy"], retain_graph=True)
    return lambda: torch.matmul(t["a"], t["b"], out=t["c"])


def outputs(case, t):
    return {n: t[n].clone() for n, (_, _, how) in case.tensors.items() if how == "out"}


def reset(case, t):
    for n, (_, _, how) in case.tensors.items():
        if how in ("out", "zero"):
            t[n].zero_()


def difference(a, b):
    """Largest relative error in the norm, over the outputs."""
    worst = 0.0
    for n in a:
        x, y = a[n].double(), b[n].double()
        d = ((x - y).norm() / y.norm().clamp_min(1e-30)).item()
        worst = max(worst, d if d == d else float("inf"))
    return worst


def measure(case, ours, keep):
    """One row: everything is run once and compared, then the variants, then the best of each side in turns."""
    t = make_tensors(case)
    row = {"name": case.name, "goal": case.goal, "amount": case.amount, "unit": case.unit, "variants": []}
    mine, theirs = [], []  # (time, label, function)
    count = max(len(s.variants) for s in case.steps)
    for i in range(count):
        variant_of = [s.variants[min(i, len(s.variants) - 1)] for s in case.steps]
        label = f"{variant_of[0][1]} grid {variant_of[0][0]} warps {variant_of[0][2]} stages {variant_of[0][3]}"
        v = {"variant": label}
        row["variants"].append(v)
        try:
            calls, texts = [], []
            for s, (grid, consts, warps, stages) in zip(case.steps, variant_of):
                fn = getattr(triton_kernels, s.kernel)
                values = [t[a] if isinstance(a, str) else a for a in s.args]
                compiled = fn[(grid,)](*values, **consts, num_warps=warps, num_stages=stages)
                texts.append(compiled.asm["ttir"])
                if keep:
                    stem = f"{case.name}_{s.kernel}_{i}".replace(" ", "_").replace("^", "")
                    (keep / f"{stem}.ttir").write_text(texts[-1])
                    (keep / f"{stem}.triton.ptx").write_text(compiled.asm["ptx"])
                calls.append(lambda fn=fn, grid=grid, values=values, consts=consts, warps=warps, stages=stages:
                             fn[(grid,)](*values, **consts, num_warps=warps, num_stages=stages))
            run_theirs = calls[0] if len(calls) == 1 else (lambda calls=calls: [c() for c in calls])
            torch.cuda.synchronize()
        except Exception as e:  # out of shared memory and the like: the other side may do it
            v["triton_error"] = repr(e)[:300]
            continue
        mine_calls, usage = [], []
        try:
            for s, text, var in zip(case.steps, texts, variant_of):
                call, used = ours.step(text, s.kernel, s, var, t)
                mine_calls.append(call)
                usage.append(used)
            run_ours = mine_calls[0] if len(mine_calls) == 1 else (lambda calls=mine_calls: [c() for c in calls])
            v["usage"] = usage
            reset(case, t)
            run_theirs()
            torch.cuda.synchronize()
            want = outputs(case, t)
            reset(case, t)
            run_ours()
            torch.cuda.synchronize()
            v["difference"] = difference(outputs(case, t), want)
        except Exception as e:
            v["error"] = repr(e)[:400]
            run_ours = None
        v["triton_ms"] = bench(run_theirs, 30)
        theirs.append((v["triton_ms"], label, run_theirs))
        if run_ours:
            v["ours_ms"] = bench(run_ours, 30)
            mine.append((v["ours_ms"], label, run_ours))
    if not theirs:
        row["error"] = row["variants"][0].get("triton_error", "nothing ran")
        return row
    best_theirs = min(theirs, key=lambda x: x[0])
    best_ours = min(mine, key=lambda x: x[0]) if mine else None
    peer = torch_peer(case, t)
    rounds = {"triton": [], "ours": [], "torch": []}
    for _ in range(3):
        rounds["triton"].append(bench(best_theirs[2], 80))
        if best_ours:
            rounds["ours"].append(bench(best_ours[2], 80))
        rounds["torch"].append(bench(peer, 80))
    for k, v in rounds.items():
        if v:
            row[k + "_ms"] = statistics.median(v)
            row[k + "_spread"] = max(v) / min(v)
    row["triton_best"] = best_theirs[1]
    if best_ours:
        row["ours_best"] = best_ours[1]
        row["ratio"] = row["ours_ms"] / row["triton_ms"]
        worst = max(v.get("difference", 0) for v in row["variants"])
        row["difference"] = worst
        same = [v for v in row["variants"] if v["variant"] == best_theirs[1] and "ours_ms" in v]
        row["ratio_same_variant"] = same[0]["ours_ms"] / same[0]["triton_ms"] if same else None
    else:
        row["error"] = row["variants"][0].get("error", "none of ours ran")
    return row


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--tessera", required=True)
    p.add_argument("--out", required=True, type=pathlib.Path)
    p.add_argument("--only", default="")
    p.add_argument("--keep", type=pathlib.Path)
    p.add_argument("--target", default="")
    p.add_argument("--seconds", type=float, default=400)
    a = p.parse_args()
    if a.keep:
        a.keep.mkdir(parents=True, exist_ok=True)
    begin = time.time()
    major, minor = torch.cuda.get_device_capability()
    target = a.target or f"cuda:{major}{minor}{'a' if major >= 9 else ''}"
    whole = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, "triton": triton.__version__, "target": target, "rows": []}
    stream = torch.cuda.Stream()  # the null stream would order itself against everything
    torch.manual_seed(0)
    with torch.cuda.stream(stream):
        ours = Ours(native.Native(a.tessera, "cuda:0", stream.cuda_stream), target)
        for case in bench_cases.all_cases():
            if a.only not in case.name:
                continue
            if time.time() - begin > a.seconds:
                whole["rows"].append({"name": case.name, "not_run": "time is up"})
                continue
            try:
                row = measure(case, ours, a.keep)
            except Exception as e:
                traceback.print_exc()
                row = {"name": case.name, "error": repr(e)[:400]}
            whole["rows"].append(row)
            print(json.dumps({k: v for k, v in row.items() if k != "variants"}), flush=True)
            a.out.write_text(json.dumps(whole, indent=1))  # what there is, if a later case ends the process
            torch.cuda.empty_cache()
    whole["seconds"] = time.time() - begin
    a.out.write_text(json.dumps(whole, indent=1))
    sys.stdout.flush()
    os._exit(0)  # two users of one context: leave the order of their ends to the driver


if __name__ == "__main__":
    main()
